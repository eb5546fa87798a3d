"""Streams on the page: made by forms, charted, read, asked, followed by their messages as they come."""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
Look = Callable[..., None]


def push(server: Any, name: str, messages: list[Any]) -> None:
    answer = server.requests.post(f"/v1/streams/{name}/messages", data="\n".join(json.dumps(one) for one in messages),
                                  headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text


def readings(count: int) -> list[dict[str, Any]]:
    now = datetime.datetime.now(datetime.UTC) - datetime.timedelta(seconds=count)
    return [{"at": (now + datetime.timedelta(seconds=i)).isoformat(), "sensor": name, "celsius": round(base + base / 9 * math.sin(i / 9), 2)}
            for i in range(count) for name, base in (("oven", 180), ("fridge", 4))]


@pytest.fixture
def kitchen(shared_server: Any) -> str:
    shared_server.requests.delete("/v1/streams/web/kitchen?force=true")
    assert shared_server.requests.put("/v1/streams/web/kitchen", json={"time": {"field": "at"}, "key": "sensor"}).status_code == 201
    push(shared_server, "web/kitchen", readings(120))
    return "web/kitchen"


def test_a_push_stream_is_made_and_says_how_to_push(open_page: OpenPage, axe: Look, screens: Look, shared_server: Any) -> None:
    shared_server.requests.delete("/v1/streams/web/made?force=true")
    page = open_page(place="data/streams")
    page.get_by_role("link", name="New stream").first.click()
    page.get_by_label("Name").fill("web/made")
    axe(page)
    screens(page, "stream-new")
    page.get_by_role("button", name="Make the stream").click()
    expect(page.get_by_role("heading", name="Push to it")).to_be_visible()
    text = page.locator("main").inner_text()
    assert "$SURICATE_TOKEN" in text and shared_server.token not in text
    axe(page)
    push(shared_server, "web/made", [{"celsius": 5}])
    expect(page.locator("label.pick select").first).to_have_value("celsius")


def test_a_wrong_definition_is_explained(open_page: OpenPage) -> None:
    page = open_page(place="data/streams/+new?kind=derived")
    page.get_by_label("Name").fill("web/derived")
    page.get_by_role("textbox", name="Aggregates, a line each").fill("m = mean(celsius)")
    page.get_by_role("button", name="Make the stream").click()
    expect(page.get_by_role("alert")).to_contain_text('no function "mean"')


def test_the_chart_and_its_choices_stand_in_the_address(open_page: OpenPage, kitchen: str, axe: Look, screens: Look) -> None:
    page = open_page(place=f"data/streams/{kitchen}")
    expect(page.get_by_label("A line for each")).to_have_value("sensor")
    expect(page.locator("main")).to_contain_text("oven")
    axe(page)
    screens(page, "stream-live")
    page.get_by_label("A line for each").select_option("")
    page.wait_for_url("**by=**")
    page.reload()
    expect(page.get_by_label("A line for each")).to_have_value("")


def test_messages_come_as_they_are_pushed_and_can_be_looked_back_at(open_page: OpenPage, kitchen: str, shared_server: Any, axe: Look) -> None:
    page = open_page(place=f"data/streams/{kitchen}?tab=messages")
    expect(page.get_by_role("list", name="Messages")).to_contain_text("fridge")
    push(shared_server, kitchen, [{"at": datetime.datetime.now(datetime.UTC).isoformat(), "sensor": "hob <b>x</b>", "celsius": 1}])
    expect(page.get_by_role("list", name="Messages").locator("li").first).to_contain_text("hob <b>x</b>")
    page.get_by_label("From").fill("3")
    page.get_by_role("button", name="Look back").click()
    expect(page.get_by_role("list", name="Messages").locator("li").first).to_contain_text("3")
    axe(page)


def test_many_messages_do_not_grow_the_page(open_page: OpenPage, kitchen: str, shared_server: Any) -> None:
    page = open_page(place=f"data/streams/{kitchen}?tab=messages")
    expect(page.get_by_role("list", name="Messages")).to_be_visible()
    for _ in range(10):
        push(shared_server, kitchen, readings(500))
    page.wait_for_function("() => Number(document.querySelector('.messages li .number')?.textContent) >= 10239")
    assert page.get_by_role("list", name="Messages").locator("li").count() <= 100


def test_a_question_in_sql_is_answered(open_page: OpenPage, kitchen: str, axe: Look) -> None:
    page = open_page(place=f"data/streams/{kitchen}?tab=sql")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("region", name="Answer")).to_contain_text("120")
    axe(page)
    page.get_by_label("Question in SQL").fill("select x from nowhere")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("nowhere")


@pytest.mark.parametrize("tab", ["schema", "consumers", "settings"])
def test_every_view_of_a_stream_is_accessible(open_page: OpenPage, kitchen: str, shared_server: Any, axe: Look, screens: Look, tab: str) -> None:
    shared_server.requests.put(f"/v1/streams/{kitchen}/consumers/watcher", json={"every": "10s"})
    page = open_page(place=f"data/streams/{kitchen}?tab={tab}")
    expect(page.locator("main")).to_contain_text({"schema": "celsius", "consumers": "watcher", "settings": "Definition"}[tab])
    axe(page)
    screens(page, f"stream-{tab}")


def test_a_stream_is_paused_and_deleted(open_page: OpenPage, shared_server: Any) -> None:
    shared_server.requests.put("/v1/streams/web/gone", json={})
    page = open_page(place="data/streams/web/gone?tab=settings")
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_role("button", name="Take messages again")).to_be_visible()
    page.get_by_role("button", name="Delete the stream").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/data/streams")
    assert shared_server.requests.get("/v1/streams/web/gone").status_code == 404


@pytest.mark.parametrize("name", ["web/\"quoted\" 'n'", "web/עברית", "web/🎈"])
def test_any_name_of_a_stream_works(open_page: OpenPage, shared_server: Any, name: str) -> None:
    from urllib.parse import quote
    made = shared_server.requests.put(f"/v1/streams/{quote(name)}", json={})
    assert made.status_code in (200, 201), made.text
    page = open_page(place=f"data/streams/{quote(name)}")
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
