"""Consumers over HTTP: windows in event time, fencing, revisions, and decisions that are made once and delivered."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import random
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable, Iterator

import pytest
import requests
from conftest import Server, wait_until

BASE = 1_700_000_000


class Receiver:
    """A webhook's far end on a free loopback port: notes every request, answers what `answers` says, then 200."""

    def __init__(self, port: int = 0) -> None:
        self.taken: list[dict[str, Any]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.taken.append({"path": self.path, "headers": self.headers, "raw": body, "body": json.loads(body), "at": time.monotonic()})
                status, headers = receiver.answers.pop(0) if receiver.answers else (200, {})
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"no" if status >= 300 else b"ok")

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.close()


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver) -> Server:
    """A server with the stream `s` and the action `hook` that goes to the receiver."""
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}")
    make_stream(server)
    put(server, "/v1/actions/hook", {"webhook": receiver.url})
    return server


def put(server: Server, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = server.requests.put(path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def make_stream(server: Server, name: str = "s", **more: Any) -> None:
    put(server, f"/v1/streams/{name}", {"source": {"kind": "push"}, "time": {"field": "ts", "format": "s"}, **more})


def say(server: Server, *seconds: float, name: str = "s") -> None:
    """Push a message for each second, after BASE."""
    answer = server.requests.post(f"/v1/streams/{name}/messages", json=[{"ts": BASE + second, "v": second} for second in seconds])
    assert answer.status_code == 200, answer.text


class Follower:
    """What a follower does by hand."""

    def __init__(self, server: Server, name: str = "c", stream: str = "s", **settings: Any):
        self.server, self.where = server, f"/v1/streams/{stream}/consumers/{name}"
        put(server, self.where, {"every": "10s", "from": "earliest", **settings})
        self.claim()

    def claim(self) -> None:
        answer = self.server.requests.post(self.where + "/claim")
        assert answer.status_code == 200, answer.text
        self.epoch = answer.json()["epoch"]

    def next(self, wait: str | None = None) -> requests.Response:
        return self.server.requests.get(self.where + "/next", params={"epoch": self.epoch, **({"wait": wait} if wait else {})})

    def window(self) -> dict[str, Any] | None:
        answer = self.next()
        assert answer.status_code in (200, 204), answer.text
        return answer.json()["window"] if answer.status_code == 200 else None

    def commit(self, window: dict[str, Any], **more: Any) -> requests.Response:
        return self.server.requests.post(self.where + "/commit", json={"epoch": self.epoch, "window": window, **more})

    def take(self, **more: Any) -> tuple[int, int, int]:
        """The next window, committed: seconds after BASE of its start, messages, revision."""
        window = self.window()
        assert window, "no window has closed"
        answer = self.commit(window, **more)
        assert answer.status_code == 200, answer.text
        return window["start_us"] // 1_000_000 - BASE, window["messages"], window["revision"]

    @property
    def record(self) -> dict[str, Any]:
        return self.server.requests.get(self.where).json()


def decisions(server: Server, **filters: Any) -> list[dict[str, Any]]:
    answer = server.requests.get("/v1/decisions", params={"limit": 1000, **filters})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


# -- windows ------------------------------------------------------------------------------------------------------


def test_windows_are_claimed_asked_for_and_committed(server):
    make_stream(server)
    follower = Follower(server)
    assert follower.window() is None
    say(server, 1, 5, 12)
    first = follower.next().json()
    assert first["window"] | {"from": 0, "to": 2, "messages": 2, "revision": 0} == first["window"]
    assert first["window"]["start"] == "2023-11-14T22:13:20.000000Z" and first["window"]["end_us"] - first["window"]["start_us"] == 10_000_000
    assert first["iteration"] == 1
    assert first["manifest"]["offsets"] == [{"from": 0, "to": 2}] and first["manifest"]["schema_version"] >= 1
    assert follower.next().json() == first, "a window stays the next one until it is committed"
    answer = follower.commit(first["window"])
    assert answer.status_code == 200 and answer.json() == {"iteration": 1, "decisions": [], "models": []}
    assert follower.window() is None
    record = follower.record
    assert record["iterations"] == 1 and record["position"] == {"offset": 2, "window_start": "2023-11-14T22:13:30.000000Z"}
    assert record["lag"]["messages"] == 1 and record["claimed_by"] == "owner" and record["every"] == "10s"
    listed = server.requests.get("/v1/streams/s/consumers").json()["items"]
    assert [item["name"] for item in listed] == ["c"]


def test_next_waits_until_a_window_closes(server):
    make_stream(server)
    follower = Follower(server)
    say(server, 1)
    timer = threading.Timer(0.5, say, (server, 11))
    begun = time.monotonic()
    timer.start()
    answer = follower.next(wait="30s")
    timer.join()
    assert answer.status_code == 200 and answer.json()["window"]["messages"] == 1
    assert time.monotonic() - begun < 20
    follower.commit(answer.json()["window"])
    assert follower.next(wait="1s").status_code == 204


def test_of_two_followers_only_the_last_that_claimed_goes_on(server):
    make_stream(server)
    first = Follower(server)
    waiting: list[requests.Response] = []
    thread = threading.Thread(target=lambda: waiting.append(first.next(wait="60s")))
    thread.start()
    wait_until(lambda: first.record["claimed_at"], "the first has claimed")
    second = Follower(server)
    thread.join(30)
    assert waiting and waiting[0].status_code == 409 and waiting[0].json()["type"].endswith("fenced"), "a fenced one that waits learns it"
    say(server, 1, 12)
    window = second.window()
    refused = first.commit(window)
    assert refused.status_code == 409 and refused.json()["type"].endswith("fenced") and "epoch 1 is over" in refused.text
    assert second.record["iterations"] == 0
    assert second.commit(window).status_code == 200
    assert second.record["iterations"] == 1


def test_a_repeated_commit_gives_the_same_answer(acting):
    follower = Follower(acting)
    say(acting, 1, 12)
    window = follower.window()
    order = {"decisions": [{"action": "hook", "parameters": {"by": 1}}]}
    first, second = follower.commit(window, **order), follower.commit(window, **order)
    assert first.status_code == second.status_code == 200 and first.json() == second.json()
    assert len(decisions(acting)) == 1


def test_late_messages_are_counted_and_revised_for_those_who_ask(server):
    make_stream(server)
    plain, revising = Follower(server), Follower(server, "r", revisions=True)
    say(server, 1, 11, 2, 3, 20)
    assert [plain.take(), plain.take()] == [(0, 1, 0), (10, 1, 0)]
    assert [revising.take(), revising.take(), revising.take()] == [(0, 1, 0), (0, 3, 1), (10, 1, 0)]
    assert plain.record["late"] == revising.record["late"] == 2
    assert plain.window() is None and revising.window() is None


def test_the_owner_seeks(server):
    make_stream(server)
    follower = Follower(server)
    say(server, 1, 11, 21, 31)
    assert follower.take() == (0, 1, 0) and follower.take() == (10, 1, 0)
    for to, start in (("earliest", 0), ("1", 10), ("2023-11-14T22:13:40Z", 20)):
        answer = server.requests.post(follower.where + "/seek", json={"to": to})
        assert answer.status_code == 200, answer.text
        assert follower.next().status_code == 409
        follower.claim()
        assert follower.take() == (start, 1, 0)
    refused = server.requests.post(follower.where + "/seek", json={"to": "yesterday"})
    assert refused.status_code == 400 and "yesterday" in refused.text


def test_bad_requests_say_what_to_do(server):
    make_stream(server)
    where = "/v1/streams/s/consumers/c"
    for body, field in (({}, "/every"), ({"every": "0s"}, "every"), ({"every": "1s", "slide": "2s"}, "slide"), ({"every": "1s", "x": 1}, "/x")):
        answer = server.requests.put(where, json=body)
        assert answer.status_code == 400 and answer.json()["field"] == field, answer.text
    missing = server.requests.post(where + "/claim")
    assert missing.status_code == 404 and "consumers/c" in missing.json()["hint"]
    follower = Follower(server)
    assert server.requests.get(where + "/next", params={"epoch": 99}).status_code == 409
    say(server, 1, 12)
    assert follower.commit({"start_us": 5}).status_code == 409
    assert follower.commit({"start": "now"}).status_code == 400


def test_a_followed_stream_is_deleted_only_when_forced(server):
    make_stream(server)
    Follower(server)
    refused = server.requests.delete("/v1/streams/s")
    assert refused.status_code == 409 and '"c" follows' in refused.json()["detail"]
    assert server.requests.delete("/v1/streams/s", params={"force": "true"}).status_code == 204
    make_stream(server)
    assert server.requests.get("/v1/streams/s/consumers").json()["items"] == []


def test_retention_keeps_what_a_living_consumer_has_not_committed(server):
    def first(name: str) -> int:
        return server.requests.get(f"/v1/streams/{name}").json()["offsets"]["first"]

    for name in ("s", "free"):
        make_stream(server, name, retention={"messages": 1})
    follower = Follower(server)
    for second in (1, 12, 22, 32):
        say(server, second)
        say(server, second, name="free")
    wait_until(lambda: first("free") == 3, "the stream without a consumer was cut")
    assert first("s") == 0
    assert [follower.take()[0] for _ in range(3)] == [0, 10, 20]
    say(server, 33)
    wait_until(lambda: first("s") > 0, "what is committed may go")


# -- decisions ----------------------------------------------------------------------------------------------------


def test_decisions_are_delivered_with_their_grounds(acting, receiver):
    follower = Follower(acting)
    say(acting, 1, 2, 12)
    window = follower.window()
    model = {"name": "baseline", "content": base64.b64encode(b"{}").decode(), "type": "application/json", "metadata": {"score": 0.5}}
    answer = follower.commit(window, models=[model], decisions=[{"action": "hook", "parameters": {"by": 1}, "reason": "score 3.1"}]).json()
    assert answer["models"] == [{"name": "models/baseline", "model": "baseline", "version": 1, "stage": "live"}]
    wait_until(lambda: receiver.taken, "the decision was delivered")
    got = receiver.taken[0]
    data = got["body"]["data"]
    assert got["body"]["type"] == "decision" and data["id"] == answer["decisions"][0] == got["headers"]["Idempotency-Key"] == got["headers"]["webhook-id"]
    assert data["parameters"] == {"by": 1} and data["reason"] == "score 3.1" and data["window"]["messages"] == 2
    assert "webhook-signature" not in got["headers"]
    sent = wait_until(lambda: decisions(acting, state="sent"), "it is marked as sent")[0]
    assert sent["attempts"] == 1 and sent["stream"] == "s" and sent["consumer"] == "c" and sent["epoch"] == follower.epoch
    info = acting.requests.get("/v1/objects/models/baseline", params={"view": "info"}).json()
    assert info["tags"] == ["model"] and info["metadata"] == {"score": 0.5}


def test_a_delivery_is_tried_again_under_the_same_key_and_in_order(acting, receiver):
    receiver.answers = [(503, {}), (500, {})]
    follower = Follower(acting)
    say(acting, 1, 12)
    follower.take(decisions=[{"action": "hook", "parameters": {"n": n}} for n in range(3)])
    wait_until(lambda: len(receiver.taken) >= 5, "all were delivered")
    assert [item["body"]["data"]["parameters"]["n"] for item in receiver.taken] == [0, 0, 0, 1, 2]
    assert len({item["headers"]["Idempotency-Key"] for item in receiver.taken}) == 3
    assert receiver.taken[1]["at"] - receiver.taken[0]["at"] > 0.4, "there is a pause between tries"
    wait_until(lambda: len(decisions(acting, state="sent")) == 3, "all are marked")
    assert sorted(item["attempts"] for item in decisions(acting)) == [1, 1, 3]


def test_a_refused_delivery_fails_for_good_and_the_next_goes_on(acting, receiver):
    receiver.answers = [(422, {})]
    follower = Follower(acting)
    say(acting, 1, 12)
    follower.take(decisions=[{"action": "hook"}, {"action": "hook"}])
    failed = wait_until(lambda: decisions(acting, state="failed"), "the refused one failed")[0]
    assert failed["attempts"] == 1 and failed["last_error"] == "the receiver answered 422: no"
    wait_until(lambda: decisions(acting, state="sent"), "the other was delivered")


def test_deliveries_are_signed_as_standard_webhooks_has_it(acting, receiver):
    key = b"0123456789abcdef0123456789abcdef"
    answer = acting.requests.put("/v1/secrets/signing", json={"value": "whsec_" + base64.b64encode(key).decode()})
    assert answer.status_code in (201, 204), answer.text
    put(acting, "/v1/actions/hook", {"webhook": receiver.url, "secret": "signing", "headers": {"X-Team": "ops"}})
    follower = Follower(acting)
    say(acting, 1, 12)
    follower.take(decisions=[{"action": "hook"}])
    wait_until(lambda: receiver.taken, "the decision was delivered")
    headers, raw = receiver.taken[0]["headers"], receiver.taken[0]["raw"]
    text = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + raw
    expected = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == expected and abs(int(headers["webhook-timestamp"]) - time.time()) < 300
    assert headers["X-Team"] == "ops"
    assert "whsec" not in acting.requests.get("/v1/actions/hook").text + acting.log.read_text()


def test_an_unknown_action_commits_nothing(acting):
    follower = Follower(acting)
    say(acting, 1, 12)
    window = follower.window()
    model = {"name": "m", "content": "aGk="}
    refused = follower.commit(window, models=[model], decisions=[{"action": "hook"}, {"action": "nobody"}])
    assert refused.status_code == 404 and refused.json()["field"] == "/decisions/1/action" and "PUT /v1/actions/nobody" in refused.json()["hint"]
    assert follower.window() == window and decisions(acting) == []
    assert acting.requests.get("/v1/objects/models/m").status_code == 404
    put(acting, "/v1/actions/nobody", {"webhook": "https://example.org/"})
    assert acting.requests.delete("/v1/actions/nobody").status_code == 204


def test_private_addresses_need_the_owners_word(acting):
    for webhook in ("http://127.0.0.1:1/", "http://localhost/", "http://[::1]/", "http://169.254.169.254/latest"):
        refused = acting.requests.put("/v1/actions/inside", json={"webhook": webhook})
        assert refused.status_code == 403 and "--allow-fetch" in refused.json()["hint"], refused.text


def test_a_target_that_is_down_holds_back_only_its_own(start_server, receiver):
    down = Receiver()
    port, url = down.port, down.url
    down.close()
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}", "--allow-fetch", f"127.0.0.1:{port}")
    make_stream(server)
    put(server, "/v1/actions/down", {"webhook": url})
    put(server, "/v1/actions/up", {"webhook": receiver.url})
    follower = Follower(server)
    say(server, 1, 12)
    follower.take(decisions=[{"action": "down"}, {"action": "up"}])
    wait_until(lambda: decisions(server, action="up", state="sent"), "the other was delivered")
    tried = wait_until(lambda: [item for item in decisions(server, action="down") if item["attempts"]], "it was tried")[0]
    assert tried["state"] == "pending" and "connect" in tried["last_error"]
    again = Receiver(port)
    try:
        wait_until(lambda: decisions(server, action="down", state="sent"), "it was delivered when the target came back")
    finally:
        again.close()
    assert len(again.taken) == 1


def test_what_waits_is_delivered_after_a_restart(acting, receiver):
    receiver.answers = [(503, {"Retry-After": "1"})] * 2
    follower = Follower(acting)
    say(acting, 1, 12)
    follower.take(decisions=[{"action": "hook"}])
    wait_until(lambda: receiver.taken, "it was tried once")
    acting.restart(kill=True)
    wait_until(lambda: decisions(acting, state="sent"), "it was delivered after the restart")
    assert len({item["headers"]["Idempotency-Key"] for item in receiver.taken}) == 1


def test_killed_at_any_moment_each_window_is_decided_exactly_once(acting, receiver):
    """A follower that goes on after each kill -9 of the server, and a checker of what was decided and delivered."""
    windows, seed = 60, random.randrange(1 << 30)
    print("seed", seed)
    chance = random.Random(seed)
    Follower(acting)
    say(acting, *range(0, windows * 10 + 1, 5))
    is_over = threading.Event()
    restarts = 0

    def follow() -> None:
        while not is_over.is_set():
            try:
                follower = Follower(acting)
                while not is_over.is_set():
                    window = follower.window()
                    if window is None:
                        return
                    follower.commit(window, decisions=[{"action": "hook", "parameters": {"start": window["start_us"]}}],
                                    models=[{"name": "last", "content": base64.b64encode(str(window["start_us"]).encode()).decode()}])
            except (requests.RequestException, AssertionError, KeyError):
                is_over.wait(0.01)

    thread = threading.Thread(target=follow)
    thread.start()
    while thread.is_alive() and restarts < 12:
        is_over.wait(chance.uniform(0.01, 0.15))
        acting.restart(kill=True)
        restarts += 1
    thread.join(120)
    alive = thread.is_alive()
    is_over.set()
    assert not alive, "the follower did not come to the end"
    made = Counter(item["parameters"]["start"] for item in decisions(acting))
    assert sorted(made) == [(BASE + n * 10) * 1_000_000 for n in range(windows)] and set(made.values()) == {1}
    wait_until(lambda: len(decisions(acting, state="sent")) == windows, "all were delivered")
    delivered = {item["headers"]["Idempotency-Key"] for item in receiver.taken}
    assert delivered == {item["id"] for item in decisions(acting)}
    assert len(acting.requests.get("/v1/objects/models/last", params={"view": "versions"}).json()["items"]) == windows
    assert acting.requests.get("/v1/objects/models/last").content == str((BASE + windows * 10 - 10) * 1_000_000).encode()
