"""What else one would take: scikit-learn's IsolationForest and LOF on lags, and a windowed Gaussian. All causal: fitted
anew each week on what came before, at most the last two weeks. Scores grow with strangeness; they have no common scale."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.ensemble import IsolationForest
from sklearn.neighbors import LocalOutlierFactor

LAGS = 12


def filled(values: np.ndarray) -> np.ndarray:
    """Each missing value is the last one before it (0 at the beginning)."""
    rows = np.where(np.isnan(values), 0, np.arange(len(values))[:, None])
    return np.nan_to_num(np.take_along_axis(values, np.maximum.accumulate(rows, axis=0), axis=0))


def lagged(values: np.ndarray, lags: int) -> np.ndarray:
    """(n, lags × dimensions): each row the last `lags` points; the first rows repeat the first point."""
    padded = np.concatenate([np.repeat(values[:1], lags - 1, axis=0), values])
    return sliding_window_view(padded, lags, axis=0).reshape(len(values), -1)


def refitted(make: Callable[[], object], values: np.ndarray, first: int, every: int, most: int) -> np.ndarray:
    """Scores from row `first` on by models that each learned the at most `most` rows before their stretch."""
    rows = lagged(filled(values), LAGS if values.shape[1] == 1 else 1)
    scores = np.zeros(len(rows))
    for begin in range(first, len(rows), every):
        past = rows[max(0, begin - most) : begin]
        mean, scale = past.mean(axis=0), past.std(axis=0) + 1e-12
        model = make().fit((past - mean) / scale)
        scores[begin : begin + every] = -model.score_samples((rows[begin : begin + every] - mean) / scale)
    return scores


def isolation_forest(values: np.ndarray, first: int, every: int, most: int) -> np.ndarray:
    return refitted(lambda: IsolationForest(n_estimators=100, random_state=0), values, first, every, most)


def local_outlier_factor(values: np.ndarray, first: int, every: int, most: int) -> np.ndarray:
    return refitted(lambda: LocalOutlierFactor(n_neighbors=20, novelty=True), values, first, every, most)


def windowed_gaussian(values: np.ndarray, window: int) -> np.ndarray:
    """How many standard deviations from the mean of the last `window` points; the farthest dimension counts."""
    values = filled(values)
    sums = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), values]), axis=0)
    centre = values.mean(axis=0)  # only against cancellation: it falls out
    squares = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), (values - centre) ** 2]), axis=0)
    scores = np.zeros(len(values))
    for at in range(window, len(values)):
        mean = (sums[at] - sums[at - window]) / window
        variance = (squares[at] - squares[at - window]) / window - (mean - centre) ** 2
        scores[at] = np.max(np.abs(values[at] - mean) / np.sqrt(np.maximum(variance, 1e-30)))
    return scores
