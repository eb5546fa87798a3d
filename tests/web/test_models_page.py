"""Models on the page: versions with their metrics, promotion by hand and by rule, rolling back, comparing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect


def save(server: Any, name: str, r2: float, **more: Any) -> dict[str, Any]:
    answer = server.requests.put(f"/v1/models/{name}", json={"value": {"mean": r2 * 10}, "metrics": {"r2": r2, "mae": 3 - r2}, **more})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def model(server: Any, name: str) -> dict[str, Any]:
    return server.requests.get(f"/v1/models/{name}").json()


def test_without_models_the_page_says_how_one_is_made(server: Any, open_page: Callable[..., Page], axe: Any, screens: Any) -> None:
    page = open_page(server=server, place="processing/models")
    expect(page.get_by_text("No models yet")).to_be_visible()
    expect(page.get_by_text("s.save_model(")).to_be_visible()
    axe(page)
    screens(page, "models-empty")


def test_a_candidate_is_compared_promoted_and_rolled_back(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    for r2 in (0.31, 0.28, 0.35, 0.44):
        save(shared_server, "page/yards", r2, sources=[{"object": "week1.csv", "version": 3}, "the first half"])
    page = open_page(place="processing/models")
    row = page.get_by_role("row", name="page/yards")
    expect(row).to_contain_text("version 1")
    expect(row).to_contain_text("r2 0.31")
    expect(row).to_contain_text("version 4")
    axe(page)
    screens(page, "models")
    row.get_by_role("link", name="page/yards").click()
    expect(page.get_by_role("img", name="r2 by version: 1: 0.31, 2: 0.28, 3: 0.35, 4: 0.44")).to_be_visible()
    expect(page.get_by_role("link", name="week1.csv, version 3").first).to_be_visible()
    axe(page)
    screens(page, "model")
    page.get_by_role("link", name="Compare").click()
    compared = page.get_by_role("row", name="r2")
    expect(compared).to_contain_text("+0.13")
    axe(page)
    screens(page, "model-compare")
    page.get_by_role("button", name="Promote the candidate").click()
    page.get_by_role("dialog").get_by_role("button", name="Promote it").click()
    expect(page.get_by_text("version 4 is live")).to_be_visible()
    assert model(shared_server, "page/yards")["live"] == 4
    page.get_by_role("button", name="Roll back").click()
    page.get_by_role("dialog").get_by_role("button", name="Roll back").click()
    expect(page.get_by_text("version 1 is live")).to_be_visible()
    page.get_by_role("link", name="Versions").click()
    expect(page.get_by_role("heading", name="What was live when")).to_be_visible()


def test_a_rule_promotes_the_next_version_and_the_page_shows_it_by_itself(open_page: Callable[..., Page], shared_server: Any, axe: Any) -> None:
    save(shared_server, "page/ruled", 0.5)
    page = open_page(place="processing/models/page/ruled?tab=promotion")
    page.get_by_label("at least").fill("0.4")
    axe(page)
    page.get_by_role("button", name="Store the rule").click()
    expect(page.get_by_text("A new version becomes live by itself when its r2 is higher")).to_be_visible()
    assert model(shared_server, "page/ruled")["promotion"] == {"metric": "r2", "better": "higher", "at_least": 0.4}
    save(shared_server, "page/ruled", 0.6)
    expect(page.get_by_text("version 2 is live")).to_be_visible()


def test_a_version_is_retired(open_page: Callable[..., Page], shared_server: Any) -> None:
    save(shared_server, "page/retired", 0.5)
    save(shared_server, "page/retired", 0.4)
    page = open_page(place="processing/models/page/retired")
    page.get_by_role("button", name="Retire version 2").click()
    page.get_by_role("dialog").get_by_role("button", name="Retire it").click()
    expect(page.get_by_role("row", name="2 retired")).to_be_visible()
    expect(page.get_by_text("is a candidate")).to_have_count(0)
