"""The overview's tiles, and files that come by dropping, picking and pasting: with progress, resumed, cancelled."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from e2e_fixtures import wait_until
from playwright.sync_api import Page, Route, expect

MIB = 1 << 20

DROP = """([files, type]) => {
  const transfer = new DataTransfer();
  for (const [name, text] of files) transfer.items.add(new File([text], name, {type}));
  const target = document.querySelector("main");
  const fire = (kind) => target.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
  fire("dragenter");
  fire("dragover");
  fire("drop");
}"""


def drop(page: Page, files: dict[str, str], type: str = "") -> None:
    page.wait_for_selector("main h1")
    page.evaluate(DROP, [list(files.items()), type])


def tile(page: Page, name: str) -> Any:
    return page.get_by_role("region", name=name, exact=True)


def test_an_empty_suricate_shows_three_ways_in(server: Any, open_page: Callable[..., Page], axe: Any, screens: Any) -> None:
    page = open_page(server=server)
    card = page.get_by_role("region", name="Begin here")
    expect(card.get_by_role("button", name="Choose a file")).to_be_visible()
    expect(card.get_by_role("button", name="Use the sample data")).to_be_visible()
    expect(card.get_by_role("link", name="connect a stream")).to_have_attribute("href", "/data/streams/+new")
    for name in ("Aggregate", "Interact", "Compute", "Act"):
        expect(tile(page, name).get_by_role("link").last).to_be_visible()
    axe(page)
    screens(page, "overview-empty")


def test_tiles_follow_what_happens_without_a_reload(server: Any, open_page: Callable[..., Page], axe: Any, screens: Any) -> None:
    page = open_page(server=server)
    expect(tile(page, "Aggregate").get_by_text("objects", exact=True)).to_be_visible()
    server.put("a.csv", b"x,y\n1,2\n")
    server.requests.put("/v1/streams/plays", json={})
    for number in range(3):
        server.requests.post("/v1/streams/plays/messages", json={"n": number})
    fact = lambda name, of: tile(page, name).locator("dl > div").filter(has_text=of).locator("dd")  # noqa: E731
    expect(fact("Aggregate", "object")).to_have_text("1")
    expect(fact("Aggregate", "stream")).to_have_text("1")
    expect(fact("Aggregate", "messages")).to_have_text("3")
    expect(page.get_by_role("region", name="Begin here")).to_have_count(0)
    server.put_notebook("reports/broken", "1/0")
    run = server.requests.post("/v1/runs?wait=60s", json={"notebook": "reports/broken"}).json()
    assert run["state"] == "failed"
    failed = page.get_by_role("link", name="reports/broken")
    expect(failed).to_have_attribute("href", f"/runs/{run['id']}")
    expect(tile(page, "Compute").get_by_role("link", name="See why a run failed")).to_be_visible()
    axe(page)
    screens(page, "overview-full")


def test_a_dropped_table_is_stored_and_shown(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(server=server, place="runs")
    drop(page, {"heights.csv": "name,cm\n" + "".join(f"person {n},{150 + n}\n" for n in range(40))})
    page.wait_for_url("**/data/objects/heights.csv")
    expect(page.get_by_role("heading", name="heights.csv", exact=True)).to_be_visible()
    info = server.requests.get("/v1/objects/heights.csv?view=info").json()
    assert info["type"] == "text/csv" and info["metadata"]["last_modified"]


def test_several_files_at_once_stay_where_they_were_dropped(server: Any, open_page: Callable[..., Page], axe: Any) -> None:
    page = open_page(server=server)
    drop(page, {f"part-{n}.txt": f"text {n}" * (n + 1) for n in range(7)} | {"ü 'quoted' \u202e.csv": "a\n1\n"})
    panel = page.get_by_role("region", name="Uploads")
    expect(panel.get_by_text("stored")).to_have_count(8)
    assert page.url.rstrip("/") == server.url
    assert len(server.requests.get("/v1/objects").json()["items"]) == 8
    axe(page)
    panel.get_by_role("link", name="part-3.txt").click()
    page.wait_for_url("**/data/objects/part-3.txt")
    expect(panel).to_have_count(0)


def test_the_picker_stores_files(server: Any, open_page: Callable[..., Page], tmp_path: Path) -> None:
    page = open_page(server=server, place="data")
    file = tmp_path / "picked.json"
    file.write_text(json.dumps([{"a": 1}, {"a": 2}]))
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload files").click()
    chooser.value.set_files(file)
    page.wait_for_url("**/data/objects/picked.json")
    assert server.requests.get("/v1/objects/picked.json").json() == [{"a": 1}, {"a": 2}]


PASTE = """([text, target]) => {
  const transfer = new DataTransfer();
  transfer.setData("text/plain", text);
  (target ? document.querySelector(target) : document.body).dispatchEvent(
    new ClipboardEvent("paste", {clipboardData: transfer, bubbles: true, cancelable: true}));
}"""


def test_a_pasted_table_becomes_an_object_and_other_text_does_not(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(server=server, place="data")
    expect(page.get_by_role("searchbox")).to_be_visible()
    page.evaluate(PASTE, ["just a sentence, with a comma\nand another line", None])
    page.evaluate(PASTE, ["a\tb\n1\t2\n", "input"])
    page.evaluate(PASTE, ["name\tyards\nWelker\t67\nThomas\t161\n", None])
    page.wait_for_url("**/data/objects/pasted-*.tsv")
    items = server.requests.get("/v1/objects").json()["items"]
    assert len(items) == 1 and items[0]["type"] == "text/tab-separated-values"


def test_a_notebook_that_is_dropped_becomes_a_notebook(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(server=server)
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    drop(page, {"mine.ipynb": json.dumps(notebook)})
    page.wait_for_url("**/notebooks/mine.ipynb")
    assert server.requests.get("/v1/notebooks/mine.ipynb?view=info").status_code == 200


def big_file(folder: Path, size: int) -> tuple[Path, bytes]:
    content = os.urandom(MIB) * (size // MIB)
    path = folder / "big.bin"
    path.write_bytes(content)
    return path, content


def pick(page: Page, path: Path) -> None:
    page.locator("input.upload-input").first.set_input_files(path)


def test_an_upload_pauses_while_the_server_is_away_and_goes_on_by_itself(
        server: Any, open_page: Callable[..., Page], tmp_path: Path) -> None:
    path, content = big_file(tmp_path, 24 * MIB)
    page = open_page(server=server, place="data")
    sent: list[int] = []

    def lose(route: Route) -> None:
        """The second piece is lost, and so is the connection for a while."""
        offset = int(route.request.headers["upload-offset"])
        sent.append(offset)
        if offset == MIB and sent.count(MIB) == 1:
            page.context.set_offline(True)
            route.abort()
        else:
            route.continue_()

    page.route("**/v1/uploads/*", lambda route: lose(route) if route.request.method == "PATCH" else route.continue_())
    pick(page, path)
    panel = page.get_by_role("region", name="Uploads")
    expect(panel.get_by_text("waiting for the server")).to_be_visible()
    page.context.set_offline(False)
    page.wait_for_url("**/data/objects/big.bin")
    assert server.requests.get("/v1/objects/big.bin").content == content
    assert sent.count(0) == 1, "what was stored is not sent again"


def test_an_upload_survives_a_server_that_was_killed(open_page: Callable[..., Page], start_server: Any, tmp_path: Path) -> None:
    path, content = big_file(tmp_path, 12 * MIB)
    server = start_server("--listen", f"127.0.0.1:{free_port()}")
    page = open_page(server=server, place="data")
    held: list[Route] = []

    def hold(route: Route) -> None:
        if route.request.method == "PATCH" and int(route.request.headers["upload-offset"]) > 0 and not held:
            held.append(route)
        else:
            route.continue_()

    page.route("**/v1/uploads/*", hold)
    pick(page, path)
    wait_until(lambda: page.wait_for_timeout(20) or held, "a piece is stored and the next one held back")
    server.restart(kill=True)
    held[0].continue_()
    page.wait_for_url("**/data/objects/big.bin")
    assert server.requests.get("/v1/objects/big.bin").content == content


def free_port() -> int:
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_cancelled_upload_is_gone(server: Any, open_page: Callable[..., Page], tmp_path: Path) -> None:
    path, _ = big_file(tmp_path, 8 * MIB)
    page = open_page(server=server, place="data")
    page.route("**/v1/uploads/*", lambda route: None if route.request.method == "PATCH" else route.continue_())
    pick(page, path)
    panel = page.get_by_role("region", name="Uploads")
    with page.expect_response(lambda answer: answer.request.method == "DELETE" and "/v1/uploads/" in answer.url) as dropped:
        panel.get_by_role("button", name="Cancel big.bin").click()
    assert dropped.value.status == 204
    expect(panel.get_by_text("cancelled")).to_be_visible()
    assert os.listdir(server.data / "uploads") == []


@pytest.mark.server("--limit", "object_bytes=1MiB")
def test_what_can_not_be_stored_is_said_in_words(server: Any, open_page: Callable[..., Page], tmp_path: Path, axe: Any) -> None:
    path, _ = big_file(tmp_path, 2 * MIB)
    page = open_page(server=server, place="data")
    pick(page, path)
    panel = page.get_by_role("region", name="Uploads")
    expect(panel.get_by_text("an object may have 1048576 bytes at most")).to_be_visible()
    expect(panel.get_by_role("button", name="Try again")).to_be_visible()
    axe(page)
