"""Replays: tables that the server sends into streams, also while nobody looks, and each row once."""

from __future__ import annotations

import time
from typing import Any

import pandas as pd
import pytest
import requests
from conftest import Server, wait_until
from streams import bodies, create, problem, read

TABLE = pd.DataFrame({"at": pd.date_range("2025-01-01", periods=300, freq="1s").strftime("%Y-%m-%d %H:%M:%S"), "n": range(300),
                      "who": ["ann", "bob", None] * 100, "x": [n / 4 for n in range(300)]})


def put(client: requests.Session, name: str, frame: pd.DataFrame = TABLE) -> None:
    content = frame.to_json(orient="records", lines=True) if name.endswith("ndjson") else frame.to_csv(index=False)
    answer = client.put(f"/v1/objects/{name}", data=content.encode(),
                        headers={"Content-Type": "application/x-ndjson" if name.endswith("ndjson") else "text/csv"})
    assert answer.status_code in (200, 201), answer.text


def start(client: requests.Session, **body: Any) -> dict[str, Any]:
    answer = client.post("/v1/replays", json=body)
    assert answer.status_code == 201, answer.text
    replay = answer.json()
    assert answer.headers["Location"] == f"/v1/replays/{replay['id']}"
    return replay


def get(client: requests.Session, replay: dict[str, Any]) -> dict[str, Any]:
    answer = client.get(f"/v1/replays/{replay['id']}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def ended(client: requests.Session, replay: dict[str, Any]) -> dict[str, Any]:
    wait_until(lambda: get(client, replay)["state"] != "running", "the replay ends")
    return get(client, replay)


@pytest.mark.parametrize("name", ["t.csv", "t.ndjson"])
def test_a_table_becomes_a_stream(server: Server, name: str) -> None:
    put(server.requests, name)
    replay = start(server.requests, object=name, stream="s", speed=1000)
    assert (replay["state"], replay["rows"], replay["time"], replay["version"]) == ("running", 300, "at", 1)
    replay = ended(server.requests, replay)
    assert (replay["state"], replay["sent"], replay["refused"]) == ("done", 300, 0) and replay["ended_at"]
    items = [item for item in read(server.requests, "s", limit=1000)]
    found = pd.DataFrame([item["body"] for item in items])
    pd.testing.assert_frame_equal(found[["at", "n", "who", "x"]], TABLE.where(TABLE.notna(), None), check_dtype=False)
    assert items[10]["time"] == "2025-01-01T00:00:10.000000Z"
    definition = server.requests.get("/v1/streams/s").json()["definition"]
    assert definition["time"]["field"] == "at" and definition["source"]["kind"] == "push"


def test_rows_are_sent_in_the_order_of_their_times_and_get_missing_ones(server: Server) -> None:
    frame = TABLE.sample(frac=1, random_state=1)
    put(server.requests, "t.csv", frame)
    ended(server.requests, start(server.requests, object="t.csv", stream="s", speed=1e6))
    assert [body["n"] for body in bodies(server.requests, "s", limit=1000)] == list(range(300))
    holes = TABLE.copy()
    holes.loc[[0, 5, 6], "at"] = None
    put(server.requests, "holes.csv", holes)
    ended(server.requests, start(server.requests, object="holes.csv", stream="h", speed=1e6))
    items = read(server.requests, "h", limit=1000)
    assert [item["time"][17:19] for item in items[:8]] == ["01", "01", "02", "03", "04", "04", "04", "07"]


def test_the_pace_is_that_of_the_times(server: Server) -> None:
    put(server.requests, "t.csv")
    began = time.monotonic()
    replay = start(server.requests, object="t.csv", stream="s", speed=100)
    wait_until(lambda: get(server.requests, replay)["sent"] >= 100, "a third is sent")
    assert time.monotonic() - began >= .9 and get(server.requests, replay)["sent"] < 300
    assert ended(server.requests, replay)["state"] == "done"
    assert time.monotonic() - began >= 2.9


def test_the_whole_table_takes_a_minute_unless_told_otherwise(server: Server) -> None:
    put(server.requests, "t.csv")
    assert start(server.requests, object="t.csv", stream="s")["speed"] == pytest.approx(299 / 60)
    put(server.requests, "plain.csv", TABLE[["n", "x"]])
    replay = start(server.requests, object="plain.csv", stream="p", speed=40)
    assert replay["time"] is None
    assert ended(server.requests, replay)["sent"] == 300
    assert [body["n"] for body in bodies(server.requests, "p", limit=1000)] == list(range(300))


def test_no_row_is_lost_or_doubled_when_the_server_is_killed(server: Server) -> None:
    put(server.requests, "t.csv")
    replay = start(server.requests, object="t.csv", stream="s", speed=60)
    for sent in (20, 80, 150):
        wait_until(lambda sent=sent: get(server.requests, replay)["sent"] >= sent, f"{sent} rows are sent")
        server.restart(kill=True)
        assert get(server.requests, replay)["state"] == "running"
    assert server.requests.delete("/v1/objects/t.csv?version=7").status_code == 404
    assert ended(server.requests, replay)["state"] == "done"
    assert [body["n"] for body in bodies(server.requests, "s", limit=1000)] == list(range(300))


def test_a_replay_is_stopped_and_then_forgotten(server: Server) -> None:
    put(server.requests, "t.csv")
    replay = start(server.requests, object="t.csv", stream="s", speed=20)
    wait_until(lambda: get(server.requests, replay)["sent"] > 5, "some rows are sent")
    assert server.requests.delete(f"/v1/replays/{replay['id']}").status_code == 204
    stopped = get(server.requests, replay)
    assert stopped["state"] == "stopped"
    server.restart()
    assert len(bodies(server.requests, "s", limit=1000)) == stopped["sent"] == get(server.requests, replay)["sent"]
    assert [one["id"] for one in server.requests.get("/v1/replays").json()["items"]] == [replay["id"]]
    assert server.requests.delete(f"/v1/replays/{replay['id']}").status_code == 204
    problem(server.requests.get(f"/v1/replays/{replay['id']}"), 404)
    problem(server.requests.delete(f"/v1/replays/{replay['id']}"), 404)


def test_a_loop_begins_again_with_times_that_go_on(server: Server) -> None:
    put(server.requests, "t.csv", TABLE[:10])
    replay = start(server.requests, object="t.csv", stream="s", speed=100, loop=True)
    wait_until(lambda: get(server.requests, replay)["rounds"] >= 3, "three rounds")
    server.requests.delete(f"/v1/replays/{replay['id']}")
    items = read(server.requests, "s", limit=1000)
    times = [item["time"] for item in items]
    assert times == sorted(times) and len(set(times)) == len(times) >= 30
    assert [item["body"]["n"] for item in items[:30]] == list(range(10)) * 3


def test_numbers_are_times_under_names_that_say_so(server: Server) -> None:
    put(server.requests, "ms.csv", pd.DataFrame({"n": [1735689600000 + n for n in range(3)], "ts": [1735689600000 + 1000 * n for n in range(3)]}))
    replay = start(server.requests, object="ms.csv", stream="ms", speed=1000, loop=True)
    assert replay["time"] == "ts"
    wait_until(lambda: get(server.requests, replay)["rounds"] >= 2, "two rounds")
    assert [body["ts"] for body in bodies(server.requests, "ms", limit=4)] == [1735689600000, 1735689601000, 1735689602000, 1735689603000]


def test_what_can_not_be_replayed_is_refused(server: Server) -> None:
    client = server.requests
    put(client, "t.csv")
    client.put("/v1/objects/p.png", data=b"\x89PNG", headers={"Content-Type": "image/png"})
    client.put("/v1/objects/empty.csv", data=b"", headers={"Content-Type": "text/csv"})
    create(client, "other", time={"field": "elsewhere"})
    create(client, "derived", source={"kind": "derived", "from": "other", "every": "1s", "aggregates": {"n": "count()"}})
    body = {"object": "t.csv", "stream": "s"}
    for change, status, part in [
        ({"object": "none.csv"}, 404, "none.csv"), ({"object": "p.png"}, 400, "no table"), ({"object": "empty.csv"}, 400, ""),
        ({"stream": "_events"}, 409, ""), ({"stream": "a//b"}, 400, ""), ({"stream": "tail"}, 400, "tail"), ({"stream": "other"}, 409, "elsewhere"),
        ({"stream": "derived"}, 409, "source"), ({"time": "who"}, 400, "no row has a time"), ({"time": "nobody"}, 400, "no row has a time"),
        ({"speed": 0}, 400, "speed"), ({"speed": -1}, 400, "speed"), ({"speed": 1e300}, 400, "speed"), ({"speed": "fast"}, 400, "speed"),
        ({"loop": 1}, 400, "loop"), ({"colour": 1}, 400, "colour"), ({"object": ""}, 400, "object"), ({"stream": "x" * 600}, 400, "")]:
        answer = client.post("/v1/replays", json={**body, **change})
        assert answer.status_code in (status, 422) and part in answer.text, (change, answer.status_code, answer.text)
    assert client.get("/v1/replays").json()["items"] == []
    problem(client.post("/v1/replays", json={"stream": "s"}), 400, "object")


def test_too_many_replays_at_once_are_refused(start_server: Any) -> None:
    server = start_server("--limit", "replays=2")
    put(server.requests, "t.csv")
    first = start(server.requests, object="t.csv", stream="a", speed=.1)
    start(server.requests, object="t.csv", stream="b", speed=.1)
    problem(server.requests.post("/v1/replays", json={"object": "t.csv", "stream": "c"}), 429, "limits.replays")
    server.requests.delete(f"/v1/replays/{first['id']}")
    start(server.requests, object="t.csv", stream="c", speed=.1)


def test_a_replay_fails_when_its_stream_or_table_goes(server: Server) -> None:
    put(server.requests, "t.csv")
    replay = start(server.requests, object="t.csv", stream="s", speed=20)
    wait_until(lambda: get(server.requests, replay)["sent"] > 2, "some rows are sent")
    assert server.requests.delete("/v1/streams/s").status_code == 204
    assert ended(server.requests, replay)["state"] == "failed"
    replay = start(server.requests, object="t.csv", stream="s2", speed=.01)
    assert server.requests.delete("/v1/objects/t.csv").status_code == 204
    server.restart()
    replay = ended(server.requests, replay)
    assert replay["state"] == "failed" and replay["message"]


def test_a_token_must_read_objects_and_write_streams(server: Server) -> None:
    put(server.requests, "t.csv")
    for scopes, status in ((["streams:write"], 403), (["objects:read"], 403), (["objects:read", "streams:write"], 201)):
        token = server.requests.post("/v1/tokens", json={"name": "t" + str(len(scopes)) + scopes[0], "scopes": scopes}).json()["token"]
        answer = server.client(token).post("/v1/replays", json={"object": "t.csv", "stream": "s"})
        assert answer.status_code == status, answer.text


def test_what_happens_is_told(server: Server) -> None:
    put(server.requests, "t.csv")
    ended(server.requests, start(server.requests, object="t.csv", stream="s", speed=1e6))
    wait_until(lambda: {"replay.started", "replay.ended"} <= {item["body"].get("event") for item in read(server.requests, "_events", limit=1000)}, "both are told")
