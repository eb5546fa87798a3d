"""Processing: the live sample from one button, starting, stopping, errors with their window, making a notebook follow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

BASE = 1_700_000_000
FRAGILE = """
import suricate as s
for window in s.follow(stream, every="10s", from_="earliest", name="fragile"):
    print("window of", len(window.frame), flush=True)
    if len(window.frame) == 3:
        raise ValueError("three at once")
"""
ANALYSIS = [
    "import matplotlib.pyplot as plt\nimport suricate as s\n\ndef share(values):\n    return values.mean()",
    'rides = s.window("{stream}", last="30s")\nrides.head()',
    "average = share(rides.minutes)\nprint('average', average)",
    "print('this has nothing to do with it')",
]


def say(server: Any, stream: str, *seconds: int) -> None:
    lines = "".join(json.dumps({"at": BASE + second, "minutes": second % 7}) + "\n" for second in seconds)
    answer = server.requests.post(f"/v1/streams/{stream}/messages", data=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code in (200, 201, 202), answer.text


def make_stream(server: Any, name: str) -> None:
    answer = server.requests.put(f"/v1/streams/{name}", json={"source": {"kind": "push"}, "time": {"field": "at"}})
    assert answer.status_code in (200, 201), answer.text


@pytest.fixture
def cancelled(shared_server: Any) -> Any:
    """Whatever follows when the test is over is stopped."""
    yield
    for run in shared_server.requests.get("/v1/runs?follow=true&limit=100").json()["items"]:
        if run["ended_at"] is None:
            shared_server.requests.post(f"/v1/runs/{run['id']}/cancel?wait=20s")


def figure_changes(figure: Locator, before: str | None) -> str:
    """Waits until the picture is another one than before."""
    if before is not None:
        expect(figure).not_to_have_attribute("src", before)
    source = figure.get_attribute("src")
    assert source
    return source


def test_the_live_favourite_receiver_runs_from_one_button_and_redraws_without_a_reload(
        open_page: Callable[..., Page], shared_server: Any, cancelled: None, screens: Any, axe: Any) -> None:
    page = open_page(place="processing")
    expect(page.get_by_role("heading", level=1, name="Processing")).to_be_visible()
    screens(page, "processing-empty")
    page.get_by_role("button", name="Play the sample game").click()
    page.wait_for_url("**/processing/*")
    loads = page.evaluate("() => window.stayed = Math.random()")
    outputs = page.get_by_role("region", name="Outputs")
    figure = outputs.locator("img.out-image").last
    expect(figure).to_be_visible()
    seen = [figure_changes(figure, None)]
    for _ in range(4):
        seen.append(figure_changes(figure, seen[-1]))
    assert len(set(seen)) == 5
    expect(outputs.locator("img.out-image")).to_have_count(1)
    expect(outputs.get_by_text(re.compile(r"play +\d+ +quarter 1"))).to_be_visible()
    pace = page.get_by_role("region", name="Pace")
    expect(pace.get_by_text("iterations a minute")).to_be_visible()
    expect(pace.locator("rect").nth(10)).to_be_attached()
    screens(page, "processing-live")
    axe(page)
    assert page.evaluate("() => window.stayed") == loads
    run = page.url.rsplit("/", 1)[1]
    record = shared_server.requests.get(f"/v1/runs/{run}").json()
    assert record["followed"][0]["windows"] > 5 and record["restarts"] == 0
    page.get_by_role("navigation", name="About this run").get_by_role("link", name="Iterations").click()
    expect(page.get_by_role("region", name="The last iterations").get_by_role("row").nth(5)).to_be_visible()
    axe(page)
    screens(page, "processing-iterations")
    page.get_by_role("navigation", name="About this run").get_by_role("link", name="Lineage").click()
    expect(page.get_by_role("region", name=re.compile("Lineage as a graph")).get_by_role("link", name="object sample/favourite-receiver.svg")).to_be_visible()
    screens(page, "processing-lineage")


def test_the_last_error_is_shown_with_its_window(open_page: Callable[..., Page], shared_server: Any, cancelled: None, screens: Any, axe: Any) -> None:
    make_stream(shared_server, "processing/fragile")
    shared_server.put_notebook("processing/fragile.ipynb", FRAGILE, parameters='stream: str = "x"  # whom to follow')
    run = shared_server.start_run("processing/fragile.ipynb", follow=True, parameters={"stream": "processing/fragile"})
    page = open_page(place=f"processing/{run['id']}")
    say(shared_server, "processing/fragile", 1, 11, 21)
    outputs = page.get_by_role("region", name="Outputs")
    expect(outputs.get_by_text("window of 1").first).to_be_visible()
    say(shared_server, "processing/fragile", 22, 23, 31)
    error = page.locator(".last-error")
    expect(error).to_contain_text("ValueError: three at once")
    expect(error).to_contain_text("in the window 2023-11-14")
    expect(error).to_contain_text("3 messages")
    screens(page, "processing-error")
    page.goto(page.url.rsplit("/", 1)[0])
    card = page.get_by_role("listitem", name="processing/fragile")
    expect(card).to_contain_text("ValueError: three at once")
    expect(card).to_contain_text("in the window")
    axe(page)
    screens(page, "processing")


def test_a_notebook_is_started_on_a_stream_stopped_and_started_again_by_the_keyboard(
        open_page: Callable[..., Page], shared_server: Any, cancelled: None, axe: Any) -> None:
    make_stream(shared_server, "processing/started")
    shared_server.put_notebook("processing/count.ipynb", FRAGILE.replace("fragile", "count"), parameters='stream: str = "x"  # whom to follow')
    page = open_page(place="processing")
    page.get_by_role("link", name="Start …").focus()
    page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Notebook").select_option("processing/count.ipynb")
    dialog.get_by_label("stream").fill("processing/started")
    axe(page)
    page.keyboard.press("Enter")
    page.wait_for_url("**/processing/0*")
    say(shared_server, "processing/started", 1, 11)
    expect(page.get_by_role("region", name="Outputs").get_by_text("window of 1")).to_be_visible()
    expect(page.get_by_role("complementary", name="Where it stands").get_by_role("link", name="processing/started")).to_be_visible()
    page.get_by_role("button", name="Stop").focus()
    page.keyboard.press("Enter")
    expect(page.locator(".facts .state")).to_have_text("cancelled")
    first = page.url
    page.get_by_role("button", name="Start again").click()
    page.wait_for_url(lambda url: "/processing/" in url and url != first)
    expect(page.locator(".facts .state")).to_have_text("following")
    say(shared_server, "processing/started", 21)
    expect(page.get_by_role("region", name="Outputs").get_by_text("window of 1")).to_be_visible()


def test_an_analytics_notebook_becomes_one_that_follows(
        open_page: Callable[..., Page], shared_server: Any, cancelled: None, screens: Any, axe: Any) -> None:
    make_stream(shared_server, "processing/rides")
    shared_server.put_notebook("processing/rides.ipynb", *[cell.replace("{stream}", "processing/rides") for cell in ANALYSIS])
    page = open_page(place="processing?start=processing/rides.ipynb")
    page.get_by_role("dialog").get_by_role("button", name="Follow this").click()
    dialog = page.get_by_role("dialog", name="Follow this")
    expect(dialog.get_by_label("Stream")).to_have_value("processing/rides")
    expect(dialog.get_by_label("A window of")).to_have_value("30s")
    changes = dialog.get_by_label("What changes in the code")
    expect(changes.locator(".gone")).to_contain_text(['rides = s.window("processing/rides", last="30s")'])
    expect(changes.locator(".new").filter(has_text="rides = window.frame")).to_be_visible()
    loop = dialog.get_by_label("The loop, as it will be stored")
    code = loop.input_value()
    assert 'for window in s.follow("processing/rides", every="30s"):' in code
    assert "    display(rides.head())" in code and "    average = share(rides.minutes)" in code
    assert "nothing to do with it" not in code and "def share" not in code
    axe(page)
    screens(page, "follow-this")
    dialog.get_by_label("A window of").fill("10s")
    dialog.get_by_label("Begin with the oldest message").check()
    loop.fill(loop.input_value() + "\n    print('mine')")
    dialog.get_by_role("button", name="Store and start").click()
    page.wait_for_url("**/processing/0*")
    say(shared_server, "processing/rides", 1, 2, 11)
    outputs = page.get_by_role("region", name="Outputs")
    expect(outputs.get_by_text("mine")).to_be_visible()
    expect(outputs.get_by_text("average 1.5")).to_be_visible()
    say(shared_server, "processing/rides", 13, 21)
    expect(outputs.get_by_text("average 5.0")).to_be_visible()
    expect(outputs.get_by_text("average 1.5")).to_have_count(0)
    stored = shared_server.requests.get("/v1/notebooks/processing/rides-live.ipynb").json()
    assert len(stored["cells"]) == 3


def test_a_notebook_that_reads_nothing_is_told_what_to_write(open_page: Callable[..., Page], shared_server: Any, axe: Any) -> None:
    shared_server.put_notebook("processing/nothing.ipynb", "print(1)")
    page = open_page(place="processing?start=processing/nothing.ipynb")
    page.get_by_role("dialog").get_by_role("button", name="Follow this").click()
    dialog = page.get_by_role("dialog", name="Follow this")
    expect(dialog).to_contain_text("for window in s.follow(")
    axe(page)
