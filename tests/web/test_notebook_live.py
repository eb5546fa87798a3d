"""A notebook that several tabs have open, while tabs close, sessions end and servers die: nothing typed or printed is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from notebook_pages import at, live, ready, results, sources, store, stored, write
from playwright.sync_api import Page, expect

Open = Callable[..., Page]


def test_two_tabs_merge_by_cell_and_show_each_others_outputs(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "two/merge", "a", "b")
    one, two = (ready(open_page(place="notebooks/two/merge")) for _ in range(2))
    expect(one.locator(".notebook-bar")).to_contain_text("2 viewers")
    write(one, 0, "left = 1")
    write(two, 1, "print('right', left)")
    stored(one)
    stored(two)
    assert sources(shared_server, "two/merge") == ["left = 1", "print('right', left)"]
    one.get_by_role("button", name="Run all").click()
    expect(results(two, 1)).to_contain_text("right 1")
    expect(at(two, 0).get_by_text("left = 1")).to_be_visible()


def test_a_conflict_shows_both_and_loses_nothing(open_page: Open, shared_server: Any, screens: Callable[[Page, str], None],
                                                 axe: Callable[[Page], None]) -> None:
    store(shared_server, "two/conflict", "first line\nold\nlast line")
    page = ready(open_page(place="notebooks/two/conflict"))
    page.context.set_offline(True)
    write(page, 0, "mine")
    revision = live(shared_server, "two/conflict")["cells"]["c0"]["revision"]
    edit = {"op": "source", "cell": "c0", "source": "theirs", "revision": revision}
    answer = shared_server.requests.patch("/v1/notebooks/two/conflict/live", json={"client": "other", "edits": [edit]})
    assert answer.json()["conflicts"] == []
    page.context.set_offline(False)
    group = page.get_by_role("group", name="Two versions of this cell")
    expect(group).to_contain_text("mine")
    expect(group).to_contain_text("theirs")
    axe(page)
    screens(page, "notebook-conflict")
    group.get_by_role("button", name="Keep both").click()
    expect(page.locator(".cells > .cell")).to_have_count(2)
    stored(page)
    assert sources(shared_server, "two/conflict") == ["theirs", "mine"]


def test_a_tab_closed_during_a_run_misses_nothing(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "two/closed", "import time\nfor n in range(60):\n    print('line', n, flush=True)\n    time.sleep(0.02)")
    page = ready(open_page(place="notebooks/two/closed"))
    page.get_by_role("button", name="Run all").click()
    expect(results(page, 0)).to_contain_text("line 1")
    page.close()
    again = ready(open_page(place="notebooks/two/closed"))
    expect(results(again, 0)).to_contain_text("line 59")
    output = live(shared_server, "two/closed")["notebook"]["cells"][0]["outputs"]
    assert "".join(output[0]["text"]) == "".join(f"line {n}\n" for n in range(60))


def test_text_typed_offline_survives_the_tab(open_page: Open, shared_server: Any) -> None:
    store(shared_server, "two/crash", "old")
    page = ready(open_page(place="notebooks/two/crash"))
    page.context.set_offline(True)
    write(page, 0, "typed before the crash")
    page.wait_for_function("() => Object.keys(localStorage).some((key) => key.startsWith('suricate.draft.'))")
    context = page.context
    page.close()
    context.set_offline(False)
    assert sources(shared_server, "two/crash") == ["old"]
    again = context.new_page()
    again.goto(f"{shared_server.url}/notebooks/two/crash")
    ready(again)
    expect(at(again, 0).locator(".source")).to_contain_text("typed before the crash")
    stored(again)
    assert sources(shared_server, "two/crash") == ["typed before the crash"]


def test_a_session_that_ends_in_mid_edit_loses_nothing(open_page: Open, shared_server: Any) -> None:
    made = shared_server.requests.post("/v1/users", json={"name": "ann", "password": "correct horse"})
    assert made.status_code == 201, made.text
    store(shared_server, "two/session", "old")
    page = open_page(signed_in=False, place="notebooks/two/session")

    def sign_in() -> None:
        page.get_by_label("User").fill("ann")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()

    sign_in()
    ready(page)
    page.context.clear_cookies()
    write(page, 0, "typed without a session")
    expect(page.get_by_role("dialog", name="Your session has ended")).to_be_visible()
    sign_in()
    expect(page.get_by_role("dialog")).to_have_count(0)
    stored(page)
    assert sources(shared_server, "two/session") == ["typed without a session"]


def test_a_killed_server_comes_back_with_kernel_state_and_outputs(open_page: Open, start_server: Any) -> None:
    server = start_server()
    store(server, "restart", "x = 7\nprint('before')", "print(x * 6)")
    page = ready(open_page(server=server, place="notebooks/restart"))
    at(page, 0).focus()
    page.keyboard.press("Control+Enter")
    expect(results(page, 0)).to_contain_text("before")
    server.arguments = ["--listen", server.url.removeprefix("http://")]
    server.restart(kill=True)
    expect(page.locator(".standing")).not_to_contain_text("reconnecting")
    expect(results(page, 0)).to_contain_text("before")
    at(page, 1).focus()
    page.keyboard.press("Control+Enter")
    expect(results(page, 1)).to_contain_text("42")
