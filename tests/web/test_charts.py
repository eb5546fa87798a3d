"""Charts: the live one of a stream, and what every chart can do."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

BEGIN_MS = 1_767_225_600_000


def push(server: Any, name: str, rows: list[dict[str, Any]]) -> None:
    answer = server.requests.post(f"/v1/streams/{name}/messages", data="".join(json.dumps(row) + "\n" for row in rows).encode(),
                                  headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text


def rows(first: int, count: int) -> list[dict[str, Any]]:
    return [{"at": BEGIN_MS + 100 * n, "v": (n * 37) % 101, "k": "abc"[n % 3]} for n in range(first, first + count)]


def make(server: Any, name: str, count: int = 3000) -> None:
    assert server.requests.put(f"/v1/streams/{name}", json={"time": {"field": "at", "format": "ms"}, "skew": "3660d"}).status_code in (200, 201)
    if count:
        push(server, name, rows(0, count))


@pytest.fixture
def chart(open_page: Callable[..., Page], shared_server: Any) -> Iterator[Callable[..., Page]]:
    def show(name: str, query: str = "field=v", **options: Any) -> Page:
        page = open_page(place=f"data/streams/{name}?tab=live&{query}", **options)
        expect(page.locator(".live-chart .plot canvas")).to_be_visible()
        return page

    yield show


def draws(page: Page) -> int:
    return int(page.locator(".live-chart .plot").get_attribute("data-draws") or 0)


def button(page: Page, name: str) -> Any:
    return page.locator("figure.chart").get_by_role("button", name=name, exact=True)


def summary(page: Page) -> Any:
    return page.locator(".live-chart .summary")


def test_a_live_chart_draws_what_comes(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/live")
    page = chart("charts/live")
    expect(summary(page)).to_contain_text("v last 65 at")
    expect(page.get_by_role("img", name=re.compile("v last"))).to_be_visible()
    before = draws(page)
    push(shared_server, "charts/live", [{"at": BEGIN_MS + 400_000, "v": 77}])
    expect(summary(page)).to_contain_text("v last 77 at")
    assert draws(page) > before


def test_nothing_is_drawn_when_nothing_comes(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/still")
    page = chart("charts/still")
    expect(summary(page)).to_contain_text("v last")
    before = draws(page)
    page.evaluate("() => new Promise((done) => { let n = 0; const one = () => (++n < 60 ? requestAnimationFrame(one) : done()); one(); })")
    assert draws(page) == before


def test_ranges_and_zoom_ask_for_other_levels(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/zoom")
    page = chart("charts/zoom")
    button(page, "All").click()
    expect(summary(page)).to_contain_text("3,000 messages")
    over = page.locator(".u-over").bounding_box()
    assert over
    page.mouse.move(over["x"] + over["width"] * .25, over["y"] + 50)
    page.mouse.down()
    page.mouse.move(over["x"] + over["width"] * .5, over["y"] + 50, steps=5)
    page.mouse.up()
    expect(page.get_by_text("Back to All")).to_be_visible()
    expect(summary(page)).to_contain_text(re.compile(r"\b7[45]\d messages"))
    button(page, "Zoom in").click()
    expect(summary(page)).to_contain_text(re.compile(r"\b3[678]\d messages"))
    button(page, "Zoom out").click()
    expect(summary(page)).to_contain_text(re.compile(r"\b7[45]\d messages"))
    button(page, "Back to All").click()
    expect(summary(page)).to_contain_text("3,000 messages")


def test_a_line_for_each_key_can_be_hidden(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/keys")
    page = chart("charts/keys", "field=v&by=k")
    legend = page.get_by_role("list", name="Lines")
    expect(legend.get_by_role("button")).to_have_count(3)
    legend.get_by_role("button", name="b").click()
    expect(legend.get_by_role("button", name="b")).to_have_attribute("aria-pressed", "false")


def test_pause_keeps_the_picture_and_misses_nothing(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/pause")
    page = chart("charts/pause")
    expect(summary(page)).to_contain_text("v last 65 at")
    button(page, "Pause").click()
    before = draws(page)
    push(shared_server, "charts/pause", [{"at": BEGIN_MS + 400_000, "v": 55}])
    page.evaluate("() => new Promise((done) => setTimeout(done, 1500))")
    expect(summary(page)).to_contain_text("v last 65 at")
    assert draws(page) == before
    button(page, "Pause").click()
    expect(summary(page)).to_contain_text("v last 55 at")


def test_the_table_says_what_the_chart_draws(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/table")
    page = chart("charts/table")
    button(page, "Table").click()
    table = page.get_by_role("region", name="v, newest values")
    expect(table.locator("tbody tr")).to_have_count(50)
    expect(table.locator("tbody tr").first.locator("td.number").nth(2)).to_have_text("65")


def test_an_empty_stream_says_so_and_fills(open_page: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/empty", 1)
    page = open_page(place="data/streams/charts/empty?tab=live&field=nothing")
    expect(page.get_by_text("No numbers in this range yet.")).to_be_visible()
    push(shared_server, "charts/empty", [{"at": BEGIN_MS + 1000 * n, "nothing": n} for n in range(5)])
    expect(summary(page)).to_contain_text("nothing last 4")


def test_the_chart_comes_back_after_a_restart(browser: Browser, start_server: Any) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start_server("--listen", f"127.0.0.1:{port}")
    make(server, "s")
    context = browser.new_context()  # not open_page's: a browser says on its console that a server is away
    page = context.new_page()
    page.goto(server.cli("token", "login").stdout.strip())
    page.goto(f"{server.url}/data/streams/s?tab=live&field=v")
    expect(summary(page)).to_contain_text("v last 65 at")
    server.kill()
    expect(page.get_by_text("The chart goes on by itself")).to_be_visible()
    server.start()
    push(server, "s", [{"at": BEGIN_MS + 400_000, "v": 42}])
    expect(summary(page)).to_contain_text("v last 42 at")
    context.close()


def test_every_chart_has_a_switch_to_xkcd(chart: Callable[..., Page], shared_server: Any) -> None:
    make(shared_server, "charts/xkcd")
    page = chart("charts/xkcd")
    loaded: list[str] = []
    page.on("request", lambda request: loaded.append(request.url))
    switch = button(page, "xkcd")
    expect(switch).to_have_attribute("aria-pressed", "false")
    before = draws(page)
    switch.click()
    expect(switch).to_have_attribute("aria-pressed", "true")
    page.wait_for_function(f"() => Number(document.querySelector('.plot').dataset.draws) > {before}")
    assert any("sketch" in url for url in loaded), loaded


def test_live_charts_are_for_everybody(chart: Callable[..., Page], shared_server: Any, axe: Callable[[Page], None], screens: Callable[[Page, str], None]) -> None:
    make(shared_server, "charts/look")
    page = chart("charts/look", "field=v&by=k")
    axe(page)
    screens(page, "chart-live")
    button(page, "xkcd").click()
    expect(button(page, "xkcd")).to_have_attribute("aria-pressed", "true")
    screens(page, "chart-xkcd")


# --- automatic ones ---------------------------------------------------------------


def put(server: Any, name: str, text: str) -> None:
    assert server.requests.put(f"/v1/objects/{name}", data=text.encode(), headers={"Content-Type": "text/csv"}).status_code in (200, 201)


def test_a_table_with_times_is_drawn_over_time(open_page: Callable[..., Page], shared_server: Any) -> None:
    put(shared_server, "charts/times.csv", "id,at,celsius,room\n" + "".join(f"{n},2026-01-01 00:{n:02}:00,{20 + n % 7 / 2},{'ab'[n % 2]}\n" for n in range(40)))
    page = open_page(place="data/objects/charts/times.csv")
    expect(page.locator("figure.chart figcaption")).to_have_text("celsius")
    expect(page.locator("figure.chart svg text").last).to_contain_text("2026-01-01 00:39")
    button(page, "xkcd").click()
    expect(page.locator("figure.chart.sketched path.series")).to_have_attribute("d", re.compile("C"))


def test_identifiers_are_not_drawn(open_page: Callable[..., Page], shared_server: Any) -> None:
    put(shared_server, "charts/ids.csv", "id,n,v\n" + "".join(f"{n * 7},{n},{n % 9 + .5}\n" for n in range(40)))
    page = open_page(place="data/objects/charts/ids.csv")
    expect(page.locator("figure.chart figcaption")).to_have_text("v")


def test_categories_are_counted(open_page: Callable[..., Page], shared_server: Any) -> None:
    put(shared_server, "charts/kinds.csv", "kind,v\n" + "".join(f"{'pass' if n % 3 else 'run'},{n}\n" for n in range(60)))
    page = open_page(place="data/objects/charts/kinds.csv")
    expect(page.locator("figure.chart figcaption")).to_have_text("Rows per kind")
    button(page, "xkcd").click()
    expect(page.locator("figure.chart.sketched")).to_be_visible()
