"""Streams with something to watch, and watches over them."""

from __future__ import annotations

import json
import math
from typing import Any

BASE = 1_767_225_600  # 2026-01-01T00:00:00Z
LEVELS = {"on": "value", "warning": {"enter": 60, "leave": 40}, "critical": {"enter": 100, "leave": 50}}


def make_stream(server: Any, name: str) -> None:
    answer = server.requests.put(f"/v1/streams/{name}", json={"source": {"kind": "push"}, "time": {"field": "t", "format": "s"}, "delay": "0s"})
    assert answer.status_code in (200, 201), answer.text


def say(server: Any, stream: str, values: list[float], first: int = 0, hosts: tuple[str, ...] = ("a",)) -> None:
    """A message a host in each window of ten seconds, from window `first` on."""
    lines = "".join(json.dumps({"t": BASE + 10 * (first + at) + 1, "v": value, "host": host}) + "\n" for at, value in enumerate(values) for host in hosts)
    answer = server.requests.post(f"/v1/streams/{stream}/messages", data=lines, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code in (200, 201, 202), answer.text


def wave(windows: int, **spikes: float) -> list[float]:
    """Ups and downs around 20 with a little unrest; `w120=70` makes the value of window 120 another one."""
    values = [20 + 3 * math.sin(at / 9) + 0.7 * math.sin(at * 12.9898) for at in range(windows)]
    for name, value in spikes.items():
        values[int(name[1:])] = value
    return values


def watch(server: Any, name: str, stream: str, **definition: Any) -> dict[str, Any]:
    """A watch over values themselves, so that what it decides can be counted on one's fingers."""
    whole = {"stream": stream, "every": "10s", "values": ["avg(v)"], "detector": {"kind": "threshold", "parameters": {"above": 100}}, "levels": LEVELS, "from": "earliest",
             "flapping": None, **definition}
    answer = server.requests.put(f"/v1/watches/{name}", json=whole)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def decisions(server: Any, **query: Any) -> list[dict[str, Any]]:
    return server.requests.get("/v1/decisions", params={"limit": 500, **query}).json()["items"]
