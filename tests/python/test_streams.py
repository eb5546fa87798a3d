"""Streams from the SDK's side: what it asks of a server, and what it makes of the answers."""

from __future__ import annotations

import json
from typing import Any

import pandas as pd
import pytest
import suricate as s
from conftest import PlayedServer
from suricate import _streams, _transport

MESSAGES = "/v1/streams/a/b/messages"


def taken(first: int, count: int) -> tuple[int, Any]:
    return 200, {"first": first, "next": first + count, "count": count, "repeated": False}


def pushed(played: PlayedServer) -> list[Any]:
    return [json.loads(line) for line in played.bodies[-1].splitlines()]


@pytest.mark.parametrize(
    ("rows", "bodies"),
    [
        ({"n": 1}, [{"n": 1}]),
        ([{"n": 1}, {"n": 2}], [{"n": 1}, {"n": 2}]),
        (({"n": n} for n in range(2)), [{"n": 0}, {"n": 1}]),
        (b'{"n": 1}\n\n{"n": 2}\n', [{"n": 1}, {"n": 2}]),
        ('{"n": "ü"}', [{"n": "ü"}]),
        (pd.DataFrame({"n": [1, None], "at": pd.to_datetime(["2013-09-05T20:30:00.000001Z"] * 2)}),
         [{"n": 1.0, "at": "2013-09-05T20:30:00.000001Z"}, {"n": None, "at": "2013-09-05T20:30:00.000001Z"}]),
        (pd.DataFrame({"n": [1]}, index=pd.Index(["k"], name="key")), [{"key": "k", "n": 1}]),
        (17, [17]),
    ],
)  # fmt: skip
def test_whatever_is_pushed_becomes_a_message_a_line(played: PlayedServer, rows: Any, bodies: list[Any]) -> None:
    played.answers["POST", MESSAGES] = [taken(0, len(bodies))]
    assert s.push("a/b", rows, key="k")["count"] == len(bodies)
    assert pushed(played) == bodies
    headers = played.calls[-1][2]
    assert headers["Content-Type"] == "application/x-ndjson" and headers["X-Suricate-Key"] == "k"
    assert headers["Idempotency-Key"]


def test_a_large_push_goes_out_in_several_requests(played: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_streams, "BATCH_ROWS", 2)
    played.answers["POST", MESSAGES] = [taken(10, 2), taken(12, 2), taken(14, 1)]
    assert s.push("a/b", [{"n": n} for n in range(5)]) == {"first": 10, "next": 15, "count": 5, "repeated": False}
    assert len(played.calls) == 3 and len({call[2]["Idempotency-Key"] for call in played.calls}) == 3


def test_a_push_waits_out_pressure_and_is_the_same_request_again(played: PlayedServer) -> None:
    played.answers["POST", MESSAGES] = [taken(0, 1)]
    played.faults = [429, 503, "drop"]
    s.push("a/b", {"n": 1})
    assert len(played.calls) == 4 and len({call[2]["Idempotency-Key"] for call in played.calls}) == 1
    assert len(set(played.bodies)) == 1


def test_nothing_pushed_and_what_json_cannot_hold_are_refused(played: PlayedServer) -> None:
    with pytest.raises(s.Invalid, match="no message"):
        s.push("a/b", [])
    with pytest.raises(TypeError, match="JSON cannot hold"):
        s.push("a/b", [{"n": object()}])
    assert not played.calls


def test_a_definition_may_be_said_for_short(played: PlayedServer) -> None:
    played.answers["PUT", "/v1/streams/a/b"] = [(201, {"name": "a/b"})]
    s.create_stream("a/b", time="ts", retention="7d", key="comm", if_new=True)
    assert json.loads(played.bodies[-1]) == {
        "source": {"kind": "push"},
        "time": {"field": "ts"},
        "retention": {"age": "7d"},
        "key": "comm",
    }
    assert played.calls[-1][2]["If-None-Match"] == "*"


def test_an_sql_answer_has_types(played: PlayedServer) -> None:
    columns = [{"name": "n", "kind": "int"}, {"name": "x", "kind": "float"}, {"name": "t", "kind": "text"}, {"name": "n", "kind": "int"}]
    rows = [[1, 2, "a", None], [2, None, None, 5]]
    played.answers["POST", "/v1/query"] = [(200, {"columns": columns, "rows": rows, "truncated": True})]
    with pytest.warns(UserWarning, match="more rows"):
        frame = s.sql("select 1", last="60s")
    assert [str(kind) for kind in frame.dtypes][:2] == ["int64", "float64"] and str(frame.dtypes.iloc[3]) == "Int64"
    assert json.loads(played.bodies[-1]) == {"sql": "select 1", "last": "60s"}


# Following -----------------------------------------------------------------------------------


def window(number: int) -> dict[str, Any]:
    start_us = 1_378_413_000_000_000 + number * 10_000_000
    found = {"start_us": start_us, "end_us": start_us + 10_000_000, "from": number * 5, "to": number * 5 + 5, "messages": 5, "revision": 0}
    return {"window": found, "manifest": {"stream": "plays"}, "iteration": number + 1}


CONSUMER = "/v1/streams/plays/consumers/c"


@pytest.fixture
def consumer(played: PlayedServer) -> PlayedServer:
    played.answers["PUT", CONSUMER] = [(201, {"name": "c"})]
    played.answers["POST", CONSUMER + "/claim"] = [(200, {"epoch": 7})]
    played.answers["GET", CONSUMER + "/next"] = [(200, window(0)), (204, None), (200, window(1)), (204, None)]
    played.answers["POST", CONSUMER + "/commit"] = [(200, {"iteration": 1, "decisions": [], "models": []})]
    return played


def commits(played: PlayedServer) -> list[dict[str, Any]]:
    return [json.loads(body) for call, body in zip(played.calls, played.bodies) if call[1] == CONSUMER + "/commit"]


def test_a_window_is_committed_when_the_loop_comes_round(consumer: PlayedServer) -> None:
    seen = []
    for found in s.follow("plays", "10s", name="c", from_="earliest"):
        assert len(commits(consumer)) == len(seen)
        assert found.start.isoformat() == f"2013-09-05T20:30:{len(seen)}0+00:00" and len(found) == 5
        seen.append(found.offsets)
        found.act("cheer", reason="long", by=len(seen))
        found.save_model("models/m", {"w": [1.5]}, r2=0.5)
        if len(seen) == 2:
            break
    assert seen == [range(0, 5), range(5, 10)]
    (commit,) = commits(consumer)
    assert commit["epoch"] == 7 and commit["window"] == {"start_us": 1_378_413_000_000_000, "revision": 0}
    assert commit["decisions"] == [{"action": "cheer", "parameters": {"by": 1}, "reason": "long"}]
    (model,) = commit["models"]
    assert model["name"] == "models/m" and model["content"] == "eyJ3IjogWzEuNV19"
    assert model["metadata"] == {"class": "builtins.dict", "r2": 0.5} and model["format"] == "json"


def test_a_body_that_raises_commits_nothing(consumer: PlayedServer) -> None:
    with pytest.raises(ZeroDivisionError):
        for found in s.follow("plays", name="c"):
            found.act("cheer")
            1 / 0  # noqa: B018
    assert not commits(consumer)


def test_a_window_that_is_over_takes_no_more(consumer: PlayedServer) -> None:
    kept = [found for _, found in zip(range(2), s.follow("plays", name="c"))]
    with pytest.raises(s.Invalid, match="come round"):
        kept[0].act("cheer")


def test_a_fenced_follower_raises_conflict(consumer: PlayedServer) -> None:
    consumer.answers["POST", CONSUMER + "/commit"] = [(409, {"type": "/problems/fenced", "detail": "another holder has taken over"})]
    with pytest.raises(s.Conflict, match="taken over"):
        for _ in s.follow("plays", name="c"):
            pass


def test_a_commit_is_repeated_word_for_word_over_a_restart(consumer: PlayedServer) -> None:
    following = s.follow("plays", name="c")
    next(following).act("cheer")
    consumer.faults = ["drop", 503]
    next(following)
    assert len(commits(consumer)) == 3 and len({json.dumps(commit) for commit in commits(consumer)}) == 1
    keys = {call[2]["Idempotency-Key"] for call in consumer.calls if call[1] == CONSUMER + "/commit"}
    assert len(keys) == 1


def test_without_waiting_the_loop_ends_when_no_window_is_left(consumer: PlayedServer) -> None:
    consumer.answers["GET", CONSUMER + "/next"] = [(200, window(0)), (200, window(1)), (204, None)]
    assert len([*s.follow("plays", name="c", wait=False)]) == 2
    assert len(commits(consumer)) == 2 and "wait=0s" in [call[1] for call in consumer.calls if "/next" in call[1]][-1]


def test_the_definition_of_a_consumer_goes_with_its_claim(consumer: PlayedServer) -> None:
    next(s.follow("plays", "1m", "10s", name="c", from_=5, delay="2s", revisions=True))
    assert json.loads(consumer.bodies[0]) == {
        "every": "1m", "slide": "10s", "from": "5", "delay": "2s", "revisions": True, "empty": False}  # fmt: skip
    assert [call[0] for call in consumer.calls] == ["PUT", "POST", "GET"]


def test_patience_has_an_end(consumer: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "PATIENCE_S", 0.2)
    following = s.follow("plays", name="c")
    next(following)
    consumer.faults = [503] * 50
    with pytest.raises(s.Unavailable):
        next(following)
