"""What README.md and docs/ tell people to type works.

A fenced block whose info string is ``sh run`` or ``python run`` is run, all blocks of a page one after another against
one fresh server, in a folder that holds a copy of samples/.  A block ``text output`` after it is what it must print:
each line in this order, ``…`` standing for anything, spaces compared loosely.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from conftest import BINARY, ROOT, Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

FENCE = re.compile(r"^```(\w+) (run|output)\n(.*?)^```$", re.M | re.S)


@dataclass
class Block:
    language: str
    text: str
    line: int
    expected: str | None = None


def blocks(page: Path) -> list[Block]:
    text = page.read_text()
    found: list[Block] = []
    for match in FENCE.finditer(text):
        language, role, body = match.groups()
        if role == "run":
            found.append(Block(language, body, text.count("\n", 0, match.start()) + 1))
        else:
            assert found and found[-1].expected is None, f"{page}: an output without a block to run before it"
            found[-1].expected = body
    return found


PAGES = [page for page in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))] if blocks(page)]


def assert_says(said: str, expected: str, where: str) -> None:
    """Every line of `expected` occurs in `said`, in order."""
    at = 0
    flat = re.sub(r"[ \t]+", " ", said)
    for line in filter(str.strip, expected.splitlines()):
        pattern = "".join(".*?" if part == "…" else r"\s+".join(map(re.escape, part.split())) + (r"\s*" if part.endswith(" ") else "")
                          for part in re.split("(…)", line.strip()))
        match = re.compile(pattern).search(flat, at)
        assert match, f"{where}: {line.strip()!r} was not printed; it said:\n{said}"
        at = match.end()


def command(block: Block, python: str) -> list[str]:
    if block.language == "python":
        return [python, "-c", block.text]
    return ["bash", "-euo", "pipefail", "-c", block.text]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_commands_of_the_page_work(page: Path, start_server: Callable[..., Server], tmp_path: Path) -> None:
    server = start_server("--warm", "1")
    shutil.copytree(ROOT / "samples", tmp_path / "samples")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "suricate").symlink_to(BINARY)
    environment = subprocess.run([ROOT / "packaging" / "environment"], capture_output=True, text=True, check=True).stdout.strip()
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        done = subprocess.run(
            command(block, f"{environment}/bin/python"), cwd=tmp_path, capture_output=True, text=True, timeout=180,
            stdin=subprocess.DEVNULL,
            env={**server.env, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "SURICATE_URL": server.url,
                 "SURICATE_TOKEN": server.token, "PYTHONPATH": str(ROOT / "sdk" / "python")})
        assert done.returncode == 0, f"{where}: exit {done.returncode}\n{block.text}\n{done.stdout}{done.stderr}"
        if block.expected is not None:
            assert_says(done.stdout + done.stderr, block.expected, where)


def test_there_are_pages_with_commands() -> None:
    assert len(PAGES) >= 3


def quickstart(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([ROOT / "quickstart", *arguments], capture_output=True, text=True, timeout=600, cwd="/",
                          stdin=subprocess.DEVNULL)


def test_quickstart_once_gives_the_answer_and_leaves_nothing_running(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = quickstart("--once", "--port", "0", "--data", str(data))
    assert done.returncode == 0, done.stdout + done.stderr
    assert_says(done.stdout, "Wes Welker\nreceiver targets catches yards\nW.Welker 11 9 67\nD.Thomas 11 5 161\nThe chart: …svg",
                "quickstart")
    assert (data / "favourite-receiver.svg").read_text().lstrip().startswith("<?xml")
    left = [words for words in map(command_line, filter(str.isdigit, os.listdir("/proc"))) if str(data) in words]
    assert [words for words in left if "/run/warm/" not in words] == [], "a waiting kernel may stay for its lease of a minute"


def command_line(pid: str) -> str:
    try:
        return Path("/proc", pid, "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def test_quickstart_a_second_time_uses_the_running_server(tmp_path: Path) -> None:
    data = tmp_path / "data"
    first = quickstart("--port", "0", "--data", str(data))
    pid = re.search(r"stop it with: +kill (\d+)", first.stdout)
    try:
        assert first.returncode == 0, first.stdout + first.stderr
        assert re.search(r"http://127\.0\.0\.1:\d+/login\?code=\S+", first.stdout), first.stdout
        second = quickstart("--once", "--port", "0", "--data", str(data))
        assert second.returncode == 0, second.stdout + second.stderr
        assert "running on this folder already" in second.stdout
        assert pid and Path("/proc", pid.group(1)).exists(), "it was running before and must be left running"
    finally:
        if pid:
            os.kill(int(pid.group(1)), 15)


def test_quickstart_names_what_is_wrong_with_its_options() -> None:
    assert "--bogus" in quickstart("--bogus").stderr
    assert "number from 0 to 65535" in quickstart("--port", "http").stderr
