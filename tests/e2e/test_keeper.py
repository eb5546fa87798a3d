"""A kernel under its keeper: queue, events, limits, endings, and a server that goes away and comes back."""

from __future__ import annotations

import os
import shutil
import signal
import uuid
from pathlib import Path
from typing import Iterator

import pytest
from conftest import IS_SANITIZED, wait_until
from kernels import MIB, Compute, Outcome, fresh_folder, processes_with

LIMITS = {"memory_bytes": 400 * MIB, "scratch_bytes": 256 * MIB, "output_bytes": 40 * MIB, "processes": 64, "time_s": 60}


def _service(warm: int) -> Iterator[Compute]:
    data = fresh_folder()
    service = Compute(data, warm=warm)
    yield service
    service.close()
    shutil.rmtree(data.parent)
    assert not list((service.runtime / "kernels").iterdir()) or warm, "a kernel left its folder behind"


@pytest.fixture(scope="module")
def cold() -> Iterator[Compute]:
    yield from _service(0)


@pytest.fixture(scope="module")
def warm() -> Iterator[Compute]:
    yield from _service(2)


@pytest.fixture(params=["cold", "warm"])
def compute(request: pytest.FixtureRequest) -> Compute:
    service = request.getfixturevalue(request.param)
    if request.param == "warm":
        service.wait_warm(1)
    return service


def test_cells_run_in_order_and_every_event_is_numbered(compute: Compute) -> None:
    outcome = compute.run(["print('one')", "x = 2\nx", "import sys; print('three', file=sys.stderr)"])
    assert [event["seq"] for event in outcome.events] == list(range(1, len(outcome.events) + 1))
    assert outcome.events[0]["event"] == "ready"
    assert outcome.statuses() == {"c0": "ok", "c1": "ok", "c2": "ok"}
    assert outcome.messages("execute_result")[0]["data"]["text/plain"] == "2"
    assert [content["name"] for content in outcome.messages("stream")] == ["stdout", "stderr"]
    assert outcome.events[-2]["event"] == "done"
    assert (outcome.cause, outcome.end["exit_code"]) == ("finished", 0)
    assert outcome.end["cpu_s"] > 0 and outcome.end["memory_peak_bytes"] > 10 * MIB


def test_queue_stops_at_an_error_unless_the_cell_allows_it(compute: Compute) -> None:
    outcome = compute.run([{"code": "1/0", "allow_error": True}, "print('still here')", "undefined", "print('never')"])
    assert outcome.statuses() == {"c0": "error", "c1": "ok", "c2": "error"}
    assert outcome.errors() == ["ZeroDivisionError", "NameError"]
    assert outcome.text() == "still here\n"
    assert outcome.cause == "finished"


def test_a_cell_sent_twice_runs_once(compute: Compute) -> None:
    kernel = compute.start()
    compute.attach(kernel)
    for _ in range(3):
        compute.execute(kernel, ["print('once')"], finish=False)
    compute.until("done")
    compute.execute(kernel, ["print('once')", "print('then this')"])
    outcome = Outcome(compute.until("ended"))
    compute.forget(kernel)
    assert outcome.text() == "then this\n"


def test_input_is_refused_at_once(compute: Compute) -> None:
    assert compute.run(["input('name?')"]).errors() == ["StdinNotImplementedError"]


def test_one_chart_comes_as_png_and_as_svg(compute: Compute) -> None:
    outcome = compute.run(["import matplotlib.pyplot as plt", "plt.plot([1, 2]); plt.show()", "fig, ax = plt.subplots(); ax.bar([1], [2]);"])
    for data in (content["data"] for content in outcome.messages("display_data")):
        assert {"image/png", "image/svg+xml"} <= set(data)
    assert len(outcome.messages("display_data")) == 2


def test_pip_says_in_one_sentence_how_an_environment_gets_a_package(compute: Compute) -> None:
    outcome = compute.run(["%pip install xarray", "!pip install xarray", "!python3 -m pip install xarray"])
    for cell in ("c0", "c1", "c2"):
        assert outcome.text(cell).count("\n") == 1 and "packaging/requirements.in" in outcome.text(cell)


def test_twenty_megabytes_printed_at_once_arrive_whole_and_in_small_pieces(compute: Compute) -> None:
    outcome = compute.run(["for i in range(20): print(('%07d ' % i) * (1 << 17), end='')"], LIMITS)
    expected = "".join(f"{i:07d} " * (1 << 17) for i in range(20))
    assert outcome.text() == expected
    assert max(len(content["text"]) for content in outcome.messages("stream")) <= 64 * 1024


def test_odd_text_arrives_repaired_and_the_keeper_goes_on(compute: Compute) -> None:
    outcome = compute.run([
        r"print('\ud800 \x00 é € 😀')",
        "from IPython.display import display\ndisplay({'application/json': {'a': 10**40, 'b': [1e308 * 10]}}, raw=True)",
        "print('after')",
    ])
    assert outcome.text("c0") == "? \ufffd é € 😀\n"
    assert outcome.text("c2") == "after\n"


def test_update_display_and_clear_output_are_passed_on(compute: Compute) -> None:
    code = "from IPython.display import display, clear_output\nh = display('a', display_id='x')\nh.update('b')\nclear_output(wait=True)\nprint('c')"
    outcome = compute.run([code])
    kinds = [event["type"] for event in outcome.events if event["event"] == "message"]
    assert kinds == ["display_data", "update_display_data", "clear_output", "stream"]


# -- endings ----------------------------------------------------------------------------------------------------------

ENDINGS = {
    "os._exit": ("import os; os._exit(3)", {}, "died", "exit status 3"),
    "kill -9 itself": ("import os; os.kill(os.getpid(), 9)", {}, "died", "signal 9"),
    "segmentation fault": ("import ctypes; ctypes.string_at(0)", {}, "died", "signal 11"),
    "SIGSTOP itself": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", {}, "died", "SIGSTOP"),
    "endless loop": ("while True: pass", {"time_s": 5}, "timed_out", "5 s"),
    "endless sleep": ("import time; time.sleep(1000)", {"time_s": 5}, "timed_out", "5 s"),
    "loop deaf to interrupts": ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\nwhile True: pass", {"time_s": 5}, "timed_out", "5 s"),
    "deaf to every signal": (
        "import signal\nfor n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\nwhile True: pass", {"time_s": 5}, "timed_out", "5 s"),
    "memory on the heap": ("x = [bytearray(10 << 20) for _ in range(1000)]", {}, "out_of_memory", "400 MiB"),
    "memory in files": ("f = open('/tmp/x', 'wb')\nfor _ in range(250): f.write(bytes(1 << 20))", {"memory_bytes": 150 * MIB}, "out_of_memory", "150 MiB"),
    "memory in memfds": (
        "import os\nfiles = []\nwhile True:\n    files.append(os.memfd_create('x'))\n    for _ in range(100): os.write(files[-1], bytes(1 << 20))",
        {}, "out_of_memory", "400 MiB"),
    "fork bomb": ("import os\nwhile True:\n    try: os.fork()\n    except OSError: pass", {"time_s": 5}, "timed_out", "5 s"),
    "endless printing": ("s = 'x' * 999\nwhile True: print(s)", {}, "output_limit", "40 MiB"),
    "endless printing of a child": ("import subprocess; subprocess.run(['yes'])", {}, "output_limit", "40 MiB"),
    "one huge output": (
        "from IPython.display import display\ndisplay({'text/plain': 'x' * (80 << 20)}, raw=True)\nimport time; time.sleep(30)",
        {"output_bytes": 1000 * MIB, "memory_bytes": 1500 * MIB}, "output_limit", "64 MiB"),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_every_way_to_end_has_its_cause(compute: Compute, name: str) -> None:
    code, limits, cause, words = ENDINGS[name]
    if not has_cgroups(compute) and cause == "out_of_memory":
        pytest.fail("this machine has no writable control groups: the memory limit is not tested")
    outcome = compute.run(["print('before')", code, "print('after')"], {**LIMITS, **limits})
    assert (outcome.cause, words in outcome.detail) == (cause, True), outcome.end
    assert "before\n" in outcome.text("c0")
    assert "c2" not in outcome.statuses()


def has_cgroups(compute: Compute) -> bool:
    return compute.ask("status")["cgroup"] != "none"


def test_keeper_stays_small_while_a_kernel_floods_it(compute: Compute) -> None:
    kernel = compute.start(limits={**LIMITS, "output_bytes": 200 * MIB})
    keeper = compute.card(kernel)["pid"]
    compute.attach(kernel)
    compute.do("detach", id=kernel)  # the server does not even read
    compute.attach(kernel)
    compute.execute(kernel, ["s = 'x' * 4000\nfor _ in range(30000): print(s)"])
    peak = 0
    for _ in range(100000):
        event = compute.next()
        if event["event"] == "ended":
            break
        if event["seq"] % 50 == 0:
            peak = max(peak, memory_kib(keeper, "RssAnon"))
    compute.forget(kernel)
    assert peak < 24 * 1024 or IS_SANITIZED, f"the keeper grew to {peak} KiB"


def memory_kib(pid: int, field: str) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return 0


ORPHANS = {
    "a shell's background job": "!sleep {mark} &",
    "a child process": "import subprocess; subprocess.Popen(['sleep', '{mark}'])",
    "a double fork into its own session": (
        "import os\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: os.execvp('sleep', ['sleep', '{mark}'])\n    os._exit(0)\nos.wait()"),
    "nohup": "import os; os.system('nohup setsid sleep {mark} >/dev/null 2>&1 &')",
}


@pytest.mark.parametrize("way", ["finished", "killed"])
def test_no_process_outlives_its_kernel(compute: Compute, way: str) -> None:
    mark = f"{1000 + int(uuid.uuid4().hex[:6], 16)}.25"
    cells = [code.format(mark=mark) for code in ORPHANS.values()]
    cells.append("from joblib import Parallel, delayed; print(Parallel(n_jobs=2)(delayed(abs)(-i) for i in range(4)))")
    kernel = compute.start()
    group = compute.spec(kernel)["cgroup"].get("pids", "")
    name = compute.card(kernel)["name"]
    compute.attach(kernel)
    compute.execute(kernel, cells, finish=False)
    outcome = Outcome(compute.until("done"))
    assert set(outcome.statuses().values()) == {"ok"}, outcome.errors()
    assert "[0, 1, 2, 3]" in outcome.text()
    assert len(processes_with(mark)) >= len(ORPHANS)
    if way == "finished":
        compute.send(kernel, "finish")
    else:
        compute.execute(kernel, [{"cell": "last", "code": "import os; os._exit(0)"}])
    assert compute.until("ended")[-1]["cause"] == ("finished" if way == "finished" else "died")
    assert processes_with(mark) == []
    assert not group or not Path(group, name).exists()
    compute.forget(kernel)


def test_cancel_interrupts_first_and_kills_at_last(compute: Compute) -> None:
    for code, statuses in (("import time; print('on'); time.sleep(1000)", {"error"}),
                           ("import signal; signal.signal(signal.SIGINT, signal.SIG_IGN); signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on')\nwhile True: pass", {"aborted"})):
        kernel = compute.start()
        compute.attach(kernel)
        compute.execute(kernel, [code, "print('never')"])
        compute.until("message")
        compute.send(kernel, "cancel")
        outcome = Outcome(compute.until("ended"))
        compute.forget(kernel)
        assert outcome.cause == "cancelled"
        assert set(outcome.statuses().values()) == statuses
        assert "never" not in outcome.text()


def test_interrupt_ends_the_cell_and_not_the_kernel(compute: Compute) -> None:
    kernel = compute.start()
    compute.attach(kernel)
    compute.execute(kernel, ["x = 41\nprint('on')\nimport time; time.sleep(1000)"], finish=False)
    compute.until("message")
    compute.send(kernel, "interrupt")
    assert Outcome(compute.until("done")).errors() == ["KeyboardInterrupt"]
    compute.execute(kernel, [{"cell": "next", "code": "print(x + 1)"}])
    assert "42" in Outcome(compute.until("ended")).text()
    compute.forget(kernel)


# -- the server's life ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("warm_count", [0, 1])
def test_kernel_goes_on_when_the_server_is_killed_and_no_event_is_lost(warm_count: int) -> None:
    data = fresh_folder()
    first = Compute(data, warm=warm_count)
    kernel = first.start()
    first.attach(kernel)
    first.execute(kernel, ["import time\nfor i in range(300): print(i, flush=True); time.sleep(0.01)", "print('second cell')"])
    before = first.until("message")
    first.kill()
    second = Compute(data, warm=warm_count)
    second.kernels.add(kernel)
    assert kernel in second.ask("list")["kernels"]
    assert "attached" in second.attach(kernel, before[-1]["seq"] + 1)
    outcome = Outcome(before + second.until("ended"))
    assert [event["seq"] for event in outcome.events] == list(range(1, len(outcome.events) + 1))
    assert outcome.text("c0").split() == [str(i) for i in range(300)]
    assert outcome.cause == "finished"
    # asked again from the start, it says the same again
    second.do("detach", id=kernel)
    assert "attached" in second.attach(kernel, 1)
    again = second.until("ended")
    assert [{**event, "id": 0} for event in again] == [{**event, "id": 0} for event in outcome.events]
    second.close()
    assert not (data / "run" / "kernels" / kernel).exists()
    shutil.rmtree(data.parent)


def test_a_newer_server_connection_replaces_the_older(compute: Compute) -> None:
    kernel = compute.start()
    compute.attach(kernel)
    compute.execute(kernel, ["print('x')"], finish=False)
    compute.until("done")
    compute.do("attach", id=kernel, **{"from": 1})
    seen = [compute.next() for _ in range(7)]  # five events, "attached", "lost"
    assert any("lost" in event for event in seen) and any("attached" in event for event in seen)
    compute.send(kernel, "finish")
    compute.forget(kernel)


def test_kernel_dies_with_its_keeper_and_leaves_nothing(compute: Compute) -> None:
    mark = f"{1000 + int(uuid.uuid4().hex[:6], 16)}.5"
    kernel = compute.start()
    compute.attach(kernel)
    compute.execute(kernel, [f"import subprocess; subprocess.Popen(['sleep', '{mark}']); print('on')\nwhile True: pass"])
    compute.until("message")
    assert processes_with(mark)
    os.kill(compute.card(kernel)["pid"], signal.SIGKILL)
    assert "lost" in compute.until("ended")[-1]
    wait_until(lambda: not processes_with(mark), "the kernel's processes ended")
    assert compute.attach(kernel)["code"] == "not_found"
    compute.forget(kernel)
    assert not (compute.data / "run" / "kernels" / kernel).exists()


def test_same_id_twice_is_a_conflict(compute: Compute) -> None:
    kernel = compute.start()
    assert compute.ask("start", id=kernel)["code"] == "conflict"
    compute.forget(kernel)


def test_a_used_kernel_is_never_given_to_another_run(warm: Compute) -> None:
    seen = set()
    for _ in range(4):
        outcome = warm.run(["print('secret' in globals(), open('/proc/sys/kernel/random/boot_id').read()[:0])\nsecret = 1\nopen('left', 'w').close()\nimport os, numpy; print(os.listdir('.'), numpy.random.rand())"])
        lines = outcome.text().split("\n")
        assert lines[0].startswith("False") and "left" in lines[1]
        seen.add(lines[1])
    assert len(seen) == 4, "kernels of one zygote drew the same random numbers"


def test_token_and_limits_of_the_run_reach_a_waiting_kernel(compute: Compute) -> None:
    limits = {**LIMITS, "memory_bytes": 300 * MIB, "processes": 40}
    outcome = compute.run(["import os; print(open(os.environ['SURICATE_TOKEN_FILE']).read(), os.listdir('/run'), sorted(os.listdir('/run/kernel')))"], limits, token="narrow-token")
    assert outcome.text().startswith("narrow-token ['")
    outcome = compute.run(["x = bytearray(310 << 20)"], limits)
    assert outcome.cause == "out_of_memory"


def test_waiting_kernels_are_found_again_by_the_next_server() -> None:
    data = fresh_folder()
    first = Compute(data, warm=1)
    name = next((data / "run" / "warm").iterdir()).name
    first.kill()
    second = Compute(data, warm=1)
    kernel = second.start()
    assert second.card(kernel)["name"] == name
    second.close()
    shutil.rmtree(data.parent)


def test_network_is_the_hosts_only_when_granted(compute: Compute) -> None:
    code = "import socket; print(sorted(name for _, name in socket.if_nameindex()))"
    hosts = sorted(os.listdir("/sys/class/net"))
    assert compute.run([code]).text() == "['lo']\n"
    assert compute.run([code], network=True).text() == f"{hosts}\n"
