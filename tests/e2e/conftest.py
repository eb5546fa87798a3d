"""Fixtures of the end-to-end tests: the real server, started on a free port and an empty folder.

`server` is a server of the test's own; `shared_server` is one for the whole session, with a warm kernel pool, for
tests that run notebooks and need no fresh folder (name your objects after your test).  Both wait for states, never
for time, and end only processes that they started.

Options of `server` are given by a mark::

    @pytest.mark.server("--warm", "1", env={"NAME": "value"})

`SURICATE_BUILD` names the build folder (default `build`), so the same tests run against a sanitizer build.
"""

from __future__ import annotations

import ctypes
import json
import os
import re
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Sequence

import pytest
import requests

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("SURICATE_BUILD", "build")).resolve()
BINARY = Path(os.environ.get("SURICATE_BIN", BUILD / "suricate"))
SAMPLE = ROOT / "samples" / "denver-baltimore-2013-week1.csv"

#: A sanitizer makes everything several times slower; so do busy machines.
IS_SANITIZED = "san" in BUILD.name
PATIENCE_S = 90.0 if IS_SANITIZED else 45.0
FINAL_STATES = {"succeeded", "failed", "cancelled", "timed_out", "out_of_memory", "interrupted"}
SANITIZER_REPORT = re.compile(
    r"ERROR: (Address|Leak|Undefined\w*)Sanitizer|runtime error:|WARNING: ThreadSanitizer|AddressSanitizer:DEADLYSIGNAL"
)
PR_SET_CHILD_SUBREAPER = 36


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "server(*arguments, env={}): how the `server` fixture starts the server")
    config.addinivalue_line("markers", "slow: left out of the sanitizer round")
    # Keepers outlive their server. As the sub-reaper we inherit them, so they are ours to end after the test.
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """`SURICATE_SHARD=1/2` takes every second test, so that two processes share the work."""
    part, _, parts = os.environ.get("SURICATE_SHARD", "1/1").partition("/")
    left_out = [item for number, item in enumerate(items) if number % int(parts) != int(part) - 1]
    if left_out:
        items[:] = [item for number, item in enumerate(items) if number % int(parts) == int(part) - 1]
        config.hook.pytest_deselected(items=left_out)


def wait_until(condition: Callable[[], Any], what: str, timeout_s: float = PATIENCE_S) -> Any:
    """Ask `condition` until it answers something true; fail with `what` when it does not within the time."""
    deadline = time.monotonic() + timeout_s
    while True:
        reap_adopted()
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {timeout_s:.0f} s in vain until {what}")
        select.select([], [], [], 0.02)


class Client(requests.Session):
    """A requests session that knows the server's address and carries the token: `client.get("/v1/status")`."""

    def __init__(self, server: Server, token: str | None = None):
        super().__init__()
        self._server = server
        self.trust_env = False
        if token:
            self.headers["Authorization"] = f"Bearer {token}"

    def request(self, method: str, url: str, **more: Any) -> requests.Response:  # type: ignore[override]
        more.setdefault("timeout", PATIENCE_S + 30)
        return super().request(method, self._server.url + url if url.startswith("/") else url, **more)


class Server:
    """One `suricate serve` with its folder.

    Attributes
    ----------
    url, token, data : address, the owner's token, the data directory
    process : the running server's `subprocess.Popen`
    requests : a `Client` that carries the owner's token
    log : the file that the server's standard error goes to (all starts, one after another)
    """

    def __init__(self, folder: Path, arguments: Sequence[str] = (), env: Mapping[str, str] | None = None):
        self.folder = folder
        self.data = folder / "data"
        self.log = folder / "server.log"
        self.arguments = list(arguments)
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("SURICATE_")},
            "SURICATE_DATA": str(self.data),
            "ASAN_OPTIONS": "abort_on_error=0:detect_leaks=1:detect_stack_use_after_return=0",
            "UBSAN_OPTIONS": "print_stacktrace=1",
            "TSAN_OPTIONS": f"halt_on_error=0:suppressions={ROOT / 'tests' / 'tsan.supp'}",
            **{name: os.environ[name] for name in ("SURICATE_ENV", "SURICATE_SHARE") if name in os.environ},
            **(env or {}),
        }
        self.process: subprocess.Popen[bytes] = None  # type: ignore[assignment]
        self.url = ""
        self.token = ""
        self.start()

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server and wait until it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [str(BINARY), "serve", "--data", str(self.data), "--listen", "127.0.0.1:0", *self.arguments],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=self.env, cwd=self.folder,
            )
        first = self._first_line()
        if not first.startswith("ready http://"):
            code = self.process.poll()
            raise AssertionError(f"the server did not start (exit code {code}, said {first!r})\n{self.log_tail()}")
        self.url = first.split()[1]
        self.token = (self.data / "owner.token").read_text().strip()
        self.requests = self.client(self.token)

    def _first_line(self) -> str:
        assert self.process.stdout is not None
        deadline = time.monotonic() + PATIENCE_S
        line = b""
        while not line.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                self.process.kill()
                self.process.wait()
                raise AssertionError(f"no ready line within {PATIENCE_S:.0f} s\n{self.log_tail()}")
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                self.process.wait()
                break
            line += byte
        return line.decode(errors="replace").strip()

    def kill(self) -> None:
        """SIGKILL, as a crash would end it; keepers and kernels go on."""
        self.process.kill()
        self.process.wait()
        self._close_output()

    def stop(self, timeout_s: float = PATIENCE_S) -> int:
        """SIGTERM; returns the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError(f"the server did not stop within {timeout_s:.0f} s of SIGTERM\n{self.log_tail()}")
        self._close_output()
        return self.process.returncode

    def restart(self, kill: bool = False) -> None:
        """End the server (with SIGKILL when `kill`) and start it again on the same folder; the port changes."""
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def close(self) -> None:
        """Stop the server, then its keepers and kernels; fail on what a sanitizer reported or a wrong exit."""
        killed = self.process.poll() is not None
        code = self.stop()
        self._end_leftovers()
        report = SANITIZER_REPORT.search(self.log.read_text(errors="replace"))
        if report:
            raise AssertionError(f"a sanitizer reported a fault\n{self.log_tail(20_000)}")
        if not killed and code != 0:
            raise AssertionError(f"the server ended with {code} after SIGTERM\n{self.log_tail()}")

    def _close_output(self) -> None:
        if self.process.stdout and not self.process.stdout.closed:
            self.process.stdout.close()

    def _end_leftovers(self) -> None:
        for pid in self.descendants():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        while reap_adopted():
            pass

    def descendants(self) -> list[int]:
        """Every process, the server apart, that belongs to this server: its folder is in its arguments or environment."""
        reap_adopted()
        mine = []
        mark = str(self.folder).encode()
        for entry in os.listdir("/proc"):
            if not entry.isdigit() or int(entry) in (os.getpid(), self.process.pid):
                continue
            try:
                words = Path("/proc", entry, "cmdline").read_bytes() + Path("/proc", entry, "environ").read_bytes()
            except OSError:
                continue
            if mark in words:
                mine.append(int(entry))
        return mine

    # -- use ------------------------------------------------------------------------------------------------------

    def client(self, token: str | None) -> Client:
        """A session that carries another token, or none."""
        return Client(self, token)

    def cli(self, *args: str | os.PathLike[str], check: bool = True, input: str | bytes | None = None,
            env: Mapping[str, str] | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
        """Run `suricate ARGS…` as the owner. With `check` a non-zero exit fails the test and shows what was said."""
        raw = input.encode() if isinstance(input, str) else input
        done = subprocess.run(
            [str(BINARY), *map(os.fspath, args)], input=raw, stdin=None if raw is not None else subprocess.DEVNULL,
            capture_output=True, timeout=timeout, cwd=self.folder,
            env={**self.env, "SURICATE_URL": self.url, "SURICATE_TOKEN": self.token, **(env or {})},
        )
        text = subprocess.CompletedProcess(
            done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if check and done.returncode != 0:
            raise AssertionError(f"{' '.join(map(str, args))}: exit {done.returncode}\n{text.stdout}{text.stderr}")
        return text

    def put(self, name: str, body: bytes | str, **headers: str) -> dict[str, Any]:
        """Store an object, return its record."""
        answer = self.requests.put(f"/v1/objects/{name}", data=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def put_notebook(self, name: str, *cells: str, parameters: str | None = None,
                     metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Store a notebook of the given code cells, the `parameters` cell first."""
        answer = self.requests.put(
            f"/v1/notebooks/{name}", data=json.dumps(notebook(*cells, parameters=parameters, metadata=metadata)),
            headers={"Content-Type": "application/x-ipynb+json"})
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    def start_run(self, name: str, **fields: Any) -> dict[str, Any]:
        """POST a run of a stored notebook, return its record as accepted."""
        answer = self.requests.post("/v1/runs", json={"notebook": name, **fields})
        assert answer.status_code == 202, answer.text
        return answer.json()

    def wait_run(self, run_id: str, timeout_s: float = PATIENCE_S * 2) -> dict[str, Any]:
        """Wait until the run has ended; returns its record."""
        def ended() -> dict[str, Any] | None:
            answer = self.requests.get(f"/v1/runs/{run_id}", params={"wait": "10s"})
            assert answer.status_code == 200, answer.text
            record = answer.json()
            return record if record["state"] in FINAL_STATES else None
        return wait_until(ended, f"run {run_id} has ended", timeout_s)

    def run(self, *cells: str, name: str | None = None, parameters: str | None = None, **fields: Any) -> dict[str, Any]:
        """Store the cells as a notebook, run it, wait for its end; returns the run's record."""
        name = name or f"test-{time.monotonic_ns()}"
        self.put_notebook(name, *cells, parameters=parameters)
        given = fields.pop("given", None)
        return self.wait_run(self.start_run(name, **({"parameters": given} if given else {}), **fields)["id"])

    def log_tail(self, size: int = 6000) -> str:
        """The end of the server's log."""
        if not self.log.exists():
            return "(no log)"
        text = self.log.read_bytes()[-size:].decode(errors="replace")
        return f"--- end of {self.log} ---\n{text}"


def reap_adopted() -> int:
    """Wait for ended processes that we inherited as sub-reaper; returns their number.

    Keepers and sandboxes have sessions of their own; what a test started is in ours, and its Popen waits for it.
    """
    reaped = 0
    servers = {server.process.pid for server in _live}
    for child in Path("/proc/self/task", str(os.getpid()), "children").read_text().split():
        try:
            state, _, _, session = Path("/proc", child, "stat").read_text().rsplit(")", 1)[1].split()[:4]
            if state == "Z" and int(session) != os.getsid(0) and int(child) not in servers:
                reaped += os.waitpid(int(child), os.WNOHANG)[0] != 0
        except (OSError, ValueError):
            continue
    return reaped


def notebook(*cells: str, parameters: str | None = None, metadata: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """An nbformat 4.5 notebook of the given code cells."""
    sources = [] if parameters is None else [(parameters, {"tags": ["parameters"]})]
    sources += [(cell, {}) for cell in cells]
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                     "language_info": {"name": "python"}, **(metadata or {})},
        "cells": [
            {"id": f"cell-{number}", "cell_type": "code", "source": source, "metadata": about,
             "execution_count": None, "outputs": []}
            for number, (source, about) in enumerate(sources)
        ],
    }


# -- fixtures -----------------------------------------------------------------------------------------------------


def _folder() -> Path:
    # Short, since socket paths live below it; open to traverse, since kernels run as another user.
    folder = Path(tempfile.mkdtemp(prefix="suricate-"))
    folder.chmod(0o711)
    return folder


def _remove(folder: Path) -> None:
    if not os.environ.get("SURICATE_KEEP"):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def start_server() -> Iterator[Callable[..., Server]]:
    """A function that starts servers: `start_server("--warm", "1", env={…}, folder=…)`; all are stopped at the end."""
    servers: list[Server] = []

    def start(*arguments: str, env: Mapping[str, str] | None = None, folder: Path | None = None) -> Server:
        if "--warm" not in arguments:
            arguments = ("--warm", "0", *arguments)
        server = Server(folder or _folder(), arguments, env)
        servers.append(server)
        _live.append(server)
        return server

    yield start
    try:
        for server in reversed(servers):
            server.close()
    finally:
        for server in servers:
            _live.remove(server)
            server.process.kill()
            _remove(server.folder)


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 16 MiB; `mount -o remount,size=…` makes room on it."""
    disk = Path("/tmp") / f"suricate-small-{os.getpid()}"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m,mode=0711", "tmpfs", str(disk)], capture_output=True).returncode:
        disk.rmdir()
        pytest.skip("mounting a small file system needs root")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)
    disk.rmdir()


@pytest.fixture
def server(request: pytest.FixtureRequest, start_server: Callable[..., Server]) -> Server:
    """A server of this test's own, with an empty folder and no warm kernels unless its mark asks for them."""
    mark = request.node.get_closest_marker("server")
    return start_server(*(mark.args if mark else ()), env=mark.kwargs.get("env") if mark else None)


@pytest.fixture(scope="session")
def _session_server() -> Iterator[Server]:
    server = Server(_folder(), ("--warm", "2"))
    _live.append(server)
    yield server
    try:
        server.close()
    finally:
        _live.remove(server)
        server.process.kill()
        _remove(server.folder)


@pytest.fixture
def shared_server(_session_server: Server) -> Server:
    """One server for the whole session, with warm kernels; it is started again if a test left it dead."""
    if _session_server.process.poll() is not None:
        _session_server.start()
    return _session_server


_live: list[Server] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for server in _live:
            report.sections.append((f"log of {server.url}", server.log_tail()))


def pytest_sessionstart(session: pytest.Session) -> None:
    if not BINARY.exists():
        pytest.exit(f"{BINARY} is not there: build first (meson setup build && ninja -C build), or run ./check e2e", 4)
