"""Streams on the page: the list, making them by form, what comes in, messages, fields, consumers, SQL, settings."""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "e2e"))
from rabbit import Broker, broker  # noqa: E402

OpenPage = Callable[..., Page]
HOSTILE = 'cold "room" <img src=x onerror=alert(1)> \u202ellik\u202c 🦦 it\'s'


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Broker]:
    with broker() as running:
        yield running


@pytest.fixture
def stream() -> str:
    return f"kitchen-{secrets.token_hex(4)}"


def push(server: Any, name: str, rows: list[Any]) -> None:
    answer = server.requests.post(f"/v1/streams/{quote(name)}/messages", json=rows)
    assert answer.status_code == 200, answer.text


def readings(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [{"at": 1_764_000_000 + n, "sensor": ("oven", "hob", "fridge")[n % 3], "celsius": 20 + 50 * (n % 3) + n % 17 / 3, "open": n % 5 == 0,
             "by": {"who": "Ada"}} for n in range(first, first + count)]


def define(server: Any, name: str, **definition: Any) -> None:
    answer = server.requests.put(f"/v1/streams/{quote(name)}", json=definition)
    assert answer.status_code in (200, 201), answer.text


def made(server: Any, name: str, count: int = 300) -> str:
    define(server, name, time={"field": "at"}, key="sensor")
    push(server, name, readings(count))
    return name


def test_no_streams_leads_to_making_one(open_page: OpenPage, shared_server: Any, axe: Callable[[Page], None]) -> None:
    page = open_page(place="data/streams?q=there-is-none-of-this-name")
    expect(page.get_by_text("Nothing by that name")).to_be_visible()
    page.get_by_role("link", name="New stream").click()
    expect(page.get_by_role("heading", name="New stream")).to_be_visible()
    axe(page)


def test_the_list_shows_rate_lag_and_what_a_source_says(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    made(shared_server, stream)
    broken = f"{stream}-broken"
    define(shared_server, broken, source={"kind": "amqp", "url": "amqp://127.0.0.1:1", "queue": "orders"})
    shared_server.requests.put(f"/v1/streams/{stream}/consumers/watch", json={"every": "10s", "from": "earliest"})
    page = open_page(place=f"data/streams?q={stream}")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=stream, exact=True))
    expect(row).to_contain_text("300 (")
    expect(row.get_by_role("img")).to_be_visible()
    expect(page.get_by_role("row").filter(has_text=broken)).to_contain_text(re.compile("refused|connecting"))
    axe(page)
    screens(page, "data-streams")
    push(shared_server, stream, readings(30, 300))
    expect(row).to_contain_text("330")
    assert shared_server.requests.delete(f"/v1/streams/{broken}").status_code == 204


def test_a_push_stream_is_made_by_keyboard_and_its_snippets_hold_no_secret(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    page = open_page(place="data/streams/+new")
    page.get_by_label("Name").focus()
    page.keyboard.type(stream)
    page.keyboard.press("Tab")
    page.keyboard.type("at")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/data/streams/{stream}")
    curl = page.locator(".copy pre").first
    expect(curl).to_contain_text(f"{shared_server.url}/v1/streams/{stream}/messages")
    expect(curl).to_contain_text("$SURICATE_TOKEN")
    assert "token_" not in page.content() and shared_server.token not in page.content()
    axe(page)
    screens(page, "data-stream-new")
    assert shared_server.requests.get(f"/v1/streams/{stream}").json()["definition"]["time"]["field"] == "at"
    push(shared_server, stream, readings(60))
    expect(page.get_by_role("region", name="Chart")).to_be_visible()


def test_what_is_wrong_stands_at_its_field(open_page: OpenPage, shared_server: Any, stream: str) -> None:
    made(shared_server, stream, 3)
    page = open_page(place=f"data/streams/+new?kind=derived&from={stream}")
    page.get_by_label("Name", exact=True).fill(f"{stream}/per")
    page.get_by_label("Windows of").fill("10q")
    page.get_by_role("button", name="Make the stream").click()
    expect(page.get_by_label("Windows of")).to_be_focused()
    expect(page.locator(".field", has=page.get_by_label("Windows of")).get_by_role("alert")).to_contain_text("1ms")
    page.get_by_label("Windows of").fill("10s")
    page.get_by_label("Aggregate 1").fill("coun()")
    page.get_by_role("button", name="Make the stream").click()
    expect(page.get_by_role("alert")).to_contain_text("coun")


def test_a_derived_stream_is_made_from_aggregates_and_from_sql(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    made(shared_server, stream)
    page = open_page(place=f"data/streams/+new?kind=derived&from={stream}")
    page.get_by_label("Name", exact=True).fill(f"{stream}/mean")
    page.get_by_label("For each").fill("sensor")
    page.get_by_role("button", name="Add an aggregate").click()
    page.get_by_label("Name 2").fill("warm")
    page.get_by_label("Aggregate 2").fill("avg(celsius)")
    axe(page)
    screens(page, "data-stream-derived")
    page.get_by_role("button", name="Make the stream").click()
    page.wait_for_url(f"**/data/streams/{stream}/mean")
    expect(page.locator(".facts").first).to_contain_text(f"derived from {stream}")
    source = shared_server.requests.get(f"/v1/streams/{stream}/mean").json()["definition"]["source"]
    assert source["aggregates"] == {"n": "count()", "warm": "avg(celsius)"} and source["by"] == ["sensor"]
    page.goto(f"{shared_server.url}/data/streams/+new?kind=derived&from={stream}")
    page.get_by_label("Name", exact=True).fill(f"{stream}/sql")
    page.get_by_role("button", name="SQL").click()
    page.get_by_label("SQL over each window").fill(f'select max(celsius) as most from "{stream}"')
    page.get_by_role("button", name="Make the stream").click()
    page.wait_for_url(f"**/data/streams/{stream}/sql")


def test_a_rabbitmq_queue_is_tested_and_consumed(
        open_page: OpenPage, shared_server: Any, stream: str, rabbit: Broker, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    queue = f"q-{stream}"
    rabbit.queue(queue)
    rabbit.publish(queue, [json.dumps(row) for row in readings(40)] + ["this is no JSON"])
    page = open_page(place="data/streams/+new?kind=amqp")
    page.get_by_label("Name", exact=True).fill(stream)
    page.get_by_label("Address").fill(rabbit.url())
    page.get_by_label("User").fill("guest")
    page.get_by_label("Queue", exact=True).fill(queue)
    page.get_by_role("button", name="New secret").click()
    dialog = page.get_by_role("dialog", name="New secret")
    dialog.get_by_label("Name").fill(f"wrong-{stream}")
    dialog.get_by_label("Value").fill("not the password")
    axe(page)
    dialog.get_by_role("button", name="Keep it").click()
    expect(page.locator("#secret")).to_have_value(f"wrong-{stream}")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator(".tested")).to_contain_text(re.compile("ACCESS_REFUSED|refused"))
    screens(page, "data-stream-amqp")
    axe(page)
    page.locator("#secret").select_option("")
    page.get_by_role("button", name="Test connection").click()
    expect(page.locator(".tested")).to_contain_text("It works.")
    expect(page.locator(".tested")).to_contain_text("41 messages wait")
    page.get_by_label("Time field").fill("at")
    page.get_by_role("button", name="Make the stream").click()
    page.wait_for_url(f"**/data/streams/{stream}")
    expect(page.locator(".facts").first).to_contain_text("40 messages")
    page.get_by_role("link", name="1 dead letter").click()
    expect(page.get_by_role("region", name="Dead letters")).to_contain_text("this is no JSON")
    axe(page)
    screens(page, "data-stream-dead-letters")
    assert shared_server.requests.delete(f"/v1/streams/{stream}").status_code == 204


def test_the_chart_and_what_is_picked_stand_in_the_address(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    made(shared_server, stream)
    page = open_page(place=f"data/streams/{stream}")
    expect(page.get_by_role("combobox", name="Field", exact=True)).to_have_value("celsius")
    expect(page.get_by_role("combobox", name="by", exact=True)).to_have_value("_key")
    expect(page.get_by_role("region", name="Chart")).to_contain_text("oven")
    axe(page)
    screens(page, "data-stream-live")
    page.get_by_role("combobox", name="by", exact=True).select_option("open")
    page.wait_for_url("**by=open**")
    page.get_by_role("button", name="1 h", exact=True).click()
    page.wait_for_url("**last=1h**")
    page.reload()
    expect(page.get_by_role("combobox", name="by", exact=True)).to_have_value("open")
    expect(page.get_by_role("button", name="1 h", exact=True)).to_have_attribute("aria-pressed", "true")


def test_a_stream_is_paused_and_goes_on(open_page: OpenPage, shared_server: Any, stream: str) -> None:
    made(shared_server, stream, 3)
    page = open_page(place=f"data/streams/{stream}")
    page.get_by_role("button", name="Pause the stream").click()
    page.get_by_role("button", name="Take messages again").click()
    expect(page.get_by_role("button", name="Pause the stream")).to_be_visible()
    assert shared_server.requests.get(f"/v1/streams/{stream}").json()["definition"]["paused"] is False


def test_messages_come_live_can_be_paused_opened_and_looked_back_at(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    made(shared_server, stream)
    page = open_page(place=f"data/streams/{stream}?tab=messages")
    newest = page.get_by_role("region", name="Newest messages")
    expect(newest.locator("li").first).to_contain_text("299")
    push(shared_server, stream, readings(1, 300))
    expect(newest.locator("li").first).to_contain_text("300")
    page.get_by_role("button", name="Pause", exact=True).click()
    push(shared_server, stream, readings(2, 301))
    expect(page.get_by_text("2 messages came meanwhile")).to_be_visible()
    expect(newest.locator("li").first).to_contain_text("300")
    page.get_by_role("button", name="Go on").click()
    expect(newest.locator("li").first).to_contain_text("302")
    newest.locator("button.message").first.click()
    expect(newest.locator(".opened")).to_contain_text("celsius")
    axe(page)
    screens(page, "data-stream-messages")
    page.get_by_label("Look from").fill("100")
    page.keyboard.press("Enter")
    back = page.get_by_role("region", name="Messages from there on")
    expect(back.locator("li").first).to_contain_text("100")
    page.get_by_role("link", name="Later").click()
    expect(back.locator("li").first).to_contain_text("200")
    page.go_back()
    expect(back.locator("li").first).to_contain_text("100")
    page.get_by_label("Look from").fill("yesterday")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert")).to_be_visible()


def test_a_flood_of_messages_stays_bounded_and_the_page_answers(open_page: OpenPage, shared_server: Any, stream: str) -> None:
    made(shared_server, stream, 10)
    page = open_page(place=f"data/streams/{stream}?tab=messages")
    newest = page.get_by_role("region", name="Newest messages")
    expect(newest.locator("li").first).to_contain_text("9")
    page.evaluate("""() => { window.slowest = 0; let before = performance.now();
        const look = () => { const now = performance.now(); window.slowest = Math.max(window.slowest, now - before); before = now; setTimeout(look, 0); }; look(); }""")
    for part in range(10):
        push(shared_server, stream, readings(5000, 10 + part * 5000))
    expect(newest.locator("li").first).to_contain_text("50009")
    assert newest.locator("li").count() == 200
    assert page.evaluate("() => window.slowest") < 1500
    page.get_by_role("link", name="Fields").click()
    expect(page.get_by_role("region", name="Fields")).to_be_visible()


def test_fields_consumers_and_sql(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    made(shared_server, stream)
    shared_server.requests.put(f"/v1/streams/{stream}/consumers/watch", json={"every": "10s", "from": "earliest"})
    page = open_page(place=f"data/streams/{stream}?tab=schema")
    fields = page.get_by_role("region", name="Fields")
    expect(fields.get_by_role("row").filter(has_text="by.who")).to_contain_text("Ada")
    expect(fields.get_by_role("row").filter(has_text="sensor")).to_contain_text("key")
    axe(page)
    screens(page, "data-stream-fields")
    page.get_by_role("link", name="Consumers").click()
    consumers = page.get_by_role("region", name="Consumers")
    expect(consumers).to_contain_text("300 in")
    axe(page)
    screens(page, "data-stream-consumers")
    page.get_by_role("button", name="Change watch").click()
    page.get_by_role("button", name="Skip to what comes from now").click()
    expect(consumers).to_contain_text("none")
    page.get_by_role("link", name="SQL").click()
    page.get_by_role("combobox", name="over").select_option("")
    page.get_by_role("button", name="Ask").click()
    answer = page.get_by_role("region", name="Answer")
    expect(answer.get_by_role("row")).to_have_count(4)
    axe(page)
    screens(page, "data-stream-sql")
    page.get_by_label("A question in SQL").fill("select lta from x")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("alert")).to_contain_text("x")


def test_settings_change_and_delete_with_confirmation(
        open_page: OpenPage, shared_server: Any, stream: str, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    made(shared_server, stream, 5)
    page = open_page(place=f"data/streams/{stream}?tab=settings")
    keep = page.get_by_label("Keep for")
    expect(keep).to_have_value("7d")
    keep.fill("7x")
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".field", has=keep).get_by_role("alert")).to_contain_text("must be a time")
    keep.fill("3d")
    page.get_by_label("Description").fill("what the kitchen says")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved.")).to_be_visible()
    expect(page.get_by_text("what the kitchen says")).to_be_visible()
    definition = shared_server.requests.get(f"/v1/streams/{stream}").json()["definition"]
    assert definition["retention"]["age"] == "3d" and definition["key"] == "sensor" and definition["time"]["field"] == "at"
    axe(page)
    screens(page, "data-stream-settings")
    page.get_by_role("button", name="Delete the stream").click()
    page.get_by_role("button", name="Keep it").click()
    page.get_by_role("button", name="Delete the stream").click()
    page.get_by_role("button", name="Delete it", exact=True).click()
    page.wait_for_url("**/data/streams")
    assert shared_server.requests.get(f"/v1/streams/{stream}").status_code == 404


def test_hostile_names_and_messages_are_only_text(open_page: OpenPage, shared_server: Any, axe: Callable[[Page], None]) -> None:
    name = f"{HOSTILE} {secrets.token_hex(3)}"
    define(shared_server, name, key=HOSTILE, description=HOSTILE)
    push(shared_server, name, [{HOSTILE: HOSTILE, "value": n} for n in range(5)])
    for tab in ("live", "messages", "schema", "query", "settings"):
        page = open_page(place=f"data/streams/{quote(name)}?tab={tab}")
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.locator("main")).to_contain_text("🦦")
        assert page.locator("main img:not([role])").count() == 0
        axe(page)
        page.context.close()
    page = open_page(place="data/streams?q=llik")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
