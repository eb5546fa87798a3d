"""Notebooks for the tests of the editor, and the parts of its page by name."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from playwright.sync_api import Locator, Page, expect


def cell(source: str, kind: str = "code", **metadata: Any) -> dict[str, Any]:
    code = {"outputs": [], "execution_count": None} if kind == "code" else {}
    return {"cell_type": kind, "metadata": metadata, "source": source, **code}


def store(server: Any, name: str, *cells: dict[str, Any] | str) -> None:
    """The notebook `name`; its cells are called c0, c1 …"""
    made = [{"id": f"c{at}", **(one if isinstance(one, dict) else cell(one))} for at, one in enumerate(cells)]
    body = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}
    answer = server.requests.put(f"/v1/notebooks/{quote(name)}", json=body)
    assert answer.status_code in (200, 201), answer.text


def live(server: Any, name: str) -> dict[str, Any]:
    return server.requests.get(f"/v1/notebooks/{quote(name)}/live").json()


def sources(server: Any, name: str) -> list[str]:
    found = [one["source"] for one in live(server, name)["notebook"]["cells"]]
    return ["".join(source) for source in found]


def ready(page: Page) -> Page:
    """The notebook is drawn and its editors are there."""
    expect(page.locator(".cell").first).to_be_visible()
    page.wait_for_function("() => performance.getEntriesByName('notebook-editors').length > 0")
    return page


def at(page: Page, number: int) -> Locator:
    """The cell at this place, from 0."""
    return page.locator(".cells > .cell").nth(number)


def results(page: Page, number: int) -> Locator:
    return at(page, number).locator(".results")


def write(page: Page, number: int, text: str) -> None:
    """Replace the cell's text by typing."""
    at(page, number).locator(".source").click()
    page.keyboard.press("Control+a")
    page.keyboard.type(text)


def stored(page: Page) -> None:
    """All that was typed is on the server's disk."""
    page.wait_for_timeout(50)  # what was typed a moment ago is on its way now
    expect(page.locator(".saved")).to_be_visible()
