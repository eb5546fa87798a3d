"""What a notebook says, and the plain values it is said in."""

from __future__ import annotations

import datetime
import math

import numpy as np
import pandas as pd
import pytest
import suricate as s


def test_plain_values() -> None:
    value = {
        "int": np.int64(3), "float": np.float32(0.5), "nan": math.nan, "inf": np.inf, "bool": np.bool_(True),
        "array": np.arange(3), "series": pd.Series([1.0, np.nan]), "frame": pd.DataFrame({"a": [1]}),
        "time": pd.Timestamp("2013-09-05T20:30Z"), "day": datetime.date(2013, 9, 5), "missing": pd.NA, "nat": pd.NaT,
        "set": {2, 1}, "tuple": (1,), 7: np.str_("x"),
    }  # fmt: skip
    assert s.plain(value) == {
        "int": 3, "float": 0.5, "nan": None, "inf": None, "bool": True, "array": [0, 1, 2], "series": [1.0, None],
        "frame": [{"a": 1}], "time": "2013-09-05T20:30:00+00:00", "day": "2013-09-05", "missing": None, "nat": None,
        "set": [1, 2], "tuple": [1], "7": "x",
    }  # fmt: skip


def test_outside_a_kernel_results_and_progress_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    s.result({"a": np.int64(1)})
    s.progress(0.256, "reading")
    s.progress(7)
    assert capsys.readouterr().out == "{'a': 1}\n26% reading\n100%\n"
