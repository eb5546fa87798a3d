"""What the default detector must find in real recordings, through the API. Skipped where the recordings are not there.

skab-valve1: a pump with eight sensors; the first 400 rows of each file are learned, the rest is judged.
vmstart: system calls of a small host; learned until 79.2 s, then its web server is frozen, and a virtual machine starts.
"""

from __future__ import annotations

import csv
import gzip
import io
import tarfile
from collections import Counter
from typing import Any

import pytest
from conftest import ROOT, Server

DATA = ROOT.parent / "shared" / "data"
ENTER, LEAVE = 0.999, 0.99  # the levels "warning" of a watch that says nothing else

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no recordings in {DATA}")


def alarms(server: Server, values: list[Any], learn: int, step_us: int, kind: str = "combination") -> list[bool]:
    """Whether an episode is open at each row."""
    body = {"values": values, "learn": learn, "times": [1_700_000_000_000_000 + step_us * row for row in range(len(values))]}
    answer = server.requests.post(f"/v1/detectors/{kind}/score", json=body)
    assert answer.status_code == 200, answer.text
    is_open, found = False, []
    for score in answer.json()["scores"]:
        is_open = score >= (LEAVE if is_open else ENTER)
        found.append(is_open)
    return found


def test_faults_of_a_pump_are_found_row_by_row(shared_server: Server) -> None:
    found, false, missed = 0, 0, 0
    with tarfile.open(DATA / "skab-valve1.tar.gz") as files:
        for number in range(16):
            text = io.TextIOWrapper(files.extractfile(f"valve1/{number}.csv"), "utf-8")  # type: ignore[arg-type]
            rows = list(csv.reader(text, delimiter=";"))[1:]
            is_fault = [float(row[9]) > 0 for row in rows]
            is_alarm = alarms(shared_server, [[float(value) for value in row[1:9]] for row in rows], 400, 1_000_000)
            for fault, alarm in list(zip(is_fault, is_alarm))[400:]:
                found += fault and alarm
                false += alarm and not fault
                missed += fault and not alarm
    assert found + missed == 6309
    assert 2 * found / (2 * found + false + missed) >= 0.74  # the watch itself, which goes on learning, reaches 0.75: bench/detect-quality


def counts(comm: str | None, step_ms: int) -> list[int | None]:
    """Calls per window of one command (None: of all) from 2.5 s on; None where there were none."""
    sums: Counter[int] = Counter()
    with gzip.open(DATA / "vmstart-syscalls.csv.gz", "rt") as file:
        for row in csv.DictReader(file):
            if comm in (None, row["comm"]):
                sums[int(row["t_ms"]) // step_ms] += int(row["count"])
    return [sums[window] or None for window in range(2500 // step_ms, 142_000 // step_ms)]


def opened(server: Server, comm: str | None, kind: str = "combination") -> list[float]:
    """When alarms open, in seconds, in windows of half a second; learned until 79.2 s."""
    step_ms = 500
    is_alarm = alarms(server, counts(comm, step_ms), (79_206 - 2500) // step_ms, step_ms * 1000, kind)
    ends = [2.5 + (row + 1) * step_ms / 1000 for row in range(len(is_alarm))]
    return [end for end, now, before in zip(ends, is_alarm, [False, *is_alarm]) if now and not before]


def test_a_frozen_web_server_is_found_and_a_third_virtual_machine_is_not(shared_server: Server) -> None:
    frozen = opened(shared_server, "python3")
    assert any(83.259 <= at <= 85.259 for at in frozen), frozen
    for comm in ("python3", "qemu-system-x86", "sqlite3"):
        assert not [at for at in opened(shared_server, comm) if 108.327 <= at <= 112], comm


def test_a_runaway_loop_of_a_new_command_is_found_in_all_calls_and_a_third_virtual_machine_is_not(shared_server: Server) -> None:
    found = [at for at in opened(shared_server, None, "threshold") if at > 79.206]
    assert any(97.548 <= at <= 99.548 for at in found), found
    assert not [at for at in found if 108.327 <= at <= 112], found
