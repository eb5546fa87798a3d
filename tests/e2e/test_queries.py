"""SQL and roll-ups over streams and objects: answers against pandas on the same data, hostile statements, determinism."""

from __future__ import annotations

import io
import json
from typing import Any

import pandas
import pytest
from conftest import ROOT, Server

RECORDING = ROOT.parent / "shared" / "data" / "vmstart-syscalls.csv.gz"
NDJSON = {"Content-Type": "application/x-ndjson"}


def calls(count: int = 20000) -> pandas.DataFrame:
    """Rows like a recording of system calls: 20 ms apart, four commands, gaps in `lat`, whole and broken numbers."""
    at = pandas.RangeIndex(count).to_series()
    return pandas.DataFrame({
        "ts": 1_700_000_000_000 + at * 20, "comm": [["bash", "curl", "httpd", "vm"][i * 7 % 11 % 4] for i in range(count)],
        "count": at * 37 % 101, "lat": (at * 13 % 977 / 8).where(at % 5 > 0),
    })


def push(server: Server, stream: str, frame: pandas.DataFrame, **definition: Any) -> None:
    time = definition.pop("time", {"field": "ts", "format": "ms"})
    answer = server.requests.put(f"/v1/streams/{stream}", json={"time": time, "key": "comm", **definition})
    assert answer.status_code in (200, 201), answer.text
    for begin in range(0, len(frame), 5000):
        text = frame.iloc[begin : begin + 5000].to_json(orient="records", lines=True)
        answer = server.requests.post(f"/v1/streams/{stream}/messages", data=text.encode(), headers=NDJSON)
        assert answer.status_code == 200, answer.text


def ask(server: Server, sql: str, stream: str | None = None, **more: Any) -> pandas.DataFrame:
    path = f"/v1/streams/{stream}/query" if stream else "/v1/query"
    answer = server.requests.post(path, json={"sql": sql, **more})
    assert answer.status_code == 200, answer.text
    body = answer.json()
    return pandas.DataFrame(body["rows"], columns=[column["name"] for column in body["columns"]])


def roll(server: Server, stream: str, **query: str) -> pandas.DataFrame:
    answer = server.requests.get(f"/v1/streams/{stream}/windows", params=query)
    assert answer.status_code == 200, answer.text
    return pandas.DataFrame(answer.json()["rows"], columns=answer.json()["columns"])


def same(got: pandas.DataFrame, wanted: pandas.DataFrame) -> None:
    pandas.testing.assert_frame_equal(got.reset_index(drop=True), wanted.reset_index(drop=True), check_dtype=False, check_names=False,
                                      check_column_type=False, rtol=1e-9)


@pytest.fixture
def stream(server: Server) -> tuple[Server, pandas.DataFrame]:
    frame = calls()
    push(server, "calls", frame)
    return server, frame


def test_sql_answers_as_pandas_does(stream: tuple[Server, pandas.DataFrame]) -> None:
    server, frame = stream
    got = ask(server, "select comm, count(*) n, sum(count) s, avg(lat) a, stddev(lat) d, p50(lat) p, p95(lat) q, p99(count) r, first(count) f, "
                      "last(count) l, min(lat), max(lat), count(lat) from calls group by comm", "calls")
    by = frame.groupby("comm")
    same(got, pandas.DataFrame({
        "comm": sorted(frame.comm.unique()), "n": by.size().values, "s": by["count"].sum().values, "a": by.lat.mean().values,
        "d": by.lat.std().values, "p": by.lat.quantile(0.5).values, "q": by.lat.quantile(0.95).values, "r": by["count"].quantile(0.99).values,
        "f": by["count"].first().values, "l": by["count"].last().values, "m": by.lat.min().values, "x": by.lat.max().values,
        "c": by.lat.count().values,
    }).set_axis(got.columns, axis=1))
    late = ask(server, "select count, comm, count * 2 as double from calls where lat > 100 and comm like 'h%'")
    wanted = frame[(frame.lat > 100) & frame.comm.str.startswith("h")]
    same(late, pandas.DataFrame({"count": wanted["count"], "comm": wanted.comm, "double": wanted["count"] * 2}))


def test_a_range_bounds_the_rows(stream: tuple[Server, pandas.DataFrame]) -> None:
    server, frame = stream
    assert ask(server, "select count(*) n, rate() r from calls", last="60s").iloc[0].tolist() == [3000, 50.0]
    assert ask(server, "select min(_offset), max(_offset) from calls", **{"from": "100", "to": "200"}).iloc[0].tolist() == [100, 199]
    begin = pandas.to_datetime(frame.ts.iloc[1000], unit="ms", utc=True).isoformat().replace("+00:00", "Z")
    assert ask(server, "select count(*) n, min(_offset) o from calls", **{"from": begin}).iloc[0].tolist() == [19000, 1000]
    assert ask(server, "select _offset from calls where _offset >= 19999").iloc[0, 0] == 19999
    first = ask(server, "select _time, _key, _arrival, _body from calls limit 1").iloc[0]
    assert first["_time"] == "2023-11-14T22:13:20.000000Z" and first["_key"] == frame.comm[0]
    assert json.loads(first["_body"])["ts"] == frame.ts[0]


def test_answers_come_as_csv_and_ndjson_too(stream: tuple[Server, pandas.DataFrame]) -> None:
    server, frame = stream
    sql = "select comm, sum(lat) s, '\"a\",\n' as t from calls group by comm"
    csv = server.requests.post("/v1/query?format=csv", json={"sql": sql})
    assert csv.headers["Content-Type"].startswith("text/csv")
    lines = server.requests.post("/v1/query?format=ndjson", json={"sql": sql}).text.splitlines()
    wanted = frame.groupby("comm").lat.sum()
    for got in (pandas.read_csv(io.StringIO(csv.text)), pandas.DataFrame(map(json.loads, lines))):
        assert got.s.tolist() == pytest.approx(wanted.tolist()) and set(got.t) == {'"a",\n'}
    answer = server.requests.post("/v1/query?format=xml", json={"sql": sql})
    assert answer.status_code == 400 and answer.json()["field"] == "format"


def test_streams_join_objects_and_objects_alone_are_asked(stream: tuple[Server, pandas.DataFrame]) -> None:
    server, frame = stream
    server.put("teams/who.csv", "comm,team,weight\nbash,red,1\ncurl,blue,2\nvm,blue,3.5\n")
    got = ask(server, 'select team, count(*) n, sum(c.count * w.weight) s from calls c join "teams/who.csv" w on w.comm = c.comm group by team')
    teams = frame.merge(pandas.DataFrame({"comm": ["bash", "curl", "vm"], "team": ["red", "blue", "blue"], "weight": [1, 2, 3.5]}))
    teams["product"] = teams["count"] * teams.weight
    wanted = teams.groupby("team")["product"].agg(["size", "sum"])
    assert got.values.tolist() == [[team, *row] for team, row in zip(wanted.index, wanted.values.tolist())]
    assert ask(server, 'select team, weight from "teams/who.csv" order by weight desc').values.tolist() == [["blue", 3.5], ["blue", 2.0], ["red", 1.0]]
    refused = server.requests.post("/v1/query", json={"sql": 'select * from "teams/who.csv"', "objects": []})
    assert refused.status_code == 404
    assert server.requests.post("/v1/streams/calls/query", json={"sql": "select * from other"}).status_code == 404


@pytest.mark.parametrize("sql", [
    "attach '/etc/passwd' as p", "pragma database_list", "create table t (a)", "insert into calls values (1)", "delete from calls",
    "drop table calls", "vacuum", "select load_extension('x')", "select random()", "select datetime('now')", "select current_timestamp",
    "select * from sqlite_master", "select 1; select 2", "selct", "", "select * from pragma_database_list", "select writefile('/tmp/x', 1)",
])
def test_a_hostile_statement_is_refused_in_words(server: Server, sql: str) -> None:
    server.requests.put("/v1/streams/calls", json={})
    answer = server.requests.post("/v1/query", json={"sql": sql})
    assert answer.status_code in (400, 404), answer.text
    assert "sql" in answer.json()["detail"] and len(answer.json()["detail"]) < 500


@pytest.mark.server("--limit", "query_s=1", "--limit", "query_rows=1000", "--limit", "query_memory_bytes=64MiB")
def test_a_statement_without_end_is_ended(server: Server) -> None:
    endless = "with recursive a(i) as (select 1 union all select i + 1 from a) select "
    slow = server.requests.post("/v1/query", json={"sql": endless + "count(*) from a"})
    assert slow.status_code in (408, 503, 504) and "1000 ms" in slow.json()["detail"]
    large = server.requests.post("/v1/query", json={"sql": endless + "count(distinct hex(zeroblob(10000)) || i) from a"})
    assert large.status_code >= 400
    cut = server.requests.post("/v1/query", json={"sql": endless + "i from a"}).json()
    assert cut["truncated"] and len(cut["rows"]) == 1000
    assert server.requests.get("/v1/status").status_code == 200


def test_windows_roll_up_as_pandas_does_and_again_from_the_cache(stream: tuple[Server, pandas.DataFrame]) -> None:
    server, frame = stream
    query = {"every": "10s", "by": "comm", "agg": "count(),sum(count),avg(lat),p95(lat),stddev(lat),rate(count)"}
    got = roll(server, "calls", **query)
    time = pandas.to_datetime(frame.ts, unit="ms", utc=True).dt.floor("10s")
    by = frame.groupby([time, "comm"])
    wanted = pandas.DataFrame({
        "n": by.size(), "s": by["count"].sum(), "a": by.lat.mean(), "p": by.lat.quantile(0.95), "d": by.lat.std(), "r": by["count"].sum() / 10,
    })
    same(got[list(got.columns[3:-1])], wanted.set_axis(got.columns[3:-1], axis=1))
    assert got.comm.tolist() == [comm for _, comm in wanted.index]
    assert pandas.to_datetime(got.window_start).tolist() == [start for start, _ in wanted.index]
    assert got.closed[:-4].all() and not got.closed[-4:].any()
    again = roll(server, "calls", **query)
    pandas.testing.assert_frame_equal(got, again)
    more = calls(21000).iloc[20000:]
    push(server, "calls", more)
    longer = roll(server, "calls", **query)
    pandas.testing.assert_frame_equal(longer.iloc[: len(got) - 4], got.iloc[:-4])
    assert len(longer) > len(got)
    last = roll(server, "calls", every="10s", agg="count()", last="30s")
    assert last["count()"].tolist() == [500] * 4 and last.closed.tolist() == [True, True, True, False]


def test_sliding_windows_and_late_messages(server: Server) -> None:
    push(server, "s", pandas.DataFrame({"ts": [0, 500, 1000, 2500, 900, 2600, 4100], "comm": "a", "count": 1}), time={"field": "ts", "format": "ms"}, delay="1s")
    got = roll(server, "s", every="1s", agg="count()")
    # 900 comes after event time has reached 2000, which closes [0, 1000) with a delay of a second.
    assert got["count()"].tolist() == [2, 1, 2, 1] and got.closed.tolist() == [True, True, True, False]
    sliding = roll(server, "s", every="2s", slide="1s", agg="count()")
    assert sliding["count()"].tolist() == [2, 4, 3, 2, 1, 1]


@pytest.mark.parametrize(("query", "field"), [
    ({}, "every"), ({"every": "0s"}, "every"), ({"every": "1s", "slide": "2s"}, "slide"), ({"every": "1s", "agg": "summ(x)"}, "aggregates"),
    ({"every": "1s", "agg": "sum()"}, "aggregates"), ({"every": "1s", "agg": "sum(x"}, "aggregates"), ({"every": "1s", "by": "a,a"}, "by"),
    ({"every": "1s", "agg": "percentile(x, 101)"}, "aggregates"), ({"every": "1s", "from": "soon"}, "from"),
])
def test_a_wrong_roll_up_is_refused_by_field(server: Server, query: dict[str, str], field: str) -> None:
    push(server, "calls", calls(10))
    answer = server.requests.get("/v1/streams/calls/windows", params=query)
    assert answer.status_code == 400 and field in answer.json()["field"], answer.text


@pytest.mark.skipif(not RECORDING.exists(), reason="the recording is not on this machine")
def test_a_recording_is_answered_as_pandas_does(server: Server) -> None:
    frame = pandas.read_csv(RECORDING)
    push(server, "calls", frame, time={"field": "t_ms", "format": "ms"})
    got = ask(server, 'select "group", comm, sum(count) n, sum(errors) e, p99(count) p from calls group by "group", comm')
    by = frame.groupby(["group", "comm"])["count"]
    assert got.n.tolist() == by.sum().tolist() and got.p.tolist() == pytest.approx(by.quantile(0.99).tolist())
    rolled = roll(server, "calls", every="1s", by="group", agg="sum(count),avg(errors)")
    seconds = frame.groupby([frame.t_ms // 1000, "group"])
    assert rolled["sum(count)"].tolist() == seconds["count"].sum().tolist()
    assert rolled["avg(errors)"].tolist() == pytest.approx(seconds["errors"].mean().tolist())
