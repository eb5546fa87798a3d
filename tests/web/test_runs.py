"""Runs: the list, one run while it goes on and afterwards, lineage, running again, comparing two."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "denver-baltimore-2013-week1.csv"
PARAMETERS = "greeting: str = 'hello'  # what to say\ntimes: int = 2  # how often"
GREET = "import suricate as s\nfor n in range(times):\n    print(greeting, n)\ns.result({'said': times, 'words': greeting})"
CHART = "import matplotlib.pyplot as plt\nimport suricate as s\nfigure, axes = plt.subplots(figsize=(5, 3))\naxes.plot([1, 3, times])\ns.show(figure)"
WAITING = """
import time
import suricate as s
from IPython.display import display, update_display
display({"text/plain": "step 0"}, raw=True, display_id="step")
while not s.exists("runs/go"):
    time.sleep(0.05)
update_display({"text/plain": "step 1"}, raw=True, display_id="step")
print("gone on", flush=True)
while not s.exists("runs/end"):
    time.sleep(0.05)
"""


@pytest.fixture(scope="module")
def ran(_session_server: Any) -> dict[str, dict[str, Any]]:
    """Two runs of one notebook with other parameters, a recipe's run and a failed one."""
    server = _session_server
    server.put("runs/week1.csv", SAMPLE.read_bytes(), **{"Content-Type": "text/csv"})
    one = server.run(GREET, CHART, name="runs/greet.ipynb", parameters=PARAMETERS)
    two = server.run(GREET, CHART, name="runs/greet.ipynb", parameters=PARAMETERS, given={"times": 5, "greeting": "good morning"})
    recipe = server.requests.post("/v1/recipes/favourite-receiver/runs?wait=60s", json={"object": "runs/week1.csv"}).json()
    failed = server.run("print('before')", "1 / 0", name="runs/broken.ipynb")
    assert (one["state"], two["state"], recipe["state"], failed["state"]) == ("succeeded", "succeeded", "succeeded", "failed")
    return {"one": one, "two": two, "recipe": recipe, "failed": failed}


def test_the_list_filters_by_address_and_by_hand(open_page: Callable[..., Page], ran: Any, screens: Any, axe: Any) -> None:
    page = open_page(place="runs")
    table = page.get_by_role("region", name="Runs")
    expect(table.get_by_role("row")).not_to_have_count(1)
    screens(page, "runs")
    axe(page)
    page.get_by_label("State", exact=True).select_option("failed")
    page.wait_for_url("**/runs?state=failed")
    expect(table.get_by_text("ZeroDivisionError: division by zero")).to_be_visible()
    expect(table.get_by_role("link", name="favourite-receiver")).to_have_count(0)
    page.get_by_role("button", name="Show all").click()
    page.get_by_label("Recipe", exact=True).select_option("favourite-receiver")
    expect(table.get_by_role("link", name="favourite-receiver").first).to_be_visible()
    expect(table.get_by_text("ZeroDivisionError")).to_have_count(0)
    page.reload()
    expect(page.get_by_label("Recipe", exact=True)).to_have_value("favourite-receiver")
    expect(table.get_by_role("link", name="favourite-receiver").first).to_be_visible()


def test_a_run_appears_in_the_list_and_shows_its_progress_without_a_reload(open_page: Callable[..., Page], ran: Any, shared_server: Any) -> None:
    page = open_page(place="runs")
    expect(page.get_by_role("region", name="Runs")).to_be_visible()
    shared_server.put_notebook("runs/slow.ipynb", "import suricate as s, time\ns.progress(0.4, 'reading chapters')\nwhile not s.exists('runs/slow-end'): time.sleep(0.05)")
    run = shared_server.start_run("runs/slow.ipynb")
    queue = page.get_by_role("region", name="Under way")
    expect(queue.get_by_text("reading chapters")).to_be_visible()
    expect(queue.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "40")
    shared_server.put("runs/slow-end", "x")
    shared_server.wait_run(run["id"])
    expect(queue).to_have_count(0)
    expect(page.get_by_role("region", name="Runs").get_by_role("link", name="runs/slow").first).to_be_visible()


def test_a_run_shows_result_figures_outputs_log_and_lineage(open_page: Callable[..., Page], ran: Any, screens: Any, axe: Any) -> None:
    run = ran["recipe"]
    page = open_page(place=f"runs/{run['id']}")
    expect(page.get_by_role("heading", level=1, name="favourite-receiver")).to_be_visible()
    about = page.get_by_role("complementary", name="About the run")
    expect(about.get_by_text("W.Welker").first).to_be_visible()
    outputs = page.get_by_role("region", name="Outputs")
    expect(outputs.get_by_role("img").first).to_be_visible()
    expect(outputs.get_by_role("heading", name="The receivers")).to_be_visible()
    expect(outputs.locator(".doc-code")).to_have_count(0)
    screens(page, "run")
    axe(page)
    page.get_by_label("Code").check()
    expect(outputs.locator(".doc-code").first).to_contain_text("object")
    tabs = page.get_by_role("navigation", name="About this run")
    tabs.get_by_role("link", name="Figures").click()
    expect(page.get_by_role("img", name=re.compile("figure 1"))).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name=re.compile("PNG")).click()
    assert download.value.suggested_filename == "figure-1.png"
    tabs.get_by_role("link", name="Lineage").click()
    graph = page.get_by_role("region", name=re.compile("Lineage as a graph"))
    expect(graph.get_by_role("link", name="object runs/week1.csv")).to_be_visible()
    expect(page.get_by_role("listitem").filter(has_text="runs/week1.csv")).to_be_visible()
    screens(page, "run-lineage")
    axe(page)
    tabs.get_by_role("link", name="Log").click()
    expect(page.get_by_role("region", name="Log")).to_be_visible()
    page.go_back()
    expect(graph).to_be_visible()
    graph.get_by_role("link").filter(has_text="runs/week1.csv").click()
    page.wait_for_url("**/data/objects/runs/week1.csv?version=1")


def test_a_failed_run_says_where_and_why(open_page: Callable[..., Page], ran: Any, screens: Any, axe: Any) -> None:
    page = open_page(place=f"runs/{ran['failed']['id']}")
    expect(page.get_by_text("ZeroDivisionError").first).to_be_visible()
    screens(page, "run-failed")
    axe(page)


def test_a_run_is_watched_live_and_cancelled(open_page: Callable[..., Page], shared_server: Any, ran: Any) -> None:
    shared_server.put_notebook("runs/waiting.ipynb", WAITING)
    run = shared_server.start_run("runs/waiting.ipynb")
    page = open_page(place=f"runs/{run['id']}")
    outputs = page.get_by_role("region", name="Outputs")
    expect(outputs.get_by_text("step 0", exact=True)).to_be_visible()
    later = open_page(place=f"runs/{run['id']}")
    expect(later.get_by_role("region", name="Outputs").get_by_text("step 0", exact=True)).to_be_visible()
    shared_server.put("runs/go", "x")
    for shown in (page, later):
        expect(shown.get_by_role("region", name="Outputs").get_by_text("step 1", exact=True)).to_be_visible()
        expect(shown.get_by_role("region", name="Outputs").get_by_text("gone on")).to_be_visible()
    page.get_by_role("button", name="Cancel").focus()
    page.keyboard.press("Enter")
    for shown in (page, later):
        expect(shown.locator(".facts .state")).to_have_text("cancelled")
        expect(shown.get_by_role("region", name="Outputs").get_by_text("step 1", exact=True)).to_be_visible()


def test_a_run_that_is_followed_goes_on_after_the_server_was_restarted(open_page: Callable[..., Page], start_server: Any) -> None:
    server = start_server("--listen", "127.0.0.1:0")
    server.put_notebook("runs/waiting.ipynb", WAITING)
    run = server.start_run("runs/waiting.ipynb")
    page = open_page(server=server, place=f"runs/{run['id']}")
    expect(page.get_by_role("region", name="Outputs").get_by_text("step 0", exact=True)).to_be_visible()
    port = server.url.rsplit(":", 1)[1]
    server.stop()
    server.arguments = [*server.arguments, "--listen", f"127.0.0.1:{port}"]
    server.start()
    server.put("runs/go", "x")
    expect(page.get_by_role("region", name="Outputs").get_by_text("gone on")).to_be_visible()
    expect(page.get_by_role("region", name="Outputs").get_by_text("step 1", exact=True)).to_be_visible()
    server.put("runs/end", "x")
    expect(page.locator(".facts .state")).to_have_text("succeeded")


def test_a_run_is_run_again_with_other_parameters_and_replayed(open_page: Callable[..., Page], ran: Any, axe: Any) -> None:
    page = open_page(place=f"runs/{ran['one']['id']}")
    page.get_by_role("button", name="Run again").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("times")).to_have_value("2")
    axe(page)
    dialog.get_by_label("times").fill("two")
    dialog.get_by_role("button", name="Run", exact=True).click()
    expect(dialog.get_by_role("alert")).to_contain_text("times must be a whole number")
    dialog.get_by_label("times").fill("3")
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/runs/" in url and ran["one"]["id"] not in url)
    expect(page.locator(".facts .state")).to_have_text("succeeded")
    expect(page.get_by_role("region", name="Outputs").get_by_text("hello 2")).to_be_visible()
    again = page.url
    page.get_by_role("button", name="Replay").click()
    page.wait_for_url(lambda url: "/runs/" in url and url != again)
    expect(page.get_by_text("replay of")).to_be_visible()


def test_the_executed_notebook_is_downloaded(open_page: Callable[..., Page], ran: Any) -> None:
    page = open_page(place=f"runs/{ran['one']['id']}")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download .ipynb").click()
    assert '"hello 1' in Path(download.value.path()).read_text()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download HTML").click()
    assert "hello 1" in Path(download.value.path()).read_text()


def test_two_runs_are_chosen_and_compared(open_page: Callable[..., Page], ran: Any, screens: Any, axe: Any) -> None:
    page = open_page(place="runs?notebook=runs/greet.ipynb")
    boxes = page.get_by_role("region", name="Runs").get_by_role("checkbox")
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("link", name="Compare these two").click()
    page.goto(page.url.split("/runs/")[0] + f"/runs/compare?a={ran['one']['id']}&b={ran['two']['id']}")
    expect(page.get_by_role("heading", level=1, name="Compare runs")).to_be_visible()
    parameters = page.get_by_role("region", name="Parameters")
    expect(parameters.get_by_role("row").filter(has_text="times")).to_contain_text("5")
    expect(page.get_by_role("region", name="Figures").get_by_role("img")).to_have_count(2)
    outputs = page.get_by_role("region", name="Outputs that differ")
    expect(outputs.get_by_text("good morning 4")).to_be_visible()
    screens(page, "runs-compare")
    axe(page)
