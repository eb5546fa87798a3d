"""What the tests of streams share: making them, pushing to them, reading and following them."""

from __future__ import annotations

import json
import socket
from typing import Any, Iterator
from urllib.parse import quote, urlsplit

import requests
from conftest import PATIENCE_S, Server

NDJSON = {"Content-Type": "application/x-ndjson"}


def problem(answer: requests.Response, status: int, part: str = "") -> dict[str, Any]:
    """The answer's problem document, which must have this status and say `part`."""
    assert answer.status_code == status, (answer.status_code, answer.text)
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status and body["detail"], body
    assert part in body["detail"] + body.get("hint", ""), body
    return body


def create(client: requests.Session, name: str, **definition: Any) -> dict[str, Any]:
    answer = client.put(f"/v1/streams/{quote(name)}", json=definition)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def push(client: requests.Session, name: str, *rows: Any, **headers: str) -> dict[str, Any]:
    """Append rows as NDJSON."""
    body = "".join(json.dumps(row) + "\n" for row in rows)
    answer = client.post(f"/v1/streams/{quote(name)}/messages", data=body.encode(), headers={**NDJSON, **headers})
    assert answer.status_code == 200, answer.text
    return answer.json()


def read(client: requests.Session, name: str, **query: Any) -> list[dict[str, Any]]:
    """One page of items."""
    answer = client.get(f"/v1/streams/{quote(name)}/messages", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def bodies(client: requests.Session, name: str, **query: Any) -> list[Any]:
    return [item["body"] for item in read(client, name, **query)]


class Tail:
    """A follower by server-sent events, over a socket of its own: it reads only when asked to.

    Parameters
    ----------
    query : the address's query, such as "from=earliest"
    last_id : what to send as Last-Event-ID
    """

    def __init__(self, server: Server, name: str, query: str = "", last_id: int | None = None, token: str | None = None):
        address = urlsplit(server.url)
        self.socket = socket.create_connection((address.hostname, address.port), PATIENCE_S)
        head = [f"GET /v1/streams/{quote(name)}/tail{'?' + query if query else ''} HTTP/1.1", f"Host: {address.netloc}",
                f"Authorization: Bearer {token or server.token}"]
        if last_id is not None:
            head.append(f"Last-Event-ID: {last_id}")
        self.socket.sendall("\r\n".join([*head, "", ""]).encode())
        self._file = self.socket.makefile("rb")
        self.status = int(self._file.readline().split()[1])
        while self._file.readline().strip():
            pass

    def _text(self) -> Iterator[bytes]:
        while True:
            size = int(self._file.readline() or b"0", 16)
            if size == 0:
                return
            yield self._file.read(size)
            self._file.readline()

    def events(self) -> Iterator[tuple[str, int, Any]]:
        """(event, id, data) of each, without comments; ends when the server ends the stream."""
        held = b""
        for part in self._text():
            held += part
            *whole, held = held.split(b"\n\n")
            for block in whole:
                fields = dict(line.split(b": ", 1) for line in block.split(b"\n") if not line.startswith(b":"))
                if fields:
                    yield fields[b"event"].decode(), int(fields.get(b"id", b"-1")), json.loads(fields[b"data"])

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def __enter__(self) -> Tail:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def take(events: Iterator[tuple[str, int, Any]], count: int) -> list[tuple[str, int, Any]]:
    """The next `count` events."""
    return [next(events) for _ in range(count)]
