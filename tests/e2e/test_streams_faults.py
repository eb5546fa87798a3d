"""What goes wrong with the disk and the clock: it is full, a file is damaged, time jumps; streams tell it and go on."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Server, wait_until
from streams import NDJSON, create, problem, read

MESSAGES = "/v1/streams/{}/messages"
SEALED = 65_536     # messages that make a file


def batch(first: int, count: int, noise: int = 0) -> bytes:
    """Messages, each with `noise` bytes that no packing makes smaller."""
    return b"".join(b'{"n":%d,"text":"%s"}\n' % (number, base64.b64encode(os.urandom(noise))) for number in range(first, first + count))


def bodies(server: Server, name: str, **query: Any) -> list[int]:
    answer = server.requests.get(MESSAGES.format(name), params={"from": "earliest", "format": "ndjson", "body": "raw", **query})
    assert answer.status_code == 200, answer.text
    return [json.loads(line)["n"] for line in answer.text.splitlines()]


def test_a_full_disk_is_told_and_nothing_half_written(small_disk: Path, start_server: Callable[..., Server]) -> None:
    folder = small_disk / "s"
    folder.mkdir()
    server = start_server(folder=folder)
    create(server.requests, "s")
    taken = 0
    for _ in range(100):
        answer = server.requests.post(MESSAGES.format("s"), data=batch(taken, 1000, 400), headers=NDJSON)
        if answer.status_code != 200:
            break
        assert answer.json()["first"] == taken
        taken += 1000
    body = problem(answer, 507, "full")
    assert body["type"] == "/problems/insufficient-storage" and taken > 1000
    assert bodies(server, "s") == list(range(taken))
    assert server.requests.get("/v1/streams/s").json()["offsets"]["next"] == taken
    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    answer = server.requests.post(MESSAGES.format("s"), data=batch(taken, 1000, 400), headers=NDJSON)
    assert answer.status_code == 200 and answer.json()["first"] == taken, answer.text
    server.restart(kill=True)
    assert bodies(server, "s") == list(range(taken + 1000))


@pytest.mark.parametrize("fault", ["flip", "truncate", "remove"])
def test_a_damaged_file_is_told_with_its_range_and_the_rest_is_read(server: Server, fault: str) -> None:
    create(server.requests, "s")
    for first in range(0, SEALED, SEALED // 4):
        answer = server.requests.post(MESSAGES.format("s"), data=batch(first, SEALED // 4), headers=NDJSON)
        assert answer.status_code == 200, answer.text
    wait_until(lambda: server.requests.get("/v1/streams/s/stats").json()["stored"]["sealed_messages"] >= SEALED, "the head is sealed", 60)
    server.requests.post(MESSAGES.format("s"), data=batch(SEALED, 10), headers=NDJSON)
    assert server.requests.get("/v1/streams/s/verify").json()["damaged"] == []
    file = max((path for path in (server.data / "blobs").rglob("*") if path.is_file()), key=lambda path: path.stat().st_size)
    content = bytearray(file.read_bytes())
    if fault == "remove":
        file.unlink()
    else:
        content[len(content) // 3] ^= 1
        file.write_bytes(content if fault == "flip" else content[:len(content) // 2])
    damaged = server.requests.get("/v1/streams/s/verify").json()["damaged"]
    assert len(damaged) == 1 and 0 <= damaged[0]["from"] < damaged[0]["to"] <= SEALED and damaged[0]["where"].startswith("blobs/"), damaged
    assert [item["offset"] for item in read(server.requests, "s", **{"from": SEALED})] == list(range(SEALED, SEALED + 10))
    answer = server.requests.post(MESSAGES.format("s"), data=batch(SEALED + 10, 1), headers=NDJSON)
    assert answer.status_code == 200 and server.process.poll() is None
