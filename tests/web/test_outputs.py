"""Outputs of notebooks as people see them: every kind, its words for screen readers, its size."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect
from showcase import (
    EVERYTHING, FIGURE, MARKDOWN, PLOTLY, RESULT, STYLED, SVG, TABLE, TRACEBACK, VEGA_LITE, WIDGET, CHART, data, open_book, png, stream, walk,
)

Open = Callable[..., Page]
SCREENS = Path(__file__).resolve().parents[2] / "build" / "check" / "screens"


def shown(page: Page, server: Any, name: str, *cells: Any) -> Page:
    open_book(page, server, f"outputs/{name}", cells)
    return page


def test_printed_text_has_its_colours_and_is_never_markup(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "text", [
        stream("plain <b>not bold</b> \x1b[1;31mred\x1b[0m \x1b[38;2;10;120;200mblue\x1b[0m \x1b]8;;http://x\x07link\x1b]8;;\x07 \x1b[2Kend\n"),
        stream("careful\n", "stderr")])
    out = page.locator(".outputs")
    expect(out).to_contain_text("plain <b>not bold</b> red blue link end")
    assert out.locator("b").count() == 0
    assert "ansi-bold" in (out.get_by_text("red", exact=True).get_attribute("class") or "")
    blue = out.get_by_text("blue", exact=True).evaluate("(node) => getComputedStyle(node).color")
    assert blue not in ("", out.evaluate("(node) => getComputedStyle(node).color"))  # of its own, made readable on this ground
    expect(out.locator(".out-stderr")).to_have_text("stderrcareful")


def test_what_a_terminal_would_have_overwritten_is_gone(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "returns", stream(" 10 %\r 50 %\r100 %\nabc\b\bXY\nwindows\r\n"))
    assert page.locator(".outputs pre").inner_text() == "100 %\naXY\nwindows\n"


def test_a_long_text_shows_its_ends_and_all_of_it_on_demand(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "long", stream("".join(f"line {n}\n" for n in range(5000))))
    out = page.locator(".outputs")
    expect(out).to_contain_text("line 0")
    expect(out).to_contain_text("line 4999")
    assert "line 2500" not in (out.text_content() or "")
    page.get_by_role("button", name="Show all 5,000 lines").click()
    expect(out).to_contain_text("line 2500")
    assert [line for line in out.locator(".out-all").inner_text().split("\n") if line] == [f"line {n}" for n in range(5000)]


def test_a_table_stands_in_the_page_and_a_styled_one_in_a_frame(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    page = shown(open_page(), shared_server, "tables", data(text_html=TABLE), data(text_html=STYLED))
    table = page.get_by_role("table").first
    expect(table.get_by_role("columnheader", name="goals")).to_be_visible()
    assert table.evaluate("(node) => [node.className, node.getAttribute('style'), node.getAttribute('border')]") == ["", None, None]
    cell = page.frame_locator("iframe").locator("#T_a_row0_col1")
    assert cell.evaluate("(node) => getComputedStyle(node).backgroundColor") == "rgb(74, 163, 107)"
    axe(page)


def test_a_frame_is_as_high_as_what_it_shows(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "height", data(text_html="<style></style><script>document.write('<div style=height:333px>tall</div>')</script>"))
    page.wait_for_function("() => Math.abs(document.querySelector('iframe').getBoundingClientRect().height - 335) < 4")


def test_pictures_have_words_and_their_size(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "pictures", [
        data({"image/png": {"alt": "Goals by month", "width": 200}}, image_png=png(400, 100)),
        data(image_png=png(120, 40), text_plain="<Figure size 120x40 with 1 Axes>"),
        data(**{"image/svg+xml": SVG})])
    expect(page.get_by_role("img", name="Goals by month")).to_be_visible()
    assert page.get_by_role("img", name="Goals by month").bounding_box() | {"x": 0, "y": 0} == {"x": 0, "y": 0, "width": 200, "height": 50}  # type: ignore[operator]
    expect(page.get_by_role("img", name="A chart made by this cell")).to_be_visible()
    drawing = page.get_by_role("img", name="A picture made by this cell")
    assert drawing.evaluate("(node) => [node.naturalWidth, node.naturalHeight]") == [320, 120]


def test_a_picture_too_large_to_unpack_is_offered_as_a_file(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "bomb", data(image_png=png(4, 4, claimed=(60_000, 60_000))))
    expect(page.locator(".outputs")).to_contain_text("60,000 × 60,000 pixels is too large")
    assert page.locator(".outputs img").count() == 0
    with page.expect_download() as download:
        page.get_by_role("link", name="Download it").click()
    assert download.value.suggested_filename == "picture.png"


def test_formulas_are_drawn(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    page = shown(open_page(), shared_server, "formulas", MARKDOWN, data(text_latex="$\\displaystyle \\frac{a}{b}$"), data(text_latex="$$\\href{javascript:alert(1)}{x}$$"))
    assert page.locator(".out-markdown .katex").count() == 2 or page.wait_for_selector(".out-markdown .katex-display")
    expect(page.locator(".out-latex .katex-html .mfrac")).to_be_visible()
    assert "$5 or $6 is no formula" in (page.locator(".out-markdown").text_content() or "")
    assert page.locator("a[href^='javascript']").count() == 0
    page.evaluate("() => document.fonts.ready")
    assert page.evaluate("() => [...document.fonts].some((font) => font.family.includes('KaTeX') && font.status === 'loaded')")
    axe(page)


def test_markdown_is_a_part_of_the_page(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "markdown", MARKDOWN + "\n\n<b>bold</b> <span style='position:fixed'>x</span>\n\n#### Deep\n")
    assert [heading.evaluate("(node) => node.nodeName") for heading in page.locator(".out-markdown :is(h1,h2,h3,h4,h5,h6)").all()] == ["H2", "H3", "H4"]
    link = page.get_by_role("link", name="the league")
    assert [link.get_attribute(name) for name in ("href", "target", "rel")] == ["https://example.com/league", "_blank", "noopener noreferrer"]
    assert page.locator(".out-markdown [style]:not(.katex *)").count() == 0
    expect(page.locator(".out-markdown")).to_contain_text("☑ body part")


def test_attached_pictures_are_shown(open_page: Open, shared_server: Any) -> None:
    book = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{
        "id": "m", "cell_type": "markdown", "metadata": {}, "source": "![The pitch](attachment:pitch.png) ![gone](attachment:__proto__) ![far](http://127.0.0.2/x.png)",
        "attachments": {"pitch.png": {"image/png": png(30, 20)}}}]}
    assert shared_server.requests.put("/v1/notebooks/outputs/attached", data=json.dumps(book)).ok
    page = open_page(place="notebooks/outputs/attached")
    expect(page.get_by_role("img", name="The pitch")).to_be_visible()
    expect(page.locator(".out-markdown")).to_contain_text("[gone: not shown] [far: not shown]")


def test_json_opens_as_far_as_somebody_looks(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "json", data(application_json={"rows": list(range(1000)), "name": "<i>shots</i>", "none": None}))
    tree = page.locator(".out-json")
    expect(tree).to_contain_text('name: "<i>shots</i>"')
    rows = tree.get_by_role("button", name="rows")
    assert rows.get_attribute("aria-expanded") == "false"
    rows.press("Enter")
    expect(tree.locator("li li")).to_have_count(101)  # a hundred and the way to more
    tree.get_by_role("button", name="900 more").click()
    expect(tree.get_by_role("button", name="400 more")).to_be_visible()


def test_a_result_reads_as_a_list(open_page: Open, shared_server: Any) -> None:
    result = {"accuracy": 0.87312, "rows": 48000, "teams": [{"team": "Ajax", "goals": 3}, {"team": "Celtic", "goals": 2}]}
    page = shown(open_page(), shared_server, "result", data(**{RESULT: result, "text/plain": "r"}))
    expect(page.locator(".out-result dl > div").filter(has_text="rows")).to_have_text("rows48,000")
    expect(page.get_by_role("cell", name="Ajax")).to_be_visible()


def test_a_traceback_opens_at_the_line_of_the_notebook(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "error", {"output_type": "error", "ename": "KeyError", "evalue": "'id'", "traceback": TRACEBACK})
    error = page.locator(".out-error")
    expect(error.locator("p").first).to_have_text("KeyError: 'id'")
    assert [frame.evaluate("(node) => node.open") for frame in error.locator("details").all()] == [False, True, False]
    expect(error.get_by_text("shots = frame.dropna()")).to_be_visible()
    error.locator("summary").first.click()
    expect(error.get_by_text("self._engine.get_loc")).to_be_visible()


def test_charts_are_drawn_in_frames_of_their_own(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "charts", [data(**{PLOTLY: FIGURE, "text/html": "<b>fallback</b>"}), data(**{VEGA_LITE: CHART})])
    expect(page.frame_locator("iframe[title='Chart (Plotly)']").locator(".trace.scatter")).to_be_visible()
    expect(page.frame_locator("iframe[title='Chart (Vega)']").locator("svg .mark-rect path").first).to_be_visible()
    page.set_viewport_size({"width": 600, "height": 700})
    plot = page.frame_locator("iframe[title='Chart (Plotly)']").locator("svg.main-svg").first
    plot.evaluate("(node) => new Promise((done) => { const look = () => node.clientWidth < 600 ? done() : requestAnimationFrame(look); look() })")
    assert plot.evaluate("(node) => node.clientHeight") == 420
    assert page.evaluate("() => [...document.querySelectorAll('iframe')].map((frame) => frame.getAttribute('sandbox'))") == ["allow-scripts"] * 2


def test_charts_that_cannot_be_drawn_say_so(open_page: Open, shared_server: Any) -> None:
    figure = {"data": [{"type": "scattermapbox", "lat": [1], "lon": [2]}], "layout": {}}
    page = shown(open_page(), shared_server, "unknown-chart", data(**{PLOTLY: figure}))
    expect(page.locator(".outputs")).to_contain_text("not among those that Suricate draws")


def test_a_script_shows_what_it_makes_and_a_widget_its_text(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "script", data(application_javascript="element.textContent = 'made by a script'"),
                 data(**{WIDGET: {"model_id": "m"}, "text/plain": "IntSlider(value=3)"}), data(**{"application/x-unknown": "?"}))
    expect(page.frame_locator("iframe").locator("#output")).to_have_text("made by a script")
    expect(page.get_by_text("IntSlider(value=3)")).to_be_visible()
    expect(page.get_by_text("An output of a kind that is not shown here: application/x-unknown")).to_be_visible()


def test_a_link_in_a_frame_is_asked_about(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "link", data(text_html="<style>a{}</style><a href='https://example.com/a'>go</a> <a href='javascript:1'>no</a>"))
    frame = page.frame_locator("iframe")
    frame.get_by_text("no", exact=True).click()
    assert page.get_by_role("alert").count() == 0
    frame.get_by_text("go", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("wants to open https://example.com/a")
    assert page.get_by_role("link", name="Open", exact=True).get_attribute("rel") == "noopener noreferrer"
    page.get_by_role("button", name="No", exact=True).click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_an_output_can_be_copied_and_hidden(open_page: Open, shared_server: Any) -> None:
    page = open_page()
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    shown(page, shared_server, "copy", [stream("a \x1b[31mred\x1b[0m line\n"), data(text_html="<table></table>", text_plain="a table")])
    page.get_by_role("button", name="Copy this output as text").first.click()
    page.wait_for_function("async () => (await navigator.clipboard.readText()).replace(/\\s+/g, ' ') === 'a red line a table'")
    page.get_by_role("button", name="Hide this output").first.click()
    expect(page.get_by_text("Output hidden").first).to_be_visible()
    page.get_by_role("button", name="Show this output").first.click()
    expect(page.get_by_text("a red line")).to_be_visible()


def test_frames_follow_the_colours_of_the_page(open_page: Open, shared_server: Any) -> None:
    page = shown(open_page(), shared_server, "colours", data(text_html="<style></style><style>i{}</style><i>text</i>"))
    ink = page.frame_locator("iframe").locator("i")
    light = ink.evaluate("(node) => getComputedStyle(node).color")
    page.emulate_media(color_scheme="dark")
    expect(ink).not_to_have_css("color", light)


def test_all_kinds_together_are_accessible_and_look_right(open_page: Open, shared_server: Any, axe: Callable[[Page], None],
                                                         screens: Callable[[Page, str], None]) -> None:
    page = shown(open_page(), shared_server, "everything", *EVERYTHING)
    walk(page)
    expect(page.locator(".out-frame iframe")).to_have_count(4)
    expect(page.frame_locator("iframe[title='Chart (Vega)']").locator("svg .mark-rect path").first).to_be_attached()
    page.evaluate("() => scrollTo(0, 0)")
    axe(page)
    screens(page, "outputs")


@pytest.mark.parametrize("width", [1280, 400])
def test_wide_tables_scroll_in_themselves(open_page: Open, shared_server: Any, width: int) -> None:
    head = "".join(f"<th>a long column {n}</th>" for n in range(60))
    page = shown(open_page(width=width), shared_server, "wide", data(text_html=f"<table><thead><tr>{head}</tr></thead><tbody><tr><td>1</td></tr></tbody></table>"))
    expect(page.get_by_role("group", name="Table, scrollable")).to_be_visible()
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width


SOURCE = """
from IPython.display import HTML, Latex, Markdown, display, publish_display_data
display(HTML("<table><tr><th>team</th></tr><tr><td>Ajax</td></tr></table><script>document.title = 'ran'</script><p onclick='document.title=1'>text</p>"))
display(Markdown("# Read <script>document.title = 'ran'</script> $x^2$"), Latex("$\\\\frac{a}{b}$"))
publish_display_data({"image/png": %r, "text/plain": "<Figure size 30x20 with 1 Axes>"})
print("\\x1b[31mred\\x1b[0m </pre><b>plain</b>")
publish_display_data({"application/vnd.plotly.v1+json": {"data": []}})
"""


def test_a_notebook_becomes_one_html_file_without_scripts(open_page: Open, shared_server: Any, tmp_path: Path) -> None:
    run = shared_server.run(SOURCE % png(30, 20))
    page = open_page(place=f"runs/{run['id']}")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download HTML").click()
    file = tmp_path / "run.html"
    download.value.save_as(file)
    text = file.read_text()
    assert not re.search(r"<script|<[^>]*\\son[a-z]+=|src=.?http", text)
    reader = page.context.new_page()
    asked: list[str] = []
    reader.on("console", lambda message: asked.append(message.text))
    reader.on("request", lambda request: asked.append(request.url) if not request.url.startswith("data:") else None)
    reader.goto(file.as_uri())
    assert asked == [file.as_uri()] and reader.title() != "ran"
    expect(reader.get_by_role("cell", name="Ajax")).to_be_visible()
    expect(reader.get_by_role("img", name="A chart made by this cell")).to_be_visible()
    expect(reader.locator("math mfrac")).to_be_visible()
    expect(reader.get_by_text("red </pre><b>plain</b>")).to_be_visible()
    expect(reader.get_by_text("An interactive chart")).to_be_visible()
    expect(reader.locator(".tok-keyword", has_text="from")).to_be_visible()
    SCREENS.mkdir(parents=True, exist_ok=True)
    reader.screenshot(path=SCREENS / "export-light-1280.png", full_page=True)
