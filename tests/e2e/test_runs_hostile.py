"""Notebooks that misbehave: each ends in the state that fits, with a reason, and the server goes on as before."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Server, wait_until


def memory_of(pid: int) -> int:
    """Resident bytes."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0


@pytest.fixture
def hostile(shared_server: Server):
    """Run cells under limits; afterwards the server must be healthy, lean, and without leftovers of the run."""

    def run(*cells: str, limits: dict[str, int] | None = None, **more: Any) -> dict[str, Any]:
        before = memory_of(shared_server.process.pid)
        name = f"hostile-{time.monotonic_ns()}"
        shared_server.put_notebook(name, *cells)
        started = shared_server.start_run(name, limits=limits or {}, **more)
        record = shared_server.wait_run(started["id"])
        assert shared_server.process.poll() is None
        assert shared_server.requests.get("/healthz").status_code == 200
        assert memory_of(shared_server.process.pid) - before < 256 << 20
        assert record["reason"], record
        wait_until(lambda: not leftovers(record["id"]), "nothing of the run is left")
        after = shared_server.run("print('well')")
        assert after["state"] == "succeeded", after
        return record

    return run


def leftovers(run_id: str) -> list[str]:
    """Processes that carry the run's kernel in their command line or environment."""
    mark = f"{run_id}-1".encode()
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            try:
                if mark in Path("/proc", entry, "cmdline").read_bytes():
                    found.append(entry)
            except OSError:
                pass
    return found


def test_a_memory_bomb_ends_out_of_memory(hostile) -> None:
    run = hostile("block = []\nwhile True:\n    block.append(bytearray(16 << 20))", limits={"memory_mb": 512})
    assert run["state"] == "out_of_memory", run


def test_pythons_own_memory_error_is_out_of_memory_too(hostile) -> None:
    run = hostile("raise MemoryError()")
    assert run["state"] == "out_of_memory", run


def test_a_fork_bomb_stays_within_its_run(hostile) -> None:
    run = hostile(
        "import os, time\nmade = 0\nend = time.monotonic() + 5\nwhile time.monotonic() < end:\n    try:\n        if os.fork() == 0:\n            while True:\n"
        "                try:\n                    os.fork()\n                except OSError:\n                    time.sleep(1)\n        made += 1\n"
        "    except OSError as error:\n        time.sleep(0.2)\nprint('made', made)\nraise RuntimeError('held')",
        limits={"processes": 64, "time_s": 60, "memory_mb": 1024})
    assert run["state"] in ("failed", "out_of_memory", "timed_out"), run


def test_endless_output_meets_the_output_limit(hostile) -> None:
    run = hostile("line = 'x' * 100_000\nwhile True:\n    print(line)", limits={"output_mb": 8})
    assert run["state"] == "failed" and "output" in run["reason"], run


def test_endless_small_prints_meet_the_output_limit(hostile) -> None:
    run = hostile("import sys\nwhile True:\n    sys.stdout.write('y'); sys.stdout.flush()", limits={"output_mb": 1, "time_s": 60})
    assert run["state"] in ("failed", "timed_out"), run


def test_an_exit_behind_pythons_back_fails_with_the_code(hostile) -> None:
    run = hostile("import os\nos._exit(3)", "print('never')")
    assert run["state"] == "failed" and "3" in run["reason"], run


def test_a_crash_fails_with_the_signal(hostile) -> None:
    run = hostile("import ctypes\nctypes.string_at(0)")
    assert run["state"] == "failed" and ("SIGSEGV" in run["reason"] or "11" in run["reason"]), run


def test_a_stopped_kernel_ends(hostile) -> None:
    run = hostile("import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)", limits={"time_s": 8})
    assert run["state"] in ("failed", "timed_out"), run


def test_a_cell_that_never_ends_times_out(hostile) -> None:
    run = hostile("while True:\n    pass", limits={"time_s": 2})
    assert run["state"] == "timed_out", run


def test_a_cell_that_ignores_interrupts_times_out_all_the_same(hostile) -> None:
    run = hostile("import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True:\n    pass",
                  limits={"time_s": 2})
    assert run["state"] == "timed_out", run


@pytest.fixture
def small_disk(tmp_path: Path):
    """A folder with 64 MiB of its own, gone after the servers on it; their logs lie elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="suricate-full-"))
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m,mode=0711", "tmpfs", folder], capture_output=True).returncode != 0:
        pytest.skip("no tmpfs can be mounted here")
    (folder / "server.log").symlink_to(tmp_path / "server.log")
    yield folder
    subprocess.run(["umount", "-l", folder], capture_output=True)


def fill(path: Path) -> None:
    """Write until nothing more fits."""
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(b"x" * (1 << 16)):
                pass
        except OSError:
            pass


def test_a_full_disk_keeps_a_run_open_and_loses_nothing(small_disk: Path, start_server) -> None:
    server = start_server(folder=small_disk)
    server.put_notebook("full", "print('before', flush=True)\nimport time; time.sleep(3)\nprint('after')")
    run = server.start_run("full")
    wait_until(lambda: server.requests.get(f"/v1/runs/{run['id']}").json()["state"] == "running", "it runs")
    filler = small_disk / "filler"
    fill(filler)
    wait_until(lambda: "run.end" in server.log_tail(), "the end could not be written")
    assert server.process.poll() is None
    assert server.requests.get(f"/v1/runs/{run['id']}").json()["state"] == "running"
    filler.unlink()
    record = server.wait_run(run["id"])
    assert record["state"] == "succeeded", record
    cells = server.requests.get(f"/v1/runs/{run['id']}/outputs").json()["cells"]
    assert cells[0]["outputs"][0]["text"] == "before\nafter\n"


def test_no_orphan_outlives_its_run(shared_server: Server) -> None:
    marks = [f"73{number}.{time.monotonic_ns()}" for number in range(3)]
    run = shared_server.run(
        f"!(sleep {marks[0]} > /dev/null 2>&1 &)",
        f"import subprocess\nsubprocess.Popen(['sleep', '{marks[1]}'], start_new_session=True)",
        f"import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        os.execvp('sleep', ['sleep', '{marks[2]}'])\n    os._exit(0)\ntime.sleep(0.3)",
        "from joblib import Parallel, delayed\nprint(Parallel(n_jobs=2)(delayed(abs)(-n) for n in range(4)))")
    assert run["state"] == "succeeded", run

    def left() -> list[str]:
        found = []
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    words = Path("/proc", entry, "cmdline").read_bytes()
                except OSError:
                    continue
                found += [entry for mark in marks if mark.encode() in words]
        return found

    wait_until(lambda: not left(), "nothing that the run started is left", 20)


def test_an_output_of_nonsense_bytes_is_survived(shared_server: Server) -> None:
    run = shared_server.run(
        "import sys, os\nsys.stdout.buffer.write(b'\\xff\\xfe\\x00ok\\n') if hasattr(sys.stdout, 'buffer') else None\nprint('\\x00\\x1b[31m\\ud800' .encode('utf8', 'replace').decode())",
        "from IPython.display import display\ndisplay({'text/plain': 5, 'image/png': 'not base64', 'application/json': float(1)}, raw=True)",
        "print('end')")
    assert run["state"] in ("succeeded", "failed"), run
    book = shared_server.requests.get(f"/v1/runs/{run['id']}/notebook")
    assert book.status_code == 200 and book.json()["nbformat"] == 4


def test_thousands_of_updates_of_one_display_are_one_output(shared_server: Server) -> None:
    run = shared_server.run(
        "from IPython.display import display\nh = display('0', display_id=True)\nfor i in range(3000):\n    h.update(str(i))", limits={"time_s": 120})
    assert run["state"] == "succeeded", run
    cells = shared_server.requests.get(f"/v1/runs/{run['id']}/outputs").json()["cells"]
    assert [output["data"]["text/plain"] for output in cells[0]["outputs"]] == ["'2999'"]
