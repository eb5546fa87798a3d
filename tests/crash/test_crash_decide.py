"""The server is killed between decision, commit and delivery: every decision once in the log, every action delivered under one key.

A watch decides about keys whose values go over a bound and come back at moments that are known beforehand, so what it must
have decided is known too.  A receiver that is slow now and then, refuses now and then and is sometimes cut off takes its actions.

`CRASH_SEED` repeats a run, `CRASH_ROUNDS` makes it longer (200 for a release).  Each failure prints its seed.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import requests
from e2e_fixtures import Server, wait_until

SEED = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000))
ROUNDS = int(os.environ.get("CRASH_ROUNDS", 12))
BASE, KEYS, PATIENCE_S = 1_700_000_000, 7, 120.0
pytestmark = pytest.mark.timeout(600 + 60 * ROUNDS)


class Receiver:
    """Takes decisions: notes key and body of each, answers late or with 503 now and then."""

    def __init__(self, seed: int):
        self.bodies: dict[str, set[str]] = {}
        self.times: Counter[str] = Counter()
        lock, draw = threading.Lock(), random.Random(seed)

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    chance, pause = draw.random(), draw.random() * 0.02
                if chance > 0.05:
                    with lock:
                        receiver.times[self.headers["Idempotency-Key"]] += 1
                        receiver.bodies.setdefault(self.headers["Idempotency-Key"], set()).add(json.dumps(json.loads(raw)["data"], sort_keys=True))
                time.sleep(pause)
                with contextlib.suppress(OSError):
                    self.send_response(204 if chance > 0.05 else 503)
                    self.send_header("Content-Length", "0")
                    self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        receiver = self
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.at = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver(SEED)
    yield one
    one.server.shutdown()
    one.server.server_close()


def value(key: int, second: int) -> int:
    """Over the bound for a third of the time, each key in a rhythm of its own."""
    return 20 if (second + key) % (3 + key) < (3 + key) // 3 else 1


class Feeder(threading.Thread):
    """Pushes a second after the other until the server is gone; a batch that was not answered comes again, and does no harm twice."""

    def __init__(self, server: Server, second: int, until: int | None = None):
        super().__init__(daemon=True)
        self.url, self.token, self.second, self.until = server.url, server.token, second, until

    def run(self) -> None:
        with requests.Session() as session, contextlib.suppress(requests.RequestException, OSError):
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token}"
            while self.until is None or self.second < self.until:
                messages = [{"ts": BASE + self.second, "k": f"k{key}", "v": value(key, self.second)} for key in range(KEYS)]
                if session.post(f"{self.url}/v1/streams/load/messages", json=messages, timeout=60).status_code != 200:
                    return
                self.second += 1


def expected(seconds: int) -> set[tuple[str, str, int]]:
    """Key, event and window of every decision about the first so many seconds."""
    found = set()
    for key in range(KEYS):
        was_over = False
        for second in range(seconds):
            is_over = value(key, second) >= 10
            if is_over != was_over:
                found.add((f"k{key}", "opened" if is_over else "resolved", second))
            was_over = is_over
    return found


def decisions(server: Server, known: frozenset[str] = frozenset(), **filters: str) -> list[dict[str, Any]]:
    """All of the watch's, or those that are newer than what is known."""
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        answer = server.requests.get("/v1/decisions", params={"watch": "w", "limit": 200, **filters, **({"cursor": cursor} if cursor else {})}).json()
        found += [one for one in answer["items"] if one["id"] not in known]
        cursor = answer["next"]
        if not cursor or (known and all(one["id"] in known for one in answer["items"])):
            return found


def define(server: Server, receiver: Receiver) -> None:
    for path, body in (
        ("/v1/streams/load", {"source": {"kind": "push"}, "time": {"field": "ts", "format": "s"}}),
        ("/v1/actions/hook", {"webhook": f"http://{receiver.at}/", "retry": {"first": "20ms"}}),
        ("/v1/watches/w", {"stream": "load", "every": "1s", "by": ["k"], "values": ["max(v)"], "learn": "0s", "from": "earliest",
                           "detector": {"kind": "threshold", "parameters": {"above": 10}}, "flapping": None,
                           "levels": {"on": "value", "critical": {"enter": 10, "leave": 10}},
                           "actions": [{"action": "hook", "on": ["opened", "resolved"]}]}),
    ):
        answer = server.requests.put(path, json=body)
        assert answer.status_code in (200, 201), answer.text


def compare(made: list[dict[str, Any]], wanted: set[tuple[str, str, int]], whole: bool) -> list[str]:
    """Faults: what was decided twice, or not as it must be."""
    seen = Counter((one["key"], one["event"], one["window"]["start_us"] // 1_000_000 - BASE) for one in made)
    faults = [f"{what} was decided {count} times" for what, count in seen.items() if count > 1]
    faults += [f"{what} should not have been decided" for what in seen if what not in wanted]
    return faults + ([f"{what} was never decided" for what in wanted if what not in seen] if whole else [])


def test_decisions_survive_kill_9_once_each_and_all_are_delivered(start_server: Callable[..., Server], receiver: Receiver,
                                                                  capsys: pytest.CaptureFixture[str]) -> None:
    draw = random.Random(SEED)
    server = start_server("--allow-fetch", receiver.at, "--limit", "self_s=0")
    define(server, receiver)
    second = 0
    made: dict[str, dict[str, Any]] = {}
    for round_number in range(ROUNDS):
        feeder = Feeder(server, second)
        feeder.start()
        time.sleep(0.05 + draw.random() * 0.6)  # when it is killed is the test's own business, not a wait for something
        server.kill()
        feeder.join(PATIENCE_S)
        second = feeder.second
        server.start()
        made |= {one["id"]: one for one in decisions(server, frozenset(made))}
        faults = compare(list(made.values()), expected(second + 1), whole=False)
        assert not faults, f"CRASH_SEED={SEED}, round {round_number}: " + "; ".join(faults[:5])
    last = Feeder(server, second, second + 2)
    last.start()
    last.join(PATIENCE_S)
    wanted = expected(second + 1)

    def has_gone_through() -> bool:
        made.update({one["id"]: one for one in decisions(server, frozenset(made))})
        return len(made) >= len(wanted)

    patience_s = PATIENCE_S + len(wanted) * 0.2     # one action's go one after the other, each with its own commit
    wait_until(has_gone_through, "the watch has gone through it all", patience_s)
    wait_until(lambda: not decisions(server, state="pending"), "every decision is delivered", patience_s)
    log = decisions(server)
    faults = compare(log, wanted, whole=True) + [f"{one['id']} is {one['state']}" for one in log if one["state"] != "sent"]
    ids = {one["id"] for one in log}
    faults += [f"{id} was delivered, and is not in the log" for id in receiver.bodies if id not in ids]
    faults += [f"{id} is in the log, and was never delivered" for id in ids if id not in receiver.bodies]
    faults += [f"{id} was delivered with {len(bodies)} bodies" for id, bodies in receiver.bodies.items() if len(bodies) > 1]
    assert not faults, f"CRASH_SEED={SEED}: " + "; ".join(faults[:5])
    twice = sum(count > 1 for count in receiver.times.values())
    with capsys.disabled():
        print(f"\ndecide: {ROUNDS} kills, seed {SEED}: {second:,} windows of {KEYS} keys, {len(log):,} decisions, each once in the log; "
              f"{sum(receiver.times.values()):,} deliveries under {len(receiver.times):,} keys, {twice} of them more than once, 0 lost, one body each")
    assert len(log) > ROUNDS
