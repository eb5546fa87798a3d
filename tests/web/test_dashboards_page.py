"""Dashboards in the browser: published from a run, read-only, of a notebook live, without the frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect

STEPS = """
import time
import suricate as s
from IPython.display import display, update_display
display({"text/plain": "before"}, raw=True, display_id="one")
while not s.exists("dash/go"):
    time.sleep(0.05)
update_display({"text/plain": "after"}, raw=True, display_id="one")
"""


def test_a_run_is_published_and_its_dashboard_updates_itself(open_page: Callable[..., Page], shared_server: Any, screens: Any, axe: Any) -> None:
    shared_server.put_notebook("dash/steps.ipynb", STEPS)
    run = shared_server.start_run("dash/steps.ipynb")
    page = open_page(place=f"runs/{run['id']}")
    page.get_by_role("button", name="Publish").click()
    dialog = page.get_by_role("dialog", name="Publish as a dashboard")
    dialog.get_by_label("Title").fill("Two steps, é!")
    expect(dialog.get_by_label("Address")).to_have_value("two-steps-e")
    axe(page)
    page.keyboard.press("Enter")
    dialog.get_by_role("link", name="Open it").click()
    page.wait_for_url("**/d/two-steps-e")
    expect(page.get_by_role("heading", level=1, name="Two steps, é!")).to_be_visible()
    expect(page.locator(".dash-paper").get_by_text("before", exact=True)).to_be_visible()
    expect(page.locator(".doc-code")).to_have_count(0)
    shared_server.put("dash/go", "x")
    expect(page.locator(".dash-paper").get_by_text("after", exact=True)).to_be_visible()
    expect(page.locator(".dash-paper").get_by_text("before", exact=True)).to_have_count(0)
    axe(page)
    screens(page, "dashboard-run")
    page.goto(page.url + "?kiosk=1")
    expect(page.locator(".dash-paper").get_by_text("after", exact=True)).to_be_visible()
    expect(page.get_by_role("navigation", name="Sections")).to_have_count(0)
    screens(page, "dashboard-kiosk")


def test_a_notebooks_dashboard_shows_what_is_run_in_it(open_page: Callable[..., Page], shared_server: Any, screens: Any, axe: Any) -> None:
    shared_server.put_notebook("dash/report.ipynb", "print('sum', 40 + 2)", "import suricate as s\ns.result({'answer': 42})")
    made = shared_server.requests.put("/v1/dashboards/report", json={"notebook": "dash/report.ipynb", "title": "The report", "show_code": True})
    assert made.status_code == 201
    page = open_page(place="d/report")
    paper = page.locator(".dash-paper")
    expect(paper.locator(".doc-code").first).to_contain_text("40 + 2")
    answer = shared_server.requests.post("/v1/notebooks/dash/report.ipynb/live/execute", json={"cells": ["cell-0", "cell-1"], "client": "test"})
    assert answer.status_code == 202, answer.text
    expect(paper.get_by_text("sum 42")).to_be_visible()
    axe(page)
    screens(page, "dashboard-notebook")
    page.get_by_role("link", name="All dashboards").click()
    page.get_by_role("button", name="Take The report down").click()
    axe(page)
    screens(page, "dashboards")
    page.get_by_role("button", name="Take it down").click()
    expect(page.get_by_role("link", name="The report")).to_have_count(0)
    page.goto(f"{shared_server.url}/d/report")
    expect(page.get_by_role("alert")).to_contain_text("there is no dashboard")
    shared_server.requests.delete("/v1/notebooks/dash/report.ipynb/live")
