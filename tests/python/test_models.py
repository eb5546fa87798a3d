"""Models as objects. What skops does is tested where it is: in a kernel, end to end."""

from __future__ import annotations

import numpy as np
import pytest
import suricate as s
from conftest import PlayedServer


class Odd:
    """Neither plain nor an estimator."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd)


def test_plain_models_are_kept_as_json(played: PlayedServer) -> None:
    info = s.save_model("m", {"mean": np.float64(2.5), "names": ("a", "b")}, tags=["football"])
    assert info["type"] == "application/vnd.suricate.model+json" and info["tags"] == ["model", "football"]
    assert s.load_model("m") == {"mean": 2.5, "names": ["a", "b"]}


def test_pickle_is_refused_unless_asked_for(played: PlayedServer) -> None:
    with pytest.raises(TypeError, match="allow_pickle=True"):
        s.save_model("m", Odd())
    s.save_model("m", Odd(), allow_pickle=True)
    with pytest.raises(s.Denied, match="allow_pickle=True"):
        s.load_model("m")
    assert s.load_model("m", allow_pickle=True) == Odd()


def test_a_pickle_under_another_name_is_not_loaded(played: PlayedServer) -> None:
    played.put("m", b"\x80\x04N.", "application/octet-stream")
    with pytest.raises(s.Invalid, match="not a model"):
        s.load_model("m", allow_pickle=True)
