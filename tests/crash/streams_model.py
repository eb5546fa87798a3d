"""Pushers and followers that keep a journal of what the server acknowledged, and the comparison with what it has after a crash.

A feed is one publisher's numbered messages.  The rule: every acknowledged batch stands in the stream at the offsets that
were acknowledged, as a whole, once, and a feed's numbers rise with the offsets.  The one batch of a feed that was not
answered has either happened as a whole or not at all; with an idempotency key it is sent again and counts once.
"""

from __future__ import annotations

import json
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import requests

STEP_US = 50_000            # event time from one message of a feed to the next
START_US = 1_700_000_000_000_000
WINDOW_US = 1_000_000


def body(feed: int, number: int) -> bytes:
    return b'{"feed":%d,"n":%d,"at":%d}' % (feed, number, START_US + number * STEP_US)


@dataclass
class Batch:
    """Messages [start, start + count) of a feed; `first` is the offset that was acknowledged."""

    feed: int
    start: int
    count: int
    key: str | None
    first: int = -1

    def lines(self) -> list[bytes]:
        return [body(self.feed, number) for number in range(self.start, self.start + self.count)]


@dataclass
class Feed:
    """One publisher's messages to one stream."""

    number: int
    stream: str
    is_keyed: bool
    largest: int                # messages in a batch
    next: int = 0
    pending: Batch | None = None
    acknowledged: list[Batch] = field(default_factory=list)
    repeated: int = 0

    def push(self, session: requests.Session, url: str, batch: Batch) -> str | None:
        """Send a batch and note the answer; returns why it was refused, if it was."""
        headers = {"Content-Type": "application/x-ndjson", **({"Idempotency-Key": batch.key} if batch.key else {})}
        answer = session.post(f"{url}/v1/streams/{self.stream}/messages", data=b"\n".join(batch.lines()), headers=headers, timeout=60)
        if answer.status_code == 429:
            time.sleep(0.05)
            return None
        if answer.status_code != 200:
            return f"push to {self.stream}: {answer.status_code} {answer.text[:300]}"
        said = answer.json()
        if said["count"] != batch.count:
            return f"push to {self.stream}: {batch.count} messages were sent, {said['count']} acknowledged"
        batch.first = said["first"]
        self.repeated += said["repeated"]
        self.acknowledged.append(batch)
        self.pending = None
        return None

    def settle(self, session: requests.Session, url: str) -> None:
        """After a crash: send the unanswered batch again, under its key."""
        while self.is_keyed and self.pending:
            refused = self.push(session, url, self.pending)
            assert refused is None, refused


class Pusher(threading.Thread):
    """Pushes batches of a feed until the server goes away."""

    def __init__(self, url: str, token: str, seed: int, feed: Feed):
        super().__init__(daemon=True)
        self.url, self.token, self.feed = url, token, feed
        self.random = random.Random(seed)
        self.batches = 0
        self.refused: str | None = None

    def run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token}"
            while self.refused is None:
                feed = self.feed
                if feed.pending is None:
                    count = self.random.randint(1, feed.largest)
                    key = f"{feed.number}-{feed.next}" if feed.is_keyed else None
                    feed.pending = Batch(feed.number, feed.next, count, key)
                    feed.next += count
                try:
                    self.refused = feed.push(session, self.url, feed.pending)
                except (requests.RequestException, OSError):
                    return  # the server is gone: the batch stays pending
                self.batches += 1


class Follower(threading.Thread):
    """Follows a consumer of a stream and commits each window with one decision that tells what was in it.

    Two of one name fence each other off: who is fenced claims again.
    """

    def __init__(self, url: str, token: str, seed: int, stream: str, consumer: str, action: str):
        super().__init__(daemon=True)
        self.base = f"{url}/v1/streams/{stream}"
        self.consumer = f"{self.base}/consumers/{consumer}"
        self.token, self.action = token, action
        self.random = random.Random(seed)
        self.committed: list[int] = []      # starts of windows whose commit was answered
        self.fenced = 0
        self.refused: str | None = None

    def run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token}"
            try:
                while self.refused is None:
                    self.hold(session)
            except (requests.RequestException, OSError):
                return

    def hold(self, session: requests.Session) -> None:
        """Claim, then work until fenced off."""
        epoch = session.post(f"{self.consumer}/claim", timeout=60).json()["epoch"]
        while self.refused is None:
            answer = session.get(f"{self.consumer}/next", params={"epoch": epoch, "wait": "500ms"}, timeout=60)
            if answer.status_code == 204:
                continue
            if answer.status_code == 200:
                window = answer.json()["window"]
                answer = session.post(f"{self.consumer}/commit", json={
                    "epoch": epoch, "window": {"start_us": window["start_us"], "revision": window["revision"]},
                    "decisions": [{"action": self.action, "parameters": self.look_at(session, window)}]}, timeout=60)
                if answer.status_code == 200:
                    self.committed.append(window["start_us"])
            if answer.status_code == 409:
                self.fenced += 1
                time.sleep(self.random.random() * 0.1)
                return
            if answer.status_code != 200:
                self.refused = f"{self.consumer}: {answer.status_code} {answer.text[:300]}"

    def look_at(self, session: requests.Session, window: dict[str, Any]) -> dict[str, int]:
        answer = session.get(f"{self.base}/messages", params={"from": window["from"], "to": window["to"], "format": "ndjson", "body": "raw"},
                             timeout=60)
        rows = [json.loads(line) for line in answer.content.splitlines()]
        numbers = [row["n"] for row in rows if window["start_us"] <= row["at"] < window["end_us"]]
        return {"start_us": window["start_us"], "count": len(numbers), "sum": sum(numbers)}


def read(session: requests.Session, url: str, stream: str, from_: int) -> list[bytes]:
    answer = session.get(f"{url}/v1/streams/{stream}/messages", params={"from": from_, "format": "ndjson", "body": "raw"}, timeout=120)
    assert answer.status_code == 200, answer.text[:300]
    return answer.content.splitlines()


def compare(session: requests.Session, url: str, feeds: list[Feed], from_: int = 0) -> list[str]:
    """Faults of one stream from this offset on, after its feeds have settled; settles what has no key.

    Parameters
    ----------
    feeds : all that push to the stream
    from_ : what stands before this offset was compared already
    """
    stream = feeds[0].stream
    lines = read(session, url, stream, from_)
    faults = []
    end = from_
    batches = sorted((batch for feed in feeds for batch in feed.acknowledged if batch.first >= from_), key=lambda batch: batch.first)
    for batch in [*batches, None]:
        first = batch.first if batch else from_ + len(lines)
        if first > end:
            faults += settle_gap(feeds, stream, lines[end - from_:first - from_], end)
        elif first < end:
            faults.append(f"{stream}: two acknowledged batches stand at offset {first}")
        if batch:
            end = first + batch.count
            if lines[first - from_:end - from_] != batch.lines():
                faults.append(f"{stream}: messages {batch.start}… of feed {batch.feed} were acknowledged at {first}…{end - 1}; "
                              f"there is {lines[first - from_:first - from_ + 1]}, in all {from_ + len(lines)} messages")
    for feed in feeds:
        feed.pending = None
        numbers = [batch.start for batch in sorted(feed.acknowledged, key=lambda batch: batch.first)]
        if numbers != sorted(numbers):
            faults.append(f"{stream}: the order of feed {feed.number} was not kept")
    return faults


def settle_gap(feeds: list[Feed], stream: str, lines: list[bytes], at: int) -> list[str]:
    """What nobody was told of must be unanswered batches without a key, each as a whole."""
    while lines:
        for feed in feeds:
            batch = feed.pending
            if batch and not feed.is_keyed and lines[:batch.count] == batch.lines():
                batch.first = at
                feed.acknowledged.append(batch)
                feed.pending = None
                lines, at = lines[batch.count:], at + batch.count
                break
        else:
            return [f"{stream}: nobody sent what stands at {at}: {lines[0][:60]!r}, {len(lines)} messages"]
    return []


def decisions(session: requests.Session, url: str, stream: str) -> list[dict[str, Any]]:
    """All decisions about a stream, oldest first."""
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = session.get(f"{url}/v1/decisions", params={"stream": stream, "limit": 1000, **({"cursor": cursor} if cursor else {})},
                           timeout=60).json()
        items += page["items"]
        cursor = page.get("next")
        if not cursor:
            return items[::-1]


def compare_windows(found: list[dict[str, Any]], committed: list[int]) -> list[str]:
    """Faults of the decisions: one a window, no window left out, each about all of its messages."""
    faults = []
    starts = [item["parameters"]["start_us"] for item in found]
    if starts != list(range(START_US, START_US + len(starts) * WINDOW_US, WINDOW_US)):
        faults.append(f"windows were decided twice, left out or out of order: {starts[:5]}…, {len(starts)} decisions of {len(set(starts))} windows")
    missing = set(committed) - set(starts)
    if missing:
        faults.append(f"{len(missing)} acknowledged decisions are lost, such as that about {min(missing)}")
    each = WINDOW_US // STEP_US
    for item in found:
        first = (item["parameters"]["start_us"] - START_US) // STEP_US
        expected = {"start_us": item["parameters"]["start_us"], "count": each, "sum": sum(range(first, first + each))}
        if item["parameters"] != expected:
            faults.append(f"a decision was taken on {item['parameters']} instead of {expected}")
    return faults[:5]
