"""Actions at work: what is delivered how, receivers of every bad kind, and what is tried again."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest
from acting import Decider, Target, action, answer, decision, refused, settled, test_action, tried
from conftest import Server, wait_until


@pytest.fixture
def target() -> Iterator[Target]:
    one = Target()
    yield one
    one.close()


@pytest.fixture
def acting(start_server: Callable[..., Server], target: Target) -> Server:
    return start_server(*target.allow)


@pytest.fixture
def decider(acting: Server) -> Decider:
    return Decider(acting)


# -- webhooks -------------------------------------------------------------------------------------------------------


def test_a_webhook_with_a_template_gets_what_the_template_makes(acting, target, decider):
    action(acting, "hook", webhook=target.url, method="PUT", headers={"X-Team": "ops"},
           body={"by": "{{ parameters.by }}", "text": "{{ decision.action }}: {{ reason }}", "level": "{{ level | info }}", "window": "{{ window.messages }}"})
    sent = settled(acting, decider.one("hook", by=3), "sent")
    [taken] = target.taken
    assert taken["method"] == "PUT" and taken["headers"]["Content-Type"] == "application/json" and taken["headers"]["X-Team"] == "ops"
    assert target.bodies() == [{"by": 3, "text": "hook: by hand", "level": "info", "window": 1}]
    assert taken["key"] == sent["id"] == taken["headers"]["webhook-id"]
    [attempt] = sent["log"]
    assert attempt | {"attempt": 1, "outcome": "sent", "status": 200, "detail": "ok"} == attempt and attempt["took_ms"] >= 0 and attempt["at"]


def test_a_body_that_is_a_text_is_sent_as_text(acting, target, decider):
    action(acting, "hook", webhook=target.url, body="{{ reason }} / {{ parameters.n }}", content_type="text/x-note")
    settled(acting, decider.one("hook", n=[1, 2]), "sent")
    assert target.taken[0]["raw"] == b"by hand / [1,2]" and target.taken[0]["headers"]["Content-Type"] == "text/x-note"


def test_a_field_that_a_template_misses_is_named_and_final(acting, target, decider):
    action(acting, "hook", webhook=target.url, body={"x": "{{ parameters.missing }}"})
    failed = settled(acting, decider.one("hook", n=1), "failed")
    assert failed["last_error"] == "body: {{ parameters.missing }}: there is no such field" and failed["attempts"] == 1
    assert target.taken == []
    assert "parameters.missing" in test_action(acting, "hook")["error"]
    assert test_action(acting, "hook", parameters={"missing": 1})["outcome"] == "sent"


def test_an_answer_is_held_against_what_is_expected(acting, target, decider):
    action(acting, "hook", webhook=target.url, expect={"status": [202], "json": {"taken": True}}, retry={"first": "50ms"})
    target.answers = [answer(200, b'{"taken": true}'), answer(202, b'{"taken": false}'), answer(202, b"no json")]
    target.always = answer(202, b'{"taken": true, "more": 1}')
    sent = settled(acting, decider.one("hook"), "sent")
    assert [one["outcome"] for one in sent["log"]] == ["retry"] * 3 + ["sent"] and [one["status"] for one in sent["log"]] == [200, 202, 202, 202]
    assert "not with what is expected" in sent["log"][1]["detail"]
    assert len({one["key"] for one in target.taken}) == 1


def test_what_a_definition_must_not_hold_is_refused(acting, target):
    def field(**definition: Any) -> str:
        return refused(acting, "x", **definition)["field"]

    assert field(webhook=target.url, body="{{ open") == "/body"
    assert field(webhook=target.url, expect=[99]) == "/expect"
    assert field(webhook=target.url, method="GET") == "/method"
    assert field(webhook=target.url, kind="pigeon") == "/kind"
    assert field(webhook=target.url, retry={"first": "x"}) == "/retry/first"
    assert field(webhook=target.url, rate_limit={"count": 0, "per": "1m"}) == "/rate_limit/count"
    assert field(webhook=target.url, approval={"wait": "1m", "then": "hope"}) == "/approval/then"
    assert field(webhook=target.url, blast_radius={"per": "1m"}) == "/blast_radius"
    assert field(webhook=target.url, unknown=1) == "/unknown"
    assert field(kind="run") == "/notebook"
    assert field(kind="run", recipe="x") == "/object"
    assert field(kind="set", state={}, via={"webhook": "http://127.0.0.1:1/"}) == "/via/webhook"
    assert field(kind="set", state={}, via={"kind": "set"}) == "/via"


def test_an_action_of_before_there_were_kinds_keeps_working(acting, target, decider):
    made = action(acting, "hook", webhook=target.url, secret=None, headers={})
    assert made | {"kind": "webhook", "webhook": target.url, "secret": None, "headers": {}, "enabled": True, "dry_run": False} == made
    settled(acting, decider.one("hook", by=1), "sent")
    [body] = target.bodies()
    assert body["type"] == "decision" and body["data"]["parameters"] == {"by": 1} and "state" not in body["data"]


# -- receivers of every bad kind --------------------------------------------------------------------------------------


def test_a_receiver_that_hangs_is_left_and_tried_again(acting, target, decider):
    action(acting, "hook", webhook=target.url, timeout="300ms", retry={"first": "50ms"})
    target.answers = [target.hang]
    sent = settled(acting, decider.one("hook"), "sent")
    assert sent["log"][0]["detail"] == "no answer within 300 ms" and sent["attempts"] == 2
    assert target.taken[0]["key"] == target.taken[1]["key"]


def test_a_receiver_that_fails_until_the_deadline_leaves_a_dead_letter(acting, target, decider):
    action(acting, "hook", webhook=target.url, retry={"first": "20ms", "deadline": "100ms"})
    target.always = answer(500, b"on fire")
    failed = settled(acting, decider.one("hook"), "failed")
    assert failed["last_error"].startswith("given up after ") and "500: on fire" in failed["last_error"] and failed["log"][-1]["outcome"] == "failed"


def test_a_receiver_that_keeps_failing_is_left_alone_and_nothing_is_lost(acting, target, decider):
    action(acting, "hook", webhook=target.url, retry={"first": "10ms", "deadline": "1h"})
    action(acting, "other", webhook=target.url.replace("hook", "other"), retry={"deadline": "1s"})
    target.always = answer(500)
    id = decider.one("hook")
    waiting = wait_until(lambda: (now := decision(acting, id))["waiting"]["deferred"] and now, "it is deferred")
    assert waiting["state"] == "pending" and "left alone" in waiting["last_error"]
    assert waiting["attempts"] == 5 == len(target.taken), "the breaker opens after five failures"
    other = settled(acting, decider.one("other"), "failed")
    assert other["attempts"] >= 1 and len(target.taken) == 5, "it is the target that is left alone, whoever asks"
    target.always = answer(200)
    assert test_action(acting, "hook")["outcome"] == "sent", "a person may look whether it is back"


def test_a_receiver_that_refuses_is_not_asked_twice(acting, target, decider):
    action(acting, "hook", webhook=target.url)
    target.always = answer(410, b"gone for good")
    failed = settled(acting, decider.one("hook"), "failed")
    assert failed["attempts"] == 1 and failed["log"][0]["status"] == 410 and len(target.taken) == 1


def test_a_redirect_is_not_followed(acting, target, decider):
    other = Target()
    action(acting, "hook", webhook=target.url, retry={"first": "10ms", "deadline": "0s"})
    target.always = answer(302, b"", Location=other.url)
    failed = settled(acting, decider.one("hook"), "failed")
    assert failed["log"][0]["status"] == 302 and other.taken == []
    other.close()


def test_an_endless_answer_is_cut_off(acting, target, decider):
    given = 0

    def endless(handler: Any) -> None:
        nonlocal given
        handler.send_response(200)
        handler.send_header("Content-Length", str(10 << 30))
        handler.end_headers()
        while given < 10 << 30:
            given += handler.wfile.write(b"x" * 65536)

    action(acting, "hook", webhook=target.url)
    target.always = endless
    assert settled(acting, decider.one("hook"), "sent")["log"][0]["status"] == 200
    assert given < 64 << 20


def test_a_receiver_that_is_not_there_is_tried_again(acting, target, decider):
    action(acting, "hook", webhook=target.url, retry={"first": "20ms"})
    port, url = target.port, target.url
    target.close()
    id = decider.one("hook")
    waiting = tried(acting, id, 2)
    assert waiting["state"] == "pending" and "connect" in waiting["last_error"].lower() and waiting["waiting"]["due_at"]
    assert url.endswith(f"{port}/hook")


# -- runs -----------------------------------------------------------------------------------------------------------


def test_an_action_starts_a_notebook_with_parameters_from_the_decision(acting, decider):
    acting.put_notebook("retrain", "import suricate as s\ns.result([who, n])", parameters="who = ''\nn = 0")
    action(acting, "retrain", kind="run", notebook="retrain", parameters={"who": "{{ reason }}", "n": "{{ parameters.n | 5 }}"})
    id = decider.one("retrain", n=7)
    sent = settled(acting, id, "sent")
    assert sent["log"][0]["detail"].startswith("run ")
    run = acting.wait_run(sent["log"][0]["detail"].split()[1])
    assert run["state"] == "succeeded" and run["result"] == ["by hand", 7] and run["decision"] == id and run["label"] == "retrain"


def test_a_decision_starts_one_run_even_when_the_server_is_killed_while_it_is_delivered(acting, decider):
    acting.put_notebook("n", "1")
    action(acting, "go", kind="run", notebook="n")
    ids = decider.decide("go", *[{"i": i} for i in range(20)])
    acting.restart(kill=True)
    for id in ids:
        settled(acting, id, "sent")
    runs = acting.requests.get("/v1/runs", params={"limit": 1000}).json()["items"]
    assert sorted(run["decision"] for run in runs) == sorted(ids)


def test_a_notebook_that_is_not_there_is_a_dead_letter(acting, decider):
    action(acting, "go", kind="run", notebook="nowhere")
    failed = settled(acting, decider.one("go"), "failed")
    assert "nowhere" in failed["last_error"] and failed["attempts"] == 1


# -- desired states ---------------------------------------------------------------------------------------------------


def test_a_desired_state_is_told_to_a_webhook(acting, target, decider):
    action(acting, "weight", kind="set", state={"weight": "{{ parameters.w | 10 }}"}, **{"return": {"weight": 100}}, via={"webhook": target.url})
    settled(acting, decider.one("weight", w=3), "sent")
    settled(acting, decider.one("weight", state={"weight": 55}), "sent")
    assert [body["data"]["desired"] for body in target.bodies()] == [{"weight": 3}, {"weight": 55}]
    assert test_action(acting, "weight", event="resolved")["outcome"] == "sent"
    assert target.bodies()[-1]["data"]["desired"] == {"weight": 100} and target.bodies()[-1]["data"]["test"] is True
    action(acting, "weight", kind="set", state={"weight": 1}, via={"webhook": target.url, "body": "{{ desired }}"})
    settled(acting, decider.one("weight"), "sent")
    assert target.bodies()[-1] == {"weight": 1}


# -- tests of an action -------------------------------------------------------------------------------------------------


def test_a_sample_is_sent_at_once_and_leaves_no_decision(acting, target):
    action(acting, "hook", webhook=target.url)
    result = test_action(acting, "hook", reason="just looking", parameters={"by": 2})
    assert result | {"outcome": "sent", "status": 200, "answer": "ok", "error": None} == result
    [body] = target.bodies()
    assert body["data"] | {"test": True, "reason": "just looking", "parameters": {"by": 2}, "action": "hook"} == body["data"]
    target.always = answer(503, b"not now")
    result = test_action(acting, "hook")
    assert result | {"outcome": "retry", "status": 503, "error": "the receiver answered 503: not now"} == result
    assert acting.requests.get("/v1/decisions").json()["items"] == []
    assert acting.requests.post("/v1/actions/nobody/test").status_code == 404
