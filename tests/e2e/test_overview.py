"""The overview in numbers, a user's settings, and lists searched by a part of a name."""

from __future__ import annotations

import json

from conftest import SAMPLE, Server, wait_until


def overview(server: Server) -> dict:
    answer = server.requests.get("/v1/overview")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_an_empty_server_counts_nothing(server: Server) -> None:
    got = overview(server)
    assert got["failures"] == [] and got["aggregate"]["failing"] == []
    assert got["aggregate"]["messages_per_s"] == [0] * 60 and got["compute"]["runs_per_m"] == [0] * 60 == got["act"]["decisions_per_m"]
    assert {name: value for name, value in got["aggregate"].items() if isinstance(value, int)} == {
        "objects": 0, "object_bytes": 0, "streams": 0, "messages": 0}
    assert got["interact"]["notebooks"] == 0 and got["interact"]["recipes"] > 0
    assert got["act"] | {"decisions_per_m": 0} == {
        "actions": 0, "watches": 0, "firing": 0, "worst": "ok", "triggers": 0, "triggers_stopped": 0, "decisions_24h": 0, "held": 0, "waiting": 0,
        "failed": 0, "decisions_per_m": 0}


def test_objects_and_messages_are_counted(server: Server) -> None:
    server.put("a", b"12345")
    server.put("a", b"123")
    server.put("b", b"1")
    server.requests.delete("/v1/objects/b")
    assert server.requests.put("/v1/streams/s", json={}).status_code == 201
    body = "\n".join(json.dumps({"n": n}) for n in range(50)) + "\n"
    sent = server.requests.post("/v1/streams/s/messages", data=body, headers={"Content-Type": "application/x-ndjson"})
    assert sent.status_code == 200, sent.text
    got = overview(server)["aggregate"]
    assert (got["objects"], got["object_bytes"], got["streams"], got["messages"]) == (1, 8, 1, 50)
    wait_until(lambda: sum(overview(server)["aggregate"]["messages_per_s"]) == 50, "the second they came in is over")


def test_a_source_that_fails_is_named(server: Server) -> None:
    definition = {"source": {"kind": "amqp", "url": "amqp://127.0.0.1:1/", "queue": "q"}}
    assert server.requests.put("/v1/streams/bad", json=definition).status_code == 201
    failing = wait_until(lambda: overview(server)["aggregate"]["failing"], "the source has failed")
    assert failing[0]["name"] == "bad" and failing[0]["detail"]
    failure = overview(server)["failures"][0]
    assert failure["kind"] == "stream" and failure["href"] == "/data/streams/bad" and failure["message"]


def test_runs_that_fail_are_listed_with_their_address(shared_server: Server) -> None:
    shared_server.put_notebook("overview/bad", "raise ValueError('on purpose')")
    run = shared_server.requests.post("/v1/runs?wait=60s", json={"notebook": "overview/bad"}).json()
    assert run["state"] == "failed"
    got = overview(shared_server)
    mine = [failure for failure in got["failures"] if failure["href"] == f"/runs/{run['id']}"]
    assert mine and mine[0]["kind"] == "run" and mine[0]["name"] == "overview/bad" and mine[0]["message"]
    assert got["compute"]["failed_1h"] >= 1 and sum(got["compute"]["runs_per_m"]) == got["compute"]["finished_1h"]


def test_another_tenants_numbers_are_not_told(server: Server) -> None:
    server.put("a", b"12345")
    other = server.client(server.requests.post("/v1/tenants", json={"name": "other"}).json()["token"])
    assert other.get("/v1/overview").json()["aggregate"]["objects"] == 0


def test_settings_are_a_users_own_and_survive(server: Server) -> None:
    first = server.requests.get("/v1/settings")
    assert first.json() == {} and first.headers["ETag"]
    assert server.requests.put("/v1/settings", json={"theme": "dark", "pinned": [1]}).json() == {"theme": "dark", "pinned": [1]}
    stale = server.requests.put("/v1/settings", json={}, headers={"If-Match": first.headers["ETag"]})
    assert stale.status_code == 412
    other = server.client(server.requests.post("/v1/tenants", json={"name": "other"}).json()["token"])
    assert other.get("/v1/settings").json() == {}
    server.restart(kill=True)
    assert server.requests.get("/v1/settings").json() == {"theme": "dark", "pinned": [1]}
    assert server.requests.put("/v1/settings", json={"x": "y" * 17000}).status_code == 413
    assert server.requests.put("/v1/settings", data=b"[1]", headers={"Content-Type": "application/json"}).status_code == 400


def test_lists_are_searched_by_a_part_of_the_name(server: Server) -> None:
    for name in ("nfl/Week1.csv", "nfl/week2.csv", "other"):
        server.put(name, b"x", **{"X-Suricate-Tags": "t"})
    server.put_notebook("reports/Weekly", "1")
    server.requests.put("/v1/streams/weekly-plays", json={})
    ask = lambda path: [item["name"] for item in server.requests.get(path).json()["items"]]  # noqa: E731
    assert ask("/v1/objects?q=WEEK") == ["nfl/Week1.csv", "nfl/week2.csv"]
    assert ask("/v1/objects?q=week&tag=t&prefix=nfl/w") == ["nfl/week2.csv"]
    assert ask("/v1/objects?q=%25") == [] and ask("/v1/objects?q=") == ["nfl/Week1.csv", "nfl/week2.csv", "other"]
    page = server.requests.get("/v1/objects?q=week&limit=1").json()
    assert page["next"] and ask(f"/v1/objects?q=week&limit=1&cursor={page['next']}") == ["nfl/week2.csv"]
    assert ask("/v1/notebooks?q=week") == ["reports/Weekly"] and ask("/v1/notebooks?q=nothing") == []
    assert ask("/v1/streams?q=PLAYS") == ["weekly-plays"]
    assert ask("/v1/recipes?q=receiver") and not ask("/v1/recipes?q=nothing-like-it")
    server.put("games.csv", SAMPLE.read_bytes())
    fits = server.requests.get("/v1/recipes?q=receiver&object=games.csv&wait=30s").json()["items"]
    assert all("fits" in item for item in fits)
