"""Objects on the page: finding them, what is in them, their versions, tags, lineage; replaying and opening them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect
from showcase import SVG

OpenPage = Callable[..., Page]
Look = Callable[[Page], None]
SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "denver-baltimore-2013-week1.csv"
HOSTILE = 'week "one" <img src=x onerror=alert(1)> \u202ellik\u202c 🦦 it\'s.csv'


@pytest.fixture
def folder() -> str:
    return f"nfl-{secrets.token_hex(4)}"


def store(server: Any, name: str, content: bytes, **headers: str) -> None:
    answer = server.requests.put(f"/v1/objects/{quote(name)}", data=content, headers={key.replace("_", "-"): value for key, value in headers.items()})
    assert answer.status_code in (200, 201), answer.text


def sample(server: Any, folder: str) -> str:
    store(server, f"{folder}/week1.csv", SAMPLE.read_bytes(), X_Suricate_Tags=f"football, {folder}", Content_Type="text/csv")
    return f"{folder}/week1.csv"


def test_the_list_is_found_through_by_name_tag_and_folder(
        open_page: OpenPage, shared_server: Any, folder: str, axe: Look, screens: Callable[[Page, str], None]) -> None:
    sample(shared_server, folder)
    store(shared_server, f"{folder}/notes.txt", b"one\ntwo\n")
    page = open_page(place=f"data?q={folder}")
    objects = page.get_by_role("region", name="Objects")
    expect(objects.get_by_role("row")).to_have_count(3)
    axe(page)
    screens(page, "data-objects")
    page.get_by_role("searchbox").fill(f"{folder}/NOTES")
    expect(objects.get_by_role("row")).to_have_count(2)
    page.get_by_role("searchbox").fill(folder)
    objects.get_by_role("link", name=folder, exact=True).click()
    expect(objects.get_by_role("row")).to_have_count(2)
    objects.get_by_role("link", name=f"{folder}/week1.csv").click()
    page.get_by_role("navigation", name="Folders").get_by_role("link", name=folder).click()
    expect(objects.get_by_role("row")).to_have_count(3)
    page.get_by_role("link", name=f"All names rather than those below {folder}/").click()
    expect(objects.get_by_role("row").filter(has_text="week1")).not_to_have_count(0)


def test_nothing_found_says_so(open_page: OpenPage, axe: Look) -> None:
    page = open_page(place="data?q=there-is-none-of-this-name")
    expect(page.get_by_text("Nothing like that")).to_be_visible()
    axe(page)


def test_a_table_shows_its_chart_columns_and_rows(
        open_page: OpenPage, shared_server: Any, folder: str, axe: Look, screens: Callable[[Page, str], None]) -> None:
    name = sample(shared_server, folder)
    page = open_page(place=f"data/objects/{name}")
    rows = page.get_by_role("region", name="First rows").last
    expect(rows.get_by_role("columnheader", name=re.compile("passer"))).to_be_visible()
    expect(rows.get_by_role("row")).to_have_count(51)
    expect(page.get_by_role("button", name="Favourite receiver")).to_be_enabled()
    expect(page.get_by_text("The first 50 of 216 rows.")).to_be_visible()
    axe(page)
    screens(page, "data-object")
    page.get_by_role("link", name="Columns", exact=True).click()
    expect(page.get_by_role("region", name="Columns")).to_contain_text("yard_line")
    axe(page)
    screens(page, "data-object-columns")


def test_a_file_that_is_broken_says_in_which_line(open_page: OpenPage, shared_server: Any, folder: str) -> None:
    store(shared_server, f"{folder}/bad.ndjson", b'{"a": 1}\n{"a":\n{"a": 3}\n')
    page = open_page(place=f"data/objects/{folder}/bad.ndjson")
    expect(page.get_by_text("row 2 is not valid JSON")).to_be_visible()


def test_pictures_and_texts_are_shown(open_page: OpenPage, shared_server: Any, folder: str, axe: Look) -> None:
    store(shared_server, f"{folder}/goals.svg", SVG.encode(), Content_Type="image/svg+xml")
    store(shared_server, f"{folder}/readme.txt", b"first line\n<b>second</b> line\n", Content_Type="text/plain")
    page = open_page(place=f"data/objects/{folder}/goals.svg")
    picture = page.get_by_role("img", name=f"The picture {folder}/goals.svg")
    expect(picture).to_be_visible()
    page.wait_for_function("() => document.querySelector('.picture img').naturalWidth > 0")
    axe(page)
    page.goto(f"{shared_server.url}/data/objects/{folder}/readme.txt")
    expect(page.get_by_role("region", name="First lines")).to_contain_text("<b>second</b> line")
    axe(page)


def test_old_versions_are_read_and_deleted_after_asking(
        open_page: OpenPage, shared_server: Any, folder: str, axe: Look, screens: Callable[[Page, str], None]) -> None:
    for number in (1, 2, 3):
        store(shared_server, f"{folder}/t.csv", f"a,b\n{number},old{number}\n5,x\n".encode(), Content_Type="text/csv")
    page = open_page(place=f"data/objects/{folder}/t.csv?tab=versions")
    versions = page.get_by_role("region", name="Versions")
    expect(versions.get_by_role("row")).to_have_count(4)
    axe(page)
    screens(page, "data-object-versions")
    versions.get_by_role("link", name="Version 1", exact=True).click()
    expect(page.get_by_text("This is version 1, not the newest.")).to_be_visible()
    expect(page.get_by_role("region", name="First rows").last).to_contain_text("old1")
    page.get_by_role("link", name="Show the newest").click()
    expect(page.get_by_role("region", name="First rows").last).to_contain_text("old3")
    page.get_by_role("link", name="Versions").click()
    versions.get_by_role("button", name="Delete version 1").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(versions.get_by_role("row")).to_have_count(3)
    page.goto(f"{shared_server.url}/data/objects/{folder}/t.csv?version=1")
    expect(page.get_by_role("link", name="Show the newest version")).to_be_visible()


def test_tags_and_metadata_are_edited_by_keyboard(open_page: OpenPage, shared_server: Any, folder: str, axe: Look) -> None:
    store(shared_server, f"{folder}/t.csv", b"a,b\n1,2\n")
    page = open_page(place=f"data/objects/{folder}/t.csv")
    page.get_by_role("button", name="Tags and metadata").focus()
    page.keyboard.press("Enter")
    axe(page)
    page.get_by_role("textbox", name="Metadata").fill("{no json")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("not JSON")
    page.get_by_role("textbox", name="Metadata").fill('{"season": 2013}')
    page.get_by_label("Tags, with").fill("first, second tag")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("link", name="second tag")).to_be_visible()
    expect(page.locator(".facts").first).to_contain_text("season 2013")
    assert shared_server.requests.get(f"/v1/objects/{folder}/t.csv?view=info").json()["tags"] == ["first", "second tag"]


def test_it_is_opened_in_a_notebook_which_is_not_overwritten(open_page: OpenPage, shared_server: Any, folder: str) -> None:
    store(shared_server, f"{folder}/t.csv", b"a,b\n1,2\n")
    page = open_page(place=f"data/objects/{folder}/t.csv")
    page.get_by_role("button", name="Open in a notebook").click()
    page.wait_for_url(f"**/notebooks/explore/{folder}/t.ipynb")
    path = f"/v1/notebooks/explore/{folder}/t.ipynb"
    first = shared_server.requests.get(path).text
    assert f's.read(\\"{folder}/t.csv\\")' in first
    page.goto(f"{shared_server.url}/data/objects/{folder}/t.csv")
    page.get_by_role("button", name="Open in a notebook").click()
    page.wait_for_url(f"**/notebooks/explore/{folder}/t.ipynb")
    versions = shared_server.requests.get(f"{path}?view=versions")
    assert versions.status_code != 200 or len(versions.json()["items"]) == 1


def test_a_table_is_replayed_as_a_stream(open_page: OpenPage, shared_server: Any, folder: str) -> None:
    sample(shared_server, folder)
    page = open_page(place=f"data/objects/{folder}/week1.csv")
    page.get_by_role("button", name="Replay it as a stream").click()
    page.wait_for_url(f"**/data/streams/{folder}/week1-live")
    expect(page.get_by_role("region", name="Chart")).to_be_visible()


def test_lineage_says_who_stored_it(open_page: OpenPage, shared_server: Any, folder: str, axe: Look, screens: Callable[[Page, str], None]) -> None:
    sample(shared_server, folder)
    page = open_page(place=f"data/objects/{folder}/week1.csv?tab=lineage")
    expect(page.get_by_text("was stored by owner")).to_be_visible()
    expect(page.get_by_text("No run was started on it yet")).to_be_visible()
    axe(page)
    screens(page, "data-object-lineage")


def test_it_is_deleted_after_asking(open_page: OpenPage, shared_server: Any, folder: str) -> None:
    store(shared_server, f"{folder}/gone.csv", b"a,b\n1,2\n")
    page = open_page(place=f"data/objects/{folder}/gone.csv")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.keyboard.press("Escape")
    assert shared_server.requests.get(f"/v1/objects/{folder}/gone.csv").status_code == 200
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete it").click()
    page.wait_for_url("**/data")
    assert shared_server.requests.get(f"/v1/objects/{folder}/gone.csv").status_code == 404


def test_hostile_names_and_contents_are_only_text(open_page: OpenPage, shared_server: Any, folder: str, axe: Look) -> None:
    name = f"{folder}/{HOSTILE}"
    cell = '"<img src=x onerror=alert(2)>"'
    store(shared_server, name, f"{cell},\u202eab\u202c\n{cell},1\n{cell},2\n".encode(), Content_Type="text/csv", X_Suricate_Tags="<b>x</b>")
    for tab in ("preview", "profile", "versions", "lineage"):
        page = open_page(place=f"data/objects/{quote(name)}?tab={tab}")
        expect(page.get_by_role("heading", level=1)).to_have_text(name)
        expect(page.get_by_role("navigation", name="Views of the object")).to_be_visible()
        assert page.locator("main img:not([role])").count() == 0
        axe(page)
        page.context.close()
    page = open_page(place=f"data?q={folder}")
    page.get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)
