"""samples/autoscale, shortened: it grows with the load, replaces the worker that goes bad, and ends all that it started."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

from conftest import BINARY, ROOT, wait_until


def test_the_service_grows_with_its_load_and_loses_a_bad_worker(tmp_path: Path) -> None:
    figure = tmp_path / "autoscale.svg"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SURICATE_") or name in ("SURICATE_ENV", "SURICATE_SHARE")}
    done = subprocess.run(
        [ROOT / "samples" / "autoscale" / "run", "--seconds", "30", "--out", figure], cwd=tmp_path, capture_output=True, text=True, timeout=540,
        stdin=subprocess.DEVNULL, env={**environment, "SURICATE": str(BINARY)})
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads(done.stdout.splitlines()[-1])
    assert numbers["with"]["changes_of_size"] >= 2 and numbers["without"]["changes_of_size"] == 0
    assert numbers["workers_replaced"] >= 1 and numbers["replaced_after_s"] is not None
    assert "opened critical" in done.stdout and "sum(arrived) is" in done.stdout
    picture = figure.read_text()
    assert picture.startswith("<svg ") and picture.rstrip().endswith("</svg>") and "and is replaced" in picture
    wait_until(lambda: not _left(str(ROOT / "samples" / "autoscale")), "the workers have ended")
    wait_until(lambda: not _left("/suricate-autoscale-"), "the server and its keepers have ended")


def _left(text: str) -> list[str]:
    return [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit() and _says(entry, text)]


def _says(process: Path, text: str) -> bool:
    try:
        return text in (process / "cmdline").read_text().replace("\0", " ")
    except OSError:
        return False
