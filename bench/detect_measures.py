"""How well scores and alarms fit labelled intervals, without point adjustment: no measure counts a whole interval as found
because one of its points was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


def intervals(labels: np.ndarray) -> list[tuple[int, int]]:
    """[first, last) of every stretch of True."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], labels.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist()))


def soft_labels(labels: np.ndarray, buffer: int) -> np.ndarray:
    """1 inside an interval, falling to 0 over half a buffer on both sides: sqrt(1 - distance / buffer)."""
    soft = labels.astype(float)
    for first, last in intervals(labels):
        reach = buffer // 2
        for side in (np.arange(max(0, first - reach), first), np.arange(last, min(len(labels), last + reach))):
            distance = np.where(side < first, first - side, side - last + 1)
            soft[side] = np.maximum(soft[side], np.sqrt(1 - distance / max(buffer, 1)))
    return soft


def vus_pr(labels: np.ndarray, scores: np.ndarray, buffer_max: int, thresholds: int = 200) -> float:
    """Volume under the surface of precision and recall over thresholds and buffer lengths.

    After Paparrizos, Boniol, Palpanas, Tsay, Elmore and Franklin, "Volume under the surface" (VLDB 2022), sections 3 and
    4: for each buffer length, precision and recall of range labels that fall off around each interval, recall weighed by
    the share of intervals that have at least one hit (existence); the mean of the areas over buffer lengths 0 ...
    buffer_max. Ties in the scores are one threshold.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    if len(ends) > thresholds:  # evenly over ranks on a log scale: the curve lives where few points are flagged
        ranks = np.unique(np.geomspace(1, len(scores), thresholds).astype(int)) - 1
        ends = np.unique(ends[np.minimum(np.searchsorted(ends, ranks), len(ends) - 1)])
    flagged = ends + 1.0
    areas = []
    for buffer in np.unique(np.linspace(0, buffer_max, 9).astype(int)):
        soft = soft_labels(labels, int(buffer))
        found = np.cumsum(soft[order])[ends]
        best = [
            scores[max(0, first - buffer // 2) : last + buffer // 2].max() for first, last in intervals(labels)]
        existence = np.array([np.mean(np.array(best) >= ranked[end]) for end in ends])
        positives = (labels.sum() + soft.sum()) / 2
        recall = np.minimum(found / positives, 1) * existence
        precision = found / flagged
        areas.append(float(np.sum(np.diff(np.concatenate([[0], recall])) * precision)))
    return float(np.mean(areas))


@dataclass
class Alarms:
    """Alarms (stretches of True) beside events."""

    events: int
    found: int          # events with an alarm inside
    delays: list[int]   # points from an event's beginning to the first alarmed point in it
    false: int          # alarms that touch no event
    points: int         # outside of events

    def __add__(self, other: Alarms) -> Alarms:
        return Alarms(self.events + other.events, self.found + other.found, self.delays + other.delays,
                      self.false + other.false, self.points + other.points)

    @property
    def recall(self) -> float:
        return self.found / self.events if self.events else float("nan")

    @property
    def delay(self) -> float:
        return float(np.median(self.delays)) if self.delays else float("nan")


def alarms(labels: np.ndarray, is_alarm: np.ndarray, after: int = 12) -> Alarms:
    """An alarm that begins up to `after` points after an event is still its echo, not a false one."""
    delays = [int(np.argmax(is_alarm[first:last])) for first, last in intervals(labels) if is_alarm[first:last].any()]
    near = labels.copy()
    for _, last in intervals(labels):
        near[last : last + after] = True
    false = sum(1 for first, last in intervals(is_alarm) if not near[first:last].any())
    return Alarms(len(intervals(labels)), len(delays), delays, false, int((~labels).sum()))


def f1(labels: np.ndarray, is_alarm: np.ndarray) -> tuple[float, float, float]:
    """F1, share of false alarms among normal rows, share of missed among anomalous rows; row by row."""
    true = int((labels & is_alarm).sum())
    false, missed = int((~labels & is_alarm).sum()), int((labels & ~is_alarm).sum())
    return 2 * true / max(2 * true + false + missed, 1), false / max((~labels).sum(), 1), missed / max(labels.sum(), 1)
