"""Fixtures of the Python package's tests, which need no Suricate server: one that plays it on loopback."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "data"
SAMPLE = ROOT / "samples" / "denver-baltimore-2013-week1.csv"
sys.path[:0] = [str(ROOT / "sdk" / "python"), str(ROOT / "tests")]

#: Tests that hold our work against the real files, which lie beside a checkout and not in it.
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data files are not beside this checkout")


class PlayedServer:
    """Objects in memory, and faults to order.

    Attributes
    ----------
    objects : name -> list of versions (bytes, media type, tags)
    calls : (method, path, headers) of every request, in order
    bodies : their bodies
    faults : what the next requests meet, one each: a status (``503``), ``"drop"``
        (connection closed without an answer), or ``("cut", n)`` (n bytes of the body, then closed)
    answers : (method, path) -> (status, JSON) for everything that is not objects
    """

    def __init__(self) -> None:
        self.objects: dict[str, list[tuple[bytes, str, list[str]]]] = {}
        self.calls: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.faults: list[Any] = []
        self.answers: dict[tuple[str, str], list[tuple[int, Any]]] = {}
        self.http = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"played": self}))
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def put(self, name: str, content: bytes, media_type: str = "application/octet-stream") -> None:
        """Keep an object as if somebody had written it."""
        self.objects.setdefault(name, []).append((content, media_type, []))

    def info(self, name: str, number: int | None = None) -> dict[str, Any]:
        """Give the info of a version, the newest by default."""
        versions = self.objects[name]
        number = number or len(versions)
        content, media_type, tags = versions[number - 1]
        return {
            "name": name,
            "version": number,
            "etag": f'"{number}"',
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
            "type": media_type,
            "tags": tags,
            "metadata": {},
            "created_at": "2013-09-05T20:30:00Z",
            "created_by": "owner",
            "run": None,
        }


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away: tests make them."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    played: PlayedServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_any(self) -> None:
        self.played.calls.append((self.command, self.path, dict(self.headers)))
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.played.bodies.append(body)
        fault = self.played.faults.pop(0) if self.played.faults else None
        if fault == "drop":
            self.close_connection = True
        elif isinstance(fault, int):
            self.reply(fault, {"title": "Ordered", "detail": f"fault {fault}", "hint": "Order another."})
        else:
            parts = urlsplit(self.path)
            query = {key: values[0] for key, values in parse_qs(parts.query).items()}
            self.route(unquote(parts.path), query, body, fault)

    do_GET = do_PUT = do_POST = do_PATCH = do_DELETE = do_HEAD = handle_any

    def reply(self, status: int, value: Any) -> None:
        content = b"" if value is None else json.dumps(value).encode()
        kind = "application/problem+json" if status >= 400 else "application/json"
        self.send(status, content, {"Content-Type": kind})

    def send(self, status: int, content: bytes, headers: dict[str, str], cut: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content if cut is None else content[:cut])
        self.close_connection = self.close_connection or cut is not None

    def route(self, path: str, query: dict[str, str], body: bytes, fault: Any) -> None:
        ordered = self.played.answers.get((self.command, path))
        if ordered:
            self.reply(*(ordered.pop(0) if len(ordered) > 1 else ordered[0]))
        elif path == "/v1/objects":
            self.list(query)
        elif path.startswith("/v1/objects/"):
            self.one(path.removeprefix("/v1/objects/"), query, body, fault)
        else:
            self.reply(404, {"title": "Not found", "detail": f"there is no {path}"})

    def list(self, query: dict[str, str]) -> None:
        names = sorted(name for name in self.played.objects if name.startswith(query.get("prefix", "")))
        infos = [self.played.info(name) for name in names]
        infos = [info for info in infos if query.get("tag") in (None, *info["tags"])]
        start = int(query.get("cursor", 0))  # two a page, whatever was asked for
        self.reply(200, {"items": infos[start : start + 2], "next": str(start + 2) if start + 2 < len(infos) else None})

    def one(self, name: str, query: dict[str, str], body: bytes, fault: Any) -> None:
        versions = self.played.objects.get(name)
        if self.command == "PUT":
            if versions and self.headers.get("If-None-Match") == "*":
                return self.reply(412, {"title": "Conflict", "detail": f"{name} exists"})
            self.played.put(name, body, self.headers["Content-Type"])
            tags = self.headers.get("X-Suricate-Tags")
            self.played.objects[name][-1][2].extend(tags.split(",") if tags else [])
            return self.reply(200 if versions else 201, self.played.info(name))
        if not versions:
            return self.reply(404, {"title": "Not found", "detail": f'there is no object "{name}"'})
        if self.command == "PATCH":
            versions[-1][2][:] = json.loads(body)["tags"]
            return self.reply(200, self.played.info(name))
        if self.command == "DELETE":
            del self.played.objects[name]
            return self.send(204, b"", {})
        number = int(query.get("version", len(versions)))
        info = self.played.info(name, number)
        if query.get("view") == "versions":
            return self.reply(
                200, {"items": [self.played.info(name, n + 1) for n in range(len(versions))], "next": None}
            )
        if query.get("view"):
            return self.reply(200, info)
        if self.headers.get("If-Match") not in (None, info["etag"]):
            return self.reply(412, {"title": "Conflict", "detail": f"{name} changed"})
        content = versions[number - 1][0]
        headers = {"Content-Type": info["type"], "ETag": info["etag"]}
        if "Range" in self.headers:
            content = content[int(self.headers["Range"].removeprefix("bytes=").removesuffix("-")) :]
        return self.send(206 if "Range" in self.headers else 200, content, headers, fault[1] if fault else None)


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No server but a test's own: nothing of the caller's environment or data folder is seen."""
    for name in list(os.environ):
        if name.startswith("SURICATE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SURICATE_DATA", str(tmp_path / "no-data"))


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[PlayedServer]:
    """A played server that the SDK finds by ``SURICATE_URL``."""
    server = PlayedServer()
    monkeypatch.setenv("SURICATE_URL", server.url)
    monkeypatch.setenv("SURICATE_TOKEN", "secret")
    yield server
    server.http.shutdown()
    server.http.server_close()
