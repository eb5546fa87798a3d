"""Streams over HTTP: defining, pushing, reading back, exporting, deleting; what is refused and how it is told."""

from __future__ import annotations

import csv
import gzip
import io
import json
import subprocess
from datetime import datetime, timedelta, UTC
from typing import Any

import pytest
from conftest import IS_SANITIZED, Server
from streams import NDJSON, bodies, create, problem, push, read

MESSAGES = "/v1/streams/{}/messages"


def post(server: Server, name: str, body: bytes | str, kind: str = "application/json", **headers: str) -> Any:
    data = body.encode() if isinstance(body, str) else body
    return server.requests.post(MESSAGES.format(name), data=data, headers={"Content-Type": kind, **headers})


def zstd(data: bytes) -> bytes:
    return subprocess.run(["zstd", "-c"], input=data, stdout=subprocess.PIPE, check=True).stdout


# -- definitions ------------------------------------------------------------------------------------------------------


def test_a_stream_is_defined_changed_and_listed(server: Server) -> None:
    first = server.requests.put("/v1/streams/web/clicks", json={"time": {"field": "at"}, "key": "user", "description": "clicks"})
    assert first.status_code == 201 and first.headers["ETag"].startswith('"')
    made = first.json()
    assert made["name"] == "web/clicks" and made["definition"]["time"]["field"] == "at" and made["offsets"] == {"first": 0, "next": 0}
    assert made["definition"]["source"] == {"kind": "push"} and made["definition"]["format"] == "json"
    again = server.requests.put("/v1/streams/web/clicks", json={"key": "user"}, headers={"If-Match": first.headers["ETag"]})
    assert again.status_code == 200 and again.headers["ETag"] != first.headers["ETag"]
    problem(server.requests.put("/v1/streams/web/clicks", json={}, headers={"If-Match": first.headers["ETag"]}), 412)
    problem(server.requests.put("/v1/streams/web/clicks", json={}, headers={"If-None-Match": "*"}), 412)
    assert server.requests.get("/v1/streams/web/clicks").headers["ETag"] == again.headers["ETag"]
    create(server.requests, "web/other")
    create(server.requests, "zoo")
    names = [item["name"] for item in server.requests.get("/v1/streams", params={"prefix": "web/"}).json()["items"]]
    assert names == ["web/clicks", "web/other"]
    page = server.requests.get("/v1/streams", params={"limit": 1, "prefix": "w"}).json()
    assert page["next"] and server.requests.get("/v1/streams", params={"cursor": page["next"], "prefix": "w"}).json()["items"][0]["name"] == "web/other"


@pytest.mark.parametrize(("name", "definition", "field"), [
    ("x", {"source": {"kind": "smoke"}}, "kind"), ("x", {"format": "xml"}, "format"), ("x", {"time": {"field": "t", "format": "x"}}, "format"),
    ("x", {"delay": "soon"}, "delay"), ("x", {"retention": {"age": "-1d"}}, "age"), ("x", {"nothing": 1}, "nothing"),
    ("x", {"limits": {"message_bytes": 1 << 40}}, "message_bytes"), ("x", {"key": 5}, "key"), ("messages", {}, "messages"),
    ("a/tail/b", {}, "tail"), ("_mine", {}, "_"),
])
def test_a_wrong_definition_is_refused_by_field(server: Server, name: str, definition: dict[str, Any], field: str) -> None:
    body = problem(server.requests.put(f"/v1/streams/{name}", json=definition), 400)
    assert field in body["detail"] + body.get("field", "")
    problem(server.requests.get(f"/v1/streams/{name}"), 404)


def test_a_name_cannot_shadow_what_is_under_another(server: Server) -> None:
    for name in ("a/messages", "a/tail", "a/b/stats"):
        assert server.requests.put(f"/v1/streams/{name}", json={}).status_code in (400, 405)
    problem(server.requests.delete("/v1/streams/a/messages"), 405)


def test_a_stream_that_is_deleted_is_gone_with_its_messages(server: Server) -> None:
    etag = server.requests.put("/v1/streams/s", json={}).headers["ETag"]
    push(server.requests, "s", {"a": 1})
    problem(server.requests.delete("/v1/streams/s", headers={"If-Match": '"other"'}), 412)
    assert server.requests.delete("/v1/streams/s", headers={"If-Match": etag}).status_code == 204
    problem(server.requests.get("/v1/streams/s"), 404, "s")
    problem(post(server, "s", "{}"), 404)
    problem(server.requests.delete("/v1/streams/s"), 404)
    create(server.requests, "s")
    assert read(server.requests, "s") == []


def test_a_stream_others_derive_from_is_deleted_only_by_force(server: Server) -> None:
    create(server.requests, "base")
    create(server.requests, "sums", source={"kind": "derived", "from": "base", "every": "1s", "aggregates": {"n": "count()"}})
    problem(server.requests.delete("/v1/streams/base"), 409, "sums")
    problem(server.requests.delete("/v1/streams/base?force=perhaps"), 400)
    assert server.requests.delete("/v1/streams/base?force=true").status_code == 204


def test_tenants_do_not_see_each_others_streams(server: Server) -> None:
    other = server.client(server.requests.post("/v1/tenants", json={"name": "other"}).json()["token"])
    create(server.requests, "mine")
    push(server.requests, "mine", {"a": 1})
    problem(other.get("/v1/streams/mine"), 404)
    problem(other.get("/v1/streams/mine/messages"), 404)
    problem(other.post("/v1/streams/mine/messages", data=b"{}"), 404)
    create(other, "mine")
    assert read(other, "mine") == [] and len(read(server.requests, "mine")) == 1
    assert other.delete("/v1/streams/mine").status_code == 204 and len(read(server.requests, "mine")) == 1


def test_scopes_part_reading_from_writing(server: Server) -> None:
    create(server.requests, "s")

    def client_of(scope: str) -> Any:
        return server.client(server.requests.post("/v1/tokens", json={"name": "t", "scopes": [scope], "expires_in": "1h"}).json()["token"])

    reader, writer, stranger = client_of("streams:read"), client_of("streams:write"), client_of("objects:read")
    assert writer.post("/v1/streams/s/messages", data=b'{"a":1}').status_code == 200
    assert bodies(reader, "s") == [{"a": 1}]
    problem(reader.post("/v1/streams/s/messages", data=b"{}"), 403, "streams:write")
    problem(reader.put("/v1/streams/t", json={}), 403, "streams:write")
    problem(writer.get("/v1/streams/s/messages"), 403, "streams:read")
    problem(stranger.get("/v1/streams"), 403, "streams:read")


# -- pushing ----------------------------------------------------------------------------------------------------------


def test_a_value_is_a_message_and_an_array_one_each(server: Server) -> None:
    create(server.requests, "s")
    assert post(server, "s", '{"a": 1}').json() == {"first": 0, "next": 1, "count": 1, "repeated": False}
    assert post(server, "s", ' [{"a":2},\n {"a":3,"b":[1,2]}, 4, "five", null, [6]] ').json() == {"first": 1, "next": 7, "count": 6, "repeated": False}
    assert bodies(server.requests, "s") == [{"a": 1}, {"a": 2}, {"a": 3, "b": [1, 2]}, 4, "five", None, [6]]
    assert post(server, "s", "[]").json()["count"] == 0


def test_json_comes_back_as_it_went_in(server: Server) -> None:
    create(server.requests, "s")
    line = '{"b": 1.50, "a": 12345678901234567, "s": "\\u00e9\\/", "deep": {"x": [1, {"y": null}]}}'
    assert post(server, "s", line + "\n", "application/x-ndjson").status_code == 200
    assert server.requests.get("/v1/streams/s/messages?format=ndjson&body=raw").text == line + "\n"
    assert f'"body":{line}' in server.requests.get("/v1/streams/s/messages").text


def test_ndjson_lines_may_end_as_they_like(server: Server) -> None:
    create(server.requests, "s")
    answer = post(server, "s", b'\xef\xbb\xbf{"a":1}\r\n\r\n\n   \n  {"a":2} \n{"a":3}', "application/x-ndjson")
    assert answer.json()["count"] == 3 and bodies(server.requests, "s") == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_packed_bodies_are_opened(server: Server) -> None:
    create(server.requests, "s")
    body = b'{"a":1}\n{"a":2}\n'
    for coding, data in (("gzip", gzip.compress(body)), ("zstd", zstd(body)), ("identity", body)):
        assert post(server, "s", data, "application/x-ndjson", **{"Content-Encoding": coding}).json()["count"] == 2, coding
    for coding, data in (("gzip", gzip.compress(body)[:-9]), ("gzip", body), ("zstd", zstd(body)[:-3]), ("zstd", body)):
        problem(post(server, "s", data, "application/x-ndjson", **{"Content-Encoding": coding}), 400, "body")
    problem(post(server, "s", body, "application/x-ndjson", **{"Content-Encoding": "br"}), 415, "zstd")
    assert len(read(server.requests, "s")) == 6


@pytest.mark.server("--limit", "push_bytes=1MiB")
def test_a_packed_body_may_not_open_to_more_than_a_plain_one(server: Server) -> None:
    create(server.requests, "s", format="text")
    for coding, data in (("gzip", gzip.compress(b"x\n" * (1 << 20))), ("zstd", zstd(b"x\n" * (1 << 20)))):
        problem(post(server, "s", data, "text/plain", **{"Content-Encoding": coding}), 413, "1048576")
    problem(post(server, "s", b"x\n" * (1 << 20), "text/plain"), 413, "push_bytes")
    chunks = (b"y\n" * 10_000 for _ in range(200))
    problem(server.requests.post(MESSAGES.format("s"), data=chunks, headers={"Content-Type": "text/plain"}), 413, "push_bytes")
    assert read(server.requests, "s") == []


def test_lines_of_text_are_messages_of_a_text_stream(server: Server) -> None:
    create(server.requests, "log", format="text")
    assert post(server, "log", "one\r\n\n  two \nthrée \"quoted\" \\ \t\n", "text/plain; charset=utf-8").json()["count"] == 3
    assert bodies(server.requests, "log") == ["one", "  two ", "thrée \"quoted\" \\ \t"]
    problem(post(server, "log", "{}"), 415, "text")
    create(server.requests, "s")
    problem(post(server, "s", "one", "text/plain"), 415, "JSON")
    problem(post(server, "s", "<a/>", "application/xml"), 415, "application/x-ndjson")
    body = problem(post(server, "log", b"good\nb\xffd\n", "text/plain"), 422, "UTF-8")
    assert body["errors"][0]["line"] == 2 and len(read(server.requests, "log")) == 3


EVENT = {"specversion": "1.0", "id": "e1", "source": "/shop", "type": "sold", "time": "2026-01-02T03:04:05.678901Z", "subject": "7", "weight": 5,
         "data": {"n": 3}}


def test_cloud_events_keep_id_time_and_attributes(server: Server) -> None:
    create(server.requests, "s")
    assert post(server, "s", json.dumps({**EVENT, "partitionkey": "k"}), "application/cloudevents+json").json()["count"] == 1
    batch = [{**EVENT, "id": "e2"}, {key: value for key, value in EVENT.items() if key != "data"} | {"id": "e3", "data_base64": "eyJuIjo0fQ=="}]
    assert post(server, "s", json.dumps(batch), "application/cloudevents-batch+json").json()["count"] == 2
    headers = {"ce-specversion": "1.0", "ce-id": "e4", "ce-source": "/sh%C3%B6p", "ce-type": "sold", "ce-time": "2026-01-02T03:04:05Z"}
    assert post(server, "s", '{"n": 5}', **headers).json()["count"] == 1
    items = read(server.requests, "s")
    assert [item["id"] for item in items] == ["e1", "e2", "e3", "e4"]
    assert [item["body"] for item in items] == [{"n": 3}, {"n": 3}, {"n": 4}, {"n": 5}]
    assert items[0]["time"] == "2026-01-02T03:04:05.678901Z" and items[0]["key"] == "k" and items[1]["key"] is None
    assert items[0]["headers"] == {"source": "/shop", "type": "sold", "subject": "7", "weight": 5, "partitionkey": "k"}
    assert items[3]["headers"] == {"source": "/shöp", "type": "sold", "datacontenttype": "application/json"}


@pytest.mark.parametrize(("event", "part"), [
    ({**EVENT, "specversion": "0.3"}, "specversion"), ({**EVENT, "id": ""}, "id"), ({**EVENT, "source": None}, "source"),
    ({**EVENT, "time": "yesterday"}, "time"), ({**EVENT, "data_base64": "eyJ9"}, "exclude"), ([], "object"),
    ({key: value for key, value in EVENT.items() if key != "data"} | {"data_base64": "%"}, "base64"),
])
def test_what_is_no_cloud_event_is_refused(server: Server, event: Any, part: str) -> None:
    create(server.requests, "s")
    body = problem(post(server, "s", json.dumps(event), "application/cloudevents+json"), 422, part)
    assert body["errors"][0]["line"] == 1
    problem(post(server, "s", json.dumps(EVENT), "application/cloudevents-batch+json"), 422, "array")
    problem(post(server, "s", "{}", **{"ce-specversion": "1.0", "ce-id": "%zz"}), 400, "ce-id")


def test_the_key_is_the_header_the_field_or_none(server: Server) -> None:
    create(server.requests, "s", key="user.name")
    push(server.requests, "s", {"user": {"name": "ada"}}, {"user": {"name": 7}}, {})
    push(server.requests, "s", {"user": {"name": "eve"}}, **{"X-Suricate-Key": "given"})
    assert [item["key"] for item in read(server.requests, "s")] == ["ada", "7", None, "given"]
    problem(post(server, "s", "{}", **{"X-Suricate-Key": "k" * 300}), 422, "256")


def test_a_repeated_batch_counts_once(server: Server) -> None:
    create(server.requests, "s")
    create(server.requests, "t")
    first = push(server.requests, "s", {"a": 1}, {"a": 2}, **{"Idempotency-Key": "k1"})
    again = push(server.requests, "s", {"a": 1}, {"a": 2}, **{"Idempotency-Key": "k1"})
    assert first == {"first": 0, "next": 2, "count": 2, "repeated": False} and again == {**first, "repeated": True}
    assert push(server.requests, "t", {"a": 1}, **{"Idempotency-Key": "k1"})["repeated"] is False
    server.restart(kill=True)
    assert push(server.requests, "s", {"a": 1}, {"a": 2}, **{"Idempotency-Key": "k1"})["repeated"] is True
    assert bodies(server.requests, "s") == [{"a": 1}, {"a": 2}]
    problem(post(server, "s", "{}", **{"Idempotency-Key": "k" * 300}), 400, "Idempotency-Key")


def test_a_refused_batch_frees_its_key(server: Server) -> None:
    create(server.requests, "s")
    problem(post(server, "s", '{"a":', **{"Idempotency-Key": "k"}), 422)
    assert push(server.requests, "s", {"a": 1}, **{"Idempotency-Key": "k"})["repeated"] is False


def test_all_or_nothing_with_an_error_a_line(server: Server) -> None:
    create(server.requests, "s", time={"field": "at"})
    lines = [b'{"at":1}', b"not json", b'{"at":2}', b"", b'{"no":"time"}', b'{"at":"yesterday"}', b'{"at":3} x']
    body = problem(post(server, "s", b"\n".join(lines), "application/x-ndjson"), 422, "nothing was appended")
    assert [error["line"] for error in body["errors"]] == [2, 5, 6, 7] and all(error["message"] for error in body["errors"])
    assert read(server.requests, "s") == []
    body = problem(post(server, "s", b"x\n" * 500, "application/x-ndjson"), 422)
    assert len(body["errors"]) == 100
    body = problem(post(server, "s", '[{"at":1},{"at":[]},{"at":'), 422)
    assert body["errors"][0]["line"] == 2


@pytest.mark.parametrize("body", [
    b"", b"{", b"nothing", b'{"a":1}{', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":01}', b'{"a":"\xff"}', b"[" * 2000 + b"]" * 2000,
    b'{"a":' * 100 + b"1" + b"}" * 100, b"{'a':1}", b'{"a":1,}', b'{"a":"\n"}', b'{"a":"\x00"}',
])
def test_what_is_not_json_is_refused(server: Server, body: bytes) -> None:
    create(server.requests, "s")
    problem(post(server, "s", body), 422)
    assert read(server.requests, "s") == []
    push(server.requests, "s", {"a": 1})


def test_a_message_has_a_limit(server: Server) -> None:
    create(server.requests, "s", limits={"message_bytes": 1000})
    problem(post(server, "s", json.dumps({"a": "x" * 1000})), 422, "1000")
    create(server.requests, "t")
    assert post(server, "t", json.dumps({"a": "x" * 1_000_000})).status_code == 200
    problem(post(server, "t", json.dumps({"a": "x" * 1_100_000})), 422, "1048576")
    assert len(bodies(server.requests, "t")[0]["a"]) == 1_000_000


def test_a_body_of_many_megabytes_is_taken_whole(server: Server) -> None:
    create(server.requests, "s")
    line = json.dumps({"text": "y" * 4000}).encode() + b"\n"
    count = (31 << 20) // len(line)
    assert post(server, "s", line * count, "application/x-ndjson").json()["count"] == count
    assert server.requests.get("/v1/streams/s").json()["offsets"] == {"first": 0, "next": count}


def test_a_field_may_change_its_kind(server: Server) -> None:
    create(server.requests, "s")
    values = [1, 2.5, "three", True, None, [4], {"x": 5}]
    for value in values:
        push(server.requests, "s", {"v": value})
    assert [body["v"] for body in bodies(server.requests, "s")] == values
    kinds = {(field["name"], field["kind"]) for field in server.requests.get("/v1/streams/s").json()["schema"]["fields"]}
    assert {name for name, _ in kinds} >= {"v", "v.x"}
    rows = list(csv.DictReader(io.StringIO(server.requests.get("/v1/streams/s/messages?format=csv").text)))
    assert [row["v"] for row in rows[:4]] == ["1", "2.5", "three", "true"] and rows[6]["v.x"] == "5"


AT = datetime(2026, 3, 4, 5, 6, 7, 890000, UTC)


@pytest.mark.parametrize(("format", "value"), [
    ("s", AT.timestamp()), ("ms", int(AT.timestamp() * 1000)), ("us", int(AT.timestamp() * 1e6)), ("ns", int(AT.timestamp() * 1e6) * 1000),
    ("rfc3339", "2026-03-04T06:06:07.890+01:00"), ("auto", AT.timestamp()), ("auto", int(AT.timestamp() * 1000)),
    ("auto", int(AT.timestamp() * 1e6)), ("auto", int(AT.timestamp() * 1e6) * 1000), ("auto", "2026-03-04T05:06:07.89Z"),
])
def test_event_time_is_read_in_five_formats(server: Server, format: str, value: Any) -> None:
    create(server.requests, "s", time={"field": "at.ts", "format": format})
    push(server.requests, "s", {"at": {"ts": value}})
    assert read(server.requests, "s")[0]["time"] == "2026-03-04T05:06:07.890000Z"


def test_times_in_the_future_are_held_to_the_skew_and_old_ones_kept(server: Server) -> None:
    create(server.requests, "s", time={"field": "at", "format": "rfc3339"}, skew="10s")
    future = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    push(server.requests, "s", {"at": "1965-01-01T00:00:00Z"}, {"at": future})
    old, new = read(server.requests, "s")
    assert old["time"] == "1965-01-01T00:00:00.000000Z"
    ahead = datetime.fromisoformat(new["time"]) - datetime.fromisoformat(new["arrival"])
    assert timedelta(seconds=9) < ahead <= timedelta(seconds=10)
    assert server.requests.get("/v1/streams/s/stats").json()["since_start"]["clamped"] == 1


def test_a_paused_stream_and_one_with_another_source_take_no_pushes(server: Server) -> None:
    create(server.requests, "s", paused=True)
    problem(post(server, "s", "{}"), 409, "paused")
    create(server.requests, "base")
    create(server.requests, "sums", source={"kind": "derived", "from": "base", "every": "1s", "aggregates": {"n": "count()"}})
    problem(post(server, "sums", "{}"), 409, "derived")


# -- reading ----------------------------------------------------------------------------------------------------------


def at(second: int) -> str:
    return f"2026-01-01T00:{second // 60:02}:{second % 60:02}Z"


def filled(server: Server, count: int = 100) -> None:
    """A message a second, `n` counting, in batches of 7."""
    create(server.requests, "s", time={"field": "at"}, key="k")
    rows = [{"at": at(n), "n": n, "k": f"k{n % 3}"} for n in range(count)]
    for first in range(0, count, 7):
        push(server.requests, "s", *rows[first:first + 7])


@pytest.mark.parametrize(("query", "expected"), [
    ({}, range(100)), ({"from": 90}, range(90, 100)), ({"from": 10, "to": 20}, range(10, 20)), ({"from": "latest"}, range(0)),
    ({"from": "earliest", "to": 3}, range(3)), ({"from": at(50)}, range(50, 100)), ({"from": at(50), "to": at(60)}, range(50, 60)),
    ({"to": at(10)}, range(10)), ({"last": "10s"}, range(90, 100)), ({"from": "5s"}, range(95, 100)), ({"from": 1000}, range(0)),
    ({"from": "2026-01-01T00:00:30.5Z", "to": 40}, range(31, 40)), ({"from": 20, "to": 10}, range(0)),
])
def test_a_range_is_read_by_offset_time_or_duration(server: Server, query: dict[str, Any], expected: range) -> None:
    filled(server)
    assert [item["body"]["n"] for item in read(server.requests, "s", limit=1000, **query)] == list(expected)
    lines = server.requests.get("/v1/streams/s/messages", params={**query, "format": "ndjson"}).text.splitlines()
    assert [json.loads(line)["offset"] for line in lines] == list(expected)
    rows = list(csv.DictReader(io.StringIO(server.requests.get("/v1/streams/s/messages", params={**query, "format": "csv"}).text)))
    assert [int(row["_offset"]) for row in rows] == list(expected)


def test_pages_go_on_where_the_one_before_ended(server: Server) -> None:
    filled(server, 25)
    seen: list[int] = []
    start: Any = 0
    while start is not None:
        page = server.requests.get("/v1/streams/s/messages", params={"from": start, "limit": 10}).json()
        assert len(page["items"]) <= 10
        seen += [item["offset"] for item in page["items"]]
        start = page["next"]
    assert seen == list(range(25))


@pytest.mark.parametrize(("query", "field"), [
    ({"from": "soon"}, "from"), ({"to": "-1"}, "to"), ({"last": "x"}, "last"), ({"last": "5s", "from": 1}, "last"), ({"limit": 0}, "limit"),
    ({"limit": "x"}, "limit"), ({"format": "xml"}, "format"), ({"body": "raw"}, "body"), ({"format": "csv", "body": "raw"}, "body"),
    ({"format": "ndjson", "limit": 5}, "limit"), ({"n": 1}, "n"),
])
def test_a_range_that_makes_no_sense_is_refused(server: Server, query: dict[str, Any], field: str) -> None:
    create(server.requests, "s")
    assert problem(server.requests.get("/v1/streams/s/messages", params=query), 400)["field"] == field


def test_csv_has_the_fields_of_the_whole_range(server: Server) -> None:
    create(server.requests, "s")
    push(server.requests, "s", {"a": 1, "text": 'with "quotes", commas\nand lines'}, {"b": {"c": 2.5}, "l": [1, "x"]})
    push(server.requests, "s", {"z": True, "a": "", "b": {"c": -0.1}})
    rows = list(csv.DictReader(io.StringIO(server.requests.get("/v1/streams/s/messages?format=csv").text)))
    assert list(rows[0]) == ["_offset", "_time", "_key", "a", "text", "b.c", "l", "z"]
    assert rows[0]["text"] == 'with "quotes", commas\nand lines' and rows[1]["b.c"] == "2.5" and json.loads(rows[1]["l"]) == [1, "x"]
    assert rows[2]["z"] == "true" and rows[2]["b.c"] == "-0.1" and rows[0]["z"] == ""


def test_json_of_several_lines_is_one_line_where_lines_count(server: Server) -> None:
    create(server.requests, "s")
    assert post(server, "s", '{\n "a": [\r\n1\n]\n}').status_code == 200
    text = server.requests.get("/v1/streams/s/messages?format=ndjson").text
    assert text.count("\n") == 1 and json.loads(text)["body"] == {"a": [1]}


def test_a_long_export_is_whole_and_takes_no_memory(server: Server) -> None:
    create(server.requests, "s")
    count = 200_000
    rows = b"".join(b'{"n":%d,"text":"some text to make it longer than it would be"}\n' % n for n in range(count // 10))
    for _ in range(10):
        assert post(server, "s", rows, "application/x-ndjson").status_code == 200
    resident = memory(server)
    with server.requests.get("/v1/streams/s/messages", params={"format": "ndjson"}, stream=True) as answer:
        offsets = 0
        for line in answer.iter_lines(1 << 20):
            assert line.startswith(b'{"offset":%d,' % offsets)
            offsets += 1
    assert offsets == count
    text = server.requests.get("/v1/streams/s/messages", params={"format": "csv"}).text
    assert text.count("\n") == count + 1 and text.splitlines()[-1].startswith(f"{count - 1},")
    assert IS_SANITIZED or memory(server) < resident + 32 * 1024


def memory(server: Server) -> int:
    """Resident anonymous KiB of the server."""
    status = open(f"/proc/{server.process.pid}/status").read()
    return int(next(line for line in status.splitlines() if line.startswith("RssAnon")).split()[1])


def test_everything_survives_a_crash(server: Server) -> None:
    filled(server, 30)
    server.restart(kill=True)
    assert [body["n"] for body in bodies(server.requests, "s")] == list(range(30))
    assert push(server.requests, "s", {"at": at(30), "n": 30})["first"] == 30
    assert server.requests.get("/v1/streams/s/verify").json()["is_whole"] is True


def test_stats_tell_what_is_there(server: Server) -> None:
    filled(server, 30)
    stats = server.requests.get("/v1/streams/s/stats").json()
    assert stats["offsets"] == {"first": 0, "next": 30} and stats["messages"] == 30 and stats["dead_letters"] == 0
    assert stats["time"] == {"low": "2026-01-01T00:00:00.000000Z", "high": "2026-01-01T00:00:29.000000Z"}
    assert stats["since_start"]["messages"] == 30 and stats["stored"]["head_messages"] + stats["stored"]["sealed_messages"] == 30
    server.requests.put("/v1/streams/s/consumers/c", json={"every": "10s", "from": "earliest"})
    followers = server.requests.get("/v1/streams/s/stats").json()["consumers"]
    assert [(one["name"], one["lag"]["messages"]) for one in followers] == [("c", 30)]
    assert "definition" not in stats and set(stats["rates"]) == {"messages_per_s", "bytes_per_s"}


def test_dead_letters_are_empty_for_who_pushes(server: Server) -> None:
    create(server.requests, "s")
    post(server, "s", "no json")
    assert server.requests.get("/v1/streams/s/dead-letters").json() == {"items": [], "next": None}
    assert server.requests.delete("/v1/streams/s/dead-letters").status_code == 204


# -- floods -----------------------------------------------------------------------------------------------------------


def test_a_stream_faster_than_its_limit_gets_429(server: Server) -> None:
    create(server.requests, "s", limits={"messages_per_s": 10})
    assert push(server.requests, "s", *[{"n": n} for n in range(50)])["count"] == 50
    answer = post(server, "s", "{}")
    problem(answer, 429, "messages_per_s")
    assert answer.headers["Retry-After"] == "1" and len(read(server.requests, "s")) == 50


@pytest.mark.server("--limit", "push_held_bytes=1MiB", "--limit", "stream_queued_bytes=1MiB")
def test_a_flood_gets_429_and_memory_stays_flat(server: Server) -> None:
    from concurrent.futures import ThreadPoolExecutor

    create(server.requests, "s")
    body = b'{"text":"%s"}\n' % (b"x" * 1000) * 500
    post(server, "s", body, "application/x-ndjson")
    before, taken, refused = memory(server), 0, 0

    def one(_: int) -> int:
        answer = server.client(server.token).post(MESSAGES.format("s"), data=body, headers=NDJSON)
        if answer.status_code == 429:
            assert answer.headers["Retry-After"] == "1"
        return answer.status_code

    with ThreadPoolExecutor(16) as pool:
        for status in pool.map(one, range(200)):
            assert status in (200, 429)
            taken += status == 200
            refused += status == 429
    assert taken and refused
    assert server.requests.get("/v1/streams/s").json()["offsets"]["next"] == 500 * (taken + 1)
    assert IS_SANITIZED or memory(server) < before + 48 * 1024
