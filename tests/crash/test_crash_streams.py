"""The server is killed at random while messages come in and consumers commit: none lost, none twice, order kept.

`CRASH_SEED` repeats a run, `CRASH_ROUNDS` makes it longer (200 for a release).  Each failure prints its seed.
"""

from __future__ import annotations

import functools
import http.server
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pika
import powercut
import pytest
import rabbit
from e2e_fixtures import Server, wait_until
from streams_model import Feed, Follower, Pusher, compare, compare_windows, decisions, read

SEED = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000))
ROUNDS = int(os.environ.get("CRASH_ROUNDS", 12))
SMALL, BULK = 40, 12_000       # a batch of the bulk feed is a fifth of what makes a file: sealing goes on in most rounds

StartServer = Callable[..., Server]


class Sink(http.server.BaseHTTPRequestHandler):
    """Where decisions are delivered: notes their idempotency keys."""

    keys: list[str] = []

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).keys.append(self.headers["Idempotency-Key"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Says nothing."""


@pytest.fixture
def sink() -> Iterator[tuple[str, list[str]]]:
    """A webhook's address and the keys that came to it."""
    Sink.keys = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Sink) as listener:
        thread = threading.Thread(target=listener.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.server_address[1]}/", Sink.keys
        listener.shutdown()


def new_feeds() -> dict[str, list[Feed]]:
    """Two publishers share a stream, one with keys and one without; one stream is followed; one gets bulk."""
    feeds = [Feed(0, "crash/shared", True, SMALL), Feed(1, "crash/shared", False, SMALL), Feed(2, "crash/walk", True, SMALL),
             Feed(3, "crash/bulk", True, BULK)]
    streams: dict[str, list[Feed]] = {}
    for feed in feeds:
        streams.setdefault(feed.stream, []).append(feed)
    return streams


def define(server: Server, streams: dict[str, list[Feed]], webhook: str | None = None) -> None:
    for stream in streams:
        answer = server.requests.put(f"/v1/streams/{stream}", json={"time": {"field": "at", "format": "us"}})
        assert answer.status_code in (200, 201), answer.text
    if webhook:
        answer = server.requests.put("/v1/actions/note", json={"webhook": webhook})
        assert answer.status_code in (200, 201), answer.text
        answer = server.requests.put("/v1/streams/crash/walk/consumers/walker", json={"every": "1s", "from": "earliest"})
        assert answer.status_code in (200, 201), answer.text


def push_until_killed(server: Server, streams: dict[str, list[Feed]], draw: random.Random, followers: int = 0) -> list[Follower]:
    """Let pushers and followers work for a random while, kill the server in the midst of it; returns the followers."""
    pushers = [Pusher(server.url, server.token, draw.randrange(1 << 30), feed) for feeds in streams.values() for feed in feeds]
    following = [Follower(server.url, server.token, draw.randrange(1 << 30), "crash/walk", "walker", "note") for _ in range(followers)]
    for thread in [*pushers, *following]:
        thread.start()
    enough = draw.randrange(1, 150)
    wait_until(lambda: sum(pusher.batches for pusher in pushers) >= enough or any(t.refused for t in [*pushers, *following]),
               "the pushers have got something acknowledged")
    time.sleep(draw.random() * 0.02)  # not a wait for anything: the instant of the kill is drawn
    server.kill()
    for thread in [*pushers, *following]:
        thread.join(60)
        assert thread.refused is None, thread.refused
    return following


def check(server: Server, streams: dict[str, list[Feed]], compared: dict[str, int]) -> list[str]:
    """Settle and compare all streams from where they were compared before; moves that place."""
    faults = []
    for stream, feeds in streams.items():
        for feed in feeds:
            feed.settle(server.requests, server.url)
        faults += compare(server.requests, server.url, feeds, compared.get(stream, 0))
        compared[stream] = server.requests.get(f"/v1/streams/{stream}").json()["offsets"]["next"]
    return faults


def total(streams: dict[str, list[Feed]]) -> tuple[int, int, int]:
    """Acknowledged messages, batches, and batches that were sent twice."""
    feeds = [feed for feeds in streams.values() for feed in feeds]
    batches = [batch for feed in feeds for batch in feed.acknowledged]
    return sum(batch.count for batch in batches), len(batches), sum(feed.repeated for feed in feeds)


def test_what_streams_acknowledged_survives_kill_9(start_server: StartServer, sink: tuple[str, list[str]],
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(SEED)
    server = start_server("--allow-fetch", urlsplit(sink[0]).netloc)
    streams = new_feeds()
    define(server, streams, sink[0])
    compared: dict[str, int] = {}
    committed: list[int] = []
    fenced = 0
    for round_number in range(ROUNDS):
        followers = push_until_killed(server, streams, draw, followers=2)
        committed += [start for follower in followers for start in follower.committed]
        fenced += sum(follower.fenced for follower in followers)
        server.start()
        faults = check(server, streams, compared)
        faults += compare_windows(decisions(server.requests, server.url, "crash/walk"), committed)
        assert not faults, f"CRASH_SEED={SEED}, round {round_number}: " + "; ".join(faults)
    faults = check(server, streams, {})     # once more from the first message on, sealed ones too
    assert not faults, f"CRASH_SEED={SEED}: " + "; ".join(faults)
    taken = decisions(server.requests, server.url, "crash/walk")
    assert len(set(committed)) == len(committed), f"CRASH_SEED={SEED}: a window was committed twice"
    wait_until(lambda: len(set(sink[1])) >= len(taken), "every decision is delivered", 60)
    messages, batches, repeated = total(streams)
    stats = server.requests.get("/v1/streams/crash/bulk/stats").json()
    with capsys.disabled():
        print(f"\nstreams: {ROUNDS} kills, seed {SEED}: {messages:,} messages acknowledged in {batches:,} batches, {repeated} of them sent twice: "
              f"0 lost, 0 duplicated, order kept; {len(taken):,} windows decided once each by two followers ({fenced} times fenced), "
              f"{len(set(sink[1])):,} decisions delivered; stored in the bulk stream: {stats['stored']}")
    assert messages > ROUNDS and repeated > 0 or ROUNDS < 50


def test_what_streams_acknowledged_survives_a_power_cut(start_server: StartServer, tmp_path: Path) -> None:
    library = powercut.build(tmp_path)
    draw = random.Random(SEED + 1)
    home = tmp_path / "home"
    data, shadow = home / "data", home / "shadow"
    data.mkdir(parents=True)
    home.chmod(0o711)
    server = start_server(env=powercut.environment(library, data, shadow), folder=home)
    streams = new_feeds()
    define(server, streams)
    compared: dict[str, int] = {}
    for round_number in range(ROUNDS):
        push_until_killed(server, streams, draw)
        powercut.restore(data, shadow)
        shadow.mkdir()
        server.start()
        faults = check(server, streams, compared)
        assert not faults, f"CRASH_SEED={SEED}, round {round_number}: " + "; ".join(faults)
    faults = check(server, streams, {})
    assert not faults, f"CRASH_SEED={SEED}: " + "; ".join(faults)


class Publisher(threading.Thread):
    """Publishes numbered messages with ids to a queue, each confirmed by the broker, until it is told to stop."""

    def __init__(self, broker: rabbit.Broker, queue: str):
        super().__init__(daemon=True)
        self.broker, self.queue = broker, queue
        self.confirmed = 0
        self.is_over = False

    def run(self) -> None:
        with self.broker.channel() as channel:
            channel.confirm_delivery()
            while not self.is_over:
                about = pika.BasicProperties(delivery_mode=2, message_id=f"id-{self.confirmed}")
                channel.basic_publish("", self.queue, b'{"n":%d}' % self.confirmed, about)
                self.confirmed += 1


def test_what_a_queue_held_survives_kill_9(start_server: StartServer, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages with ids that are redelivered because their acknowledgement was lost count once."""
    draw = random.Random(SEED + 3)
    server = start_server()
    with rabbit.broker() as broker:
        broker.queue("crash")
        publisher = Publisher(broker, "crash")
        publisher.start()
        answer = server.requests.put("/v1/streams/crash", json={"source": {
            "kind": "amqp", "url": broker.url(), "queue": "crash", "prefetch": 50}})
        assert answer.status_code in (200, 201), answer.text

        def arrived(count: int) -> bool:
            return server.requests.get("/v1/streams/crash").json()["offsets"]["next"] >= count

        enough = 0
        for _ in range(ROUNDS):
            enough += draw.randrange(1, 100)
            wait_until(functools.partial(arrived, enough), "the queue is consumed", 60)
            server.kill()
            server.start()
        publisher.is_over = True
        publisher.join(60)
        wait_until(lambda: arrived(publisher.confirmed), "the queue is empty", 60)
        found = read(server.requests, server.url, "crash", 0)
        assert found == [b'{"n":%d}' % number for number in range(publisher.confirmed)], f"CRASH_SEED={SEED}"
        status = server.requests.get("/v1/streams/crash").json()["source"]
    with capsys.disabled():
        print(f"\nqueue: {ROUNDS} kills, seed {SEED}: {publisher.confirmed:,} messages confirmed by the broker, "
              f"0 lost, 0 duplicated, order kept ({status})")


def test_a_batch_counted_before_its_answer_is_noticed(start_server: StartServer) -> None:
    """The checker bites: a batch journalled as acknowledged before its answer has come is found missing."""
    draw = random.Random(SEED + 2)
    server = start_server()
    streams = {"crash/shared": [Feed(0, "crash/shared", False, SMALL)]}
    define(server, streams)
    feed = streams["crash/shared"][0]
    for _ in range(60):
        push_until_killed(server, streams, draw)
        server.start()
        if feed.pending:
            feed.pending.first = max((batch.first + batch.count for batch in feed.acknowledged), default=0)
            feed.acknowledged.append(feed.pending)
        if check(server, streams, {}):
            return
    raise AssertionError(f"CRASH_SEED={SEED}: nothing was missed")
