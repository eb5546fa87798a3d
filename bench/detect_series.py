"""Series with labelled anomalies for bench/detect-quality: 30 days in windows of five minutes, one seed a series.

Every series has a season of the day and of the week, noise (some of it correlated in time), a few missing values, and its
own level and scale, so that a detector that is not told the scale must find it. Anomalies lie after the first two weeks
and at least half a day apart. Sizes are in standard deviations of the noise ("sigma").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

STEP_S = 300
DAY = 86_400 // STEP_S
WEEK = 7 * DAY
LENGTH = 30 * DAY
JUDGED = 14 * DAY  # what comes before is for learning
START_S = 1_699_833_600  # a Monday, 00:00 UTC
GAP = DAY // 2


@dataclass
class Series:
    """values: (n, dimensions), NaN is missing; messages: (n,); labels: (n,), True inside an anomaly."""

    name: str
    values: np.ndarray
    messages: np.ndarray
    labels: np.ndarray

    @property
    def times_us(self) -> np.ndarray:
        return (START_S + STEP_S * (1 + np.arange(len(self.values), dtype=np.int64))) * 1_000_000


def noise(rng: np.random.Generator, length: int, correlation: float) -> np.ndarray:
    """Gaussian, sigma 1; AR(1) with the given correlation of neighbours."""
    shocks = rng.standard_normal(length)
    if not correlation:
        return shocks
    out = np.empty(length)
    last = shocks[0]
    spread = np.sqrt(1 - correlation**2)
    for at, shock in enumerate(shocks):
        last = correlation * last + spread * shock if at else shock
        out[at] = last
    return out


def season(rng: np.random.Generator, length: int) -> np.ndarray:
    """A day of two harmonics, 4 to 10 sigma from trough to peak, and a quieter week-end."""
    hours = np.arange(length) / DAY
    size = rng.uniform(2, 5)
    phase = rng.uniform(0, 2 * np.pi, 2)
    day = size * np.sin(2 * np.pi * hours + phase[0]) + 0.35 * size * np.sin(4 * np.pi * hours + phase[1])
    weekend = (hours % 7 >= 5).astype(float)
    return day * (1 - 0.4 * weekend) - rng.uniform(0, 3) * weekend


def cycle(length: int) -> np.ndarray:
    """A saw of two hours, 4 sigma high: slow up, fast down."""
    return 4 * ((np.arange(length) % 24) / 24 - 0.5)


def places(rng: np.random.Generator, lengths: list[int]) -> list[int]:
    """Where events of these lengths begin: in order, after JUDGED, at least GAP apart."""
    free = LENGTH - JUDGED - 2 * GAP - sum(length + GAP for length in lengths)
    assert free > 0
    cuts = np.sort(rng.integers(0, free, len(lengths)))
    starts, at = [], JUDGED + GAP
    for number, length in enumerate(lengths):
        starts.append(int(at + cuts[number]))
        at += length + GAP
    return starts


# -- what goes wrong: each takes (rng, values of one series in sigma, first, last) and changes values[first:last] --------

Event = Callable[[np.random.Generator, np.ndarray, int, int], None]


def sign(rng: np.random.Generator) -> int:
    return int(rng.choice([-1, 1]))


def level(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    values[first:last] += sign(rng) * rng.uniform(3, 6)


def variance(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    values[first:last] += noise(rng, last - first, 0) * np.sqrt(rng.uniform(3, 5) ** 2 - 1)


def spike(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    values[first:last] += sign(rng) * rng.uniform(6, 12)


def drift(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    values[first:last] += sign(rng) * rng.uniform(4, 8) * np.linspace(0, 1, last - first)


def season_break(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    """The day comes 5 to 12 hours late: what was learned for another hour is what shows now."""
    late = int(rng.integers(5 * 12, 12 * 12))
    values[first:last] = values[first - late : last - late].copy()


def shape(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    """The saw runs backwards (fast up, slow down): same level, spread and period."""
    there = cycle(len(values))
    values[first:last] += there[::-1][len(values) - last : len(values) - first] - there[first:last]


def missing(rng: np.random.Generator, values: np.ndarray, first: int, last: int) -> None:
    values[first:last] = np.nan


EVENTS: dict[str, tuple[Event, tuple[int, int], int]] = {
    # what: (event, its shortest and longest length in points, how many a series)
    "level": (level, (24, 144), 4),
    "variance": (variance, (24, 144), 4),
    "spike": (spike, (1, 4), 8),
    "drift": (drift, (72, 288), 3),
    "season": (season_break, (144, 288), 3),
    "missing": (missing, (6, 36), 5),
    "shape": (shape, (96, 192), 4),
}
CLASSES = [*EVENTS, "correlated"]


def single(what: str, seed: int) -> Series:
    """A series of one dimension with the events of a class, or none ("normal")."""
    rng = np.random.default_rng([seed, sorted([*EVENTS, "normal"]).index(what)])
    values = season(rng, LENGTH) + noise(rng, LENGTH, rng.choice([0, 0.3]))
    if what == "shape":
        values = 0.3 * season(rng, LENGTH) + cycle(LENGTH) + 0.5 * noise(rng, LENGTH, 0)
    labels = np.zeros(LENGTH, bool)
    if what != "normal":
        event, (short, long), count = EVENTS[what]
        lengths = [int(length) for length in rng.integers(short, long + 1, count)]
        for first, length in zip(places(rng, lengths), lengths):
            event(rng, values, first, first + length)
            labels[first : first + length] = True
    return finish(rng, f"{what}-{seed}", values[:, None], labels)


def correlated(seed: int, with_events: bool = True) -> Series:
    """Four dimensions that follow two causes; in an event one of them goes its own way, as large as ever."""
    rng = np.random.default_rng([seed, 99])
    causes = np.stack([season(rng, LENGTH) + 2 * noise(rng, LENGTH, 0.9), 3 * noise(rng, LENGTH, 0.95)])
    loadings = rng.uniform(0.4, 1, (4, 2)) * rng.choice([-1, 1], (4, 2))
    values = (loadings @ causes).T + 0.4 * rng.standard_normal((LENGTH, 4))
    labels = np.zeros(LENGTH, bool)
    lengths = [int(length) for length in rng.integers(48, 145, 4)] if with_events else []
    for first, length in zip(places(rng, lengths), lengths):
        which, before = int(rng.integers(4)), int(rng.integers(3, 8)) * DAY
        values[first : first + length, which] = values[first - before : first - before + length, which].copy()
        labels[first : first + length] = True
    return finish(rng, f"correlated-{seed}", values, labels)


def finish(rng: np.random.Generator, name: str, values: np.ndarray, labels: np.ndarray) -> Series:
    """A level and a scale of its own per dimension, and one value in 200 missing."""
    dimensions = values.shape[1]
    values = values * 10 ** rng.uniform(-2, 4, dimensions) + 10 ** rng.uniform(-2, 4, dimensions)
    is_lost = rng.random(LENGTH) < 0.005
    values[is_lost] = np.nan
    return Series(name, values, (~np.isnan(values).all(axis=1)).astype(np.uint64), labels)


def generated(what: str, seed: int) -> Series:
    return correlated(seed) if what == "correlated" else single(what, seed)


def shifted(seed: int, size_sigma: float = 3.0) -> tuple[Series, int]:
    """White noise around the season, and from a point in the third week on a level shift; returns (series, that point)."""
    rng = np.random.default_rng([seed, 7])
    first = JUDGED + int(rng.integers(DAY, 3 * DAY))
    length = first + 60
    values = season(rng, length) + noise(rng, length, 0)
    values[first:] += sign(rng) * size_sigma
    values = values * 10 ** rng.uniform(-2, 4) + 10 ** rng.uniform(-2, 4)
    labels = np.arange(length) >= first
    return Series(f"shifted-{seed}", values[:, None], np.ones(length, np.uint64), labels), first
