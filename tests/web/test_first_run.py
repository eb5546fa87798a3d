"""The newcomer's path: from a file to a chart, to a stream, to a process that follows it. Nothing is typed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
from e2e_fixtures import SAMPLE, wait_until
from playwright.sync_api import Locator, Page, expect

CLICKS_MAX, SECONDS_MAX = 5, 60
STREAM = "week1-live"
DROP = """([name, text]) => {
  const transfer = new DataTransfer();
  transfer.items.add(new File([text], name, {type: "text/csv"}));
  for (const kind of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(kind, {dataTransfer: transfer, bubbles: true, cancelable: true}));
}"""


class Count:
    """What the newcomer did: presses of a mouse's button or of Enter, and how long it took until now."""

    def __init__(self) -> None:
        self.presses, self.began = 0, time.monotonic()
        self.told: list[str] = []

    def press(self, what: str) -> None:
        self.presses += 1
        self.told.append(what)

    def tell(self, way: str) -> None:
        seconds = time.monotonic() - self.began
        print(f"\nfirst run by {way}: {self.presses} clicks, {seconds:.1f} s ({' → '.join(self.told)})")
        assert self.presses <= CLICKS_MAX and seconds <= SECONDS_MAX


def see_what_came(page: Page, server: Any, stream: str) -> None:
    """The stream's page has a live chart, and a run follows the stream and rewrites its own chart."""
    page.wait_for_url(f"**/data/streams/{stream}**")
    expect(page.locator("main canvas, main figure svg").first).to_be_visible()
    followers = lambda: [run for run in server.requests.get("/v1/runs").json()["items"] if run["follow"]]  # noqa: E731
    runs = followers()
    assert len(runs) == 1 and runs[0]["parameters"]["stream"] == stream
    chart = lambda: server.requests.get(f"/v1/objects/{stream}/favourite-receiver.svg?view=info")  # noqa: E731
    wait_until(lambda: page.wait_for_timeout(50) or chart().status_code == 200, "the follower has drawn its chart")


@pytest.mark.server("--warm", "2")
def test_from_a_dropped_file_to_a_followed_stream_by_mouse(server: Any, open_page: Callable[..., Page], screens: Any) -> None:
    page = open_page(server=server)
    expect(page.get_by_role("region", name="Begin here")).to_be_visible()
    count = Count()
    page.evaluate(DROP, ["week1.csv", SAMPLE.read_text()])
    count.press("drop a file")
    page.wait_for_url("**/data/objects/week1.csv")
    expect(page.locator("main figure").first).to_be_visible()
    expect(page.get_by_role("region", name="First rows").first).to_be_visible()

    def click(place: Locator, what: str) -> None:
        place.click()
        count.press(what)

    click(page.get_by_role("button", name="Favourite receiver"), "a recipe that fits")
    page.wait_for_url("**/runs/*")
    steps = page.get_by_role("region", name="Next steps")
    expect(page.get_by_role("region", name="Outputs").locator("img, svg, iframe").first).to_be_visible()
    click(steps.get_by_role("button", name="Replay it as a stream"), "replay it as a stream")
    click(steps.get_by_role("button", name="Follow it"), "follow it")
    see_what_came(page, server, STREAM)
    count.tell("mouse")
    screens(page, "first-run-followed")
    page.close()  # before the server that its sockets are to


@pytest.mark.server("--warm", "2")
def test_from_the_sample_data_to_a_followed_stream_by_keyboard(server: Any, open_page: Callable[..., Page]) -> None:
    page = open_page(server=server)
    expect(page.get_by_role("button", name="Use the sample data")).to_be_visible()
    count = Count()

    def press(name: str) -> None:
        """Tab until the button of that name has the focus, and shows it; then Enter."""
        expect(page.get_by_role("button", name=name)).to_be_enabled()
        for _ in range(60):
            if page.evaluate("document.activeElement.matches('button') && document.activeElement.textContent.trim()") == name:
                assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") != "none", f"{name} shows no focus"
                page.keyboard.press("Enter")
                count.press(name.lower())
                return
            page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key does not reach {name}")

    press("Use the sample data")
    page.wait_for_url("**/data/objects/nfl/**")
    press("Favourite receiver")
    page.wait_for_url("**/runs/*")
    expect(page.get_by_role("region", name="Outputs").locator("img, svg, iframe").first).to_be_visible()
    press("Replay it as a stream")
    press("Follow it")
    see_what_came(page, server, "nfl/denver-baltimore-2013-week1-live")
    count.tell("keyboard")
    page.close()  # before the server that its sockets are to
