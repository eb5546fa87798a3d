"""What tests of acting share: a stream, an action, a decision about it made by hand, and how to wait for what came of it."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Callable

from conftest import Server, wait_until
from test_consumers import Follower, make_stream, put, say

Answer = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int = 200, body: bytes = b"ok", **headers: str) -> Answer:
    def do(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return do


class Target:
    """A receiver of HTTP requests on a free loopback port that answers as it is told: the next of `answers`, else `always`."""

    def __init__(self) -> None:
        self.taken: list[dict[str, Any]] = []
        self.answers: list[Answer] = []
        self.always: Answer = answer()
        self.released = threading.Event()
        target = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                target.taken.append({"method": self.command, "path": self.path, "headers": self.headers, "raw": raw, "key": self.headers["Idempotency-Key"]})
                try:
                    (target.answers.pop(0) if target.answers else target.always)(self)
                except OSError:
                    pass  # who asked has gone

            do_PUT = do_PATCH = do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}/hook"
        self.allow = ("--allow-fetch", f"127.0.0.1:{self.port}")
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def hang(self, handler: BaseHTTPRequestHandler) -> None:
        """Take the request, and never answer."""
        self.released.wait(120)

    def bodies(self) -> list[Any]:
        return [json.loads(one["raw"]) for one in self.taken]

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


class Decider:
    """Decides what it is told, a window at a time."""

    def __init__(self, server: Server, stream: str = "s"):
        self.server, self.stream, self.at = server, stream, 0
        make_stream(server, stream)
        self.follower = Follower(server, "hand", stream)

    def window(self) -> dict[str, Any]:
        say(self.server, self.at + 1, self.at + 10, name=self.stream)
        self.at += 10
        window = self.follower.window()
        assert window
        return window

    def decide(self, action: str, *parameters: dict[str, Any], reason: str = "by hand") -> list[str]:
        """A decision for each, all about one window; their ids."""
        decisions = [{"action": action, "parameters": one, "reason": reason} for one in parameters or ({},)]
        answer = self.follower.commit(self.window(), decisions=decisions)
        assert answer.status_code == 200, answer.text
        return answer.json()["decisions"]

    def one(self, action: str, **parameters: Any) -> str:
        return self.decide(action, parameters)[0]


def action(server: Server, name: str, **definition: Any) -> dict[str, Any]:
    return put(server, f"/v1/actions/{name}", definition)


def refused(server: Server, name: str, **definition: Any) -> dict[str, Any]:
    answer = server.requests.put(f"/v1/actions/{name}", json=definition)
    assert answer.status_code in (400, 403, 404, 422), answer.text
    return answer.json()


def decision(server: Server, id: str) -> dict[str, Any]:
    answer = server.requests.get(f"/v1/decisions/{id}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def settled(server: Server, id: str, *states: str) -> dict[str, Any]:
    """The decision, once it is in one of these states."""
    return wait_until(lambda: (now := decision(server, id))["state"] in states and now, f"the decision is {' or '.join(states)}", 60)


def tried(server: Server, id: str, times: int = 1) -> dict[str, Any]:
    """The decision, once it was tried so often."""
    return wait_until(lambda: (now := decision(server, id))["attempts"] >= times and now, f"it was tried {times} times", 60)


def test_action(server: Server, name: str, **sample: Any) -> dict[str, Any]:
    answer = server.requests.post(f"/v1/actions/{name}/test", json={"decision": sample} if sample else None)
    assert answer.status_code == 200, answer.text
    return answer.json()


test_action.__test__ = False  # type: ignore[attr-defined]
