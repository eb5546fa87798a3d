"""Acting from Python, against the real server: actions, decisions and why, watches and back-tests, triggers, silences."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from conftest import Server, wait_until
from test_cli_act import decide
from test_consumers import Receiver, make_stream, receiver, say  # noqa: F401
from test_streams_sdk import point_at, s


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Server:  # noqa: F811
    """A server with the stream `s` and the action `hook`, which the SDK talks to."""
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}")
    point_at(server, monkeypatch)
    make_stream(server)
    s.action("hook", webhook=receiver.url)
    return server


def test_actions_are_put_described_and_deleted(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    assert s.action("hook")["webhook"] == receiver.url
    assert [item["name"] for item in s.actions()] == ["hook"]
    with pytest.raises(s.Invalid):
        s.action("hook", webhook="no address")
    s.delete_action("hook")
    assert s.actions() == []


def test_decisions_are_a_table_and_why_explains_one(acting: Server) -> None:
    assert s.decisions().empty and list(s.decisions()["id"]) == []
    with pytest.raises(s.NotFound, match="no such decision"):
        s.why()
    decision = decide(acting, by=1)
    wait_until(lambda: s.why()["state"] == "sent", "it was delivered")
    found = s.decisions(consumer="c")
    assert list(found.id) == [decision] and found.parameters[0] == {"by": 1} and found.action[0] == "hook"
    assert str(found.start[0]) == "2023-11-14 22:13:20+00:00" and str(found.score.dtype) == "float64"
    assert s.decisions(consumer="another").empty
    assert s.why(decision) == s.why(decision[:20]) == s.why("last", stream="s")
    assert s.why(decision)["window"]["messages"] == 2
    assert s.investigate(decision) == f"investigate/{decision}"


WATCH: dict[str, Any] = {
    "stream": "s", "every": "10s", "values": ["max(v)"], "detector": {"kind": "threshold", "parameters": {"above": 100}},
    "levels": {"on": "value", "critical": {"enter": 100}}, "from": "earliest", "actions": [{"action": "hook"}],
}


def test_a_watch_decides_and_a_back_test_says_the_same(acting: Server) -> None:
    assert s.watch("heat", **WATCH)["name"] == "heat" and "heat" in [item["name"] for item in s.watches()]
    say(acting, 1, 2, 111, 121)
    wait_until(lambda: len(s.decisions(watch="heat")), "the watch has decided")
    live = s.decisions(watch="heat")
    again, scores = s.backtest("heat", from_="earliest", scores=True, key="")
    assert list(again.id) == list(live.id) and list(again.event) == ["opened"] and again.value[0] == 111
    assert again.attrs["compared"]["same"] == 1
    assert scores.loc["2023-11-14 22:15:10+00:00", "value"] == 111 and scores.level.iloc[-1] == "critical"
    assert scores.equals(s.scores("heat", from_="earliest"))
    assert s.backtest("heat", from_="earliest", levels={"on": "value", "critical": {"enter": 500}}).empty
    assert list(s.backtest(from_="earliest", **WATCH).event) == ["opened"]
    assert s.watch_keys("heat", state="firing")[0]["value"] == 111
    assert s.why(watch="heat")["grounds"]["value"] == 111
    s.delete_watch("heat")
    with pytest.raises(s.NotFound):
        s.watch("heat")


def test_a_trigger_is_put_fired_and_deleted(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    s.trigger("by-hand", when={"kind": "api"}, then={"action": "hook", "parameters": {"level": "high"}})
    assert [item["name"] for item in s.triggers()] == ["by-hand"]
    decision = s.fire("by-hand", by=2)["decision"]
    wait_until(lambda: s.why(decision)["state"] == "sent", "what it started was delivered")
    assert receiver.taken[0]["body"]["data"]["parameters"] == {"level": "high", "by": 2}
    assert s.firings("by-hand")[0]["decision"] == decision and list(s.decisions(trigger="by-hand").id) == [decision]
    s.delete_trigger("by-hand")
    with pytest.raises(s.NotFound):
        s.trigger("by-hand")


def test_silences_and_approvals(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    silence = s.silence("moving", timedelta(hours=1), watch="latency", key="db-*")
    assert s.silences()[0]["matchers"] == {"watch": "latency", "key": "db-*"}
    s.delete_silence(silence["id"])
    s.action("hook", webhook=receiver.url, approval={"wait": "10m"})
    decision = decide(acting)
    wait_until(lambda: s.why(decision)["state"] == "held", "it waits")
    s.reject(decision, "not now")
    with pytest.raises(s.Conflict):
        s.approve(decision)
    assert not receiver.taken
    s.try_action("hook", {"key": "postgres"})
    assert receiver.taken[0]["body"]["data"]["key"] == "postgres"
