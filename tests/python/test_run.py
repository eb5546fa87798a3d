"""Runs, recipes and fetches from outside."""

from __future__ import annotations

from typing import Any

import pytest
import suricate as s
from conftest import PlayedServer


def record(state: str, **more: Any) -> dict[str, Any]:
    return {"id": "r1", "state": state, "notebook": {"name": "n", "version": 1}, "reason": None, "result": None, **more}


def test_a_run_is_waited_for(played: PlayedServer) -> None:
    played.answers["POST", "/v1/runs"] = [(202, record("queued"))]
    played.answers["GET", "/v1/runs/r1"] = [(200, record("running")), (200, record("succeeded", result=[1]))]
    assert s.run("n", {"a": 1}).result == [1]


def test_a_failed_run_raises_with_its_cause(played: PlayedServer) -> None:
    error = {"ename": "ValueError", "evalue": "no pass", "traceback": [], "cell": "c"}
    played.answers["POST", "/v1/recipes/favourite-receiver/runs"] = [(202, record("failed", error=error))]
    with pytest.raises(s.RunFailed, match="ended as failed: ValueError: no pass") as caught:
        s.run_recipe("favourite-receiver", "week1.csv")
    assert caught.value.run.state == "failed"


def test_a_wait_ends_and_the_run_goes_on(played: PlayedServer) -> None:
    played.answers["POST", "/v1/runs"] = [(202, record("running"))]
    played.answers["GET", "/v1/runs/r1"] = [(200, record("running"))]
    with pytest.raises(s.TimedOut, match="goes on"):
        s.run("n", timeout_s=0.1)


def test_a_fetch_gives_the_object_or_says_why_not(played: PlayedServer) -> None:
    played.put("x", b"12")
    played.answers["POST", "/v1/fetches"] = [(202, {"id": "f", "state": "running"})]
    played.answers["GET", "/v1/fetches/f"] = [(200, {"id": "f", "state": "succeeded", "object": "x"})]
    assert s.fetch("https://example.org/x", "x")["size"] == 2
    played.answers["GET", "/v1/fetches/f"] = [(200, {"id": "f", "state": "failed", "reason": "host is not allowed"})]
    with pytest.raises(s.Unavailable, match="host is not allowed"):
        s.fetch("https://example.org/x", "x")


def test_recipes_that_fit_are_asked_for_by_object(played: PlayedServer) -> None:
    played.answers["GET", "/v1/recipes"] = [(200, {"items": [{"name": "a", "fits": True}], "next": None})]
    assert s.recipes("week1.csv") == [{"name": "a", "fits": True}]
    assert "object=week1.csv" in played.calls[-1][1]
