"""The server may be killed at any moment: runs go on under their keepers, and nothing they said is missed."""

from __future__ import annotations

import json
import os
import signal
import time
from typing import Any

import pytest
from conftest import Server, wait_until
from test_runs import events, printed

COUNT = "import time\nfor i in range(60):\n    print(i, flush=True)\n    time.sleep(0.05)"
NUMBERS = "".join(f"{number}\n" for number in range(60))


def keeper_of(server: Server, run_id: str) -> int:
    """The process of the run's keeper: keeper.json in the kernel's folder says it."""
    card = server.data / "run" / "kernels" / f"{run_id}-1" / "keeper.json"
    return wait_until(lambda: card.exists() and json.loads(card.read_text()).get("pid"), f"the keeper of run {run_id} says who it is")


@pytest.mark.parametrize("after_s", [0.0, 0.02, 0.1, 0.5, 1.5])
def test_a_server_killed_in_mid_run_misses_nothing(server: Server, after_s: float) -> None:
    server.put_notebook("count", COUNT, "print('second')")
    run = server.start_run("count")
    time.sleep(after_s)
    server.restart(kill=True)
    record = server.wait_run(run["id"])
    assert record["state"] == "succeeded", record
    assert record["attempt"] == 1
    assert printed(server, run["id"]) == NUMBERS + "second\n"


def test_two_kills_and_an_orderly_restart_in_one_run(server: Server) -> None:
    server.put_notebook("count", COUNT, COUNT)
    run = server.start_run("count")
    for kill in (True, False, True):
        wait_until(lambda: printed(server, run["id"]), "there is output")
        server.restart(kill=kill)
    record = server.wait_run(run["id"])
    assert record["state"] == "succeeded" and printed(server, run["id"]) == NUMBERS + NUMBERS


def test_a_run_that_ends_while_no_server_is_there_is_recorded_whole(server: Server) -> None:
    server.put_notebook("short", "import time; time.sleep(0.5)\nprint('said to nobody')\nimport suricate as s\ns.result({'n': 7})")
    run = server.start_run("short")
    wait_until(lambda: server.requests.get(f"/v1/runs/{run['id']}").json()["state"] == "running", "it runs")
    server.kill()
    time.sleep(2)
    server.start()
    record = server.wait_run(run["id"])
    assert record["state"] == "succeeded" and record["result"] == {"n": 7}
    assert printed(server, run["id"]).startswith("said to nobody\n")


def test_the_event_stream_goes_on_with_the_same_numbers_after_a_restart(server: Server) -> None:
    server.put_notebook("count", COUNT)
    run = server.start_run("count")
    seen, last = [], None
    for number, name, data in events(server, run["id"]):
        last = number or last
        if name == "output":
            seen += data["content"]["text"].split()
        if len(seen) >= 10:
            break
    server.restart(kill=True)
    for _number, name, data in events(server, run["id"], last):
        if name == "output":
            seen += data["content"]["text"].split()
    assert seen == [str(number) for number in range(60)]


def test_queued_runs_survive_and_keep_their_order(start_server: Any) -> None:
    server = start_server("--limit", "runs_parallel=1")
    server.put_notebook("turn", "import time; time.sleep(0.5)")
    runs = [server.start_run("turn") for _ in range(4)]
    server.restart(kill=True)
    ended = [server.wait_run(run["id"]) for run in runs]
    assert [run["state"] for run in ended] == ["succeeded"] * 4
    assert [run["ended_at"] for run in ended] == sorted(run["ended_at"] for run in ended)


def test_a_cancel_survives_a_kill_of_the_server(server: Server) -> None:
    server.put_notebook("long", "print('on', flush=True)\nimport time; time.sleep(600)")
    run = server.start_run("long")
    wait_until(lambda: printed(server, run["id"]), "it prints")
    assert server.requests.post(f"/v1/runs/{run['id']}/cancel").status_code == 200
    server.restart(kill=True)
    assert server.wait_run(run["id"])["state"] == "cancelled"


def test_a_run_whose_keeper_died_is_interrupted(server: Server) -> None:
    server.put_notebook("long", "print('on', flush=True)\nimport time; time.sleep(600)")
    run = server.start_run("long")
    wait_until(lambda: printed(server, run["id"]), "it prints")
    os.kill(keeper_of(server, run["id"]), signal.SIGKILL)
    record = server.wait_run(run["id"])
    assert record["state"] == "interrupted" and "keeper" in record["reason"], record
    assert printed(server, run["id"]) == "on\n"
    assert server.run("print('well')")["state"] == "succeeded"


def test_a_run_whose_keeper_died_is_retried_when_its_policy_says_so(server: Server) -> None:
    server.put_notebook("once-more", "print('on', flush=True)\nimport time; time.sleep(3)\nprint('through')")
    run = server.start_run("once-more", retries=1)
    wait_until(lambda: printed(server, run["id"]) == "on\n", "it prints")
    os.kill(keeper_of(server, run["id"]), signal.SIGKILL)
    record = server.wait_run(run["id"])
    assert record["state"] == "succeeded" and record["attempt"] == 2, record
    assert printed(server, run["id"]) == "on\nthrough\n"


def test_a_keeper_that_died_with_the_server_interrupts_the_run(server: Server) -> None:
    server.put_notebook("long", "print('on', flush=True)\nimport time; time.sleep(600)")
    run = server.start_run("long")
    wait_until(lambda: printed(server, run["id"]), "it prints")
    keeper = keeper_of(server, run["id"])
    server.kill()
    os.kill(keeper, signal.SIGKILL)
    server.start()
    assert server.wait_run(run["id"])["state"] == "interrupted"


def test_a_kernel_uses_its_token_over_a_restart(server: Server) -> None:
    server.put("table.csv", "a,b\n1,2\n", **{"Content-Type": "text/csv"})
    server.put_notebook("reader", "import suricate as s\nprint(len(s.read('table.csv')), flush=True)", "import time; time.sleep(3)", "s.write('out.json', {'n': 1})")
    run = server.start_run("reader")
    wait_until(lambda: printed(server, run["id"]), "it has read")
    server.restart(kill=True)
    record = server.wait_run(run["id"])
    assert record["state"] == "succeeded", record
    assert server.requests.get("/v1/objects/out.json").json() == {"n": 1}
