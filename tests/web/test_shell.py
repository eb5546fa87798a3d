"""The frame of the page: addresses, search, colours, what it looks like."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
import requests
from e2e_fixtures import SAMPLE
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
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Runs").click()
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


# -- signing in and out, sessions ------------------------------------------------------------------------------------


def add_user(server: Any, name: str) -> str:
    """A user of that name; the password."""
    password = f"correct horse {name} staple"
    server.cli("user", "add", name, input=password + "\n")
    return password


def sign_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User", exact=True).fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()


def test_signing_in_and_out(server: Any, open_page: Callable[..., Page], axe: Callable[[Page], None]) -> None:
    password = add_user(server, "grace")
    page = open_page(signed_in=False, server=server, place="data")
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    axe(page)
    sign_in(page, "grace", "wrong wrong wrong")
    expect(page.get_by_role("alert")).to_be_visible()
    sign_in(page, "grace", password)
    expect(page.locator("main h1")).to_have_text("Data")
    expect(page.get_by_role("link", name="grace")).to_be_visible()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_a_session_that_ends_loses_nothing_that_was_typed(server: Any, open_page: Callable[..., Page], axe: Callable[[Page], None]) -> None:
    password = add_user(server, "ada")
    server.put("week1.csv", SAMPLE.read_bytes())
    page = open_page(signed_in=False, server=server, place="recipes/favourite-receiver?object=week1.csv")
    sign_in(page, "ada", password)
    page.get_by_label("passer").fill("P.Manning")
    cookie = next(one for one in page.context.cookies() if one["name"] == "suricate_session")
    own = requests.Session()
    own.cookies.set("suricate_session", cookie["value"])
    csrf = own.get(f"{server.url}/v1/session").json()["csrf"]
    assert own.delete(f"{server.url}/v1/session", headers={"X-Suricate-CSRF": csrf}).status_code == 204
    page.get_by_role("button", name="Run it").click()
    dialog = page.get_by_role("dialog", name="Your session has ended")
    expect(dialog).to_be_visible()
    axe(page)
    expect(page.get_by_label("passer")).to_have_value("P.Manning")
    dialog.get_by_label("Password").fill(password)
    dialog.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/runs/*")
    run = server.requests.get("/v1/runs").json()["items"][0]
    assert run["parameters"]["passer"] == "P.Manning" and run["user"] == "ada"


# -- what the browser is forbidden -----------------------------------------------------------------------------------


def test_the_policy_allows_nothing_but_the_page(server: Any) -> None:
    for place in ("/", "/data", "/notebooks/any", "/d/x"):
        answer = server.client(None).get(place)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
        assert "script-src 'self';" in policy and "http" not in policy and answer.headers["X-Content-Type-Options"] == "nosniff"


def writing_routes(server: Any) -> list[tuple[str, str]]:
    """Every route that changes something and wants a credential, its parameters filled in."""
    paths = server.requests.get("/v1/openapi.json").json()["paths"]
    found = []
    for path, methods in paths.items():
        for method, described in methods.items():
            if method in ("put", "post", "patch", "delete") and described.get("security") != []:
                found.append((method.upper(), re.sub(r"\{[^}]+\}", "x", path)))
    return found


def test_every_writing_route_wants_the_sessions_own_proof(server: Any) -> None:
    """A browser sends the cookie by itself, also when another page made it ask."""
    password = add_user(server, "mary")
    browser = requests.Session()
    csrf = browser.post(f"{server.url}/v1/session", json={"user": "mary", "password": password}).json()["csrf"]
    routes = writing_routes(server)
    assert len(routes) > 30 and ("PATCH", "/v1/uploads/x") in routes and ("PUT", "/v1/settings") in routes
    proof = {"X-Suricate-CSRF": csrf}
    for method, path in routes:
        for headers, field in (({}, "X-Suricate-CSRF"), ({"X-Suricate-CSRF": csrf[:-1] + "!"}, "X-Suricate-CSRF"),
                               (proof | {"Origin": "http://evil.example"}, "Origin"), (proof | {"Sec-Fetch-Site": "cross-site"}, "Sec-Fetch-Site")):
            answer = browser.request(method, server.url + path, headers=headers)
            assert answer.status_code == 403 and answer.json()["field"] == field, (method, path, headers, answer.text)


# -- how it looks and is reached -------------------------------------------------------------------------------------

HOSTILE = "<img src=x onerror=alert(1)>"
PLACES = ["", "data", "data/streams", "data/streams/+new", "notebooks", "runs", "processing", "recipes", "recipes/favourite-receiver", "settings"]
FULL = [f"data/objects/{quote(HOSTILE)}.csv", f"data/objects/{quote(HOSTILE)}.csv?tab=profile", f"data/objects/{quote(HOSTILE)}.csv?tab=versions",
        "data/streams/full/plays", "data/streams/full/plays?tab=messages", "data/streams/full/plays?tab=schema"]


def fill(server: Any) -> str:
    """Something of every kind, with names that would be markup and names without an end; a run's address."""
    table = f"{HOSTILE},\"<script>alert(2)</script>\",n\n" + f"{HOSTILE},</td><svg onload=alert(3)>,1\n" * 30
    server.put(quote(f"{HOSTILE}.csv"), table.encode(), **{"Content-Type": "text/csv", "X-Suricate-Tags": "<b>tag"})
    server.put("a-name-without-any-place-to-break-it" * 6, b"x")
    server.requests.put("/v1/streams/full/plays", json={})
    for number in range(5):
        server.requests.post("/v1/streams/full/plays/messages", json={"n": number, HOSTILE: HOSTILE})
    server.put_notebook("full/<b>notebook", f"raise ValueError({HOSTILE!r})")
    run = server.requests.post("/v1/runs?wait=60s", json={"notebook": "full/<b>notebook"}).json()
    assert run["state"] == "failed", run
    return f"runs/{run['id']}"


def look_at(page: Page, axe: Callable[[Page], None]) -> None:
    """Named controls, one first heading, no violation, nothing wider than the window, in both schemes and widths."""
    expect(page.locator("main h1")).to_have_count(1)
    page.wait_for_load_state("load")
    expect(page.locator("main .loading")).to_have_count(0)
    axe(page)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", background)[:3])) > 384) == (scheme == "light")
        for width in (400, 1280):
            page.set_viewport_size({"width": width, "height": 860})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= width, f"{page.url} is {wide} px wide in {width}"
    assert page.evaluate("document.querySelectorAll('main script, main img[src=x], main svg[onload]').length") == 0
    assert page.evaluate("document.documentElement.lang") == "en"


def test_every_page_is_in_order_when_all_is_empty(server: Any, open_page: Callable[..., Page], axe: Callable[[Page], None]) -> None:
    page = open_page(server=server)
    for place in PLACES:
        page.goto(f"{server.url}/{place}")
        look_at(page, axe)


def test_every_page_is_in_order_when_all_is_full_and_hostile_data_is_only_text(
        server: Any, open_page: Callable[..., Page], axe: Callable[[Page], None]) -> None:
    run = fill(server)
    page = open_page(server=server)
    expect(page.get_by_text("full/<b>notebook").first).to_be_visible()
    for place in [*PLACES, *FULL, run]:
        page.goto(f"{server.url}/{place}")
        look_at(page, axe)
    page.goto(f"{server.url}/{FULL[0]}")
    expect(page.locator("main h1")).to_have_text(f"{HOSTILE}.csv")
    expect(page.get_by_role("region", name="First rows").first).to_contain_text("<svg onload=alert(3)>")


def test_the_keyboard_is_enough(server: Any, open_page: Callable[..., Page]) -> None:
    server.put("keys.csv", SAMPLE.read_bytes())
    page = open_page(server=server)
    page.wait_for_selector("main h1")

    def tab_to(wanted: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            text = page.evaluate("(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || '').trim()")
            if text.startswith(wanted):
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", f"{wanted} shows no focus"
                return
        raise AssertionError(f"the Tab key does not reach {wanted}")

    page.get_by_role("link", name="Skip to the content").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("g")
    page.keyboard.press("d")
    page.wait_for_url("**/data")
    expect(page.get_by_label("Find by name")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("keys")
    page.wait_for_url("**q=keys*")
    tab_to("keys.csv")
    page.keyboard.press("Enter")
    page.wait_for_url("**/data/objects/keys.csv")
    expect(page.get_by_role("button", name="Favourite receiver")).to_be_visible()
    tab_to("Parameters")
    page.keyboard.press("Enter")
    page.wait_for_url("**/recipes/**")
