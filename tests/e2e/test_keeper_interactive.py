"""A kernel somebody sits at: questions while cells run, input, memory, and a spool that does not grow for ever."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import wait_until
from kernels import MIB, Compute, Outcome, fresh_folder


@pytest.fixture(scope="module")
def compute() -> Iterator[Compute]:
    data = fresh_folder()
    service = Compute(data, warm=1)
    yield service
    service.close()
    shutil.rmtree(data.parent)


@pytest.fixture
def kernel(compute: Compute) -> Iterator[str]:
    """A kernel that answers, attached; no cell has run."""
    compute.wait_warm(1)
    name = compute.start()
    compute.attach(name)
    compute.until("ready")
    yield name
    compute.forget(name)


def run(compute: Compute, kernel: str, cell: str, code: str, **more: Any) -> Outcome:
    compute.execute(kernel, [{"cell": cell, "code": code, **more}], finish=False)
    return Outcome(compute.until("done"))


def ask(compute: Compute, kernel: str, kind: str, code: str, name: str = "q") -> None:
    compute.send(kernel, "ask", id=name, type=kind, content={"code": code, "cursor_pos": len(code)})


def answer(compute: Compute) -> dict[str, Any]:
    return compute.until("answer")[-1]


def test_completion_and_inspection_know_what_the_cells_defined(compute: Compute, kernel: str) -> None:
    run(compute, kernel, "c", "weather_today = 'fine'\ndef shine():\n    'All day long.'")
    ask(compute, kernel, "complete_request", "weather_t", "first")
    told = answer(compute)
    assert (told["question"], told["type"]) == ("first", "complete_reply")
    assert "weather_today" in told["content"]["matches"] and told["content"]["cursor_start"] == 0
    ask(compute, kernel, "inspect_request", "shine")
    content = answer(compute)["content"]
    assert content["found"] and "All day long." in content["data"]["text/plain"]
    ask(compute, kernel, "is_complete_request", "for i in range(3):")
    assert answer(compute)["content"]["status"] == "incomplete"


def test_a_question_is_answered_while_a_cell_runs(compute: Compute, kernel: str) -> None:
    ask(compute, kernel, "complete_request", "pri")
    assert "print" in answer(compute)["content"]["matches"]
    compute.execute(kernel, ["import time\nprint('on')\ntime.sleep(1000)"], finish=False)
    compute.until("message")
    ask(compute, kernel, "complete_request", "sor")
    assert "sorted" in answer(compute)["content"]["matches"], "the answer waited for the cell"
    compute.send(kernel, "interrupt")
    assert Outcome(compute.until("done")).errors() == ["KeyboardInterrupt"]


@pytest.mark.parametrize("order", [
    {"id": "", "type": "complete_request", "content": {}}, {"id": "x" * 64, "type": "complete_request", "content": {}},
    {"id": "q", "type": "shutdown_request", "content": {}}, {"id": "q", "type": "complete_request", "content": 5}])
def test_a_question_that_is_none_ends_the_connection_and_not_the_kernel(compute: Compute, kernel: str, order: dict[str, Any]) -> None:
    compute.send(kernel, "ask", **order)
    assert "lost" in compute.until("answer")[-1]
    assert "attached" in compute.attach(kernel)
    assert "5" in run(compute, kernel, "after", "print(2 + 3)").text()


def test_a_cell_reads_what_a_person_types(compute: Compute, kernel: str) -> None:
    compute.execute(kernel, [{"cell": "in", "code": "a = input('name? ')\nprint('hello', a)", "stdin": True}], finish=False)
    request = compute.until("input_request")[-1]
    assert (request["cell"], request["prompt"], request["password"]) == ("in", "name? ", False)
    compute.send(kernel, "input", value="Ada \u00e9 \"quoted\"\\")
    assert Outcome(compute.until("done")).text() == "hello Ada \u00e9 \"quoted\"\\\n"


def test_getpass_asks_for_a_password(compute: Compute, kernel: str) -> None:
    compute.execute(kernel, [{"cell": "in", "code": "import getpass\nprint(len(getpass.getpass('key: ')))", "stdin": True}], finish=False)
    request = compute.until("input_request")[-1]
    assert (request["prompt"], request["password"]) == ("key: ", True)
    compute.send(kernel, "input", value="secret")
    assert Outcome(compute.until("done")).text() == "6\n"


def test_a_cell_that_waits_for_input_can_be_interrupted(compute: Compute, kernel: str) -> None:
    compute.execute(kernel, [{"cell": "in", "code": "input('for ever? ')", "stdin": True}], finish=False)
    compute.until("input_request")
    compute.send(kernel, "interrupt")
    assert Outcome(compute.until("done")).errors() == ["KeyboardInterrupt"]
    compute.send(kernel, "input", value="too late")
    compute.execute(kernel, [{"cell": "again", "code": "print(input('now? '))", "stdin": True}], finish=False)
    compute.until("input_request")
    compute.send(kernel, "input", value="yes")
    assert Outcome(compute.until("done")).text() == "yes\n"


def test_a_cell_without_stdin_is_refused_its_input_beside_one_with(compute: Compute, kernel: str) -> None:
    assert run(compute, kernel, "without", "input('?')").errors() == ["StdinNotImplementedError"]


def test_a_pending_input_is_told_again_to_the_next_server(compute: Compute, kernel: str) -> None:
    compute.execute(kernel, [{"cell": "in", "code": "print(input('still? '))", "stdin": True}], finish=False)
    compute.until("input_request")
    compute.do("detach", id=kernel)
    assert "attached" in compute.attach(kernel)
    assert compute.until("input_request")[-1]["prompt"] == "still? "
    compute.send(kernel, "input", value="here")
    assert Outcome(compute.until("done")).text() == "here\n"


def test_endless_questions_to_the_person_end_like_endless_output(compute: Compute) -> None:
    kernel = compute.start(limits={"output_bytes": 1 * MIB, "time_s": 60})
    compute.attach(kernel)
    code = ("import threading\nk = get_ipython().kernel\n"
            "while True: k.session.send(k.stdin_socket, 'input_request', {'prompt': 'x' * 5000, 'password': False},\n"
            "                           k.get_parent('shell'), ident=k._shell_parent_ident.get() if hasattr(k, '_shell_parent_ident') else k._parent_ident['shell'])")
    compute.execute(kernel, [{"cell": "c", "code": code, "stdin": True}])
    events = compute.until("ended")
    assert events[-1]["cause"] == "output_limit", Outcome(events).messages("error") or events[-1]
    assert max(len(event["prompt"]) for event in events if event["event"] == "input_request") <= 4096
    compute.forget(kernel)


def test_usage_grows_with_what_the_kernel_holds(compute: Compute, kernel: str) -> None:
    def usage() -> dict[str, Any]:
        compute.send(kernel, "usage")
        return compute.until("usage")[-1]

    before = usage()
    run(compute, kernel, "c", "held = b'x' * (120 << 20)")
    after = usage()
    assert before["memory_bytes"] > 8 * MIB
    assert after["memory_bytes"] - before["memory_bytes"] > 100 * MIB
    assert after["cpu_ms"] is None or after["cpu_ms"] >= before["cpu_ms"]


# -- a long life ----------------------------------------------------------------------------------------------------------


def on_disk(compute: Compute, kernel: str) -> int:
    return (compute.data / "run" / "kernels" / kernel / "spool").stat().st_blocks * 512


def test_what_is_recorded_leaves_the_disk_and_no_longer_counts_as_output(compute: Compute) -> None:
    kernel = compute.start(limits={"output_bytes": 12 * MIB, "time_s": 300})
    compute.attach(kernel)
    largest = 0
    for number in range(6):  # 30 MB in all, of 12 allowed at a time
        outcome = run(compute, kernel, f"c{number}", "print('x' * 5_000_000)")
        assert len(outcome.text()) == 5_000_001
        compute.send(kernel, "recorded", seq=outcome.end["seq"])
        largest = max(largest, on_disk(compute, kernel))
    wait_until(lambda: on_disk(compute, kernel) < MIB, "the spool to be given back")
    assert largest < 12 * MIB
    last = outcome.end["seq"]
    compute.do("detach", id=kernel)
    compute.attach(kernel, last + 1)
    outcome = run(compute, kernel, "next", "print('on')")
    assert outcome.events[0]["seq"] == last + 1 and outcome.text() == "on\n"
    compute.do("detach", id=kernel)
    compute.attach(kernel, 1)
    assert compute.until("done")[0]["seq"] == last + 1, "asked for what is gone, it tells what it has"
    compute.forget(kernel)


def test_recorded_beyond_what_was_said_changes_nothing(compute: Compute, kernel: str) -> None:
    outcome = run(compute, kernel, "c", "print('one')")
    for seq in (10**9, -5, 0, "many"):
        compute.send(kernel, "recorded", seq=seq)
    assert run(compute, kernel, "d", "print('two')").text() == "two\n"
    compute.do("detach", id=kernel)
    compute.attach(kernel)
    assert compute.until("cell_end")[0]["seq"] == 1
    assert outcome.events[0]["seq"] == 2


def test_thousands_of_executions_keep_their_ids_and_their_order(compute: Compute, kernel: str) -> None:
    for block in range(3):
        compute.execute(kernel, [{"cell": f"{block}-{i}", "code": "pass", "silent": True} for i in range(2000)], finish=False)
        events = compute.until("done")
        assert [event["cell"] for event in events if event["event"] == "cell_end"] == [f"{block}-{i}" for i in range(2000)]
        compute.send(kernel, "recorded", seq=events[-1]["seq"])
    compute.execute(kernel, [{"cell": "2-1999", "code": "print('twice')"}, {"cell": "new", "code": "print('once')"}], finish=False)
    assert Outcome(compute.until("done")).text() == "once\n"
