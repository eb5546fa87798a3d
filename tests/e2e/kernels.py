"""Drives the compute layer by itself, through the program kernel-probe (see kernel_probe.c)."""

from __future__ import annotations

import json
import os
import queue
import subprocess
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import Any, Sequence

from conftest import BUILD, PATIENCE_S, ROOT

MIB = 1 << 20
PROBE = BUILD / "src" / "compute" / "kernel-probe"


def environment() -> str:
    """The kernels' environment, made if it is not there yet."""
    return subprocess.run([str(ROOT / "packaging" / "environment")], check=True, capture_output=True, text=True).stdout.strip()


class Outcome:
    """Everything one kernel said, in order."""

    def __init__(self, events: list[dict[str, Any]]):
        self.events = events
        self.end = events[-1]
        self.cause = self.end.get("cause")
        self.detail = self.end.get("detail") or ""

    def text(self, cell: str | None = None) -> str:
        """What was printed, of one cell or all."""
        return "".join(
            event["content"]["text"] for event in self.events
            if event.get("type") == "stream" and cell in (None, event["cell"])
        )

    def messages(self, kind: str) -> list[dict[str, Any]]:
        return [event["content"] for event in self.events if event.get("type") == kind]

    def statuses(self) -> dict[str, str]:
        return {event["cell"]: event["status"] for event in self.events if event["event"] == "cell_end"}

    def errors(self) -> list[str]:
        return [content["ename"] for content in self.messages("error")]


class Compute:
    """One compute service over a data folder; several may follow one another over the same."""

    def __init__(self, data: Path, warm: int = 0, unsafe: bool = False):
        self.data = data
        data.mkdir(parents=True, exist_ok=True)
        arguments = [str(PROBE), str(data), str(ROOT), environment(), str(warm), *(["unsafe"] if unsafe else [])]
        self.process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1)
        self.lines: queue.Queue[dict[str, Any]] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        self.opened = self.next()
        assert "open" in self.opened, self.opened
        self.runtime = Path(self.opened["open"]).parent
        self.kernels: set[str] = set()
        if warm:
            self.wait_warm(warm)

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))
        self.lines.put({"event": "eof"})

    def next(self, timeout_s: float = PATIENCE_S * 2) -> dict[str, Any]:
        return self.lines.get(timeout=timeout_s)

    def do(self, what: str, **more: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **more}) + "\n")

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        """An order with one answer; no kernel may be attached whose events could come between."""
        self.do(what, **more)
        return self.next()

    def wait_warm(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while self.ask("status")["warm"] < count:
            assert time.monotonic() < deadline, "no kernel was kept waiting"
            time.sleep(0.05)

    def start(self, **more: Any) -> str:
        kernel = "t" + uuid.uuid4().hex[:16]
        answer = self.ask("start", id=kernel, **more)
        assert answer.get("started") == kernel, answer
        self.kernels.add(kernel)
        return kernel

    def attach(self, kernel: str, start: int = 1) -> dict[str, Any]:
        return self.ask("attach", id=kernel, **{"from": start})

    def execute(self, kernel: str, cells: Sequence[str | dict[str, Any]], finish: bool = True) -> None:
        listed = [{"cell": f"c{i}", **(cell if isinstance(cell, dict) else {"code": cell})} for i, cell in enumerate(cells)]
        self.do("send", id=kernel, message={"op": "execute", "cells": listed})
        if finish:
            self.send(kernel, "finish")

    def send(self, kernel: str, op: str, **more: Any) -> None:
        self.do("send", id=kernel, message={"op": op, **more})

    def until(self, event: str, timeout_s: float = PATIENCE_S * 2) -> list[dict[str, Any]]:
        """Events up to and with the first of this name."""
        events: list[dict[str, Any]] = []
        while not events or (events[-1].get("event") != event and "lost" not in events[-1] and events[-1].get("event") not in ("ended", "eof")):
            events.append(self.next(timeout_s))
        return events

    def forget(self, kernel: str) -> None:
        self.do("detach", id=kernel)
        self.do("forget", id=kernel)
        while "forgotten" not in self.next():
            pass
        self.kernels.discard(kernel)

    def run(self, cells: Sequence[str | dict[str, Any]], limits: dict[str, int] | None = None, keep: bool = False, **more: Any) -> Outcome:
        """Start a kernel, run the cells, take it all down."""
        kernel = self.start(limits=limits or {}, **more)
        self.attach(kernel)
        self.execute(kernel, cells)
        outcome = Outcome(self.until("ended"))
        if not keep:
            self.forget(kernel)
        return outcome

    def card(self, kernel: str) -> dict[str, Any]:
        return json.loads((self.data / "run" / "kernels" / kernel / "keeper.json").read_text())

    def spec(self, kernel: str) -> dict[str, Any]:
        return json.loads((self.data / "run" / "kernels" / kernel / "spec.json").read_text())

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            for kernel in list(self.kernels):
                self.forget(kernel)
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.wait(timeout=PATIENCE_S)


def fresh_folder() -> Path:
    """A short path: sockets have short names."""
    return Path(tempfile.mkdtemp(prefix="kernels-")) / "data"


def processes_with(word: str) -> list[int]:
    """Processes anywhere on the machine whose command line holds the word."""
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                command = Path("/proc", entry, "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in command:
                found.append(int(entry))
    return found
