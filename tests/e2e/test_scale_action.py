"""Actions of kind scale: what is refused, what a receiver is told, and how a watch follows a metric with one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from acting import Decider, Target, action, refused, settled, test_action as try_action
from conftest import Server, wait_until
from streams import create, push

BASE = 1_767_225_600            # 2026-01-01T00:00:00Z


@pytest.fixture
def target() -> Iterator[Target]:
    one = Target()
    yield one
    one.close()


@pytest.fixture
def acting(start_server: Callable[..., Server], target: Target) -> Server:
    return start_server(*target.allow)


def scale(acting: Server, target: Target, **policy: Any) -> None:
    action(acting, "workers", **{"kind": "scale", "target": 10, "total": True, "max": 20, "min": 2, "via": {"webhook": target.url}, **policy})


def test_a_policy_that_makes_no_sense_is_refused_by_its_field(acting: Server, target: Target) -> None:
    def field(**more: Any) -> str:
        return refused(acting, "x", **{"kind": "scale", "target": 1, "max": 5, "via": {"webhook": target.url}, **more})["field"]

    assert field(target=0) == "/target"
    assert field(min=6) == "/min"
    assert field(initial=9) == "/initial"
    assert field(settle="soon") == "/settle"
    assert field(max="many") == "/max"
    assert field(floor=3) == "/floor"
    assert field(via={"kind": "set"}) == "/via"
    assert field(via={"webhook": "http://127.0.0.1:1/"}) == "/via/webhook"


def test_a_size_that_somebody_asks_for_stays_within_its_bounds(acting: Server, target: Target) -> None:
    scale(acting, target, initial=3)
    decider = Decider(acting)
    for size in (7, 99, 0):
        settled(acting, decider.one("workers", size=size), "sent")
    assert [body["data"]["desired"] for body in target.bodies()] == [{"size": 7}, {"size": 20}, {"size": 2}]
    failed = settled(acting, decider.one("workers", by=1), "failed")
    assert "asks for no size" in failed["last_error"] and failed["attempts"] == 1
    assert try_action(acting, "workers")["outcome"] == "sent"
    assert target.bodies()[-1]["data"]["desired"] == {"size": 3}


def test_a_watch_tells_a_new_size_when_it_changes_and_a_back_test_the_same(acting: Server, target: Target) -> None:
    create(acting.requests, "load", source={"kind": "push"}, time={"field": "t", "format": "s"}, delay="0s")
    scale(acting, target, settle="0s", ahead="0s", stabilise_down="0s")
    made = acting.requests.put("/v1/watches/size", json={
        "stream": "load", "every": "10s", "values": ["sum(v)"], "detector": {"kind": "threshold", "parameters": {"above": 1e6}},
        "levels": {"on": "value", "critical": {"enter": 1e6, "leave": 1e5}}, "from": "earliest", "learn": "0s",
        "actions": [{"action": "workers", "on": ["window"]}]})
    assert made.status_code == 201, made.text
    values = [20, 55, 56, 150, 151, 20, 20]
    push(acting.requests, "load", *[{"t": BASE + 10 * n + 1, "v": value} for n, value in enumerate(values)])
    wait_until(lambda: len(target.taken) == 3, "three sizes were told")
    told = [body["data"] for body in target.bodies()]
    assert [(one["desired"]["size"], one["desired"]["current"], one["desired"]["metric"]) for one in told] == [(6, 2, 55), (15, 6, 150), (2, 15, 20)]
    assert [one["event"] for one in told] == ["window"] * 3
    tested = acting.requests.post("/v1/watches/size/backtest", json={}).json()
    assert [one["id"] for one in tested["decisions"]] == [one["id"] for one in told]
