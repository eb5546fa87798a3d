"""What the benchmarks share: starting ours and the peers, reading processor time and memory, and the closing JSON line.

Everything listens on loopback, every loop has a bound, and only processes started here are ended.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import select
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

ROOT = Path(__file__).resolve().parents[1]
BUILD = ROOT / os.environ.get("SURICATE_BUILD", "build")
BINARY = BUILD / "suricate"
PEERS = ROOT / "bench" / "peers"
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


# -- processes ------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """A folder for one benchmark, on the disk that the data directory would be on ($SURICATE_BENCH, else /var/tmp)."""
    made = Path(tempfile.mkdtemp(prefix="suricate-bench-", dir=os.environ.get("SURICATE_BENCH", "/var/tmp")))
    made.chmod(0o755)
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: subprocess.Popen[Any], timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"{process.args}: did not begin to listen")
        time.sleep(0.02)


@contextlib.contextmanager
def running(command: Sequence[str | os.PathLike[str]], **more: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block; SIGTERM ends it, SIGKILL when that does not."""
    process = subprocess.Popen(list(map(os.fspath, command)), stdin=subprocess.DEVNULL, **more)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@dataclass
class Ours:
    """A running `suricate serve`."""

    process: subprocess.Popen[bytes]
    url: str
    token: str
    data: Path
    start_s: float
    session: requests.Session = field(default_factory=requests.Session)

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def request(self, method: str, path: str, **more: Any) -> requests.Response:
        answer = self.session.request(method, self.url + path, headers={**self.headers, **more.pop("headers", {})},
                                      timeout=more.pop("timeout", 600), **more)
        if answer.status_code >= 400:
            raise SystemExit(f"{method} {path}: {answer.status_code} {answer.text[:500]}")
        return answer


@contextlib.contextmanager
def ours(where: Path, *arguments: str) -> Iterator[Ours]:
    """`suricate serve` on an empty folder; start_s is the time from exec to its ready line."""
    data = where / "data"
    with (where / "server.log").open("ab") as log:
        began = time.perf_counter()
        with running([BINARY, "serve", "--data", data, "--listen", "127.0.0.1:0", *arguments],
                     stdout=subprocess.PIPE, stderr=log) as process:
            assert process.stdout
            if not select.select([process.stdout], [], [], 30)[0]:
                raise SystemExit("suricate serve: not ready after 30 s")
            line = process.stdout.readline().decode()
            start_s = time.perf_counter() - began
            if not line.startswith("ready "):
                raise SystemExit(f"suricate serve: {(where / 'server.log').read_text()[-2000:]}")
            server = Ours(process, line.split()[1], (data / "owner.token").read_text().strip(), data, start_s)
            server.session.trust_env = False
            yield server


@contextlib.contextmanager
def nginx(where: Path) -> Iterator[tuple[int, str]]:
    """nginx with WebDAV and sendfile, one worker; yields (master's pid, URL). Files go to `where`/nginx/files."""
    port = free_port()
    base = where / "nginx"
    (base / "files").mkdir(parents=True, exist_ok=True)
    (base / "temporary").mkdir(exist_ok=True)
    text = (PEERS / "nginx.conf").read_text().replace("@FOLDER@", str(base)).replace("@PORT@", str(port))
    user = "user root;\n" if os.getuid() == 0 else ""
    (base / "nginx.conf").write_text(user + text)
    with running(["nginx", "-e", base / "error.log", "-p", base, "-c", base / "nginx.conf"]) as process:
        wait_for_port(port, process)
        yield process.pid, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def hello(where: Path) -> Iterator[tuple[int, str]]:
    """The HTTP library's own hello program, built from peers/hello.c; yields (pid, URL)."""
    program = where / "hello"
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libmicrohttpd"], capture_output=True, text=True,
                           check=True).stdout.split()
    subprocess.run(["gcc", "-O2", "-o", program, PEERS / "hello.c", *flags], check=True)
    port = free_port()
    with running([program, str(port)]) as process:
        wait_for_port(port, process)
        yield process.pid, f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def tornado() -> Iterator[tuple[int, str]]:
    port = free_port()
    with running([sys.executable, PEERS / "tornado_hello.py", str(port)]) as process:
        wait_for_port(port, process)
        yield process.pid, f"http://127.0.0.1:{port}/"


@contextlib.contextmanager
def jupyter_server(where: Path) -> Iterator[tuple[int, str]]:
    """Jupyter Server on an empty folder, without a token; yields (pid, URL)."""
    port = free_port()
    root = where / "jupyter"
    root.mkdir(exist_ok=True)
    environment = {**os.environ, "HOME": str(root), "JUPYTER_RUNTIME_DIR": str(root), "JUPYTER_CONFIG_DIR": str(root)}
    command = [sys.executable, "-m", "jupyter_server", f"--port={port}", "--ip=127.0.0.1", "--no-browser", "--allow-root",
               "--ServerApp.token=", "--ServerApp.password=", "--ServerApp.disable_check_xsrf=True",
               f"--ServerApp.root_dir={root}", "--log-level=ERROR"]
    with running(command, env=environment, stderr=subprocess.DEVNULL) as process:
        wait_for_port(port, process)
        yield process.pid, f"http://127.0.0.1:{port}"


@contextlib.contextmanager
def aiohttp_sqlite(where: Path) -> Iterator[tuple[int, int]]:
    """aiohttp (Debian's, so the system's Python) that puts NDJSON into SQLite; yields (port, pid)."""
    port = free_port()
    with running(["/usr/bin/python3", PEERS / "aiohttp_sqlite.py", str(port), where / "aiohttp.db"]) as process:
        wait_for_port(port, process)
        yield port, process.pid


def kernel_python() -> str:
    """The interpreter of the kernels' environment."""
    return subprocess.run([ROOT / "packaging" / "environment"], capture_output=True, text=True, check=True).stdout.strip() + "/bin/python"


# -- messages -------------------------------------------------------------------------------------------------------


def write_messages(path: Path, count: int, start_s: float = 1_700_000_000.0) -> None:
    """`count` messages of 133 bytes and 8 fields, a line each: what a probe would say of system calls."""
    numbers = random.Random(1)
    comms = [f"worker{number:02}" for number in range(100)]
    calls = ["read", "write", "openat", "futex", "epoll_wait", "recvmsg", "sendmsg", "close"]
    with path.open("w") as file:
        for number in range(count):
            row = {"ts": round(start_s + number / 1000, 3), "host": "node-a", "pid": numbers.randrange(1000, 32768),
                   "comm": numbers.choice(comms), "syscall": numbers.choice(calls), "count": numbers.randrange(1, 500),
                   "bytes": numbers.randrange(0, 100_000), "lat": round(numbers.random() * 10, 4)}
            missing = 132 - len(json.dumps(row, separators=(",", ":")))
            row["host"] = f"node-a{'0' * missing}"
            file.write(json.dumps(row, separators=(",", ":")) + "\n")


# -- readings -------------------------------------------------------------------------------------------------------


def children(pid: int) -> list[int]:
    """Every process below `pid`."""
    below: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            for child in map(int, Path(f"/proc/{pid}/task/{task}/children").read_text().split()):
                below += [child, *children(child)]
    return below


def cpu_s(pid: int, family: bool = False) -> float:
    """User and system seconds that a process has used, with `family` those of its children too."""
    total = 0.0
    for one in [pid, *(children(pid) if family else [])]:
        fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
        total += (int(fields[11]) + int(fields[12])) * TICK_S
    return total


def memory_mib(pid: int, what: str) -> float:
    """A line of /proc/PID/status in MiB: VmRSS, VmHWM, RssAnon, …"""
    match = re.search(rf"^{what}:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text(), re.M)
    return int(match.group(1)) / 1024 if match else 0.0


def private_mib(pid: int) -> float:
    """Memory that only this process holds, in MiB; 0 when it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return 0.0
    return sum(int(size) for size in re.findall(r"^Private_\w+:\s+(\d+) kB", text, re.M)) / 1024


def forget_peak(pid: int) -> None:
    """Begin a new VmHWM."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def wrk(url: str, seconds: int, header: str | None = None) -> int:
    """Load `url` with 64 keep-alive connections; returns the number of answered requests, all of them 2xx."""
    command = ["wrk", "-t1", "-c64", f"-d{seconds}s", *(["-H", header] if header else []), url]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise SystemExit(f"wrk {url}: {said}")
    found = re.search(r"(\d+) requests in", said)
    if not found:
        raise SystemExit(f"wrk {url}: {said}")
    return int(found.group(1))


# -- the report -----------------------------------------------------------------------------------------------------


@dataclass
class Figure:
    """One figure of a benchmark: what ours and the peer took in each round, and the budget of their ratio.

    With `at_least` the ratio must reach the budget, otherwise it must not pass it.  A figure without a peer is held
    against the budget itself.
    """

    name: str
    unit: str
    budget: float
    at_least: bool
    ours: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)
    peer_name: str = ""
    invert: bool = False  # the ratio is peer / ours: for times, where "at least 30 times sooner" is wanted

    def ratios(self) -> list[float]:
        if not self.peer:
            return self.ours
        pairs = zip(self.ours, self.peer)
        return [(theirs / mine if self.invert else mine / theirs) if (mine if self.invert else theirs) else 0.0
                for mine, theirs in pairs]

    def record(self) -> dict[str, Any]:
        ratios = self.ratios()
        ratio = statistics.median(ratios)
        return {
            "name": self.name,
            "unit": self.unit,
            "ours": _round(statistics.median(self.ours)),
            "peer": _round(statistics.median(self.peer)) if self.peer else None,
            "peer_name": self.peer_name or None,
            "ratio": _round(ratio),
            "budget": self.budget,
            "holds": ratio >= self.budget if self.at_least else ratio <= self.budget,
            "runs": [_round(value) for value in ratios],
        }

    def show(self) -> None:
        def spread(values: list[float]) -> str:
            return f"{_round(min(values))} / {_round(statistics.median(values))} / {_round(max(values))}"

        record = self.record()
        print(f"{self.name} ({self.unit}; min / median / max of {len(self.ours)})")
        print(f"  ours            {spread(self.ours)}")
        if self.peer:
            print(f"  {self.peer_name or 'peer':15} {spread(self.peer)}")
            print(f"  {'peer : ours' if self.invert else 'ours : peer':15} {spread(self.ratios())}")
        print(f"  budget          {'at least' if self.at_least else 'at most'} {self.budget}: "
              f"{'holds' if record['holds'] else 'DOES NOT HOLD'}", flush=True)


def _round(value: float) -> float:
    return float(f"{value:.4g}")


def report(name: str, figures: Sequence[Figure]) -> int:
    """Print every figure and, last, the JSON line; the first figure gives it its values. Returns the exit status."""
    print()
    for figure in figures:
        figure.show()
    parts = [figure.record() for figure in figures]
    head = {key: parts[0][key] for key in ("ours", "peer", "ratio", "budget")}
    print(json.dumps({"name": name, **head, "holds": all(part["holds"] for part in parts), "runs": parts[0]["runs"],
                      "parts": parts}), flush=True)
    return 0


def progress(*words: Any) -> None:
    print(*words, flush=True)


def rounds(default: int) -> int:
    """How often each side is measured: BENCH_ROUNDS, else `default`."""
    return int(os.environ.get("BENCH_ROUNDS", default))
