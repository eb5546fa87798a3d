"""Triggers over HTTP: each kind fires exactly once, through kills and storms, and never because of itself."""

from __future__ import annotations

import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, UTC
from typing import Any, Callable

import pytest
from conftest import Server, wait_until
from streams import create, problem, push
from test_consumers import Receiver, put, receiver  # noqa: F401

HOOK = {"action": "hook"}


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver) -> Server:  # noqa: F811
    """A server with the action `hook` that goes to the receiver."""
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}")
    put(server, "/v1/actions/hook", {"webhook": receiver.url})
    return server


def trigger(server: Server, name: str, when: dict[str, Any], then: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    return put(server, f"/v1/triggers/{name}", {"when": when, "then": then or HOOK, **more})


def state(server: Server, name: str) -> dict[str, Any]:
    answer = server.requests.get(f"/v1/triggers/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def firings(server: Server, name: str) -> list[dict[str, Any]]:
    """All of them, the newest first."""
    items, cursor = [], None
    while True:
        query = {"limit": 1000, **({"cursor": cursor} if cursor else {})}
        answer = server.requests.get(f"/v1/triggers/{name}/firings", params=query)
        assert answer.status_code == 200, answer.text
        items += answer.json()["items"]
        cursor = answer.json()["next"]
        if cursor is None:
            return items


def wait_firings(server: Server, name: str, count: int, what: str = "fired") -> list[dict[str, Any]]:
    """Exactly so many firings of this state, once there are that many."""
    found = wait_until(lambda: (now := [one for one in firings(server, name) if one["state"] == what]) and len(now) >= count and now,
                       f"{name} has {what} {count} times")
    assert len(found) == count, found
    return found


def fire(server: Server, name: str, **parameters: Any) -> Any:
    return server.requests.post(f"/v1/triggers/{name}/fire", json={"parameters": parameters})


def delivered(receiver: Receiver) -> list[dict[str, Any]]:  # noqa: F811
    """The decisions that arrived, each once whatever the number of its deliveries."""
    return list({one["body"]["data"]["id"]: one["body"]["data"] for one in receiver.taken}.values())


# -- definitions ------------------------------------------------------------------------------------------------------


def test_a_trigger_is_kept_as_it_was_given_with_its_defaults(acting):
    made = trigger(acting, "nightly", {"kind": "cron", "cron": "30 2 * * *", "zone": "Europe/Berlin"}, description="at night")
    assert made["when"] == {"kind": "cron", "cron": "30 2 * * *", "zone": "Europe/Berlin", "catch_up": "one"}
    assert made["then"] == HOOK and made["concurrency"] == "parallel" and made["enabled"] is True and made["state"] == "waiting"
    assert made["fired"] == 0 and made["last_fired"] is None and made["version"] == 1 and made["created_by"] == "owner"
    when = datetime.fromisoformat(made["next_at"].replace("Z", "+00:00"))
    assert datetime.now(UTC) < when <= datetime.now(UTC) + timedelta(hours=26)
    changed = trigger(acting, "nightly", {"kind": "api"}, enabled=False)
    assert changed["version"] == 2 and changed["state"] == "paused" and changed["next_at"] is None
    assert [one["name"] for one in acting.requests.get("/v1/triggers").json()["items"]] == ["nightly"]
    assert acting.requests.delete("/v1/triggers/nightly").status_code == 204
    problem(acting.requests.get("/v1/triggers/nightly"), 404, "no trigger")


@pytest.mark.parametrize("when, then, more, field, part", [
    ({"kind": "cron", "cron": "0 0 30 2 *"}, HOOK, {}, "/when/cron", "never a 30 February"),
    ({"kind": "cron", "cron": "* * * *"}, HOOK, {}, "/when/cron", "five fields"),
    ({"kind": "cron", "cron": "* * * * *", "zone": "Europe/Atlantis"}, HOOK, {}, "/when/zone", "no time zone"),
    ({"kind": "cron", "cron": "* * * * *", "catch_up": "some"}, HOOK, {}, "/when/catch_up", "none, one, all"),
    ({"kind": "sometimes"}, HOOK, {}, "/when/kind", "api, cron, object, event, run, drift"),
    ({"kind": "api", "cron": "* * * * *"}, HOOK, {}, "/when/cron", ""),
    ({"kind": "event", "stream": "../x"}, HOOK, {}, "/when/stream", ""),
    ({"kind": "event", "stream": "s", "where": {"v": {"over": 3}}}, HOOK, {}, "/when/where/v", "above"),
    ({"kind": "event", "stream": "s", "where": {"v": {"above": "x"}}}, HOOK, {}, "/when/where/v", "a number"),
    ({"kind": "run", "state": ["done"]}, HOOK, {}, "/when/state", "succeeded"),
    ({"kind": "object", "on": []}, HOOK, {}, "/when/on", ""),
    ({"kind": "api"}, {}, {}, "/then", "either run or action"),
    ({"kind": "api"}, {"run": {"notebook": "a", "recipe": "b"}}, {}, "/then/run", "either a notebook or a recipe"),
    ({"kind": "api"}, {"run": {"recipe": "b"}}, {}, "/then/run/object", "on an object"),
    ({"kind": "api"}, {"run": {"notebook": "a", "parameters": {"x": "{{ event."}}}, {}, "/then/run/parameters", ""),
    ({"kind": "api"}, {"run": {"notebook": "a", "follow": True}}, {}, "/concurrency", "does not end"),
    ({"kind": "api"}, HOOK, {"concurrency": "both"}, "/concurrency", "queue, skip, replace"),
    ({"kind": "api"}, HOOK, {"rate_limit": {"count": 1, "per": "1ms"}}, "/rate_limit/per", "1s..24h"),
])
def test_what_is_wrong_with_a_definition_is_said_with_its_place(shared_server, when, then, more, field, part):
    answer = shared_server.requests.put("/v1/triggers/wrong", json={"when": when, "then": then, **more})
    found = problem(answer, 400, part)
    assert found["field"].startswith(field), found
    problem(shared_server.requests.get("/v1/triggers/wrong"), 404)


# -- calls and secret addresses ---------------------------------------------------------------------------------------


def test_a_call_fires_with_its_parameters_where_the_definition_leaves_them_open(acting, receiver):  # noqa: F811
    trigger(acting, "call", {"kind": "api"}, {"action": "hook", "parameters": {
        "fixed": 7, "twice": "{{ event.parameters.n }}", "who": "by {{ event.user }}", "name": "{{ trigger.name }}", "mood": "{{ event.parameters.mood | calm }}"}})
    answer = fire(acting, "call", n=3, fixed=8, more="x")
    assert answer.status_code == 202 and answer.json()["state"] == "fired"
    [one] = wait_until(lambda: delivered(receiver), "the action was delivered")
    assert one["parameters"] == {"fixed": 7, "twice": 3, "who": "by owner", "name": "call", "mood": "calm", "n": 3, "more": "x"}
    assert one["id"] == answer.json()["decision"] and one["trigger"] == "call" and one["code"] == "trigger call@1"
    problem(fire(acting, "call"), 400, "event.parameters.n")
    assert [item["state"] for item in firings(acting, "call")] == ["faulty", "fired"]
    assert "event.parameters.n" in state(acting, "call")["error"]
    trigger(acting, "call", {"kind": "api"}, enabled=False)
    problem(fire(acting, "call"), 409, "not enabled")


def test_a_secret_address_fires_without_any_other_credential_and_a_wrong_one_does_not(acting, receiver):  # noqa: F811
    trigger(acting, "deploy", {"kind": "api"})
    trigger(acting, "daily", {"kind": "cron", "cron": "@daily"})
    problem(acting.requests.post("/v1/triggers/daily/secret-url"), 409, "kind api")
    made = acting.requests.post("/v1/triggers/deploy/secret-url")
    assert made.status_code == 201 and made.headers["Cache-Control"] == "no-store"
    path, stranger = made.json()["path"], acting.client(None)
    assert made.json()["url"].endswith(path) and len(path.rsplit("/", 1)[1]) == 43
    assert state(acting, "deploy")["has_secret_url"] is True
    assert path.rsplit("/", 1)[1].encode() not in b"".join(part.read_bytes() for part in acting.data.glob("suricate.db*"))

    assert stranger.post(path, json={"commit": "abc"}).status_code == 202
    assert stranger.post(path).status_code == 202
    wait_until(lambda: len(delivered(receiver)) == 2, "both were delivered")
    assert sorted(str(one["parameters"]) for one in delivered(receiver)) == ["{'commit': 'abc'}", "{}"]

    problem(stranger.get(path), 405)
    problem(stranger.post(path[:-1] + ("A" if path[-1] != "A" else "B"), json={}), 404, "no such address")
    problem(stranger.post("/v1/hooks/x", json={}), 404, "no such address")
    problem(stranger.post(path, data=b"[1]", headers={"Content-Type": "application/json"}), 400)
    problem(stranger.post(path, data=b"{", headers={"Content-Type": "application/json"}), 400)
    assert stranger.post(path, json={"x": "y" * 70_000}).status_code == 413
    problem(stranger.post("/v1/triggers/deploy/fire"), 401)

    again = acting.requests.post("/v1/triggers/deploy/secret-url").json()["path"]
    problem(stranger.post(path, json={}), 404)
    assert stranger.post(again, json={}).status_code == 202
    assert acting.requests.delete("/v1/triggers/deploy/secret-url").status_code == 204
    problem(stranger.post(again, json={}), 404)


def test_a_caller_that_sends_the_same_again_fires_once(acting):
    trigger(acting, "hooked", {"kind": "api"})
    path = acting.requests.post("/v1/triggers/hooked/secret-url").json()["path"]
    stranger = acting.client(None)
    first = stranger.post(path, json={"n": 1}, headers={"webhook-id": "msg_1"}).json()
    acting.restart(kill=True)
    stranger = acting.client(None)
    assert stranger.post(path, json={"n": 1}, headers={"webhook-id": "msg_1"}).json() == first
    assert stranger.post(path, json={"n": 1}, headers={"Idempotency-Key": "msg_2"}).json()["decision"] != first["decision"]
    assert len(firings(acting, "hooked")) == 2


def test_reading_and_firing_need_their_scopes_and_other_tenants_see_nothing(acting):
    trigger(acting, "mine", {"kind": "api"})
    token = acting.requests.post("/v1/tokens", json={"name": "reader", "scopes": ["streams:read"]}).json()["token"]
    reader = acting.client(token)
    assert reader.get("/v1/triggers/mine").status_code == 200
    for answer in (reader.post("/v1/triggers/mine/fire"), reader.put("/v1/triggers/mine", json={"when": {"kind": "api"}, "then": HOOK}),
                   reader.delete("/v1/triggers/mine"), reader.post("/v1/triggers/mine/secret-url")):
        problem(answer, 403)
    other = acting.requests.post("/v1/tenants", json={"name": "other"})
    assert other.status_code == 201, other.text
    stranger = acting.client(other.json()["token"])
    assert stranger.get("/v1/triggers").json()["items"] == []
    problem(stranger.post("/v1/triggers/mine/fire"), 404)


# -- what happens -----------------------------------------------------------------------------------------------------


def test_objects_fire_by_prefix_and_tag_when_they_are_made_or_changed(acting, receiver):  # noqa: F811
    acting.put("in/early", "before the trigger")
    trigger(acting, "arrived", {"kind": "object", "prefix": "in/", "on": ["created"]},
            {"action": "hook", "parameters": {"file": "{{ event.name }}", "version": "{{ event.version }}"}})
    trigger(acting, "tagged", {"kind": "object", "tag": "raw"}, {"action": "hook", "parameters": {"tagged": "{{ event.name }}"}})
    acting.put("in/a", "one")
    acting.put("in/a", "two")
    acting.put("in/early", "again")
    acting.put("out/b", "other")
    answer = acting.requests.patch("/v1/objects/out/b", json={"tags": ["raw"]})
    assert answer.status_code == 200, answer.text
    acting.put("out/b", "still tagged")
    wait_firings(acting, "tagged", 2)
    assert [one["parameters"] for one in wait_firings(acting, "arrived", 1)] == [{"file": "in/a", "version": 1}]
    [first] = firings(acting, "arrived")
    assert first["reason"] == "arrived: object.created in/a" and first["event"]["sha256"]
    wait_until(lambda: len(delivered(receiver)) == 3, "all three were delivered")


def test_messages_fire_by_a_filter_over_any_stream(acting):
    create(acting.requests, "s")
    trigger(acting, "hot", {"kind": "event", "stream": "s", "where": {"kind": "t", "at.room": {"in": ["a", "b"]}, "v": {"above": 10, "at_most": 20}}},
            {"action": "hook", "parameters": {"v": "{{ event.v }}", "text": "{{ event._stream }}#{{ event._offset }}"}})
    push(acting.requests, "s", {"v": 15}, {"v": 10, "kind": "t", "at": {"room": "a"}}, {"v": 11.5, "kind": "t", "at": {"room": "a"}},
         {"v": 12, "kind": "t", "at": {"room": "c"}}, {"v": "15", "kind": "t", "at": {"room": "b"}}, {"v": 20, "kind": "t", "at": {"room": "b"}})
    found = wait_firings(acting, "hot", 3)
    assert [one["parameters"] for one in found] == [{"v": 20, "text": "s#5"}, {"v": "15", "text": "s#4"}, {"v": 11.5, "text": "s#2"}]
    decision = acting.requests.get(f"/v1/decisions/{found[0]['decision']}").json()
    assert decision["stream"] == "s" and decision["window"]["from"] == 5 and decision["grounds"]["event"]["at"] == {"room": "b"}
    assert acting.requests.get("/v1/decisions", params={"trigger": "hot"}).json()["items"][0]["id"] == decision["id"]


def test_a_stream_that_comes_later_is_followed_from_its_first_message(acting):
    trigger(acting, "later", {"kind": "event", "stream": "t"})
    create(acting.requests, "t")
    push(acting.requests, "t", {"v": 1}, {"v": 2})
    wait_firings(acting, "later", 2)
    assert acting.requests.delete("/v1/streams/t").status_code == 204
    create(acting.requests, "t")
    push(acting.requests, "t", {"v": 3})
    wait_firings(acting, "later", 3)


def test_what_happens_on_the_server_fires_by_its_event(acting):
    trigger(acting, "watcher", {"kind": "event", "where": {"event": {"prefix": "stream."}, "name": {"not": "quiet"}}},
            {"action": "hook", "parameters": {"what": "{{ event.event }} {{ event.name }}"}})
    create(acting.requests, "quiet")
    create(acting.requests, "loud")
    assert [one["parameters"]["what"] for one in wait_firings(acting, "watcher", 1)] == ["stream.created loud"]


def test_an_action_that_is_not_there_is_said_at_once(acting):
    trigger(acting, "nowhere", {"kind": "api"}, {"action": "gone"})
    problem(fire(acting, "nowhere"), 400, "no action \"gone\"")
    assert "no action" in state(acting, "nowhere")["error"] and acting.requests.get("/v1/decisions", params={"state": "pending"}).json()["items"] == []


def test_a_message_that_the_templates_do_not_fit_is_noted_and_does_not_hold_up_the_rest(acting):
    create(acting.requests, "s")
    trigger(acting, "needs", {"kind": "event", "stream": "s"}, {"action": "hook", "parameters": {"x": "{{ event.x }}"}})
    push(acting.requests, "s", {"y": 1}, {"x": "{{ event.y }}"})
    assert wait_firings(acting, "needs", 1)[0]["parameters"] == {"x": "{{ event.y }}"}
    assert [one["state"] for one in firings(acting, "needs")] == ["fired", "faulty"]
    assert "event.x" in wait_firings(acting, "needs", 1, "faulty")[0]["reason"]


# -- schedules --------------------------------------------------------------------------------------------------------


def set_back(server: Server, name: str, at: float) -> None:
    """As if the server, which is down now, had last looked then."""
    with sqlite3.connect(server.data / "suricate.db") as db:
        changed = db.execute("UPDATE trigger_states SET looked_us = ?, since_us = ? WHERE name = ?", (int(at * 1e6), int(at * 1e6), name))
        assert changed.rowcount == 1
    db.close()


@pytest.mark.parametrize("policy, fired", [("all", 5), ("one", 1), ("none", 0)])
def test_what_a_server_that_was_down_has_missed_is_caught_up_by_the_policy(acting, policy, fired):
    # Every minute of an hour three hours ago: nothing is due now, whenever the test runs.
    began = datetime.now(UTC) - timedelta(hours=3)
    trigger(acting, "ticks", {"kind": "cron", "cron": f"*/12 {began.hour} * * *", "catch_up": policy},
            {"action": "hook", "parameters": {"at": "{{ event.scheduled_at }}"}})
    acting.stop()
    set_back(acting, "ticks", began.timestamp() // 3600 * 3600 - 1)
    acting.start()
    wait_until(lambda: (now := state(acting, "ticks"))["missed"] + now["fired"] == 5, "the five ticks are settled")
    now = state(acting, "ticks")
    assert now["fired"] == fired and now["missed"] == 5 - fired
    times = [one["parameters"]["at"] for one in firings(acting, "ticks")]
    hour = began.strftime("%Y-%m-%dT%H")
    assert times == [f"{hour}:{minute}:00.000Z" for minute in ("48", "36", "24", "12", "00")][:fired]
    ticks = [item["body"] for item in acting.requests.get("/v1/streams/_events/messages", params={"limit": 1000}).json()["items"]]
    wait_until(lambda: [one["tick"] for one in (item["body"] for item in acting.requests.get(
        "/v1/streams/_events/messages", params={"limit": 1000}).json()["items"]) if one["event"] == "cron.tick"] == times[::-1],
        f"the ticks are events (first there were {len(ticks)})")
    acting.restart(kill=True)
    assert state(acting, "ticks")["fired"] == fired


def test_a_tick_that_is_due_now_fires_on_time_whatever_the_policy(acting):
    trigger(acting, "minutely", {"kind": "cron", "cron": "* * * * *", "catch_up": "none"}, {"action": "hook", "parameters": {"at": "{{ event.scheduled_at }}"}})
    acting.stop()
    set_back(acting, "minutely", time.time() - 90)
    acting.start()
    fired = wait_until(lambda: firings(acting, "minutely"), "the last full minute has fired")
    assert len({one["parameters"]["at"] for one in fired}) == len(fired)


# -- once -------------------------------------------------------------------------------------------------------------


def test_no_firing_is_lost_or_doubled_by_a_server_that_is_killed_again_and_again(acting, receiver):  # noqa: F811
    create(acting.requests, "s")
    trigger(acting, "each", {"kind": "event", "stream": "s", "where": {"n": {"at_least": 0}}}, {"action": "hook", "parameters": {"n": "{{ event.n }}"}},
            rate_limit={"count": 1000})
    sent = 0
    for round_ in range(4):
        for _ in range(5):
            push(acting.requests, "s", *({"n": n} for n in range(sent, sent + 7)), {"other": round_})
            sent += 7
        acting.restart(kill=True)
    fired = wait_firings(acting, "each", sent)
    assert sorted(one["parameters"]["n"] for one in fired) == list(range(sent))
    assert len({one["decision"] for one in fired}) == sent and state(acting, "each")["fired"] == sent
    wait_until(lambda: {one["parameters"]["n"] for one in delivered(receiver)} == set(range(sent)), "each was delivered")
    assert len(delivered(receiver)) == sent


def test_an_object_is_never_missed_though_the_server_dies_right_after_it_was_stored(acting):
    trigger(acting, "arrived", {"kind": "object", "prefix": "in/"}, {"action": "hook", "parameters": {"name": "{{ event.name }}"}})
    for number in range(8):
        acting.put(f"in/{number}", b"x")
        acting.restart(kill=True)
    fired = wait_firings(acting, "arrived", 8)
    assert sorted(one["parameters"]["name"] for one in fired) == [f"in/{number}" for number in range(8)]


# -- bounds -----------------------------------------------------------------------------------------------------------


def test_a_storm_is_bounded_by_the_rate_and_what_was_dropped_is_counted(acting):
    create(acting.requests, "s")
    trigger(acting, "storm", {"kind": "event", "stream": "s"}, rate_limit={"count": 5, "per": "24h"})
    push(acting.requests, "s", *({"n": n} for n in range(3000)))
    wait_until(lambda: (now := state(acting, "storm"))["fired"] + now["dropped"] == 3000, "all messages are settled")
    now = state(acting, "storm")
    assert now["fired"] == 5 and now["dropped"] == 2995 and now["last_dropped"] and len(firings(acting, "storm")) == 5
    problem(fire(acting, "storm"), 429, "at most 5 times")
    told = [item["body"] for item in acting.requests.get("/v1/streams/_events/messages", params={"limit": 1000}).json()["items"]]
    assert len([one for one in told if one["event"] == "trigger.dropped"]) <= 1


def test_calls_at_once_stay_within_the_rate(acting):
    trigger(acting, "calls", {"kind": "api"}, rate_limit={"count": 3, "per": "24h"})
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: fire(acting, "calls").status_code, range(16)))
    assert sorted(codes) == [202] * 3 + [429] * 13
    assert state(acting, "calls")["fired"] == 3


def test_a_trigger_that_fires_itself_is_stopped_and_says_so(acting):
    trigger(acting, "echo", {"kind": "event", "where": {"event": "decision.made"}})
    trigger(acting, "start", {"kind": "api"})
    assert fire(acting, "start").status_code == 202
    wait_until(lambda: state(acting, "echo")["state"] == "stopped", "echo has been stopped")
    assert state(acting, "echo")["error"] == "it would fire for what it has caused itself: start → echo → echo"
    wait_firings(acting, "echo", 1)
    problem(fire(acting, "echo"), 409, "has been stopped")
    acting.restart()
    assert state(acting, "echo")["state"] == "stopped"
    assert trigger(acting, "echo", {"kind": "event", "where": {"event": "decision.made", "trigger": {"not": "echo"}}})["state"] == "waiting"
    assert fire(acting, "start").status_code == 202
    wait_firings(acting, "echo", 2)


def test_a_circle_of_two_is_found_as_well(acting):
    trigger(acting, "ping", {"kind": "event", "where": {"event": "decision.made", "trigger": {"in": ["pong", "begin"]}}})
    trigger(acting, "pong", {"kind": "event", "where": {"event": "decision.made", "trigger": "ping"}})
    trigger(acting, "begin", {"kind": "api"})
    assert fire(acting, "begin").status_code == 202
    wait_until(lambda: "begin → ping → pong → ping" in (state(acting, "ping")["error"] or ""), "ping has been stopped")
    wait_firings(acting, "ping", 1)
    wait_firings(acting, "pong", 1)


# -- runs -------------------------------------------------------------------------------------------------------------

SLEEPY = """
import pathlib, time
deadline = time.monotonic() + 120
import suricate as s
while not s.list(f"go/{n}") and time.monotonic() < deadline:
    time.sleep(0.05)
s.result(n)
"""


def runs_of(server: Server, name: str) -> list[dict[str, Any]]:
    return [one for one in firings(server, name) if one["run"]]


def ended(server: Server, name: str, count: int) -> list[dict[str, Any]]:
    """The records of the runs that a trigger started, the oldest first, once so many have ended."""
    started = wait_until(lambda: (now := runs_of(server, name)) and len(now) >= count and now, f"{name} has started {count} runs", 90)
    return [server.wait_run(one["run"]) for one in reversed(started)]


def test_a_run_takes_its_parameters_from_the_object_and_its_end_fires_the_next(server):
    server.put_notebook("count", "import suricate as s\ns.result({'bytes': len(s.read(file)) , 'typed': n})", parameters='file = ""\nn = 0')
    server.put_notebook("after", "import suricate as s\ns.result(text)", parameters='text = ""')
    trigger(server, "arrived", {"kind": "object", "prefix": "in/"},
            {"run": {"notebook": "count", "parameters": {"file": "{{ event.name }}", "n": "{{ event.size }}"}}})
    trigger(server, "then", {"kind": "run", "notebook": "count", "state": ["succeeded"]},
            {"run": {"notebook": "after", "parameters": {"text": "{{ event.notebook }}: {{ event.result.bytes }} of {{ event.parameters.file }}"}}})
    server.put("in/{{ event.size }}.bin", b"12345")
    [run] = ended(server, "arrived", 1)
    assert run["state"] == "succeeded" and run["result"] == {"bytes": 5, "typed": 5} and run["label"] == "arrived", run
    assert run["parameters"]["file"] == "in/{{ event.size }}.bin"
    [firing] = firings(server, "arrived")
    assert run["decision"] == firing["decision"] and firing["delivery"] == "sent"
    [second] = ended(server, "then", 1)
    assert second["result"] == "count: 5 of in/{{ event.size }}.bin"
    decision = server.requests.get(f"/v1/decisions/{second['decision']}").json()
    assert decision["grounds"]["chain"] == ["arrived"] and decision["trigger"] == "then"
    assert state(server, "then")["state"] == "waiting" and state(server, "then")["under_way"] is None


def test_a_run_whose_output_fires_its_own_trigger_is_stopped_after_the_first(server):
    server.put_notebook("copy", "import suricate as s\ns.write(f'loop/{version}', b'x')", parameters="version = 0")
    trigger(server, "loop", {"kind": "object", "prefix": "loop/"}, {"run": {"notebook": "copy", "parameters": {"version": "{{ event.size }}"}}})
    server.put("loop/start", b"123")
    wait_until(lambda: state(server, "loop")["state"] == "stopped", "the loop has been stopped", 90)
    assert "what it has caused itself: loop → loop" in state(server, "loop")["error"]
    assert len(firings(server, "loop")) == 1


def test_runs_queue_one_behind_the_other_through_a_kill(server):
    server.put_notebook("sleepy", SLEEPY, parameters="n = 0")
    trigger(server, "jobs", {"kind": "api"}, {"run": {"notebook": "sleepy", "parameters": {"n": "{{ event.parameters.n }}"}}})
    assert [fire(server, "jobs", n=n).json()["state"] for n in (1, 2, 3)] == ["fired", "queued", "queued"]
    assert state(server, "jobs")["state"] == "working" and state(server, "jobs")["queued"] == 2
    wait_until(lambda: len(runs_of(server, "jobs")) == 1, "the first has begun", 90)
    server.restart(kill=True)
    for n in (1, 2, 3):
        wait_until(lambda n=n: len(runs_of(server, "jobs")) == n, f"run {n} has begun and no other", 90)
        server.put(f"go/{n}", b"")
        server.wait_run(runs_of(server, "jobs")[0]["run"])
    assert [run["result"] for run in ended(server, "jobs", 3)] == [1, 2, 3]
    wait_until(lambda: state(server, "jobs")["state"] == "waiting", "nothing is left")


def test_what_comes_while_a_run_goes_on_is_skipped_or_replaces_it(server):
    server.put_notebook("sleepy", SLEEPY, parameters="n = 0")
    then = {"run": {"notebook": "sleepy", "parameters": {"n": "{{ event.parameters.n }}"}}}
    trigger(server, "skips", {"kind": "api"}, then, concurrency="skip")
    trigger(server, "swaps", {"kind": "api"}, then, concurrency="replace")
    assert [fire(server, "skips", n=n).json()["state"] for n in (1, 2)] == ["fired", "skipped"]
    assert [fire(server, "swaps", n=3).json()["state"]] == ["fired"]
    wait_until(lambda: len(runs_of(server, "swaps")) == 1, "the one to be replaced has begun", 90)
    assert [fire(server, "swaps", n=n).json()["state"] for n in (4, 5)] == ["queued", "queued"]
    wait_until(lambda: len(runs_of(server, "swaps")) == 2, "the newest has taken its place", 90)
    for n in (1, 5):
        server.put(f"go/{n}", b"")
    assert [run["result"] for run in ended(server, "skips", 1)] == [1]
    assert [(run["state"], run["result"]) for run in ended(server, "swaps", 2)] == [("cancelled", None), ("succeeded", 5)]
    assert [one["state"] for one in firings(server, "skips")] == ["skipped", "fired"]
    assert state(server, "swaps")["skipped"] == 1
    wait_until(lambda: fire(server, "skips", n=1).json()["state"] == "fired", "it fires again")
