"""The server is killed at random, or the machine loses its power; what was acknowledged must be there.

`CRASH_SEED` repeats a run, `CRASH_ROUNDS` makes it longer.  Each failure prints its seed.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable
from pathlib import Path

import powercut
import pytest
from e2e_fixtures import Server, wait_until
from model import ABSENT, Name, Writer, compare

SEED = int(os.environ.get("CRASH_SEED", time.time_ns() % 1_000_000))
ROUNDS = int(os.environ.get("CRASH_ROUNDS", 12))
MUTANT_ROUNDS = 12
WRITERS = 4

StartServer = Callable[..., Server]


def new_names(writer: int) -> list[Name]:
    objects = [Name(f"/v1/objects/crash/{writer}/{number}") for number in range(6)]
    return objects + [Name(f"/v1/notebooks/crash-{writer}-{number}") for number in range(2)]


def write_until_killed(server: Server, names: list[list[Name]], draw: random.Random, largest: int) -> int:
    """Let the writers work for a random while, kill the server in the midst of it; returns the acknowledged requests."""
    writers = [Writer(server.url, server.token, draw.randrange(1 << 30), mine, largest) for mine in names]
    for writer in writers:
        writer.start()
    enough = draw.randrange(1, 120)
    wait_until(lambda: sum(writer.acknowledged for writer in writers) >= enough or any(w.refused for w in writers),
               "the writers have got something acknowledged")
    time.sleep(draw.random() * 0.02)  # not a wait for anything: the instant of the kill is drawn
    server.kill()
    for writer in writers:
        writer.join(30)
        assert writer.refused is None, writer.refused
    return sum(writer.acknowledged for writer in writers)


def flatten(names: list[list[Name]]) -> list[Name]:
    return [name for mine in names for name in mine]


def test_what_was_acknowledged_survives_kill_9(start_server: StartServer) -> None:
    draw = random.Random(SEED)
    server = start_server()
    names = [new_names(writer) for writer in range(WRITERS)]
    acknowledged = 0
    for round_number in range(ROUNDS):
        acknowledged += write_until_killed(server, names, draw, largest=3_000_000)
        server.start()
        faults = compare(server.requests, server.url, flatten(names))
        assert not faults, f"CRASH_SEED={SEED}, round {round_number}: " + "; ".join(faults)
    assert acknowledged > ROUNDS
    assert any(name.state != ABSENT for name in flatten(names))


def test_no_file_is_left_over_after_kill_9(start_server: StartServer) -> None:
    """Half-done uploads leave no temporary file once the server has started again."""
    draw = random.Random(SEED + 1)
    server = start_server()
    names = [new_names(writer) for writer in range(WRITERS)]
    for _ in range(3):
        write_until_killed(server, names, draw, largest=8_000_000)
        server.start()
        faults = compare(server.requests, server.url, flatten(names))  # and settles what was in flight: a delete may have been done
        assert not faults, f"CRASH_SEED={SEED}: " + "; ".join(faults)
    left = [path for path in (server.data / "blobs").rglob("*") if path.is_file() and "tmp" in path.parent.name]
    assert left == [], f"CRASH_SEED={SEED}"


def power_cuts(start_server: StartServer, folder: Path, rounds: int, seed: int, ignore: str | None = None) -> list[str]:
    """Rounds of writing and power cuts; returns the faults of the first round that had any."""
    library = powercut.build(folder)
    draw = random.Random(seed)
    home = folder / "home"
    data, shadow = home / "data", home / "shadow"
    data.mkdir(parents=True)
    home.chmod(0o711)
    environment = powercut.environment(library, data, shadow, ignore)
    try:
        server = start_server(env=environment, folder=home)
    except AssertionError as error:
        return [str(error)]
    names = [new_names(writer) for writer in range(WRITERS)]
    for round_number in range(rounds):
        write_until_killed(server, names, draw, largest=200_000)
        powercut.restore(data, shadow)
        shadow.mkdir()
        try:
            server.start()
        except AssertionError as error:
            return [f"CRASH_SEED={seed}, round {round_number}: the server does not start on what is left: {error}"]
        faults = compare(server.requests, server.url, flatten(names))
        if faults:
            return [f"CRASH_SEED={seed}, round {round_number}", *faults]
    return []


def test_what_was_acknowledged_survives_a_power_cut(start_server: StartServer, tmp_path: Path) -> None:
    faults = power_cuts(start_server, tmp_path, ROUNDS, SEED + 2)
    assert not faults, "; ".join(faults)


@pytest.mark.parametrize("forgotten", ["blobs", "folders", "blob-folders", "database"])
def test_a_forgotten_sync_is_noticed(start_server: StartServer, tmp_path: Path, forgotten: str) -> None:
    """The harness bites: with one kind of sync left out, the same rounds find something lost."""
    faults = power_cuts(start_server, tmp_path, MUTANT_ROUNDS, SEED + 3, ignore=forgotten)
    assert faults, f"CRASH_SEED={SEED}: {MUTANT_ROUNDS} power cuts without syncs of {forgotten}, and nothing was missed"


def test_an_answer_before_the_commit_is_noticed(start_server: StartServer) -> None:
    """The model bites: a request journalled as acknowledged before its answer has come is found missing."""
    draw = random.Random(SEED + 4)
    server = start_server()
    for _ in range(40):
        names = [new_names(writer) for writer in range(WRITERS)]
        write_until_killed(server, names, draw, largest=3_000_000)
        for name in flatten(names):
            if name.in_flight:
                name.state, name.in_flight = name.in_flight, None
        server.start()
        if compare(server.requests, server.url, flatten(names)):
            return
    raise AssertionError(f"CRASH_SEED={SEED}: nothing was missed")
