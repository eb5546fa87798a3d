"""The page's tests: the end-to-end tests' server, and Debian's Chromium driven by Playwright."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

HERE = Path(__file__).resolve().parent

_spec = importlib.util.spec_from_file_location("e2e_fixtures", HERE.parent / "e2e" / "conftest.py")
assert _spec and _spec.loader
_fixtures = importlib.util.module_from_spec(_spec)
sys.modules["e2e_fixtures"] = _fixtures
_spec.loader.exec_module(_fixtures)

pytest_configure = _fixtures.pytest_configure
pytest_runtest_makereport = _fixtures.pytest_runtest_makereport
pytest_sessionstart = _fixtures.pytest_sessionstart
start_server = _fixtures.start_server
server = _fixtures.server
_session_server = _fixtures._session_server
shared_server = _fixtures.shared_server
Server = _fixtures.Server

expect.set_options(timeout=_fixtures.PATIENCE_S * 1000)

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
# Nothing that a browser does on its own account: no look-ups, no updates, no accounts.
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync"]


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as started:
        yield started


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
    yield browser
    browser.close()


#: What the browser itself says of a server that is away or refuses.
FINE = ("Failed to load resource", "ERR_CONNECTION_REFUSED", "ERR_INTERNET_DISCONNECTED")


class Watch:
    """What must not happen on any page: script errors, broken policies, requests to other hosts, dialogs."""

    def __init__(self, page: Page, url: str) -> None:
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(f"script error: {error}"))
        page.on("dialog", lambda dialog: (self.faults.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("console", lambda message: self.faults.append(f"console: {message.text}")
                if message.type == "error" and not any(fine in message.text for fine in FINE) else None)
        page.on("request", lambda request: self.faults.append(f"request to {request.url}")
                if not request.url.startswith((url, "data:", "blob:")) else None)


@pytest.fixture
def open_page(browser: Browser, shared_server: Any) -> Iterator[Callable[..., Page]]:
    """A function that opens the page, signed in unless told otherwise: `open_page(width=400, scheme="dark")`.

    A test with a server of its own asks for `server` first: then its pages are closed before the server ends.
    """
    contexts, watches = [], []

    def open_one(width: int = 1280, scheme: str = "light", signed_in: bool = True, server: Any = None, place: str = "") -> Page:
        host = server or shared_server
        context = browser.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_fixtures.PATIENCE_S * 1000)
        watches.append(Watch(page, host.url))
        if signed_in:
            page.goto(host.cli("token", "login").stdout.strip())
            page.wait_for_selector("nav.sections")
        if place or not signed_in:
            page.goto(f"{host.url}/{place}")
        return page

    yield open_one
    for context in contexts:
        context.close()
    assert [fault for watch in watches for fault in watch.faults] == []


SCREENS = HERE.parent.parent / "build" / "check" / "screens"
AXE = HERE.parent.parent / "web" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def screens() -> Callable[[Page, str], None]:
    """`screens(page, "data-object")` writes pictures of the page as it is, light and dark, 1280 and 400 px wide, to
    build/check/screens for people to look at, and holds that nothing is wider than the window."""

    def take(page: Page, name: str) -> None:
        before = page.viewport_size
        SCREENS.mkdir(parents=True, exist_ok=True)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            for width in (1280, 400):
                page.set_viewport_size({"width": width, "height": 860})
                page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                page.screenshot(path=SCREENS / f"{name}-{scheme}-{width}.png", full_page=True)
                assert page.evaluate("() => document.documentElement.scrollWidth") <= width, f"{name} is wider than {width} px"
        page.emulate_media(color_scheme="light")
        if before:
            page.set_viewport_size(before)

    return take


@pytest.fixture
def axe() -> Callable[[Page], None]:
    """`axe(page)` fails with what axe-core finds wrong for people who use screen readers or no mouse, in both colour schemes."""

    def look(page: Page) -> None:
        page.evaluate(AXE.read_text())
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")["violations"]
            told = [f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes'][:4]]}" for one in found]
            assert not told, f"{page.url} ({scheme}): {told}"
        page.emulate_media(color_scheme="light")

    return look
