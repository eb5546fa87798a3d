"""The load of the sample: it rises, spikes and falls. The same seed gives the same arrivals and the same work."""

from __future__ import annotations

import random
from collections.abc import Callable

MEAN_S = 0.2  # of a job
CALM = 10.0  # jobs a second


def course(seconds: float) -> Callable[[float], float]:
    """Jobs a second at a time: calm, up to the double and a half, a spike of more than five times calm, down again."""
    points = [(0.0, 1.0), (0.15, 1.0), (0.40, 2.5), (0.55, 2.5), (0.552, 5.2), (0.66, 5.2), (0.662, 2.5), (0.72, 2.5), (0.90, 0.8), (1.0, 0.8)]

    def rate(t: float) -> float:
        at = min(max(t / seconds, 0.0), 1.0)
        for (left, low), (right, high) in zip(points, points[1:]):
            if at <= right:
                return CALM * (low + (high - low) * (at - left) / (right - left))
        return CALM * points[-1][1]

    return rate


def arrivals(rate: Callable[[float], float], seconds: float, seed: int) -> list[tuple[float, float]]:
    """When each job comes, and how long it takes: a little more regular than pure chance, and between 0.1 and 0.3 s."""
    numbers = random.Random(seed)
    t, jobs = 0.0, []
    while (t := t + numbers.gammavariate(4, 1 / (4 * rate(t)))) < seconds:
        jobs.append((t, MEAN_S * numbers.uniform(0.5, 1.5)))
    return jobs
