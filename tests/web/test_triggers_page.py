"""Triggers on the page: made by a form for each kind, fired by hand and by a secret URL that is shown once."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import requests
from playwright.sync_api import Page, expect


def make(server: Any, name: str, when: dict[str, Any], notebook: str = "triggers/greet.ipynb", **more: Any) -> None:
    server.put_notebook("triggers/greet.ipynb", "print('hello', who)", parameters='who: str = "nobody"')
    answer = server.requests.put(f"/v1/triggers/{name}", json={"when": when, "then": {"run": {"notebook": notebook}}, **more})
    assert answer.status_code in (200, 201), answer.text


def test_a_trigger_is_made_by_the_clock_and_shows_when_it_is_next(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    make(shared_server, "first", {"kind": "api"})
    page = open_page(place="processing/triggers")
    page.get_by_role("link", name="New trigger").click()
    dialog = page.get_by_role("dialog", name="New trigger")
    dialog.get_by_role("button", name="The clock").click()
    dialog.get_by_label("Name", exact=True).fill("every-morning")
    dialog.get_by_label("When", exact=True).fill("30 2 30 2 *")
    dialog.get_by_label("Time zone").fill("Europe/Berlin")
    dialog.get_by_label("Notebook", exact=True).fill("triggers/greet.ipynb")
    axe(page)
    screens(page, "trigger-new")
    dialog.get_by_role("button", name="Make the trigger").click()
    expect(dialog.get_by_label("When", exact=True)).to_have_attribute("aria-invalid", "true")  # there is no 30 February
    dialog.get_by_label("When", exact=True).fill("0 6 * * *")
    dialog.get_by_role("button", name="Make the trigger").click()
    page.wait_for_url("**/processing/triggers/every-morning")
    expect(page.get_by_text(re.compile("next in"))).to_be_visible()
    stored = shared_server.requests.get("/v1/triggers/every-morning").json()
    assert stored["when"]["cron"] == "0 6 * * *" and stored["then"]["run"]["notebook"] == "triggers/greet.ipynb"
    page.get_by_role("link", name="Triggers").click()
    expect(page.get_by_role("row", name="every-morning")).to_contain_text("The clock 0 6 * * * Europe/Berlin")
    axe(page)
    screens(page, "triggers")


def test_a_trigger_is_fired_by_hand_and_its_run_is_a_click_away(open_page: Callable[..., Page], shared_server: Any, axe: Any, screens: Any) -> None:
    make(shared_server, "by-hand", {"kind": "api"})
    page = open_page(place="processing/triggers/by-hand")
    expect(page.get_by_text("It has not fired yet")).to_be_visible()
    page.get_by_role("button", name="Fire by-hand").click()
    dialog = page.get_by_role("dialog", name="Fire by-hand")
    dialog.get_by_label("Parameters").fill('{"who": "Ada"}')
    dialog.get_by_role("button", name="Fire it").click()
    expect(dialog.get_by_role("status")).to_contain_text("Fired.")
    axe(page)
    dialog.get_by_role("button", name="Close").click()
    firing = page.get_by_role("region", name="Firings").get_by_role("row").nth(1)
    expect(firing).to_contain_text("fired")
    expect(firing.get_by_role("link", name="look at the decision")).to_be_visible()
    axe(page)
    screens(page, "trigger")
    firing.get_by_role("link", name="look at the decision").click()
    expect(page.get_by_role("region", name="Who decided").get_by_role("link", name="by-hand")).to_be_visible()


def test_a_secret_url_is_shown_once_with_a_command_that_works(open_page: Callable[..., Page], shared_server: Any, axe: Any) -> None:
    make(shared_server, "by-url", {"kind": "api"})
    page = open_page(place="processing/triggers/by-url")
    page.get_by_role("button", name="Make a secret URL").click()
    dialog = page.get_by_role("dialog", name="The secret URL")
    expect(dialog.locator("pre")).to_have_count(2)
    command, url = dialog.locator("pre").all_inner_texts()
    assert url in command and command.startswith("curl ")
    axe(page)
    dialog.get_by_role("button", name="Done").click()
    assert url not in page.content()
    assert requests.post(url, json={"who": "Grace"}, timeout=30).status_code == 202
    expect(page.get_by_role("region", name="Firings").get_by_role("row").nth(1)).to_contain_text("fired")


def test_a_trigger_is_edited_and_deleted(open_page: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "edited", {"kind": "object", "prefix": "incoming/"})
    page = open_page(place="processing/triggers/edited")
    page.get_by_label("Name begins with").fill("elsewhere/")
    page.get_by_label("Enabled").uncheck()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("paused", exact=True)).to_be_visible()
    stored = shared_server.requests.get("/v1/triggers/edited").json()
    assert stored["when"]["prefix"] == "elsewhere/" and not stored["enabled"]
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/processing/triggers")
    assert shared_server.requests.get("/v1/triggers/edited").status_code == 404
