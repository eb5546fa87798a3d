"""samples/loop: a model is learned anew, promoted by its metric, used by what follows, and its action arrives."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
from conftest import BINARY, ROOT


@pytest.mark.slow
@pytest.mark.timeout(560)
def test_the_circle_of_learning_and_acting_closes(tmp_path: Path) -> None:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SURICATE_") or name in ("SURICATE_ENV", "SURICATE_SHARE")}
    done = subprocess.run(
        [ROOT / "samples" / "loop" / "run"], cwd=tmp_path, capture_output=True, text=True, timeout=540, stdin=subprocess.DEVNULL,
        env={**kept, "SURICATE": str(BINARY)})
    assert done.returncode == 0, done.stdout + done.stderr
    said = done.stdout
    assert "'version': 2, 'stage': 'live', 'why': 'its likelihood of -3.21 is higher than the -4.097 of version 1'" in said
    assert "'version': 3, 'stage': 'candidate'" in said
    versions = re.findall(r"^\d\d:\d\d  .* \(by loop/gains@(\d), notebook loop/surprises.ipynb@1\)$", said, re.M)
    assert versions == sorted(versions) and len(versions) == 12 and versions.count("1") == 5
    assert "begun again 0 times" in said and "named by 7 decisions" in said
    assert "made by notebook loop/learn.ipynb@1" in said and said.rstrip().endswith("cancelled")
