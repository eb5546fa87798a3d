"""Runs that follow a stream: without a time limit, begun again after every kind of failure, each window decided once."""

from __future__ import annotations

import os
import signal
from typing import Any, Callable

import pytest
from conftest import Server, wait_until
from test_consumers import BASE, Receiver, decisions, make_stream, put, receiver, say  # noqa: F401
from test_runs_restart import keeper_of

FOLLOW = """
import suricate as s
for window in s.follow("s", every="10s", from_="earliest", name="f"):
    window.act("hook", start=int(window.start.timestamp()))
"""


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver) -> Server:  # noqa: F811
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}", "--limit", "runs_parallel=1")
    make_stream(server)
    put(server, "/v1/actions/hook", {"webhook": receiver.url})
    server.put_notebook("follow", FOLLOW)
    return server


def record(server: Server, run_id: str) -> dict[str, Any]:
    return server.requests.get(f"/v1/runs/{run_id}").json()


def decided(server: Server) -> list[int]:
    """Which windows, in seconds after BASE."""
    return sorted(item["parameters"]["start"] - BASE for item in decisions(server))


def wait_decided(server: Server, *starts: int) -> None:
    wait_until(lambda: decided(server) == list(starts), f"the windows {starts} were decided")


def test_a_following_run_has_no_time_limit_and_ends_when_it_is_cancelled(acting):
    run = acting.start_run("follow", follow=True)
    assert run["follow"] is True and run["limits"]["time_s"] is None and run["restarts"] == 0
    say(acting, 1, 11)
    wait_decided(acting, 0)
    lineage = acting.requests.get(f"/v1/runs/{run['id']}/lineage").json()
    assert lineage["followed"] == [{"stream": "s", "consumer": "f", "from": 0, "to": 1, "windows": 1, "decisions": 1}]
    assert decisions(acting, run=run["id"])[0]["run"] == run["id"]
    consumer = acting.requests.get("/v1/streams/s/consumers/f").json()
    assert consumer["claimed_by"] == f"run {run['id']}"
    cancelled = acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"}).json()
    assert cancelled["state"] == "cancelled"


def test_a_following_run_leaves_the_others_their_places(acting):
    acting.start_run("follow", follow=True)
    ended = acting.run("print('beside it')")
    assert ended["state"] == "succeeded"


def test_a_killed_kernel_comes_back_and_goes_on_from_its_commit(acting):
    run = acting.start_run("follow", follow=True)
    say(acting, 1, 11)
    wait_decided(acting, 0)
    os.kill(keeper_of(acting, run["id"]), signal.SIGKILL)
    say(acting, 21, 31)
    wait_decided(acting, 0, 10, 20)
    now = record(acting, run["id"])
    assert now["state"] == "running" and now["restarts"] >= 1 and now["last_error"]
    acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"})


FRAGILE = """
import os
import suricate as s
for window in s.follow("s", every="10s", from_="earliest", name="f"):
    window.act("hook", start=int(window.start.timestamp()))
    if window.start.second == 30 and not s.list("died"):
        s.write("died", "here")
        os.kill(os.getpid(), 9)
"""


def test_what_a_kernel_decided_before_it_died_uncommitted_was_never_decided(acting):
    acting.put_notebook("fragile", FRAGILE)
    run = acting.start_run("fragile", follow=True)
    say(acting, 1, 11, 21, 31)
    wait_decided(acting, 0, 10, 20)
    now = record(acting, run["id"])
    assert now["restarts"] == 1 and "signal 9" in now["last_error"]
    assert acting.requests.get("/v1/streams/s/consumers/f").json()["iterations"] == 3
    acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"})


def test_a_server_that_was_killed_goes_on_with_each_window_once(acting):
    run = acting.start_run("follow", follow=True)
    say(acting, 1, 11)
    wait_decided(acting, 0)
    acting.restart(kill=True)
    say(acting, 21, 31)
    wait_decided(acting, 0, 10, 20)
    acting.kill()
    acting.start()
    say(acting, 41)
    wait_decided(acting, 0, 10, 20, 30)
    assert record(acting, run["id"])["state"] == "running"
    acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"})


def test_a_failing_notebook_is_begun_again_with_growing_pauses_until_it_is_cancelled(acting):
    acting.put_notebook("bad", "raise ValueError('not today')")
    run = acting.start_run("bad", follow=True)
    again = wait_until(lambda: (now := record(acting, run["id"]))["restarts"] >= 2 and now, "it was begun again")
    assert again["last_error"] == "ValueError: not today" and again["state"] in ("queued", "starting", "running")
    cancelled = acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"}).json()
    assert cancelled["state"] == "cancelled"


def test_a_following_run_that_is_done_has_succeeded(acting):
    acting.put_notebook("once", "import suricate as s\nfor w in s.follow('s', every='10s', from_='earliest', wait=False): pass\ns.result('done')")
    run = acting.start_run("once", follow=True)
    assert acting.wait_run(run["id"])["state"] == "succeeded"


def test_a_time_limit_does_not_go_with_following(acting):
    refused = acting.requests.post("/v1/runs", json={"notebook": "follow", "follow": True, "limits": {"time_s": 5}})
    assert refused.status_code == 400 and refused.json()["field"] == "/limits/time_s"


NAMELESS = """
import suricate as s
for window in s.follow("s", every="10s", from_="earliest"):
    window.act("hook", start=int(window.start.timestamp()))
"""


def test_notebooks_that_name_no_consumer_follow_under_their_own_names(acting):
    runs = []
    for name in ("left/one.ipynb", "two"):
        acting.put_notebook(name, NAMELESS)
        runs.append(acting.start_run(name, follow=True))
    say(acting, 1, 11)
    wait_decided(acting, 0, 0)
    consumers = acting.requests.get("/v1/streams/s/consumers").json()["items"]
    assert sorted(item["name"] for item in consumers) == ["left-one", "two"]
    for run in runs:
        acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"})


BREAKS = """
import suricate as s
for window in s.follow("s", every="10s", from_="earliest", name="f"):
    print("window", int(window.start.timestamp()), flush=True)
    if len(window.frame) == 3:
        raise ValueError("three at once")
"""


def test_a_run_tells_its_pace_and_in_which_window_it_failed(acting):
    acting.put_notebook("breaks", BREAKS)
    run = acting.start_run("breaks", follow=True)
    say(acting, 1, 11, 21)
    now = wait_until(lambda: (now := record(acting, run["id"]))["pace"] and len(now["pace"].get("iterations", [])) == 2
                     and now["followed"][0]["windows"] == 2 and now, "two came round, and are on the record")
    assert now["pace"]["iterations_per_m"] == 2 and now["last_error_window"] is None
    assert [one["messages"] for one in now["pace"]["iterations"]] == [1, 1]
    assert {"stream", "consumer", "start", "end", "from", "to", "decisions", "took_ms", "at", "iteration"} <= set(now["pace"]["iterations"][0])
    say(acting, 22, 23, 31)
    failed = wait_until(lambda: (now := record(acting, run["id"]))["last_error"] and now, "it failed")
    window = failed["last_error_window"]
    assert failed["last_error"] == "ValueError: three at once" and failed["last_error_at"]
    assert window["messages"] == 3 and window["stream"] == "s" and window["start"] < window["end"]
    listed = next(item for item in acting.requests.get("/v1/runs").json()["items"] if item["id"] == run["id"])
    assert listed["last_error_window"] == window and "iterations" not in listed["pace"]
    ended = acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"}).json()
    assert ended["pace"] is None and ended["followed"][0]["windows"] == 2
