"""Guards: what keeps a decision from being carried out, what the record says about it, and who may say otherwise."""

from __future__ import annotations

from typing import Any, Callable, Iterator

import pytest
from acting import Decider, Target, action, answer, decision, refused, settled
from conftest import Server, wait_until
from test_consumers import decisions


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


def post(server: Server, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
    given = server.requests.post(path, json=body)
    assert given.status_code == status, given.text
    return given.json()


def switch(server: Server, state: str, reason: str = "") -> dict[str, Any]:
    given = server.requests.put("/v1/switch", json={"actions": state, "reason": reason})
    assert given.status_code == 200, given.text
    return given.json()


def stopped_by(server: Server, id: str) -> tuple[str, str]:
    """Which guard stopped it, and what it says; guards before it have passed, and none comes after it."""
    now = settled(server, id, "stopped")
    assert all(one["passed"] for one in now["guards"][:-1]) and not now["guards"][-1]["passed"] and now["settled_at"]
    return now["guards"][-1]["guard"], now["guards"][-1]["detail"]


# -- facts of the decision ----------------------------------------------------------------------------------------------


def test_an_action_that_is_off_or_in_dry_run_notes_what_it_would_have_done(acting, target, decider):
    action(acting, "hook", webhook=target.url, enabled=False)
    assert stopped_by(acting, decider.one("hook", by=1))[0] == "enabled"
    action(acting, "hook", webhook=target.url, dry_run=True)
    id = decider.one("hook", by=2)
    assert stopped_by(acting, id) == ("dry_run", "the action is in dry run")
    assert decision(acting, id)["parameters"] == {"by": 2}
    action(acting, "hook", webhook=target.url)
    sent = settled(acting, decider.one("hook", by=3), "sent")
    assert [one["guard"] for one in sent["guards"]] == ["enabled", "dry_run", "silence"] and all(one["passed"] for one in sent["guards"])
    assert len(target.taken) == 1 and len(decisions(acting, state="stopped")) == 2


def test_a_silence_stops_what_it_matches_until_it_is_ended(acting, target, decider):
    action(acting, "page", webhook=target.url)
    action(acting, "other", webhook=target.url)
    silence = post(acting, "/v1/silences", 201, matchers={"action": "pa*", "stream": "s"}, until="2h", reason="we know")
    assert silence | {"author": "owner", "reason": "we know", "every": None, "ended": False} == silence
    guard, detail = stopped_by(acting, decider.one("page"))
    assert guard == "silence" and detail == f"silence {silence['id']} of owner: we know"
    settled(acting, decider.one("other"), "sent")
    assert [one["id"] for one in acting.requests.get("/v1/silences").json()["items"]] == [silence["id"]]
    assert acting.requests.delete(f"/v1/silences/{silence['id']}").status_code == 204
    settled(acting, decider.one("page"), "sent")
    assert acting.requests.get("/v1/silences").json()["items"] == []
    assert acting.requests.get("/v1/silences", params={"ended": "true"}).json()["items"][0]["ended"] is True
    assert acting.requests.delete("/v1/silences/nobody").status_code == 404


def test_maintenance_comes_again_in_its_hours(acting, target, decider):
    action(acting, "page", webhook=target.url)
    post(acting, "/v1/silences", 201, matchers={"action": "*"}, until="24h", reason="every day, all day",
         every={"from": "00:00", "to": "24:00", "zone": "Europe/Berlin"})
    assert stopped_by(acting, decider.one("page"))[0] == "silence"


def test_a_silence_needs_an_end_a_reason_and_something_to_match(acting):
    def field(**body: Any) -> str:
        return post(acting, "/v1/silences", 400, **body)["field"]

    assert field(matchers={"watch": "x"}, reason="r") == "/until"
    assert field(matchers={"watch": "x"}, until="1h") == "/reason"
    assert field(matchers={}, until="1h", reason="r") == "/matchers"
    assert field(matchers={"colour": "x"}, until="1h", reason="r") == "/matchers"
    assert field(matchers={"watch": "x"}, until="2001-01-01T00:00:00Z", reason="r") == "/until"
    assert field(matchers={"watch": "x"}, until="1h", reason="r", every={"from": "25:00", "to": "26:00"}) == "/every"
    assert field(matchers={"watch": "x"}, until="1h", reason="r", every={"from": "01:00", "to": "02:00", "zone": "Mars/Base"}) == "/every"


def test_an_action_acts_only_in_its_hours(acting, target, decider):
    # The windows lie on a Tuesday at 22:13 UTC, an hour later in Berlin.
    action(acting, "hook", webhook=target.url, active=[{"days": ["tue"], "from": "23:00", "to": "23:30", "zone": "Europe/Berlin"}])
    settled(acting, decider.one("hook"), "sent")
    action(acting, "hook", webhook=target.url, active=[{"days": ["wed"], "from": "23:00", "to": "23:30", "zone": "Europe/Berlin"}])
    assert stopped_by(acting, decider.one("hook"))[0] == "active"
    assert refused(acting, "hook", webhook=target.url, active=[{"from": "23:00"}])["field"] == "/active"


def test_a_cooldown_counts_in_event_time(acting, target, decider):
    action(acting, "hook", webhook=target.url, cooldown="25s")
    ids = [decider.one("hook", n=n) for n in range(5)]  # ten seconds apart
    states = [settled(acting, id, "sent", "stopped")["state"] for id in ids]
    assert states == ["sent", "stopped", "stopped", "sent", "stopped"]
    assert stopped_by(acting, ids[1]) == ("cooldown", "the last was 10.000 s before, the cooldown is 25.000 s")


def test_a_rate_limit_is_a_bucket_that_fills_again(acting, target, decider):
    action(acting, "hook", webhook=target.url, rate_limit={"count": 2, "per": "20s"})
    first = decider.decide("hook", *[{"n": n} for n in range(4)])
    assert [settled(acting, id, "sent", "stopped")["state"] for id in first] == ["sent", "sent", "stopped", "stopped"]
    assert stopped_by(acting, first[2])[0] == "rate_limit"
    assert [settled(acting, id, "sent", "stopped")["state"] for id in decider.decide("hook", {}, {})] == ["sent", "stopped"]


# -- a person's word ----------------------------------------------------------------------------------------------------


def test_a_held_decision_waits_for_a_yes(acting, target, decider):
    action(acting, "hook", webhook=target.url, approval={"wait": "1h"})
    id = decider.one("hook")
    held = settled(acting, id, "held")
    assert held["guards"][-1]["guard"] == "approval" and "waits for a person" in held["guards"][-1]["detail"] and target.taken == []
    assert [one["id"] for one in decisions(acting, state="held")] == [id]
    assert post(acting, f"/v1/decisions/{id}/approve", reason="go on")["state"] in ("pending", "sent")
    sent = settled(acting, id, "sent")
    assert sent["guards"][-1] == {"guard": "approval", "passed": True, "detail": "approved by owner: go on"}
    assert "only one that is held" in post(acting, f"/v1/decisions/{id}/approve", 409)["detail"]
    assert acting.requests.post("/v1/decisions/nobody/approve").status_code == 404


def test_a_no_stops_a_held_decision_for_good(acting, target, decider):
    action(acting, "hook", webhook=target.url, approval={"wait": "1h"})
    id = decider.one("hook")
    post(acting, f"/v1/decisions/{id}/reject", reason="never")
    assert stopped_by(acting, id) == ("approval", "rejected by owner: never")
    assert post(acting, f"/v1/decisions/{id}/approve", 409) and target.taken == []


def test_what_nobody_answers_expires_or_is_sent_as_the_action_says(acting, target, decider):
    action(acting, "careful", webhook=target.url, approval={"wait": "100ms"})
    action(acting, "bold", webhook=target.url, approval={"wait": "100ms", "then": "send"})
    careful, bold = decider.one("careful"), decider.one("bold")
    assert settled(acting, careful, "expired")["guards"][-1]["detail"] == "nobody said yes in time: expired"
    assert settled(acting, bold, "sent")["guards"][-1]["detail"] == "nobody said no in time: sent"
    assert len(target.taken) == 1


def test_held_decisions_outlive_a_crash(acting, target, decider):
    action(acting, "hook", webhook=target.url, approval={"wait": "1h"})
    action(acting, "soon", webhook=target.url, approval={"wait": "300ms", "then": "send"})
    id, soon = decider.one("hook"), decider.one("soon")
    acting.restart(kill=True)
    settled(acting, soon, "sent")
    assert decision(acting, id)["state"] == "held"
    post(acting, f"/v1/decisions/{id}/approve")
    settled(acting, id, "sent")


def test_a_dead_letter_is_sent_again_under_its_old_key(acting, target, decider):
    action(acting, "hook", webhook=target.url)
    target.always = answer(410, b"closed")
    id = decider.one("hook")
    settled(acting, id, "failed")
    target.always = answer(200)
    post(acting, f"/v1/decisions/{id}/resend")
    sent = settled(acting, id, "sent")
    assert [one["outcome"] for one in sent["log"]] == ["failed", "sent"] and sent["last_error"] is None
    assert [one["key"] for one in target.taken] == [id, id]
    assert "only one that failed or expired" in post(acting, f"/v1/decisions/{id}/resend", 409)["detail"]


# -- facts of the moment --------------------------------------------------------------------------------------------------


def test_the_switch_breaks_off_what_is_under_way_and_loses_nothing(acting, target, decider):
    action(acting, "hook", webhook=target.url, timeout="5m")
    target.answers = [target.hang]
    first = decider.one("hook", n=1)
    wait_until(lambda: target.taken, "it is under way")
    state = switch(acting, "stopped", "smoke")
    assert state | {"actions": "stopped", "reason": "smoke", "changed_by": "owner"} == state
    later = [decider.one("hook", n=n) for n in (2, 3)]
    waiting = decision(acting, later[0])
    assert waiting["state"] == "pending" and waiting["guards"][-1] == {"guard": "switch", "passed": False, "detail": "smoke"}
    assert "all actions are stopped: smoke" in post(acting, "/v1/actions/hook/test", 409)["detail"]
    acting.restart(kill=True)
    assert acting.requests.get("/v1/switch").json()["actions"] == "stopped"
    assert len(target.taken) == 1 and decision(acting, first)["attempts"] == 0
    switch(acting, "running")
    for id in [first, *later]:
        settled(acting, id, "sent")
    assert [one["key"] for one in target.taken] == [first, first, *later]


def test_the_switch_is_its_tenants_own_and_needs_the_scope(acting):
    assert acting.requests.put("/v1/switch", json={"actions": "maybe"}).status_code == 400
    assert acting.requests.get("/v1/switch").json()["actions"] == "running"
