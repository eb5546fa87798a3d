"""Verdicts of the native detectors, from the program detectors-probe."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
PROBE = Path(os.environ.get("DETECTORS_PROBE", ROOT / os.environ.get("SURICATE_BUILD", "build") / "src" / "act" / "detectors-probe"))


@dataclass
class Rules:
    """When an episode opens and ends; the same for every detector."""

    enter: float = 0.9999
    leave: float = 0.99
    hold: int = 1


@dataclass
class Verdicts:
    """One entry a point."""

    scores: np.ndarray
    values: np.ndarray
    is_warm: np.ndarray
    is_firing: np.ndarray
    dimension: np.ndarray


@dataclass
class Input:
    """values: (n, dimensions); learns: nothing is learned from this row on; -1: whatever an open episode says."""

    times_us: np.ndarray
    values: np.ndarray
    messages: np.ndarray
    learns: int = -1


def judge(kind: str, inputs: Sequence[Input], rules: Rules, parameters: Any = None, model: Any = None) -> list[Verdicts]:
    parts = []
    for one in inputs:
        rows, dimensions = one.values.shape
        parts += [np.array([rows, dimensions, one.learns], "<i8").tobytes(), one.times_us.astype("<i8").tobytes(),
                  one.messages.astype("<u8").tobytes(), np.ascontiguousarray(one.values, "<f8").tobytes()]
    arguments = [kind, json.dumps(parameters), json.dumps(model), str(rules.enter), str(rules.leave), str(rules.hold)]
    done = subprocess.run([PROBE, *arguments], input=b"".join(parts), capture_output=True, check=False)
    if done.returncode:
        raise SystemExit(f"detectors-probe {' '.join(arguments)}: {done.stderr.decode()}")
    table = np.frombuffer(done.stdout, "<f8").reshape(-1, 8)
    verdicts, at = [], 0
    for one in inputs:
        mine = table[at : at + len(one.values)]
        at += len(one.values)
        verdicts.append(Verdicts(mine[:, 0], mine[:, 1], mine[:, 5] > 0, mine[:, 6] > 0, mine[:, 7].astype(int)))
    return verdicts
