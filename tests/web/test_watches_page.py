"""Watches on the page: made with three choices, seen at work, back-tested by dragging, their levels moved, shadowed by others."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from watched_streams import decisions, make_stream, say, watch, wave
from e2e_fixtures import wait_until
from playwright.sync_api import Page, expect


def drag(page: Page, begin: float, end: float) -> None:
    """Over the chart, from one share of its width to another."""
    box = wait_until(lambda: page.locator(".judged-value .u-over").bounding_box(), "the chart is drawn")
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + begin * box["width"], y)
    page.mouse.down()
    page.mouse.move(box["x"] + (begin + end) / 2 * box["width"], y, steps=3)
    page.mouse.move(box["x"] + end * box["width"], y, steps=3)
    page.mouse.up()


def chart_is_drawn(page: Page, points: int | None = None) -> None:
    expect(page.locator(".judged-value")).to_have_attribute("data-points", re.compile(r"[1-9]") if points is None else str(points))
    expect(page.locator(".judged-value canvas")).to_be_visible()


def test_a_newcomer_makes_a_watch_with_three_choices_and_sees_it_fire(server: Any, open_page: Callable[..., Page], axe: Any, screens: Any) -> None:
    make_stream(server, "sensors")
    say(server, "sensors", wave(240))
    page = open_page(server=server, place="processing")
    expect(page.get_by_text("Nothing is watched yet")).to_be_visible()
    axe(page)
    screens(page, "processing-nothing")
    page.get_by_role("link", name="New watch").click()
    page.get_by_label("Stream", exact=True).select_option("sensors")
    page.get_by_label("What is watched").select_option(label="the mean of v")
    page.get_by_label("How sensitive").select_option(label="eager: once in 100 windows")
    expect(page.get_by_label("Name", exact=True)).to_have_value("sensors-v")
    preview = page.get_by_role("region", name="What it would have done")
    expect(preview).to_contain_text("in 239 windows of 239 messages")
    chart_is_drawn(page)
    axe(page)
    screens(page, "watch-new")
    page.get_by_role("button", name="Make the watch").click()
    page.wait_for_url("**/processing/watches/sensors-v")
    expect(page.get_by_text("watching", exact=True)).to_be_visible()
    say(server, "sensors", [500.0, 510, 520, 530, 540, 550], first=240)
    expect(page.get_by_text("firing", exact=True)).to_be_visible()
    chart_is_drawn(page)
    page.get_by_role("link", name="Decisions", exact=True).click()
    expect(page.get_by_role("link", name=re.compile("sensors-v opened"))).to_be_visible()
    assert [one["event"] for one in decisions(server, watch="sensors-v")][-1] == "opened"


def test_what_is_wrong_with_a_definition_stands_at_its_field(open_page: Callable[..., Page], shared_server: Any, axe: Any) -> None:
    make_stream(shared_server, "page/wrong")
    say(shared_server, "page/wrong", [1.0, 2.0])
    page = open_page(place="processing/watches/+new?stream=page/wrong&value=count()")
    page.get_by_label("In windows of").fill("soon")
    page.get_by_role("button", name="Make the watch").click()
    expect(page.get_by_label("In windows of")).to_have_attribute("aria-invalid", "true")
    axe(page)
    watch(shared_server, "page-taken", "page/wrong")
    page.get_by_label("In windows of").fill("10s")
    page.get_by_label("Name", exact=True).fill("page-taken")
    page.get_by_role("button", name="Make the watch").click()
    expect(page.get_by_label("Name", exact=True)).to_have_attribute("aria-invalid", "true")


def test_a_range_is_back_tested_by_dragging_and_a_level_moved(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    make_stream(shared_server, "page/load")
    spikes = {"w30": 70.0, "w60": 120.0, "w61": 130.0, "w90": 75.0}
    watch(shared_server, "page-load", "page/load")
    say(shared_server, "page/load", wave(121, **spikes))
    wait_until(lambda: len(decisions(shared_server, watch="page-load")) == 6, "three episodes")
    page = open_page(place="processing/watches/page-load")
    chart_is_drawn(page, 120)
    screens(page, "watch")
    axe(page)
    drag(page, 0.4, 0.6)  # around the windows 60 and 61
    tested = page.get_by_role("region", name="Back-test")
    expect(tested).to_contain_text("2 decisions")
    expect(tested).to_contain_text("The 2 decisions made live are the same.")
    screens(page, "watch-back-test")
    axe(page)
    tested.get_by_role("button", name="Close").click()
    level = page.get_by_role("slider", name="warning begins at")
    expect(level).to_have_attribute("aria-valuenow", "60")
    level.focus()
    page.keyboard.press("PageUp")
    expect(page.get_by_label("warning from")).not_to_have_value("60")
    page.get_by_label("warning from").fill("72")
    tested = page.get_by_role("region", name="Back-test")
    expect(tested).to_contain_text("4 decisions")
    expect(tested).to_contain_text("4 as now, 0 new, 2 no more.")
    expect(level).to_have_attribute("aria-valuenow", "72")
    screens(page, "watch-level-moved")
    axe(page)
    page.get_by_role("button", name="Save these levels").click()
    expect(page.get_by_role("button", name="Save these levels")).to_have_count(0)
    stored = shared_server.requests.get("/v1/watches/page-load").json()["definition"]
    assert stored["levels"]["warning"]["enter"] == 72 and stored["levels"]["critical"]["enter"] == 100
    assert stored["values"] == ["avg(v)"] and stored["detector"]["kind"] == "threshold"


def test_a_level_is_dragged_with_the_mouse(open_page: Callable[..., Page], shared_server: Any) -> None:
    make_stream(shared_server, "page/dragged")
    watch(shared_server, "page-dragged", "page/dragged")
    say(shared_server, "page/dragged", wave(60, w30=120.0))
    page = open_page(place="processing/watches/page-dragged")
    chart_is_drawn(page)
    handle = page.get_by_role("slider", name="critical begins at")
    box = handle.bounding_box()
    assert box
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 30, steps=4)
    page.mouse.up()
    assert 60 < float(page.get_by_label("critical from").input_value()) < 100
    expect(page.get_by_role("region", name="Back-test")).to_contain_text("as now")
    page.get_by_role("button", name="As they were").click()
    expect(page.get_by_label("critical from")).to_have_value("100")


def test_keys_are_listed_by_state_and_lead_to_their_chart(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    make_stream(shared_server, "page/keys")
    watch(shared_server, "page-keys", "page/keys", by=["host"])
    hosts = tuple(f"host-{number:03}" for number in range(130))
    say(shared_server, "page/keys", [10.0, 11.0, 12.0], hosts=hosts)
    say(shared_server, "page/keys", [200.0, 210.0], first=3, hosts=("host-077",))
    wait_until(lambda: decisions(shared_server, watch="page-keys"), "one fires")
    page = open_page(place="processing/watches/page-keys?tab=keys")
    rows = page.get_by_role("region", name="Keys of the watch").get_by_role("row")
    expect(rows).to_have_count(101)
    page.get_by_role("button", name="Show more keys").click()
    expect(rows).to_have_count(131)
    page.get_by_label("State").select_option("firing")
    expect(rows).to_have_count(2)
    axe(page)
    screens(page, "watch-keys")
    page.get_by_role("link", name="host-077").click()
    chart_is_drawn(page)
    expect(page.get_by_role("combobox", name="host")).to_have_value("host-077")


def test_a_shadow_week_sets_another_detector_beside_the_live_one(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    make_stream(shared_server, "page/shadow")
    watch(shared_server, "page-shadow", "page/shadow", detector={"kind": "threshold", "parameters": {"above": 60}},
          levels={"on": "score", "critical": {"enter": 0.98, "leave": 0.97}})
    say(shared_server, "page/shadow", wave(200, w150=70.0, w151=71.0))
    made = wait_until(lambda: [one for one in decisions(shared_server, watch="page-shadow") if one["event"] == "resolved"
                               and one["window"]["start"].startswith("2026-01-01T00:25:20")] and decisions(shared_server, watch="page-shadow"), "it is over")
    page = open_page(place="processing/watches/page-shadow?tab=shadow")
    page.get_by_role("combobox", name="In its place").select_option("the detector absence")
    live, rival = page.get_by_role("region", name="The live one"), page.get_by_role("region", name="In its place")
    expect(live).to_contain_text(f"{len(made)} decisions")
    expect(rival).to_contain_text(f"{len(made)} no more.")
    axe(page)
    screens(page, "watch-shadow")


def test_a_watch_is_edited_paused_and_deleted(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    make_stream(shared_server, "page/edited")
    watch(shared_server, "page-edited", "page/edited")
    say(shared_server, "page/edited", [1.0, 2.0])
    page = open_page(place="processing/watches/page-edited?tab=definition")
    page.get_by_text("How it judges").click()
    page.get_by_text("When and how often").click()
    page.get_by_label("Quiet after an episode for").fill("5m")
    axe(page)
    screens(page, "watch-definition")
    page.get_by_role("button", name="Save", exact=True).click()
    wait_until(lambda: shared_server.requests.get("/v1/watches/page-edited").json()["definition"].get("cooldown") == "5m", "the watch is stored")
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    page.get_by_role("button", name="Go on").click()
    expect(page.get_by_text("watching", exact=True)).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/processing")
    assert shared_server.requests.get("/v1/watches/page-edited").status_code == 404
