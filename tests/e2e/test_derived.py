"""Derived streams: each window exactly once, over restarts and kills; SQL with joins; faults; streams derived from derived ones."""

from __future__ import annotations

from typing import Any

import pandas
import pytest
from conftest import Server, wait_until
from streams import create, problem, push

PARENT = {"time": {"field": "ts", "format": "ms"}, "key": "comm"}


def rows(begin: int, end: int) -> list[dict[str, Any]]:
    """A message each 100 ms, from three commands."""
    return [{"ts": 1_700_000_000_000 + 100 * i, "comm": ["bash", "curl", "httpd"][i % 3], "count": i % 17, "lat": i % 13 / 4} for i in range(begin, end)]


def derive(server: Server, name: str, source: str = "calls", **how: Any) -> None:
    create(server.requests, name, source={"kind": "derived", "from": source, "every": "1s", **how})


def bodies(server: Server, name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    at: int | None = 0
    while at is not None:
        page = server.requests.get(f"/v1/streams/{name}/messages", params={"from": at, "limit": 1000}).json()
        found += [item["body"] for item in page["items"]]
        at = page["next"] if page["next"] != at else None
    return found


def count(server: Server, name: str) -> int:
    answer = server.requests.post("/v1/query", json={"sql": f'select count(*) from "{name}"'})
    return answer.json()["rows"][0][0] if answer.status_code == 200 else 0


def state(server: Server, name: str) -> dict[str, Any]:
    return server.requests.get(f"/v1/streams/{name}").json()["source"]


def wanted(all_rows: list[dict[str, Any]]) -> pandas.DataFrame:
    """What is to come out: closed windows only, in order of window and key."""
    frame = pandas.DataFrame(all_rows)
    frame["window"] = pandas.to_datetime(frame.ts // 1000 * 1000, unit="ms", utc=True).dt.strftime("%Y-%m-%dT%H:%M:%S.000000Z")
    frame = frame[frame.window < frame.window.max()]
    made = frame.groupby(["window", "comm"]).agg(n=("count", "sum"), lat=("lat", "mean"), p=("lat", lambda v: v.quantile(0.95)))
    return made.reset_index()


def test_declared_aggregates_and_sql_give_each_window_once_as_pandas_does(server: Server) -> None:
    create(server.requests, "calls", **PARENT)
    derive(server, "declared", by=["comm"], aggregates={"n": "sum(count)", "lat": "avg(lat)", "p": "p95(lat)"})
    derive(server, "asked", sql="select comm, sum(count) n, avg(lat) lat, p95(lat) p from calls group by comm")
    for begin in range(0, 600, 60):
        push(server.requests, "calls", *rows(begin, begin + 60))
    expected = wanted(rows(0, 600))
    for name in ("declared", "asked"):
        wait_until(lambda name=name: count(server, name) == len(expected), f"{name} has caught up")
        got = pandas.DataFrame(bodies(server, name))
        assert got.comm.tolist() == expected.comm.tolist() and got.n.tolist() == expected.n.tolist()
        assert got.lat.tolist() == pytest.approx(expected.lat.tolist()) and got.p.tolist() == pytest.approx(expected.p.tolist())
    first = server.requests.get("/v1/streams/declared/messages", params={"limit": 1}).json()["items"][0]
    assert first["time"] == "2023-11-14T22:13:20.999999Z" and first["key"] == "bash"
    assert pandas.DataFrame(bodies(server, "declared")).window_start.tolist() == expected.window.tolist()


def test_each_window_comes_once_though_the_server_is_killed(server: Server) -> None:
    create(server.requests, "calls", **PARENT)
    derive(server, "declared", by=["comm"], aggregates={"n": "sum(count)", "lat": "avg(lat)"})
    derive(server, "asked", sql="select comm, sum(count) n from calls group by comm")
    derive(server, "grand", source="declared", every="2s", aggregates={"n": "sum(n)", "rows": "count()"})
    for turn in range(8):
        for begin in range(turn * 100, turn * 100 + 100, 20):
            push(server.requests, "calls", *rows(begin, begin + 20))
        server.restart(kill=turn % 2 == 0)
    expected = wanted(rows(0, 800))
    for name in ("declared", "asked"):
        wait_until(lambda name=name: count(server, name) >= len(expected), f"{name} has caught up")
        got = pandas.DataFrame(bodies(server, name))
        assert got.n.tolist() == expected.n.tolist() and got.comm.tolist() == expected.comm.tolist()
    grand = expected.groupby(pandas.to_datetime(expected.window).dt.floor("2s")).n.agg(["sum", "size"])
    wait_until(lambda: count(server, "grand") >= len(grand) - 1, "the derived of the derived has caught up")
    got = pandas.DataFrame(bodies(server, "grand"))
    assert got.n.tolist() == grand["sum"].tolist()[: len(got)] and got.rows.tolist() == grand["size"].tolist()[: len(got)]


def test_sql_joins_an_object_that_is_listed(server: Server) -> None:
    server.put("who.csv", "comm,team\nbash,red\ncurl,blue\nhttpd,blue\n")
    create(server.requests, "calls", **PARENT)
    sql = 'select w.team, sum(c.count) n from calls c join "who.csv" w using (comm) group by w.team'
    derive(server, "teams", sql=sql, objects=["who.csv"])
    derive(server, "unlisted", sql=sql)
    push(server.requests, "calls", *rows(0, 25))
    wait_until(lambda: count(server, "teams") == 4, "two windows of two teams")
    assert [(row["team"], row["n"]) for row in bodies(server, "teams")][:2] == [
        ("blue", sum(i % 17 for i in range(10) if i % 3)), ("red", sum(i % 17 for i in range(0, 10, 3)))]
    stopped = wait_until(lambda: state(server, "unlisted")["state"] == "stopped" and state(server, "unlisted"), "the other one has stopped")
    assert "who.csv" in stopped["message"]


def test_a_fault_of_the_statement_stops_it_until_the_definition_changes(server: Server) -> None:
    create(server.requests, "calls", **PARENT)
    derive(server, "asked", sql="select comm, sum(counts) n from calls group by comm")
    push(server.requests, "calls", *rows(0, 35))
    stopped = wait_until(lambda: state(server, "asked")["state"] == "stopped" and state(server, "asked"), "it has stopped")
    assert "no such column: counts" in stopped["message"]
    server.restart()
    wait_until(lambda: state(server, "asked")["state"] == "stopped", "it stops again")
    derive(server, "asked", sql="select comm, sum(count) n from calls group by comm")
    wait_until(lambda: count(server, "asked") == 9, "all three windows are there")
    wait_until(lambda: state(server, "asked")["state"] == "running", "it runs")


def test_a_parent_is_not_deleted_under_its_derived_stream_and_may_come_later(server: Server) -> None:
    derive(server, "early", by=["comm"], aggregates={"n": "count()"})
    wait_until(lambda: state(server, "early")["state"] == "waiting", "it waits for its parent")
    create(server.requests, "calls", **PARENT)
    push(server.requests, "calls", *rows(0, 25))
    wait_until(lambda: count(server, "early") == 6, "two windows")
    problem(server.requests.delete("/v1/streams/calls"), 409, "early")
    assert server.requests.delete("/v1/streams/calls", params={"force": "true"}).status_code in (200, 204)
    wait_until(lambda: state(server, "early")["state"] == "waiting", "it waits again")
    create(server.requests, "calls", **PARENT)
    push(server.requests, "calls", *rows(100, 125))
    wait_until(lambda: count(server, "early") == 12, "the new parent's windows")


@pytest.mark.parametrize(("source", "part"), [
    ({"from": "calls"}, "every"), ({"from": "calls", "every": "1s"}, "aggregates"), ({"every": "1s", "sql": "select 1"}, "from"),
    ({"from": "calls", "every": "1s", "sql": "select 1", "aggregates": {"n": "count()"}}, "sql"),
    ({"from": "calls", "every": "1s", "aggregates": {"n": "summ(x)"}}, "summ"), ({"from": "calls", "every": "1s", "aggregates": {"_n": "count()"}}, "_n"),
    ({"from": "calls", "every": "1s", "slide": 5, "aggregates": {"n": "count()"}}, "slide"),
    ({"from": "calls", "every": "1s", "by": [1], "aggregates": {"n": "count()"}}, "by"),
    ({"from": "calls", "every": "1s", "aggregates": {"n": "count()"}, "extra": 1}, "extra"),
])
def test_a_wrong_source_is_refused_by_field(server: Server, source: dict[str, Any], part: str) -> None:
    answer = server.requests.put("/v1/streams/d", json={"source": {"kind": "derived", **source}})
    body = problem(answer, 400)
    assert part in body["detail"] + body.get("field", "")


def test_a_quiet_window_moves_time_on_for_those_further_down(server: Server) -> None:
    create(server.requests, "calls", **PARENT)
    derive(server, "filtered", sql="select comm, count(*) n from calls where comm = 'rare' group by comm")
    derive(server, "above", source="filtered", every="5s", aggregates={"n": "sum(n)"})
    push(server.requests, "calls", {"ts": 1_700_000_000_000, "comm": "rare"}, *[{"ts": 1_700_000_000_000 + 1000 * i, "comm": "bash"} for i in range(1, 8)])
    wait_until(lambda: count(server, "above") == 1, "the window of the stream above closes without a message")
    assert bodies(server, "above")[0]["n"] == 1
