"""Settings: tokens are made, shown once, and revoked; keys and colours are chosen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from playwright.sync_api import Page, expect


def test_a_token_is_made_shown_once_and_revoked(open_page: Callable[..., Page], shared_server: Any, axe: Callable[[Page], None],
                                                screens: Callable[[Page, str], None]) -> None:
    page = open_page(place="settings")
    page.get_by_role("button", name="New token").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("from the page")
    dialog.get_by_label("secrets:write").uncheck()
    axe(page)
    dialog.get_by_role("button", name="Make it").click()
    token = dialog.locator("pre").inner_text()
    assert shared_server.client(token).get("/v1/objects").status_code == 200
    assert shared_server.client(token).get("/v1/secrets").status_code == 403
    dialog.get_by_role("button", name="Done").click()
    row = page.get_by_role("row", name="from the page")
    expect(row).to_be_visible()
    assert token not in page.content()
    screens(page, "settings")
    row.get_by_role("button", name="Revoke").click()
    expect(row).to_be_hidden()
    assert shared_server.client(token).get("/v1/objects").status_code == 401


def test_single_keys_can_be_switched_off(open_page: Callable[..., Page]) -> None:
    page = open_page(place="settings")
    page.get_by_label("Keys without Ctrl").uncheck()
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_hidden()
    page.get_by_label("Keys without Ctrl").check()
    page.locator("h1").click()
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()


def test_colours_are_kept_over_a_reload(open_page: Callable[..., Page]) -> None:
    page = open_page(place="settings")
    page.get_by_role("combobox", name="Colours").select_option("dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
