"""The page in a real browser against the real server: from a file to a chart, and nothing that data can do to it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e_fixtures import SAMPLE, notebook, wait_until
from playwright.sync_api import Page, expect

OpenPage = Callable[..., Page]
HOSTILE = "<img src=x onerror=alert(1)>"


def place_of(page: Page) -> str:
    return page.evaluate("location.hash")


def scrolls_sideways(page: Page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth > innerWidth")


def upload(page: Page, name: str, body: bytes | None = None) -> None:
    """Choose a file, and wait until its page stands there."""
    page.set_input_files("#file", {"name": name, "mimeType": "text/csv", "buffer": SAMPLE.read_bytes() if body is None else body})
    expect(page.locator("#main h1")).to_have_text(name)


def run_favourite(page: Page, name: str, passer: str = "P.Manning") -> None:
    upload(page, name)
    page.get_by_role("button", name="Favourite receiver").click()
    page.get_by_label("Passer", exact=True).fill(passer)
    page.get_by_role("button", name="Run favourite receiver").click()
    expect(page).to_have_url(re.compile("#/runs/"))


def wait_for_chart(page: Page) -> None:
    # By asking again and again: the policy forbids what Playwright's own waiting for a function does (eval).
    drawn = "[...document.querySelectorAll('.figure img')].some((image) => image.complete && image.naturalWidth > 0)"
    wait_until(lambda: page.evaluate(drawn), "a chart is drawn")


# -- the way through ----------------------------------------------------------------------------------------------


def test_from_a_file_to_the_chart(open_page: OpenPage, tmp_path: Path) -> None:
    page = open_page()
    upload(page, "through.csv")
    expect(page.locator(".title .number")).to_have_text("CSV · 216 rows · 14 columns")
    expect(page.locator("thead th", has_text="passer")).to_contain_text("text")
    expect(page.get_by_role("region", name="First rows").locator("tbody tr")).to_have_count(50)
    page.get_by_role("tab", name="Columns").click()
    expect(page.locator("tr", has=page.get_by_role("rowheader", name="yards", exact=True))).to_contain_text("integer")

    page.get_by_role("button", name="Favourite receiver").click()
    page.get_by_label("Passer", exact=True).fill("P.Manning")
    page.get_by_role("button", name="Run favourite receiver").click()
    expect(page.locator("#main .state")).to_have_text("Done")
    wait_for_chart(page)
    assert "figure-1.svg" in (page.locator(".figure img").get_attribute("src") or "")
    expect(page.locator(".answer")).to_contain_text("W.Welker")
    expect(page.locator("tbody tr").first).to_have_text(re.compile("W.Welker.*11.*9.*67.*2"))
    expect(page.locator(".pairs")).to_contain_text("through.csv version 1")
    expect(page.get_by_role("status")).to_have_text("Favourite receiver: Done")

    for link, ending in (("Executed notebook", ".ipynb"), ("Chart as PNG", ".png"), ("Chart as SVG", ".svg")):
        with page.expect_download() as download:
            page.get_by_role("link", name=link).click()
        saved = tmp_path / f"saved{ending}"
        download.value.save_as(saved)
        assert download.value.suggested_filename.endswith(ending) and saved.stat().st_size > 1000
    assert json.loads((tmp_path / "saved.ipynb").read_text())["nbformat"] == 4

    place = place_of(page)
    page.reload()
    wait_for_chart(page)
    assert place_of(page) == place
    page.go_back()
    expect(page.locator("#main h1")).to_have_text("through.csv")


def test_a_file_is_dropped_anywhere(open_page: OpenPage) -> None:
    page = open_page()
    data = page.evaluate_handle("""(text) => { const data = new DataTransfer();
        data.items.add(new File([text], "dropped.csv", {type: "text/csv"})); return data; }""", SAMPLE.read_text())
    page.dispatch_event("body", "dragenter", {"dataTransfer": data})
    expect(page.locator(".veil")).to_be_visible()
    page.dispatch_event("body", "drop", {"dataTransfer": data})
    expect(page.locator("#main h1")).to_have_text("dropped.csv")
    expect(page.locator(".veil")).to_be_hidden()
    expect(page.locator("#objects")).to_contain_text("dropped.csv")


def test_another_upload_of_a_name_is_a_new_version(open_page: OpenPage) -> None:
    page = open_page()
    upload(page, "again.csv", b"a,b\n1,2\n")
    expect(page.locator("#main .facts")).to_contain_text("version 1")
    upload(page, "again.csv", b"a,b\n1,2\n3,4\n")
    expect(page.locator("#main .facts")).to_contain_text("version 2")
    expect(page.locator(".title .number")).to_contain_text("2 rows")


def test_a_running_run_shows_what_it_prints_and_can_be_cancelled(open_page: OpenPage, shared_server: Any) -> None:
    shared_server.put_notebook("web-endless", "import time\nprint('here we are', flush=True)", "import time\ntime.sleep(600)")
    run = shared_server.start_run("web-endless")
    page = open_page(place=f"#/runs/{run['id']}")
    expect(page.locator("#main .state")).to_have_text("Running")
    expect(page.locator("pre.log").first).to_contain_text("here we are")
    expect(page.get_by_role("progressbar", name="Progress of the run")).to_be_visible()
    page.get_by_role("button", name="Cancel the run").click()
    expect(page.locator("#main .state")).to_have_text("Cancelled")


def test_a_failed_run_says_why(open_page: OpenPage, shared_server: Any) -> None:
    record = shared_server.run("raise ValueError('no such passer')", name="web-fails")
    page = open_page(place=f"#/runs/{record['id']}")
    expect(page.get_by_role("alert")).to_contain_text("ValueError: no such passer")
    page.get_by_text("Where it happened").click()
    expect(page.locator("details pre.log").first).to_contain_text("raise ValueError")


def test_what_is_not_there_is_said(open_page: OpenPage) -> None:
    page = open_page(place="#/objects/not/there.csv")
    expect(page.get_by_role("alert")).to_contain_text("not/there.csv")
    page.goto(page.url.split("#")[0] + "#/runs/nothing")
    expect(page.get_by_role("alert")).to_be_visible()


def test_parameters_have_their_defaults_and_wrong_ones_are_explained(open_page: OpenPage) -> None:
    page = open_page()
    upload(page, "parameters.csv")
    page.get_by_role("button", name="Kinds of receivers").click()
    expect(page.get_by_label("Clusters", exact=True)).to_have_value("3")
    page.get_by_label("Clusters", exact=True).fill("")
    page.get_by_role("button", name="Favourite receiver").click()
    expect(page.get_by_role("button", name="Kinds of receivers")).to_have_attribute("aria-expanded", "false")
    expect(page.locator("datalist option[value='P.Manning']")).to_have_count(1)


def test_objects_are_found_by_name(open_page: OpenPage, shared_server: Any) -> None:
    for name in ("find/needle.csv", "find/straw.csv"):
        shared_server.put(name, b"a\n1\n")
    page = open_page()
    page.get_by_label("Find objects by name").fill("NEEDLE")
    expect(page.locator("#objects a")).to_have_count(1)
    page.locator("#objects a").click()
    expect(page.locator("#main h1")).to_have_text("find/needle.csv")
    page.get_by_label("Find objects by name").fill("nothing like it")
    expect(page.locator("#objects")).to_contain_text("Nothing is named like")


# -- signing in ---------------------------------------------------------------------------------------------------


def test_signing_in_and_out(open_page: OpenPage, shared_server: Any) -> None:
    shared_server.cli("user", "add", "grace", input="correct horse battery staple\n")
    page = open_page(signed_in=False)
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    expect(page.locator(".command").first).to_have_text("suricate token login")
    page.get_by_label("User").fill("grace")
    page.get_by_label("Password").fill("wrong wrong wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Password").fill("correct horse battery staple")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who-name")).to_have_text("grace")
    upload(page, "of-grace.csv", b"a\n1\n")
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


def test_the_policy_allows_nothing_but_the_page(shared_server: Any) -> None:
    answer = shared_server.client(None).get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert len(re.findall(r"'sha256-", policy)) == 2
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# -- foreign data -------------------------------------------------------------------------------------------------


def test_hostile_data_is_only_text(open_page: OpenPage, shared_server: Any) -> None:
    name = f"{HOSTILE}.csv"
    table = f"{HOSTILE},\"<script>alert(2)</script>\",n\n" + f"{HOSTILE},</td><svg onload=alert(3)>,1\n" * 3
    page = open_page()
    upload(page, name, table.encode())
    expect(page.get_by_role("region", name="First rows").locator("thead")).to_contain_text(HOSTILE)
    page.get_by_role("tab", name="Columns").click()
    expect(page.locator("tbody").last).to_contain_text(HOSTILE)

    cells = ["import suricate as s", "import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.title('<b>&')\nplt.show()",
             f"print({HOSTILE!r}, '\\x1b[31m')", f"s.result({{{HOSTILE!r}: {HOSTILE!r}, 'rows': [{{'__proto__': 1, {HOSTILE!r}: {HOSTILE!r}}}]}})",
             "from IPython.display import SVG, HTML, display\ndisplay(HTML('<script>parent.alert(4)</script>'))",
             "display(SVG(data='<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><script>alert(5)</script></svg>'))"]
    record = shared_server.run(*cells, name="web-hostile")
    assert record["state"] == "succeeded", record
    page.goto(f"{shared_server.url}/#/runs/{record['id']}")
    wait_for_chart(page)
    expect(page.locator(".answer")).to_contain_text(HOSTILE)
    expect(page.locator("pre.log").first).to_contain_text(HOSTILE)
    failed = shared_server.run(f"raise ValueError({HOSTILE!r})", name="web-hostile-error")
    page.goto(f"{shared_server.url}/#/runs/{failed['id']}")
    expect(page.get_by_role("alert")).to_contain_text(HOSTILE)
    assert page.evaluate("document.querySelectorAll('#main script, #main iframe, #main svg, #main img[src=x]').length") == 0


def test_a_figure_opened_by_itself_can_do_nothing(open_page: OpenPage, shared_server: Any) -> None:
    """The SVG's own address, as a page: its script must not run with the server's origin."""
    svg = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>document.title = "ran"; fetch("/v1/status")</script></svg>'
    record = shared_server.run(f"from IPython.display import SVG, display\ndisplay(SVG(data={svg!r}))", name="web-figure")
    assert record["figures"], record
    answer = shared_server.requests.get(f"/v1/runs/{record['id']}/figures/{record['figures'][0]['name']}")
    assert "script-src" in answer.headers["Content-Security-Policy"] or "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_a_notebook_with_other_metadata_does_not_become_markup(shared_server: Any) -> None:
    content = notebook("1", metadata={"title": HOSTILE})
    shared_server.requests.put("/v1/notebooks/web-plain", data=json.dumps(content), headers={"Content-Type": "application/x-ipynb+json"}).raise_for_status()
    answer = shared_server.requests.get("/v1/notebooks/web-plain")
    assert answer.headers["Content-Type"].startswith("application/") and answer.headers["X-Content-Type-Options"] == "nosniff"


# -- how it looks and is reached ----------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [1280, 400])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_window(open_page: OpenPage, width: int, scheme: str) -> None:
    page = open_page(width=width, scheme=scheme)
    assert not scrolls_sideways(page)
    run_favourite(page, f"wide-{width}-{scheme}-{'a-long-name' * 6}.csv")
    wait_for_chart(page)
    page.wait_for_selector(".pairs")
    assert not scrolls_sideways(page)
    page.go_back()
    page.wait_for_selector("table")
    assert not scrolls_sideways(page)
    page.get_by_role("tab", name="Columns").click()
    assert not scrolls_sideways(page)
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    light = sum(map(int, re.findall(r"\d+", background)[:3])) > 384
    assert light == (scheme == "light")


def test_the_keyboard_is_enough(open_page: OpenPage, shared_server: Any) -> None:
    shared_server.put("keys.csv", SAMPLE.read_bytes(), **{"Content-Type": "text/csv"})
    page = open_page()
    page.wait_for_selector("#objects a")

    def tab_to(wanted: str) -> None:
        for _ in range(80):
            page.keyboard.press("Tab")
            text = page.evaluate("(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent || '').trim()")
            if text.startswith(wanted):
                outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
                assert outline != "none", f"{wanted} shows no focus"
                return
        raise AssertionError(f"the Tab key does not reach {wanted}")

    tab_to("Find objects")
    page.keyboard.type("keys.csv")
    expect(page.locator("#objects a")).to_have_count(1)
    tab_to("keys.csv")
    page.keyboard.press("Enter")
    expect(page.locator("#main h1")).to_be_focused()
    page.wait_for_selector(".recipe")
    tab_to("Favourite receiver")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Passer", exact=True)).to_be_focused()
    page.keyboard.press("Control+A")
    page.keyboard.type("P.Manning")
    page.keyboard.press("Enter")
    wait_for_chart(page)


def test_every_control_has_a_name(open_page: OpenPage) -> None:
    page = open_page()
    run_favourite(page, "names.csv")
    wait_for_chart(page)
    nameless = """[...document.querySelectorAll('button, a[href], input:not([hidden]), img, [role=progressbar], [role=region]')]
        .filter((node) => node.offsetParent && !(node.textContent.trim() || node.getAttribute('aria-label') || node.alt || node.labels?.length))
        .map((node) => node.outerHTML.slice(0, 80))"""
    assert page.evaluate(nameless) == []
    assert page.evaluate("document.querySelectorAll('h1').length - document.querySelectorAll('#login h1').length") == 1
    assert page.evaluate("document.documentElement.lang") == "en"
