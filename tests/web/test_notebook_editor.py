"""The notebook editor by hand: keys, cells, completion, input, finding, importing and exporting, what it looks like."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from notebook_pages import at, cell, live, ready, results, sources, store, stored, write
from playwright.sync_api import Page, expect

Open = Callable[..., Page]


def test_a_new_notebook_is_made_typed_and_run_by_keyboard_alone(open_page: Open, shared_server: Any) -> None:
    page = open_page(place="notebooks")
    page.get_by_role("button", name="New notebook").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Name", exact=True).fill("keys/alone")
    page.keyboard.press("Enter")
    page.wait_for_url("**/notebooks/keys/alone")
    ready(page)
    page.locator(".cell.selected").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("x = 6")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("x * 7")
    page.keyboard.press("Control+Enter")
    expect(results(page, 1)).to_contain_text("42")
    page.keyboard.press("a")
    page.keyboard.press("m")
    page.keyboard.press("Enter")
    page.keyboard.type("# Answer")
    page.keyboard.press("Shift+Enter")
    expect(page.get_by_role("heading", name="Answer")).to_be_visible()
    stored(page)
    assert sources(shared_server, "keys/alone") == ["x = 6", "# Answer", "x * 7"]


def test_command_mode_changes_cells_as_jupyter_does(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "keys/commands", "a", "b", "c")
    page = ready(open_page(place="notebooks/keys/commands"))
    at(page, 0).focus()

    def is_now(*wanted: str) -> None:
        stored(page)
        expect(page.locator(".cells > .cell")).to_have_count(len(wanted))
        assert sources(shared_server, "keys/commands") == list(wanted)

    page.keyboard.press("j")
    page.keyboard.press("x")
    is_now("a", "c")
    page.keyboard.press("v")
    is_now("a", "c", "b")
    page.keyboard.press("z")
    is_now("a", "b", "c", "b")
    page.keyboard.press("d")
    page.keyboard.press("d")
    is_now("a", "c", "b")
    page.keyboard.press("Alt+ArrowUp")
    is_now("c", "a", "b")
    page.keyboard.press("Shift+M")
    expect(page.locator(".cells > .cell")).to_have_count(2)
    page.keyboard.press("2")
    expect(page.locator(".cell.markdown").get_by_role("heading")).to_have_count(1)
    page.keyboard.press("y")
    page.keyboard.press("Enter")
    page.keyboard.press("Control+Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Control+Shift+Minus")
    expect(page.locator(".cells > .cell")).to_have_count(3)


def test_keys_without_ctrl_can_be_switched_off_and_are_listed(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "keys/listed", "a")
    page = ready(open_page(place="notebooks/keys/listed"))
    at(page, 0).focus()
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("run, go to the next cell")
    dialog.get_by_label("Keys without Ctrl are on").uncheck()
    page.keyboard.press("Escape")
    at(page, 0).focus()
    page.keyboard.press("b")
    expect(page.locator(".cells > .cell")).to_have_count(1)


def test_undo_is_the_cells_own_even_after_leaving_it(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "keys/undo", *[f"first {n}" for n in range(6)])
    page = ready(open_page(place="notebooks/keys/undo"))
    write(page, 0, "changed")
    for number in range(1, 6):  # more cells than editors
        at(page, number).locator(".source").click()
    at(page, 0).locator(".source").click()
    page.keyboard.press("Control+z")
    stored(page)
    assert sources(shared_server, "keys/undo")[0] == "first 0"
    assert page.locator(".host").count() <= 3


def test_the_kernel_completes_and_explains(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "kernel/complete", "quarterback = 'Peyton 🏈'\nquarterback", "")
    page = ready(open_page(place="notebooks/kernel/complete"))
    at(page, 0).locator(".source").click()
    page.keyboard.press("Shift+Enter")
    expect(results(page, 0)).to_contain_text("Peyton")
    at(page, 1).locator(".source").click()
    page.keyboard.type("'🏈', quarterb")
    page.keyboard.press("Tab")
    expect(at(page, 1).locator(".cm-tooltip-autocomplete")).to_contain_text("quarterback")
    page.wait_for_timeout(150)  # as below
    page.keyboard.press("Enter")
    page.keyboard.type(".startsw")
    page.keyboard.press("Control+Space")
    expect(at(page, 1).locator(".cm-tooltip-autocomplete")).to_contain_text("startswith")
    page.wait_for_timeout(150)  # the list takes no key in its first moment, so that nobody picks what they have not seen
    page.keyboard.press("Enter")
    page.keyboard.press("Shift+Tab")
    expect(at(page, 1).locator(".cm-inspect")).to_contain_text("S.startswith")
    page.keyboard.press("Escape")
    expect(at(page, 1).locator(".cm-inspect")).to_have_count(0)
    stored(page)
    assert sources(shared_server, "kernel/complete")[1] == "'🏈', quarterback.startswith"


def test_without_a_kernel_completion_says_so(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "kernel/none", "a")
    page = ready(open_page(place="notebooks/kernel/none"))
    at(page, 0).locator(".source").click()
    page.keyboard.press("End")
    page.keyboard.press("Control+Space")
    expect(page.locator(".notebook-top")).to_contain_text("no kernel")


def test_a_cell_asks_and_passwords_are_hidden(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    store(shared_server, "kernel/input", "import getpass\nname = input('Who? ')\nword = getpass.getpass('Word? ')\nprint(name, len(word))")
    page = ready(open_page(place="notebooks/kernel/input"))
    at(page, 0).focus()
    page.keyboard.press("Control+Enter")
    expect(page.get_by_label("Who?")).to_be_focused()
    axe(page)
    page.keyboard.type("Ann")
    page.keyboard.press("Enter")
    word = page.get_by_label("Word?")
    expect(word).to_have_attribute("type", "password")
    word.fill("secret")
    page.keyboard.press("Enter")
    expect(results(page, 0)).to_contain_text("Ann 6")
    assert "secret" not in page.content()


def test_stop_interrupts_and_restart_asks_first(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "kernel/stop", "x = 1\nimport time\nprint('on', flush=True)\nwhile True: time.sleep(0.05)", "x")
    page = ready(open_page(place="notebooks/kernel/stop"))
    at(page, 0).focus()
    page.keyboard.press("Control+Enter")
    expect(results(page, 0)).to_contain_text("on")
    expect(at(page, 0)).to_have_class(re.compile("running"))
    page.keyboard.press("i")
    page.keyboard.press("i")
    expect(results(page, 0)).to_contain_text("KeyboardInterrupt")
    expect(page.locator(".kernel")).to_contain_text("idle")
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.get_by_role("dialog", name="Restart the kernel?").get_by_role("button", name="Restart").click()
    at(page, 1).focus()
    page.keyboard.press("Control+Enter")
    expect(results(page, 1)).to_contain_text("NameError")


def test_the_kernels_memory_and_each_cells_time_are_shown(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "kernel/memory", "data = bytearray(30_000_000)\nlen(data)")
    page = ready(open_page(place="notebooks/kernel/memory"))
    expect(page.locator(".kernel")).to_contain_text("no kernel")
    page.get_by_role("button", name="Run all").click()
    expect(results(page, 0)).to_contain_text("30000000")
    expect(at(page, 0).locator(".count")).to_have_text(re.compile(r"\[1\]"))
    expect(at(page, 0).locator(".took")).to_have_text(re.compile(r"\d+(\.\d+)? m?s"))
    expect(page.locator(".kernel")).to_have_text(re.compile(r"\d+(\.\d+)? MiB"))
    page.goto(f"{shared_server.url}/notebooks")
    row = page.get_by_role("row").filter(has_text="kernel/memory")
    expect(row).to_contain_text("MiB")


def test_parameters_are_a_form_that_writes_the_cell(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    text = 'passer: str = "P.Manning"  # who throws\nclusters = 3  # how many kinds\nis_drawn = True'
    store(shared_server, "cells/parameters", text)
    page = ready(open_page(place="notebooks/cells/parameters"))
    at(page, 0).focus()
    page.keyboard.press("t")
    form = page.get_by_role("group", name="Parameters")
    form.get_by_label("passer").fill("J.Flacco")
    form.get_by_label("clusters").fill("5")
    form.get_by_label("is_drawn").uncheck()
    page.locator("h1").click()
    axe(page)
    stored(page)
    assert sources(shared_server, "cells/parameters") == ['passer: str = "J.Flacco"  # who throws\nclusters = 5  # how many kinds\nis_drawn = False']
    assert live(shared_server, "cells/parameters")["notebook"]["cells"][0]["metadata"]["tags"] == ["parameters"]


def test_finding_and_replacing_goes_through_all_cells(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    store(shared_server, "cells/find", "yards = 1", cell("the yards", "markdown"), "YARDS + yards")
    page = ready(open_page(place="notebooks/cells/find"))
    at(page, 0).focus()
    page.keyboard.press("f")
    expect(page.get_by_role("search").get_by_role("textbox").first).to_be_focused()
    page.keyboard.type("yards")
    expect(page.get_by_role("search")).to_contain_text("4 places")
    page.keyboard.press("Enter")
    expect(page.get_by_role("search")).to_contain_text("1 of 4")
    axe(page)
    page.get_by_label("Aa").check()
    page.get_by_label("Replace by").fill("feet")
    page.get_by_role("button", name="Replace all").click()
    page.keyboard.press("Escape")
    stored(page)
    assert sources(shared_server, "cells/find") == ["feet = 1", "the feet", "YARDS + feet"]


def test_the_outline_leads_to_headings(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    many = [cell(f"# Part {n}\n\n```\n# no heading\n```\n\n## Detail {n}", "markdown") if n % 10 == 0 else cell(f"{n}") for n in range(60)]
    store(shared_server, "cells/outline", *many)
    page = ready(open_page(place="notebooks/cells/outline"))
    page.get_by_role("button", name="Outline").click()
    outline = page.get_by_role("navigation", name="Outline")
    expect(outline.get_by_role("button")).to_have_count(12)
    outline.get_by_role("button", name="Part 50").click()
    expect(page.get_by_role("heading", name="Part 50")).to_be_in_viewport()
    axe(page)


def test_a_snippet_is_one_key_and_a_name(open_page: Open, shared_server: Any, axe: Callable[[Page], None]) -> None:
    shared_server.put("snippets/week-1.csv", "a,b\n1,2\n")
    store(shared_server, "cells/snippets", "")
    page = ready(open_page(place="notebooks/cells/snippets"))
    at(page, 0).focus()
    page.keyboard.press("Control+i")
    expect(page.get_by_role("dialog").locator("input").first).to_be_focused()
    page.keyboard.type("read an")
    axe(page)
    page.keyboard.press("Enter")
    page.keyboard.type("snippets/week")
    expect(page.get_by_role("button", name="snippets/week-1.csv")).to_be_visible()
    page.keyboard.press("Enter")
    expect(at(page, 0).locator(".cm-content")).to_contain_text("week_1 = s.read")
    stored(page)
    assert sources(shared_server, "cells/snippets")[0].endswith('week_1 = s.read("snippets/week-1.csv")\nweek_1')
    page.keyboard.press("Control+Enter")
    expect(results(page, 0).locator("table")).to_be_visible()


def test_cells_are_dragged(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "cells/drag", "a", "b", "c")
    page = ready(open_page(place="notebooks/cells/drag"))
    at(page, 0).hover()
    at(page, 0).locator(".grip").drag_to(at(page, 2), target_position={"x": 200, "y": 30})
    expect(at(page, 2)).to_have_id("cell-c0")
    stored(page)
    assert sources(shared_server, "cells/drag") == ["b", "c", "a"]


def test_a_file_comes_in_and_goes_out_as_it_was(open_page: Open, shared_server: Any, tmp_path: Path) -> None:
    file = tmp_path / "week one.ipynb"
    body = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"kept": {"a": 1}}, "cells": [{"id": "only", **cell("6 * 7", tags=["x"])}]}
    file.write_text(json.dumps(body))
    page = open_page(place="notebooks")
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Import .ipynb").click()
    chooser.value.set_files(file)
    page.wait_for_url("**/notebooks/week%20one")
    ready(page)
    page.locator("summary", has_text="More").click()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download as .ipynb").click()
    assert download.value.suggested_filename == "week one.ipynb"
    came = json.loads(Path(download.value.path()).read_text())
    assert came["metadata"]["kept"] == {"a": 1} and came["cells"][0]["id"] == "only" and came["cells"][0]["metadata"]["tags"] == ["x"]


def test_the_notebook_is_run_as_a_run_with_parameters(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "cells/as-run", cell("count = 3  # how many", tags=["parameters"]), "import suricate as s\ns.result(count * 2)")
    page = ready(open_page(place="notebooks/cells/as-run"))
    page.locator("summary", has_text="More").click()
    page.get_by_role("button", name="Run as a run").click()
    page.get_by_role("dialog").get_by_label("count").fill("21")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url(re.compile(r"/runs/\w"))
    run = shared_server.wait_run(page.url.split("/")[-1])
    assert run["result"] == 42 and run["parameters"] == {"count": 21}


@pytest.mark.parametrize("name", ["it's \"quoted\"", "עברית \u202e rtl", "🎈/emoji", "50% & more?#"])
def test_any_name_opens(open_page: Open, shared_server: Any, name: str) -> None:
    store(shared_server, name, "print(6 * 7)")
    page = open_page(place="notebooks")
    page.get_by_role("link", name=name, exact=True).click()
    ready(page)
    expect(page.locator("h1")).to_have_text(name)
    page.get_by_role("button", name="Run all").click()
    expect(results(page, 0)).to_contain_text("42")


def test_a_notebook_that_is_not_there_is_said(open_page: Open) -> None:
    page = open_page(place="notebooks/nothing/there")
    expect(page.get_by_role("alert")).to_contain_text("no")
    expect(page.get_by_role("link", name="All notebooks")).to_be_visible()


def test_what_it_looks_like(open_page: Open, shared_server: Any, screens: Callable[[Page, str], None], axe: Callable[[Page], None]) -> None:
    store(shared_server, "nfl/receivers",
          cell("# Receivers of week one\n\nWho is thrown to *most*? $\\bar x = \\frac{1}{n}\\sum_i x_i$", "markdown"),
          cell('passer: str = "P.Manning"  # who throws\nclusters = 3  # how many kinds\nis_drawn = True  # draw it', tags=["parameters"]),
          'import math\n\ndef area(radius: float) -> float:\n    """The area of a circle."""\n    return math.pi * radius ** 2  # as known\n\nprint("passer", passer)\narea(3)',
          cell("## What came of it", "markdown"),
          "import matplotlib.pyplot as plt\nplt.figure(figsize=(7, 2.6))\nplt.plot([n * n % 17 for n in range(60)])\nplt.title('Yards');",
          "print('step')\n1 / 0",
          cell("A raw cell", "raw"))
    page = ready(open_page(place="notebooks/nfl/receivers"))
    page.get_by_role("button", name="Outline").click()
    page.get_by_role("button", name="Run all").click()
    expect(results(page, 5)).to_contain_text("ZeroDivisionError")
    at(page, 2).locator(".source").click()
    axe(page)
    screens(page, "notebook-editor")
    page.locator("summary", has_text="More").click()
    axe(page)
    screens(page, "notebook-menu")
    page.goto(f"{shared_server.url}/notebooks")
    expect(page.get_by_role("link", name="nfl/receivers")).to_be_visible()
    axe(page)
    screens(page, "notebooks")


def test_five_thousand_cells_open_and_the_last_one_runs(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "cells/many", *[f"value_{n} = {n}\nprint(value_{n})" for n in range(5000)])
    page = ready(open_page(place="notebooks/cells/many"))
    page.wait_for_function("() => document.querySelectorAll('.cells > .cell').length === 5000")
    at(page, 4999).scroll_into_view_if_needed()
    at(page, 4999).locator(".source").click()  # drawn in full only near the window
    page.keyboard.press("Control+Enter")
    page.wait_for_function("() => document.querySelector('#cell-c4999 .results')?.textContent.includes('4999')")


def test_a_notebook_is_deleted_after_asking(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "cells/doomed", "1")
    page = open_page(place="notebooks?q=cells/doomed")
    page.get_by_role("button", name="Delete cells/doomed").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete it").click()
    expect(page.get_by_text("No notebook by that name")).to_be_visible()
    assert shared_server.requests.get("/v1/notebooks/cells/doomed").status_code == 404
