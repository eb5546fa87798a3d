"""Suricate watches itself: what waits and fails is a stream of the tenant, and a watch on it comes along."""

from __future__ import annotations

from typing import Any, Callable

import pytest
from conftest import Server, wait_until
from streams import create, push
from test_consumers import Receiver, put, receiver  # noqa: F401


@pytest.fixture
def watched(start_server: Callable[..., Server], receiver: Receiver) -> Server:  # noqa: F811
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}", "--limit", "self_s=1")
    put(server, "/v1/actions/hook", {"webhook": receiver.url})
    return server


def told(server: Server, what: str | None = None) -> list[dict[str, Any]]:
    """What `_self` has said, of one figure or of all."""
    answer = server.requests.get("/v1/streams/_self/messages", params={"limit": 1000})
    items = answer.json()["items"] if answer.status_code == 200 else []
    return [item["body"] for item in items if what in (None, item["key"])]


def test_a_failed_delivery_is_told_and_the_shipped_watch_opens_and_resolves(watched, receiver):  # noqa: F811
    create(watched.requests, "s")
    put(watched, "/v1/triggers/t", {"when": {"kind": "event", "stream": "s"}, "then": {"action": "hook"}})
    receiver.answers = [(410, {})]
    push(watched.requests, "s", {"v": 1})
    failed = wait_until(lambda: (now := told(watched, "deliveries_failed")) and len(now) >= 2 and now, "it was told, and that it is over")
    assert failed[0] == {"what": "deliveries_failed", "value": 1.0, "limit": 1.0, "share": 1.0} and failed[1]["value"] == 0.0
    decided = wait_until(lambda: [one for one in watched.requests.get("/v1/decisions", params={"watch": "_self"}).json()["items"]
                                  if one["event"] == "opened"], "the watch has opened")
    assert decided[0]["key"] == "deliveries_failed" and decided[0]["level"] == "warning" and decided[0]["state"] == "noted"
    watch = watched.requests.get("/v1/watches/_self").json()
    assert watch["definition"]["stream"] == "_self" and watch["created_by"] == "suricate"


def test_nothing_is_written_while_nothing_goes_on_and_a_deleted_watch_stays_away(watched, receiver):  # noqa: F811
    create(watched.requests, "s")
    put(watched, "/v1/triggers/t", {"when": {"kind": "event", "stream": "s"}, "then": {"action": "hook"}})
    assert watched.requests.get("/v1/streams/_self").status_code == 404
    push(watched.requests, "s", {"v": 1})
    first = wait_until(lambda: (now := told(watched)) and now[-1]["value"] == 0.0 and now, "one delivery was told, and the rest after it")
    assert {one["what"] for one in first} <= {"deliveries", "outbox_waiting"}
    assert watched.requests.delete("/v1/watches/_self").status_code == 204
    watched.restart()
    push(watched.requests, "s", {"v": 2})
    wait_until(lambda: len(told(watched)) >= len(first) + 2 and told(watched)[-1]["value"] == 0.0, "the second was told as well")
    assert watched.requests.get("/v1/watches/_self").status_code == 404


def test_a_trigger_that_was_stopped_is_told_while_it_stands(watched):
    create(watched.requests, "s")
    put(watched, "/v1/triggers/echo", {"when": {"kind": "event", "where": {"event": "decision.made"}}, "then": {"action": "hook"}})
    put(watched, "/v1/triggers/start", {"when": {"kind": "api"}, "then": {"action": "hook"}})
    assert watched.requests.post("/v1/triggers/start/fire").status_code == 202
    wait_until(lambda: [one["value"] for one in told(watched, "triggers_stopped")] == [1.0], "one is stopped")
    assert watched.requests.delete("/v1/triggers/echo").status_code == 204
    wait_until(lambda: [one["value"] for one in told(watched, "triggers_stopped")] == [1.0, 0.0], "none is")


@pytest.mark.server("--limit", "self_s=0")
def test_it_can_be_told_to_leave_that(server):
    create(server.requests, "s")
    assert server.requests.get("/v1/streams/_self").status_code == 404
