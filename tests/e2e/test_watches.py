"""Watches: what they see, decide and remember, live, after crashes and in back-tests."""

from __future__ import annotations

import json
import math
import random
from datetime import datetime
from typing import Any, Callable

import pytest
from conftest import PATIENCE_S, Server, wait_until
from streams import create, problem, push
from test_consumers import put

BASE = 1_767_225_600            # 2026-01-01T00:00:00Z
LEVELS = {"on": "value", "critical": {"enter": 100, "leave": 50}}


@pytest.fixture
def watching(start_server: Callable[..., Server]) -> Server:
    server = start_server()
    create(server.requests, "load", source={"kind": "push"}, time={"field": "t", "format": "s"}, delay="0s")
    return server


def say(server: Server, *rows: tuple[float, float] | tuple[float, float, str]) -> None:
    """Push (seconds after BASE, value[, host])."""
    push(server.requests, "load", *[{"t": BASE + row[0], "v": row[1], "host": row[2] if len(row) > 2 else "a"} for row in rows])


def watch(server: Server, name: str = "w", **definition: Any) -> dict[str, Any]:
    settled = {"stream": "load", "every": "10s", "values": ["avg(v)"], "detector": {"kind": "threshold", "parameters": {"above": 100}},
               "levels": LEVELS, "from": "earliest", "flapping": None, **definition}
    answer = server.requests.put(f"/v1/watches/{name}", json=settled)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def seen(server: Server, name: str = "w") -> dict[str, Any]:
    return server.requests.get(f"/v1/watches/{name}").json()


def decisions(server: Server, **query: Any) -> list[dict[str, Any]]:
    """Oldest first."""
    return server.requests.get("/v1/decisions", params={"limit": 1000, **query}).json()["items"][::-1]


def steps(server: Server, **query: Any) -> list[tuple[str, str, str, int]]:
    return [(one["key"], one["event"], one["level"], one["window"]["start_us"] // 1_000_000 - BASE) for one in decisions(server, **query)]


def backtest(server: Server, name: str = "w", **asked: Any) -> dict[str, Any]:
    answer = server.requests.post(f"/v1/watches/{name}/backtest", json=asked, timeout=PATIENCE_S)
    assert answer.status_code == 200, answer.text
    return answer.json()


def reached(server: Server, seconds: float, name: str = "w") -> Callable[[], bool]:
    """Has the watch gone through all windows that end by then?"""
    def condition() -> bool:
        start = seen(server, name)["position"]["window_start"]
        return start is not None and datetime.fromisoformat(start.replace("Z", "+00:00")).timestamp() - BASE >= seconds
    return condition


def test_a_level_is_entered_and_left_and_each_step_is_a_decision_with_its_grounds(watching):
    watch(watching)
    say(watching, (1, 10), (11, 150), (21, 160), (31, 20), (41, 10))
    wait_until(lambda: len(decisions(watching)) == 2, "opened and resolved")
    assert steps(watching) == [("", "opened", "critical", 10), ("", "resolved", "ok", 30)]
    opened = decisions(watching)[0]
    assert opened["watch"] == "w" and opened["stream"] == "load" and opened["state"] == "noted" and opened["action"] == ""
    assert opened["code"].startswith("threshold/") and opened["grounds"]["value"] == 150
    assert opened["window"]["messages"] == 1 and opened["window"]["from"] <= 1 < opened["window"]["to"]
    assert "150" in opened["reason"]
    now = seen(watching)
    assert now["state"] == "running" and now["keys"] == 1 and now["firing"] == 0


def test_each_key_has_its_own_state(watching):
    watch(watching, by=["host"])
    say(watching, (1, 10, "a"), (2, 200, "b"), (11, 10, "a"), (12, 10, "b"), (21, 1, "a"))
    wait_until(lambda: len(decisions(watching)) == 2, "b opened and resolved")
    assert steps(watching) == [("b", "opened", "critical", 0), ("b", "resolved", "ok", 10)]
    keys = watching.requests.get("/v1/watches/w/keys").json()["items"]
    assert [(key["key"], key["state"], key["episode"]) for key in keys] == [("a", "ok", 0), ("b", "ok", 1)]


def test_keys_that_fire_together_are_one_decision_when_grouped(watching):
    watch(watching, by=["host"], group="window")
    say(watching, *[(1, 200, f"h{n:02}") for n in range(20)], (2, 1, "quiet"), (11, 200, "quiet"), (12, 200, "h00"), (21, 1, "quiet"))
    wait_until(lambda: len(decisions(watching)) >= 2, "decisions")
    together = decisions(watching)[0]
    assert together["key"] == "*" and together["grounds"]["count"] == 20
    assert [one["key"] for one in together["grounds"]["keys"]][:2] == ["h00", "h01"]


def test_a_back_test_gives_the_decisions_that_were_made_live(watching):
    watch(watching, by=["host"], hold={"windows": 2, "of": 3}, levels={"on": "value", "warning": {"enter": 50, "leave": 30}, **{"critical": LEVELS["critical"]}})
    values = [10, 60, 70, 120, 130, 20, 10, 200, 10, 200, 210, 40, 10, 10, 10]
    say(watching, *[(10 * n + 1, value, host) for n, value in enumerate(values) for host in ("a", "b")])
    wait_until(reached(watching, 140), "all windows were gone through")
    live = decisions(watching)
    assert len(live) > 4
    tested = backtest(watching)
    assert [one["id"] for one in tested["decisions"]] == [one["id"] for one in live]
    for made, again in zip(live, tested["decisions"]):
        for part in ("key", "event", "level", "grounds", "reason", "action"):
            assert made[part] == again[part]
    assert tested["compared"] == {"live": len(live), "same": len(live), "differ": []}
    moved = backtest(watching, definition={"levels": {"on": "value", "critical": {"enter": 205, "leave": 50}}, "hold": 1})
    assert [one["event"] for one in moved["decisions"]] == ["opened", "opened", "resolved", "resolved"]
    assert moved["compared"] is None


def test_a_back_test_needs_no_watch_and_gives_scores(watching):
    say(watching, *[(10 * n + 1, 10 + n % 3) for n in range(50)], (501, 500), (511, 10))
    answer = watching.requests.post("/v1/backtests", json={
        "definition": {"stream": "load", "values": ["avg(v)"], "levels": LEVELS, "detector": {"kind": "threshold", "parameters": {"above": 100}}},
        "scores": True})
    assert answer.status_code == 200, answer.text
    tested = answer.json()
    assert [one["event"] for one in tested["decisions"]] == ["opened"]
    assert tested["scores"]["values"][:4] == [10, 11, 12, 10] and tested["scores"]["values"][-1] == 500
    assert tested["scores"]["levels"][-1] == "critical" and len(tested["scores"]["times"]) == 51


def test_a_day_live_and_replayed_is_the_same_to_the_last_byte(watching):
    """Pushed in pieces, with restarts in between, against one back-test of all of it."""
    rules = {"levels": {"on": "score", "warning": {"enter": 0.99, "leave": 0.9}, "critical": {"enter": 0.999, "leave": 0.9}}, "hold": {"windows": 2, "of": 3},
             "cooldown": "5m", "settle": "30s", "by": ["host"], "every": "30s", "detector": {"kind": "combination"}}
    watch(watching, **rules)
    numbers = random.Random(7)
    day = [(30 * n + numbers.random() * 20, 50 + 20 * math.sin(n / 458) + numbers.gauss(0, 3) + (60 if n % 611 < 6 else 0), host)
           for n in range(2880) for host in ("a", "b", "c") if numbers.random() > 0.02]
    day.sort()
    pieces = sorted(numbers.sample(range(len(day)), 30))
    for number, (start, end) in enumerate(zip([0, *pieces], [*pieces, len(day)])):
        say(watching, *day[start:end])
        if number % 10 == 9:
            (watching.kill if number % 20 == 9 else watching.stop)()
            watching.start()
    wait_until(reached(watching, 86_340), "the day was gone through")
    live, again = decisions(watching), backtest(watching)
    parts = ("id", "key", "event", "level", "action", "grounds", "reason")
    assert len(live) > 10 and again["compared"] == {"live": len(live), "same": len(live), "differ": []}
    assert [json.dumps({part: one[part] for part in parts}, sort_keys=True) for one in live] == \
        [json.dumps({part: one[part] for part in parts}, sort_keys=True) for one in again["decisions"]]
    assert seen(watching)["differing"] == 0


def test_nothing_is_decided_twice_or_lost_over_kills(watching):
    watch(watching, by=["host"])
    for round_ in range(4):
        at = round_ * 100
        say(watching, *[(at + 10 * n + 1, 200 if n % 4 < 2 else 10, host) for n in range(10) for host in ("a", "b", "c")])
        watching.kill()
        watching.start()
    say(watching, (401, 1, "a"), (411, 1, "a"))
    wait_until(reached(watching, 400), "all windows were gone through")
    live = decisions(watching)
    assert len({one["id"] for one in live}) == len(live)
    tested = backtest(watching)
    assert [one["id"] for one in tested["decisions"]] == [one["id"] for one in live] and len(live) > 20
    assert seen(watching)["differing"] == 0


def test_a_restart_goes_on_from_a_checkpoint(watching):
    watch(watching, detector={"kind": "seasonal"}, levels={"on": "score", "critical": {"enter": 0.999, "leave": 0.9}})
    say(watching, *[(10 * n + 1, 10 + n % 5) for n in range(300)])
    wait_until(reached(watching, 2990), "it has learned")
    before = watching.requests.get("/v1/watches/w/keys").json()["items"]
    watching.stop()
    watching.start()
    wait_until(lambda: seen(watching)["state"] == "running" and seen(watching)["keys"] == 1, "it runs again")
    assert watching.requests.get("/v1/watches/w/keys").json()["items"] == before
    say(watching, (3001, 500), (3011, 10))
    wait_until(lambda: decisions(watching), "the spike was found")
    assert steps(watching)[0][1:3] == ("opened", "critical")


def test_a_key_without_messages_fires_when_asked_to(watching):
    watch(watching, by=["host"], nodata={"after": "30s", "then": "fire"})
    say(watching, (1, 10, "a"), (2, 10, "b"), *[(10 * n + 1, 10, "a") for n in range(1, 8)], (81, 10, "a"))
    wait_until(lambda: decisions(watching), "b is missed")
    key, event, level, _ = steps(watching)[0]
    assert (key, event, level) == ("b", "opened", "critical")
    say(watching, (91, 10, "b"), (101, 10, "a"), (111, 10, "a"))
    wait_until(lambda: len(decisions(watching)) == 2, "b is back")
    assert steps(watching)[1][:3] == ("b", "resolved", "ok")


def test_changed_levels_hold_from_the_next_window_and_learning_goes_on(watching):
    watch(watching)
    say(watching, (1, 60), (11, 60), (21, 60))
    wait_until(reached(watching, 20), "two windows")
    assert decisions(watching) == []
    first = seen(watching)
    watch(watching, levels={"on": "value", "critical": {"enter": 50, "leave": 20}})
    say(watching, (31, 60), (41, 10), (51, 10))
    wait_until(lambda: len(decisions(watching)) == 2, "opened and resolved")
    assert [step[1:] for step in steps(watching)] == [("opened", "critical", 20), ("resolved", "ok", 40)]
    assert seen(watching)["version"] == first["version"] + 1
    assert backtest(watching, **{"from": "2026-01-01T00:00:20Z"})["compared"]["differ"] == []


def test_a_watch_waits_for_its_stream_and_begins_again_with_another_of_that_name(start_server):
    server = start_server()
    watch(server)
    wait_until(lambda: seen(server)["state"] == "waiting", "it waits")
    create(server.requests, "load", source={"kind": "push"}, time={"field": "t", "format": "s"}, delay="0s")
    say(server, (1, 200), (11, 10))
    wait_until(lambda: len(decisions(server)) == 1, "it fired")
    problem(server.requests.delete("/v1/streams/load"), 409, "watched")
    assert server.requests.delete("/v1/streams/load", params={"force": "true"}).status_code == 204
    create(server.requests, "load", source={"kind": "push"}, time={"field": "t", "format": "s"}, delay="0s")
    say(server, (101, 200), (111, 10))
    wait_until(lambda: len(decisions(server)) == 2, "it fired again")


def test_a_watch_from_now_on_begins_with_a_log_that_is_younger_than_what_it_would_learn(watching):
    say(watching, *[(10 * n + 1, 10) for n in range(240)])
    answer = watching.requests.put("/v1/watches/w", json={"stream": "load", "values": ["avg(v)"], "levels": LEVELS})
    assert answer.status_code == 201, answer.text
    wait_until(reached(watching, 2390), "it has learned")
    assert seen(watching)["state"] == "running" and decisions(watching) == []
    say(watching, *[(2401 + 10 * n, 5000) for n in range(3)], (2441, 10))
    wait_until(lambda: decisions(watching), "it fired")


def test_one_message_of_long_ago_costs_nothing(watching):
    push(watching.requests, "load", {"t": 86400, "v": 1, "host": "a"})
    say(watching, (1, 10), (11, 200), (21, 10))
    watch(watching)
    wait_until(lambda: decisions(watching), "it fired")
    wait_until(reached(watching, 20), "it came to the end")


def test_a_thousand_keys_at_once_and_more_than_it_takes(watching):
    watch(watching, by=["host"], keys_max=1000, group="window")
    say(watching, *[(1 + n / 1000, 200, f"key{n:04}") for n in range(1500)], (11, 1, "key0000"))
    wait_until(lambda: seen(watching)["keys"] == 1000, "a thousand keys")
    assert seen(watching)["unwatched"] == 500
    first = watching.requests.get("/v1/watches/w/keys", params={"limit": 10, "state": "open"}).json()
    assert [one["key"] for one in first["items"]] == [f"key{n:04}" for n in range(10)] and first["next"] == "key0009"
    wait_until(lambda: decisions(watching), "one decision for all")
    assert decisions(watching)[0]["grounds"]["count"] == 1000


def test_values_that_are_missing_constant_or_no_numbers_are_borne(watching):
    for kind in ("threshold", "rate", "absence", "seasonal", "change", "combination"):
        parameters = {"above": 100} if kind in ("threshold", "rate") else {}
        watch(watching, kind, detector={"kind": kind, "parameters": parameters}, levels={"on": "score", "critical": {"enter": 0.999}})
    push(watching.requests, "load", *[{"t": BASE + 10 * n, "v": value} for n, value in enumerate([1, None, "x", 1e308, -1e308, {"a": 1}, 0, 0, 0] * 9)])
    for kind in ("threshold", "rate", "absence", "seasonal", "change", "combination"):
        wait_until(reached(watching, 800, kind), f"{kind} has gone through all windows")
        assert seen(watching, kind)["state"] == "running"


def test_messages_that_come_an_hour_late_change_no_decision(watching):
    watch(watching)
    say(watching, *[(10 * n + 1, 10) for n in range(400)])
    wait_until(reached(watching, 3990), "gone through")
    say(watching, (11, 500), (21, 500), (4001, 10), (4011, 10))
    wait_until(reached(watching, 4010), "gone on")
    assert decisions(watching) == [] and backtest(watching)["decisions"] == []


@pytest.mark.parametrize(("changed", "field", "says"), [
    ({"every": "0s"}, "every", "1ms"), ({"values": ["mean(v)"]}, "/values", ""), ({"levels": {}}, "/levels", "at least one"),
    ({"levels": {"on": "score", "critical": {"enter": 2}}}, "/levels/critical/enter", "at most 1"),
    ({"levels": {"on": "value", "critical": {"enter": 10, "leave": 20}}}, "/levels/critical/leave", "beyond"),
    ({"hold": {"windows": 5, "of": 3}}, "/hold", "1..64"), ({"detector": {"kind": "magic"}}, "/detector/kind", ""),
    ({"detector": {"kind": "threshold", "parameters": {"above": "x"}}}, "/detector/parameters/above", ""),
    ({"actions": [{"action": "nobody"}]}, "/actions/0/action", "there is no action"),
    ({"actions": [{"action": "x", "on": ["sometimes"]}]}, "/actions/0/on", "sometimes"), ({"from": "yesterday"}, "/from", "latest"),
    ({"keys_max": 1_000_000}, "/keys_max", "100000"), ({"nodata": {"after": "1s", "then": "panic"}}, "/nodata/then", "panic"),
    ({"surprise": 1}, "/surprise", "")])
def test_a_definition_that_makes_no_sense_is_refused_with_its_field(watching, changed, field, says):
    definition = {"stream": "load", "levels": LEVELS, "detector": {"kind": "threshold", "parameters": {"above": 1}}, **changed}
    answer = watching.requests.put("/v1/watches/w", json=definition)
    assert answer.status_code in (400, 404, 422), answer.text
    assert answer.json()["field"] == field, answer.text
    assert says in json.dumps(answer.json())


def test_watches_are_edited_by_etag_listed_and_deleted(watching):
    made = watch(watching)
    problem(watching.requests.put("/v1/watches/w", json=made["definition"], headers={"If-Match": '"w0-0"'}), 412)
    problem(watching.requests.put("/v1/watches/w", json=made["definition"], headers={"If-None-Match": "*"}), 412, "already")
    answer = watching.requests.put("/v1/watches/w", json={**made["definition"], "description": "x"}, headers={"If-Match": f'"{made["etag"]}"'})
    assert answer.status_code == 200 and answer.json()["definition"]["description"] == "x"
    assert [one["name"] for one in watching.requests.get("/v1/watches").json()["items"] if one["name"] != "_self"] == ["w"]
    assert watching.requests.delete("/v1/watches/w").status_code == 204
    problem(watching.requests.get("/v1/watches/w"), 404, "PUT /v1/watches/w")


def test_a_dry_run_notes_and_delivers_nothing(watching):
    answer = watching.requests.put("/v1/actions/hook", json={"webhook": "https://example.com/"})
    assert answer.status_code == 201, answer.text
    watch(watching, dry_run=True, actions=[{"action": "hook"}])
    say(watching, (1, 200), (11, 200))
    wait_until(lambda: decisions(watching), "it fired")
    only, = decisions(watching)
    assert only["action"] == "hook" and only["state"] in ("noted", "stopped") and only["attempts"] == 0


def kmeans(centre: float) -> dict[str, Any]:
    """A model that takes values around `centre` for normal."""
    return {"kind": "kmeans", "format": 1, "centres": [[0.0]], "mean": [centre], "scale": [1.0], "lags": 1,
            "distances": [n / 100 for n in range(200)]}


def save_model(server: Server, centre: float) -> int:
    answer = server.requests.post("/v1/models/m", json={"value": kmeans(centre), "kind": "kmeans"})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()["version"]


def test_a_promoted_model_is_used_from_the_next_window_and_replays_change_at_the_same_one(watching):
    assert save_model(watching, 10) == 1
    watch(watching, detector={"kind": "kmeans", "model": "m"}, levels={"on": "score", "critical": {"enter": 0.99, "leave": 0.9}})
    say(watching, (1, 10), (11, 30), (21, 10), (31, 10))
    wait_until(reached(watching, 30), "the first windows")
    assert [one["models"] for one in decisions(watching)] == [[{"name": "m", "version": 1}]] * 2
    assert save_model(watching, 30) == 2
    assert seen(watching)["model"] == {"name": "m", "version": 1}, "a candidate changes nothing"
    assert watching.requests.post("/v1/models/m/promote", json={"version": 2}).status_code == 200
    wait_until(lambda: seen(watching)["model"] == {"name": "m", "version": 2}, "the watch uses it")
    say(watching, (41, 30), (51, 30), (61, 10), (71, 30), (81, 30))
    wait_until(reached(watching, 80), "the other windows")
    watching.kill()
    watching.start()
    wait_until(lambda: seen(watching)["keys"] == 1, "it runs again")
    live = decisions(watching)
    assert live[-1]["models"] == [{"name": "m", "version": 2}] and live[-1]["event"] == "resolved"
    tested = backtest(watching)
    assert tested["compared"] == {"live": len(live), "same": len(live), "differ": []}
    shadow = backtest(watching, model_version=2)
    assert [one["id"] for one in shadow["decisions"]] != [one["id"] for one in live], "another model decides otherwise"


def test_a_model_that_no_longer_fits_has_drifted(watching):
    save_model(watching, 10)
    put(watching, "/v1/actions/hook", {"webhook": "https://example.com/", "enabled": False})
    put(watching, "/v1/triggers/again", {"when": {"kind": "drift", "model": "m"}, "then": {"action": "hook"}})
    watch(watching, detector={"kind": "kmeans", "model": "m"}, levels={"on": "score", "critical": {"enter": 0.99999}})
    say(watching, *[(10 * n + 1, 10 + (n % 20) / 10) for n in range(50)], *[(501 + 10 * n, 13 + (n % 10) / 10) for n in range(300)])
    wait_until(reached(watching, 3490), "gone through")
    wait_until(lambda: watching.requests.get("/v1/models/m").json()["drift"], "its model says so")
    fired = wait_until(lambda: watching.requests.get("/v1/triggers/again/firings").json()["items"], "its trigger fired")
    assert fired[0]["event"]["name"] == "m" and fired[0]["event"]["watch"] == "w" and fired[0]["event"]["version"] == 1


def test_a_trigger_on_an_anomaly_fires_once_through_a_kill(watching):
    put(watching, "/v1/actions/hook", {"webhook": "https://example.com/", "enabled": False})
    put(watching, "/v1/triggers/t", {"when": {"kind": "event", "where": {"event": "anomaly.opened", "watch": "w"}}, "then": {"action": "hook"}})
    watch(watching, by=["host"])
    say(watching, *[(1, 200, f"h{n}") for n in range(5)], (11, 1, "h0"))
    wait_until(lambda: decisions(watching, watch="w"), "decided")
    watching.kill()
    watching.start()
    firings = lambda: watching.requests.get("/v1/triggers/t/firings").json()["items"]  # noqa: E731
    wait_until(lambda: len(firings()) >= 5, "all fired")
    assert sorted(one["event"]["key"] for one in firings()) == [f"h{n}" for n in range(5)]


def test_a_watch_waits_for_its_model(watching):
    watch(watching, detector={"kind": "kmeans", "model": "m"}, levels={"on": "score", "critical": {"enter": 0.99}})
    say(watching, (1, 10), (11, 10))
    wait_until(lambda: seen(watching)["state"] == "waiting" and "live version" in seen(watching)["error"], "it says what it waits for")
    save_model(watching, 10)
    wait_until(reached(watching, 10), "it goes on")
