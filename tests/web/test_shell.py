"""The frame of the page: addresses, search, colours, what it looks like."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect


@pytest.mark.parametrize("place", ["", "data", "data/streams", "notebooks", "runs", "processing", "recipes", "settings"])
def test_every_address_shows_its_page(open_page: Callable[..., Page], axe: Callable[[Page], None], place: str) -> None:
    page = open_page(place=place)
    expect(page.locator("main h1")).to_be_visible()
    assert page.locator("main h1").text_content() != "There is no such page"
    axe(page)


def test_what_is_not_there_is_said(open_page: Callable[..., Page]) -> None:
    page = open_page(place="data/nothing/of/that/kind")
    expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()


def test_back_and_forward_go_through_the_pages(open_page: Callable[..., Page]) -> None:
    page = open_page()
    page.get_by_role("link", name="Runs").click()
    expect(page.locator("main h1")).to_have_text("Runs")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Data").click()
    page.wait_for_url("**/data")
    page.go_back()
    expect(page.locator("main h1")).to_have_text("Runs")


def test_search_and_keys_open_by_the_keyboard(open_page: Callable[..., Page], axe: Callable[[Page], None]) -> None:
    page = open_page()
    page.keyboard.press("Control+k")
    expect(page.get_by_role("dialog", name="Search")).to_be_visible()
    axe(page)
    page.keyboard.press("Escape")
    page.keyboard.press("?")
    expect(page.get_by_role("dialog", name="Keys")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/runs")
