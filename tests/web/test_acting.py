"""Acting on the page: actions tried out, decisions with their lineage, approved, silenced and sent again; the kill switch."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from e2e_fixtures import wait_until
from playwright.sync_api import Page, expect
from watched_streams import decisions, make_stream, say, watch, wave


class Receiver:
    """Takes requests on a free port of this machine and answers `status`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.status = 200
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.taken.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                self.end_headers()
                self.wfile.write(b"taken")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.host = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.host}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def acting(start_server: Callable[..., Any], receiver: Receiver) -> Any:
    """A server that may call the receiver."""
    return start_server("--allow-fetch", receiver.host)


def make_action(server: Any, name: str, receiver: Receiver, **more: Any) -> None:
    answer = server.requests.put(f"/v1/actions/{name}", json={"webhook": receiver.url, **more})
    assert answer.status_code in (200, 201), answer.text


def fire(server: Any, stream: str = "load", action: str = "page-me", windows: int = 61, **spikes: float) -> str:
    """A watch that used the action once; the decision's id."""
    make_stream(server, stream)
    watch(server, f"{stream}-v", stream, by=["host"], actions=[{"action": action, "on": ["opened"], "at": "critical"}])
    say(server, stream, wave(windows, **(spikes or {"w40": 120.0})), hosts=("web-1",))
    made = wait_until(lambda: [one for one in decisions(server, watch=f"{stream}-v") if one["action"] == action], "it has decided")
    return made[0]["id"]


def test_empty_lists_say_what_belongs_there(server: Any, open_page: Callable[..., Page], axe: Any, screens: Any) -> None:
    page = open_page(server=server)
    for place, said in (("decisions", "Nothing has been decided yet"), ("actions", "No actions yet"), ("triggers", "No triggers yet"),
                        ("silences", "Nothing is silenced")):
        page.goto(f"{server.url}/processing/{place}")
        expect(page.get_by_text(said)).to_be_visible()
        axe(page)
        screens(page, f"{place}-empty")


def test_an_action_is_made_by_a_form_and_tested(open_page: Callable[..., Page], acting: Any, receiver: Receiver, axe: Any, screens: Any) -> None:
    page = open_page(server=acting, place="processing/actions")
    page.get_by_role("link", name="New action").click()
    dialog = page.get_by_role("dialog", name="New action")
    for kind in ("RabbitMQ", "Notebook", "E-mail", "Command", "Scale", "Set", "Webhook"):
        dialog.get_by_role("button", name=kind).click()
        axe(page)
    dialog.get_by_label("Name", exact=True).fill("page-me")
    dialog.get_by_label("Address").fill("not an address")
    dialog.get_by_role("button", name="Make the action").click()
    expect(dialog.get_by_label("Address")).to_have_attribute("aria-invalid", "true")
    dialog.get_by_label("Address").fill(receiver.url)
    dialog.get_by_label("Template of the body").fill('{"text": "{{ decision.watch }} is {{ decision.level | fine }}"}')
    dialog.get_by_text("How careful it is").click()
    dialog.get_by_label("A person approves it within").fill("10m")
    screens(page, "action-new")
    dialog.get_by_role("button", name="Make the action").click()
    page.wait_for_url("**/processing/actions/page-me")
    page.get_by_role("button", name="Test page-me").click()
    test = page.get_by_role("dialog", name="Test page-me")
    test.get_by_role("button", name="Send the sample").click()
    expect(test.get_by_role("status")).to_contain_text("It arrived, answered 200")
    assert receiver.taken[0] == {"text": "test is fine"}
    axe(page)
    screens(page, "action-test")
    receiver.status = 500
    test.get_by_role("button", name="Send again").click()
    expect(test.get_by_role("status")).to_contain_text("It did not arrive")
    test.get_by_role("button", name="Close").click()
    page.get_by_label("Dry run").check()
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("dry run", exact=True)).to_be_visible()
    stored = acting.requests.get("/v1/actions/page-me").json()
    assert stored["approval"]["wait"] == "10m" and stored["body"] == {"text": "{{ decision.watch }} is {{ decision.level | fine }}"}
    axe(page)
    screens(page, "action")
    page.get_by_role("link", name="Actions", exact=True).click()
    expect(page.get_by_role("row", name="page-me")).to_contain_text(receiver.url)
    axe(page)
    screens(page, "actions")


def test_a_decision_shows_what_was_seen_who_decided_and_what_came_of_it(open_page: Callable[..., Page], acting: Any, receiver: Receiver, axe: Any,
                                                                       screens: Any) -> None:
    make_action(acting, "page-me", receiver)
    fire(acting, w20=70.0, w40=120.0)
    page = open_page(server=acting, place="processing/decisions")
    lines = page.get_by_role("region", name="Timeline").get_by_role("listitem")
    expect(lines).to_have_count(4)
    expect(lines.filter(has_text="delivered")).to_have_count(1)
    axe(page)
    screens(page, "decisions")
    page.get_by_label("State", exact=False).first.select_option("sent")
    expect(lines).to_have_count(1)
    page.get_by_role("link", name="load-v: web-1 opened → page-me").click()
    seen = page.get_by_role("region", name="What was seen")
    expect(seen).to_contain_text("120")
    expect(seen.get_by_role("link", name="load")).to_have_attribute("href", "/data/streams/load")
    expect(seen).to_contain_text("2026-01-01 00:06:40")
    expect(page.get_by_role("region", name="Who decided").get_by_role("link", name="load-v: web-1")).to_be_visible()
    expect(page.get_by_role("list", name="Attempts")).to_contain_text("200")
    expect(page.get_by_role("region", name="Replay")).to_contain_text("suricate watch backtest load-v --from 2026-01-01T00:06:40Z")
    axe(page)
    screens(page, "decision")
    page.get_by_role("link", name="On the watch's chart").click()
    expect(page.locator(".judged-value")).to_have_attribute("data-points", re.compile(r"[1-9]"))
    page.go_back()
    page.get_by_role("button", name="Investigate in a notebook").click()
    page.wait_for_url("**/notebooks/**")
    expect(page.locator(".cell").first).to_be_visible()


def test_decisions_are_filtered_by_the_time_they_were_made(open_page: Callable[..., Page], acting: Any, receiver: Receiver) -> None:
    make_action(acting, "page-me", receiver)
    fire(acting)
    page = open_page(server=acting, place="processing/decisions?from=2001-01-01T00:00:00Z")
    expect(page.get_by_role("region", name="Timeline").get_by_role("listitem")).to_have_count(2)
    page.goto(f"{acting.url}/processing/decisions?to=2001-01-01T00:00:00Z")
    expect(page.get_by_text("No decision fits")).to_be_visible()
    assert acting.requests.get("/v1/decisions?from=yesterday").status_code == 400


def test_a_held_decision_is_approved_and_another_rejected(open_page: Callable[..., Page], acting: Any, receiver: Receiver, axe: Any, screens: Any) -> None:
    make_action(acting, "page-me", receiver, approval={"wait": "1h", "then": "expire"})
    page = open_page(server=acting, place="processing")
    first = fire(acting)
    second = fire(acting, stream="queue")
    waiting = page.get_by_role("region", name="Waiting for approval")
    expect(waiting.get_by_role("listitem")).to_have_count(2)
    expect(page.get_by_role("navigation", name="Parts of processing").get_by_role("link", name="Decisions")).to_contain_text("2")
    axe(page)
    screens(page, "processing-waiting")
    waiting.get_by_role("button", name="Approve: load-v: web-1 → page-me").click()
    page.get_by_role("dialog").get_by_label("Why").fill("it is real")
    page.get_by_role("dialog").get_by_role("button", name="Approve").click()
    expect(waiting.get_by_role("listitem")).to_have_count(1)
    wait_until(lambda: len(receiver.taken) == 1, "it was delivered")
    waiting.get_by_role("button", name="Reject: queue-v: web-1 → page-me").click()
    page.get_by_role("dialog").get_by_role("button", name="Reject").click()
    expect(waiting).to_have_count(0)
    assert acting.requests.get(f"/v1/decisions/{first}").json()["state"] == "sent"
    assert acting.requests.get(f"/v1/decisions/{second}").json()["state"] not in ("sent", "pending", "held")


def test_a_silence_holds_back_what_fits_it_until_it_is_ended(open_page: Callable[..., Page], acting: Any, receiver: Receiver, axe: Any, screens: Any) -> None:
    make_action(acting, "page-me", receiver)
    page = open_page(server=acting, place="processing/silences")
    page.get_by_role("link", name="New silence").click()
    dialog = page.get_by_role("dialog", name="New silence")
    dialog.get_by_label("Watch").fill("load*")
    dialog.get_by_label("Why").fill("broker upgrade")
    axe(page)
    screens(page, "silence-new")
    dialog.get_by_role("button", name="Silence it").click()
    row = page.get_by_role("row", name="watch load*")
    expect(row).to_contain_text("broker upgrade")
    axe(page)
    screens(page, "silences")
    silenced = fire(acting)
    page.goto(f"{acting.url}/processing/decisions/{silenced}")
    expect(page.get_by_role("region", name="Guards")).to_contain_text("silence")
    expect(page.get_by_text("held back", exact=True).first).to_be_visible()
    axe(page)
    screens(page, "decision-silenced")
    page.goto(f"{acting.url}/processing/silences")
    page.get_by_role("button", name="End").click()
    expect(page.get_by_role("row", name="watch load*")).to_have_count(0)
    assert receiver.taken == []


def test_a_maintenance_time_comes_again(open_page: Callable[..., Page], acting: Any) -> None:
    page = open_page(server=acting, place="processing/silences?new&watch=load-v")
    dialog = page.get_by_role("dialog", name="New silence")
    dialog.get_by_role("combobox", name="For").select_option("a week")
    dialog.get_by_label("Only in a maintenance time").check()
    dialog.get_by_label("Days").fill("sat, sun")
    dialog.get_by_label("Time zone").fill("Europe/Berlin")
    dialog.get_by_label("Why").fill("backups")
    dialog.get_by_role("button", name="Silence it").click()
    expect(page.get_by_role("row", name="watch load-v")).to_contain_text("sat, sun 02:00 to 04:00 Europe/Berlin")


def test_the_kill_switch_is_seen_on_every_page(open_page: Callable[..., Page], acting: Any, receiver: Receiver, axe: Any, screens: Any) -> None:
    make_action(acting, "page-me", receiver)
    page = open_page(server=acting, place="processing/actions")
    page.get_by_role("button", name="Stop all actions").click()
    page.get_by_role("dialog").get_by_label("Why").fill("the pager is on fire")
    page.get_by_role("dialog").get_by_role("button", name="Stop them").click()
    expect(page.get_by_text("All actions are stopped.")).to_be_visible()
    axe(page)
    screens(page, "actions-stopped")
    page.goto(f"{acting.url}/data")
    expect(page.get_by_text("the pager is on fire")).to_be_visible()
    held = fire(acting)
    page.get_by_role("link", name="Let them run again").click()
    page.get_by_role("button", name="Let actions run again").click()
    page.get_by_role("dialog").get_by_role("button", name="Let them run").click()
    expect(page.get_by_text("All actions are stopped.")).to_have_count(0)
    wait_until(lambda: acting.requests.get(f"/v1/decisions/{held}").json()["state"] == "sent", "it is delivered after all")


def test_a_dead_letter_is_sent_again(open_page: Callable[..., Page], acting: Any, receiver: Receiver, axe: Any, screens: Any) -> None:
    receiver.status = 400
    make_action(acting, "page-me", receiver)
    dead = fire(acting)
    page = open_page(server=acting, place=f"processing/decisions/{dead}")
    expect(page.get_by_text("not delivered", exact=True).first).to_be_visible()
    axe(page)
    screens(page, "decision-failed")
    receiver.status = 200
    page.get_by_role("button", name="Send again").click()
    expect(page.get_by_text("delivered", exact=True).first).to_be_visible()
    expect(page.get_by_role("list", name="Attempts").get_by_role("listitem")).to_have_count(2)
