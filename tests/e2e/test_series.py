"""Series for charts: buckets are those that pandas makes of the same data, over any range, by key, and as they come."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
import requests
import websocket
from conftest import PATIENCE_S, Server, wait_until
from streams import create, problem, push

BEGIN_MS = 1_767_225_600_000


def series(client: requests.Session, name: str, **query: Any) -> dict[str, Any]:
    answer = client.get(f"/v1/streams/{name}/series", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def one(answer: dict[str, Any], field: str = "v", key: Any = None) -> pd.DataFrame:
    """A series as a table by t."""
    found = [each for each in answer["series"] if (each["field"], each["key"]) == (field, key)]
    assert len(found) == 1, [(each["field"], each["key"]) for each in answer["series"]]
    parts = {part: found[0][part] for part in ("t", "min", "max", "last", "count")}
    return pd.DataFrame(parts).set_index("t")


def expected(frame: pd.DataFrame, step_ms: int, field: str = "v") -> pd.DataFrame:
    rows = frame.dropna(subset=[field]).sort_values("at", kind="stable")
    by = rows.groupby(rows["at"] // step_ms * step_ms)[field]
    made = pd.DataFrame({"min": by.min(), "max": by.max(), "last": by.last(), "count": by.count()})
    made.index.name = "t"
    return made


def fill(client: requests.Session, name: str, rows: int = 20_000, **definition: Any) -> pd.DataFrame:
    """A stream of random numbers, out of order and with gaps, as the table of what was pushed."""
    random = np.random.default_rng(5)
    at = BEGIN_MS + np.cumsum(random.integers(0, 40, rows)) + random.integers(0, 500, rows)
    frame = pd.DataFrame({"at": at, "v": np.round(random.normal(50, 20, rows), 2), "k": random.choice(["a", "b", "c", "d"], rows, p=[.5, .3, .15, .05])})
    frame.loc[random.integers(0, rows, rows // 50), "v"] = np.nan
    create(client, name, time={"field": "at", "format": "ms"}, skew="3660d", **definition)
    records = frame.astype(object).where(frame.notna(), None).to_dict("records")
    for begin in range(0, rows, 5000):
        push(client, name, *records[begin:begin + 5000])
    return frame


def test_buckets_of_everything_are_those_of_pandas(server: Server) -> None:
    frame = fill(server.requests, "s")
    answer = series(server.requests, "s", field="v", points=500)
    assert (answer["from"], answer["to"]) == (frame["at"].min(), frame["at"].max())
    assert answer["messages"] == answer["next"] == len(frame) and answer["whole"]
    found = one(answer)
    assert 250 <= len(found) <= 500
    pd.testing.assert_frame_equal(found, expected(frame, answer["step_ms"]), check_dtype=False)


@pytest.mark.parametrize("points", [10, 100, 5000])
def test_buckets_are_never_more_than_asked_for(server: Server, points: int) -> None:
    frame = fill(server.requests, "s", 3000)
    answer = series(server.requests, "s", field="v", points=points)
    assert len(one(answer)) <= points
    pd.testing.assert_frame_equal(one(answer), expected(frame, answer["step_ms"]), check_dtype=False)


def test_a_series_for_each_key_and_field(server: Server) -> None:
    frame = fill(server.requests, "s", 5000)
    answer = series(server.requests, "s", field="v,at", by="k", keys=3)
    assert [(each["field"], each["key"]) for each in answer["series"]] == [(field, key) for field in ("v", "at") for key in "abc"]
    assert answer["keys_left_out"] == 1 and answer["messages"] == len(frame)
    for key in "abc":
        pd.testing.assert_frame_equal(one(answer, "v", key), expected(frame[frame["k"] == key], answer["step_ms"]), check_dtype=False)


def test_a_range_of_times_and_the_last_stretch(server: Server) -> None:
    frame = fill(server.requests, "s")
    low, high = BEGIN_MS + 100_000, BEGIN_MS + 200_000
    answer = series(server.requests, "s", field="v", **{"from": low, "to": high, "points": 300})
    inside = frame[(frame["at"] >= low) & (frame["at"] < high)]
    assert (answer["from"], answer["to"]) == (low, high) and answer["messages"] == len(inside)
    pd.testing.assert_frame_equal(one(answer), expected(inside, answer["step_ms"]), check_dtype=False)
    answer = series(server.requests, "s", field="v", last="60s")
    begin = (frame["at"].max() - 60_000) // answer["step_ms"] * answer["step_ms"]
    assert answer["from"] == begin
    pd.testing.assert_frame_equal(one(answer), expected(frame[frame["at"] >= begin], answer["step_ms"]), check_dtype=False)
    early = series(server.requests, "s", field="v", **{"from": "2026-01-01T00:00:00Z", "to": "2026-01-01T00:00:05Z"})
    pd.testing.assert_frame_equal(one(early), expected(frame[frame["at"] < BEGIN_MS + 5000], early["step_ms"]), check_dtype=False)


def test_the_answer_is_the_same_after_a_restart_and_after_sealing(server: Server) -> None:
    fill(server.requests, "s", 70_000)
    before = series(server.requests, "s", field="v", by="k")
    server.restart(kill=True)
    assert series(server.requests, "s", field="v", by="k") == before


def test_numbers_of_any_kind_and_what_is_no_number(server: Server) -> None:
    create(server.requests, "s", time={"field": "at", "format": "ms"})
    values = [1, 2.5, "7", True, None, "seven", [1], {"x": 4}]
    push(server.requests, "s", *[{"at": BEGIN_MS + 1000 * n, "v": value} for n, value in enumerate(values)])
    found = one(series(server.requests, "s", field="v"))
    assert found["count"].sum() == 3 and found["last"].tolist() == [1, 2.5, 7]
    assert one(series(server.requests, "s", field="v.x"), "v.x")["last"].tolist() == [4]
    assert one(series(server.requests, "s", field="nothing"), "nothing").empty


def test_a_stream_without_messages_has_an_empty_series(server: Server) -> None:
    create(server.requests, "s")
    for query in ({}, {"last": "60s"}, {"from": BEGIN_MS}, {"by": "k"}, {"from": "10s", "to": "5s"}):
        answer = series(server.requests, "s", field="v", **query)
        assert answer["messages"] == 0 and all(each["t"] == [] for each in answer["series"])


@pytest.mark.parametrize(("query", "status", "part"), [
    ("", 400, "field is missing"), ("field=", 400, "field must name"), ("field=a,,b", 400, "field must name"),
    ("field=a,b,c,d,e,f,g,h,i", 400, "at most 8"), ("field=v&points=5001", 400, "points"), ("field=v&points=1", 400, "points"),
    ("field=v&points=-1", 400, "points"), ("field=v&keys=0", 400, "keys"), ("field=v&keys=51", 400, "keys"),
    ("field=v&last=0s", 400, "last"), ("field=v&last=99999999999999d", 400, "last"), ("field=v&last=1m&from=1", 400, "last"),
    ("field=v&from=5&to=5", 400, "to must be later"), ("field=v&from=9&to=5", 400, "to must be later"), ("field=v&from=nan", 400, "from"),
    ("field=v&to=1e300", 400, "to"), ("field=v&from=yesterday", 400, "from"), ("field=v&by=" + "k" * 300, 400, "by"),
    ("field=v&colour=red", 400, "colour"), ("field=v%00", 400, "")])
def test_what_can_not_be_answered_is_refused(server: Server, query: str, status: int, part: str) -> None:
    create(server.requests, "s")
    push(server.requests, "s", {"v": 1})
    problem(server.requests.get(f"/v1/streams/s/series?{query}"), status, part)
    problem(server.requests.get("/v1/streams/none/series?field=v"), 404)


def test_extreme_times_and_ranges_do_no_harm(server: Server) -> None:
    create(server.requests, "s", time={"field": "at"}, skew="3660d")
    rows = [{"at": at, "v": n} for n, at in enumerate(["0001-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", "2026-01-01T00:00:00Z"])]
    push(server.requests, "s", *rows)
    answer = series(server.requests, "s", field="v", points=10)
    assert one(answer)["count"].sum() == 4 and len(one(answer)) <= 10
    wide = series(server.requests, "s", field="v", points=10, **{"from": -253402300799999, "to": 253402300799999})
    assert one(wide)["count"].sum() == 4
    assert one(series(server.requests, "s", field="v", last="2900000d"))["count"].sum() == 4


def test_many_keys_are_left_out_and_counted(server: Server) -> None:
    create(server.requests, "s")
    push(server.requests, "s", *[{"k": n % 3000, "v": n} for n in range(6000)], *[{"k": 7, "v": 1}] * 10)
    answer = series(server.requests, "s", field="v", by="k", keys=50, points=10)
    assert answer["keys_left_out"] == 2950 and answer["series"][0]["key"] == "7" and sum(answer["series"][0]["count"]) == 12


def test_charts_past_the_limit_are_refused_and_closed_ones_give_back(start_server: Any) -> None:
    server = start_server("--limit", "series_bytes=1MiB")
    create(server.requests, "s")
    problem(server.requests.get("/v1/streams/s/series?field=v&by=k&keys=50&points=5000"), 429, "series_bytes")
    for _ in range(100):
        series(server.requests, "s", field="v", points=5000)


# --- followed -------------------------------------------------------------------


class Chart:
    """A follower that puts together what the page shows."""

    def __init__(self, server: Server, name: str, query: str) -> None:
        url = f"{server.url.replace('http', 'ws', 1)}/v1/streams/{name}/series?{query}"
        self.socket = websocket.create_connection(url, timeout=PATIENCE_S, suppress_origin=True, header={"Authorization": f"Bearer {server.token}"})
        self.buckets: dict[Any, dict[int, tuple[Any, ...]]] = {}
        self.messages: list[dict[str, Any]] = []
        self.take()

    def take(self) -> dict[str, Any]:
        answer = json.loads(self.socket.recv())
        self.messages.append(answer)
        if answer["whole"]:
            self.buckets = {}
        for each in answer["series"]:
            kept = self.buckets.setdefault((each["field"], each["key"]), {})
            kept.update(zip(each["t"], zip(each["min"], each["max"], each["last"], each["count"])))
        return answer

    def until(self, offset: int) -> dict[str, Any]:
        while (answer := self.messages[-1])["next"] < offset:
            self.take()
        return answer


def test_a_follower_gets_only_what_changed(server: Server) -> None:
    create(server.requests, "s", time={"field": "at", "format": "ms"}, skew="3660d")
    push(server.requests, "s", *[{"at": BEGIN_MS + 100 * n, "v": n} for n in range(1000)])
    chart = Chart(server, "s", "field=v&last=60s&points=100")
    step, first = chart.messages[0]["step_ms"], len(chart.buckets["v", None])
    assert first > 50
    push(server.requests, "s", {"at": BEGIN_MS + 100_000, "v": 5})
    answer = chart.take()
    assert not answer["whole"] and answer["step_ms"] == step and len(answer["series"][0]["t"]) == 1
    assert answer["series"][0]["t"][0] % step == 0 and answer["from"] >= chart.messages[0]["from"]
    push(server.requests, "s", {"at": BEGIN_MS, "v": 9})  # before the window: nobody sees it
    push(server.requests, "s", {"at": BEGIN_MS + 100_001, "v": 7})
    answer = chart.until(1003)
    assert [each["t"] for each in answer["series"]] == [chart.messages[1]["series"][0]["t"]] and answer["series"][0]["max"] == [max(7, *chart.messages[1]["series"][0]["max"])]


@pytest.mark.parametrize("query", ["field=v&points=50", "field=v&by=k&points=200", f"field=v&from={BEGIN_MS}&points=77"])
def test_a_follower_of_everything_ends_with_what_a_new_one_gets(server: Server, query: str) -> None:
    create(server.requests, "s", time={"field": "at", "format": "ms"}, skew="3660d")
    chart = Chart(server, "s", query)
    random = np.random.default_rng(1)
    offset = 0
    for batch in range(30):
        at = BEGIN_MS + batch * 5000 + random.integers(-20_000 if batch > 5 else 0, 5000, 100)
        push(server.requests, "s", *[{"at": int(t), "v": int(v), "k": "abc"[int(v) % 3]} for t, v in zip(at, random.integers(0, 1000, 100))])
        offset += 100
        chart.until(offset)
    fresh = Chart(server, "s", query)
    assert fresh.messages[0]["next"] == offset
    assert chart.messages[-1]["step_ms"] >= fresh.messages[0]["step_ms"]
    if chart.messages[-1]["step_ms"] == fresh.messages[0]["step_ms"]:
        assert chart.buckets == fresh.buckets
    total = sum(bucket[3] for kept in chart.buckets.values() for bucket in kept.values())
    assert total == sum(bucket[3] for kept in fresh.buckets.values() for bucket in kept.values())


def test_a_follower_is_told_at_most_ten_times_a_second(server: Server) -> None:
    import time

    create(server.requests, "s")
    push(server.requests, "s", {"v": 0})
    chart = Chart(server, "s", "field=v&last=60s")
    begin, rounds = time.monotonic(), 0
    while time.monotonic() - begin < 1:
        push(server.requests, "s", {"v": rounds})
        rounds += 1
    chart.until(rounds + 1)
    assert rounds > 20 and len(chart.messages) <= 2 + (time.monotonic() - begin) / .1


def test_a_follower_of_a_deleted_stream_ends(server: Server) -> None:
    create(server.requests, "s")
    chart = Chart(server, "s", "field=v")
    assert server.requests.delete("/v1/streams/s").status_code == 204
    create(server.requests, "s")
    push(server.requests, "s", {"v": 1})
    assert chart.socket.recv() == ""
    wait_until(lambda: not chart.socket.connected or chart.socket.recv() == "", "the socket is closed")
