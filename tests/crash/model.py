"""Writers that keep a journal of what the server acknowledged, and the comparison with what it has after a crash.

Each writer owns its names, so at most one request of a name is in flight.  The rule: what was acknowledged is there,
exactly; the one request that was in flight has either happened as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import random
import threading
from dataclasses import dataclass, field

import requests

ABSENT = "absent"


def digest(path: str, content: bytes) -> str:
    """A content's name in the model; a notebook is the same when its cells are, however it is written."""
    if path.startswith("/v1/notebooks/"):
        content = "".join("".join(cell["source"]) for cell in json.loads(content)["cells"]).encode()
    return hashlib.sha256(content).hexdigest()


@dataclass
class Name:
    """What is known of one object or notebook."""

    path: str
    state: str = ABSENT              # digest of the content that was acknowledged last
    in_flight: str | None = None     # what the unanswered request would make of it
    history: list[str] = field(default_factory=list)


class Writer(threading.Thread):
    """Puts and deletes at random until the server goes away."""

    def __init__(self, url: str, token: str, seed: int, names: list[Name], largest: int):
        super().__init__(daemon=True)
        self.url, self.token, self.names, self.largest = url, token, names, largest
        self.random = random.Random(seed)
        self.acknowledged = 0
        self.refused: str | None = None

    def run(self) -> None:
        with requests.Session() as session:
            session.trust_env = False
            session.headers["Authorization"] = f"Bearer {self.token}"
            while self.refused is None:
                try:
                    self.one(session, self.random.choice(self.names))
                except (requests.RequestException, OSError):
                    return  # the server is gone: whatever was in flight stays noted as such

    def one(self, session: requests.Session, name: Name) -> None:
        deletes = name.state != ABSENT and self.random.random() < 0.2
        if deletes:
            name.in_flight = ABSENT
            answer = session.delete(self.url + name.path, timeout=30)
        else:
            body = self.body(name)
            name.in_flight = digest(name.path, body)
            kind = "application/x-ipynb+json" if "/notebooks/" in name.path else "application/octet-stream"
            answer = session.put(self.url + name.path, data=body, headers={"Content-Type": kind}, timeout=30)
        if answer.status_code not in (200, 201, 204):
            self.refused = f"{answer.request.method} {name.path}: {answer.status_code} {answer.text[:300]}"
            return
        name.state, name.in_flight = name.in_flight, None
        name.history.append(name.state)
        self.acknowledged += 1

    def body(self, name: Name) -> bytes:
        if "/notebooks/" in name.path:
            cell = {"id": "only", "cell_type": "code", "source": f"print({self.random.random()})", "metadata": {},
                    "execution_count": None, "outputs": []}
            return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [cell]}).encode()
        return self.random.randbytes(self.random.choice([0, 1, 300, 5000, self.largest]))


def compare(session: requests.Session, url: str, names: list[Name]) -> list[str]:
    """Faults of the server after a crash, none when it kept its word.  Settles what was in flight."""
    faults = []
    for name in names:
        try:
            answer = session.get(url + name.path, timeout=30)
        except requests.RequestException as error:
            faults.append(f"{name.path}: {error}")
            continue
        if answer.status_code == 404:
            found = ABSENT
        elif answer.status_code == 200:
            found = digest(name.path, answer.content)
        else:
            faults.append(f"{name.path}: {answer.status_code} {answer.text[:200]}")
            continue
        if found not in (name.state, name.in_flight):
            known = "an earlier one of it" if found in name.history else "never sent"
            faults.append(f"{name.path}: acknowledged {name.state[:12]}, in flight {str(name.in_flight)[:12]}, "
                          f"found {found[:12]} ({known})")
        name.state, name.in_flight = found, None
    return faults
