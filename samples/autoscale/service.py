"""The sample's service: a queue with worker processes behind it, and the supervisor that starts and stops them.

A thread feeds each worker. Whoever resizes or replaces is answered at once; a worker that leaves finishes its job first, one
that is replaced is killed, and its job goes to the head of the queue.
"""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

PROGRAM = Path(__file__).with_name("worker.py")
START_S = 1.5  # what it takes a worker to start


@dataclass
class Job:
    arrived: float
    takes: float
    began: float = 0.0
    done: float = 0.0
    worker: str = ""


class Worker(threading.Thread):
    def __init__(self, service: Service, name: str, start_s: float) -> None:
        super().__init__(name=name, daemon=True)
        self.service = service
        self.is_ready = self.is_leaving = False
        self.process = subprocess.Popen([sys.executable, "-S", "-E", PROGRAM, str(start_s)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)
        self.start()

    def run(self) -> None:
        assert self.process.stdin and self.process.stdout
        self.is_ready = self.process.stdout.readline() == "ready\n"
        while self.is_ready and (job := self.service.next_job(self)):
            if not self.do(job):
                self.service.give_back(job)
                break
        self.is_ready = False
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()

    def do(self, job: Job) -> bool:
        assert self.process.stdin and self.process.stdout
        job.began, job.worker = time.time(), self.name
        try:
            self.process.stdin.write(f"{job.takes}\n")
            self.process.stdin.flush()
        except OSError:
            return False
        if self.process.stdout.readline() != "done\n":
            return False
        job.done = time.time()
        self.service.finish(job)
        return True


@dataclass
class Service:
    """Times are those of the clock on the wall."""

    name: str
    waiting: deque[Job] = field(default_factory=deque)
    finished: list[Job] = field(default_factory=list)
    sizes: list[tuple[float, int]] = field(default_factory=list)  # what was asked for, and when
    workers: dict[str, Worker] = field(default_factory=dict)
    arrived: int = 0
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    changed: threading.Condition = field(default_factory=threading.Condition)

    # -- jobs --

    def submit(self, takes: float) -> None:
        with self.changed:
            self.waiting.append(Job(time.time(), takes))
            self.arrived += 1
            self.changed.notify()

    def next_job(self, worker: Worker) -> Job | None:
        with self.changed:
            self.changed.wait_for(lambda: self.waiting or worker.is_leaving)
            return None if worker.is_leaving else self.waiting.popleft()

    def give_back(self, job: Job) -> None:
        with self.changed:
            self.waiting.appendleft(job)
            self.changed.notify()

    def finish(self, job: Job) -> None:
        with self.changed:
            self.finished.append(job)

    # -- workers --

    def resize(self, size: int, start_s: float = START_S) -> None:
        with self.changed:
            while len(self.workers) < size:
                self._hire(start_s)
            for worker in sorted(self.workers.values(), key=lambda one: one.is_ready)[: len(self.workers) - size]:
                self._dismiss(worker)
            self.sizes.append((time.time(), size))

    def replace(self, name: str) -> bool:
        """A new worker instead of this one; False: it is not there any more."""
        with self.changed:
            worker = self.workers.get(name)
            if not worker:
                return False
            self._dismiss(worker)
            worker.process.kill()
            self._hire(START_S)
            return True

    def spoil(self) -> str:
        """Make the oldest worker bad; its name."""
        with self.changed:
            worker = next(iter(self.workers.values()))
            worker.process.send_signal(signal.SIGUSR1)
            return worker.name

    def ready(self) -> int:
        with self.changed:
            return sum(worker.is_ready for worker in self.workers.values())

    def close(self) -> None:
        with self.changed:
            left = list(self.workers.values())
            self.waiting.clear()
            for worker in left:
                self._dismiss(worker)
                worker.process.kill()
        for worker in left:
            worker.join()

    def _hire(self, start_s: float) -> None:
        name = f"{self.name}-{next(self.numbers)}"
        self.workers[name] = Worker(self, name, start_s)

    def _dismiss(self, worker: Worker) -> None:
        del self.workers[worker.name]
        worker.is_leaving = True
        self.changed.notify_all()
