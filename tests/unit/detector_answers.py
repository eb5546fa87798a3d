#!/usr/bin/env python3
"""Prints the reference numbers of tests/unit/test_detector_shapes.c, computed by numpy and scikit-learn from the definitions.

Run it in the test environment: `$(packaging/environment --test --where)/bin/python tests/unit/detector_answers.py`.
The series are formulas, so that the test computes the same ones.
"""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler


def show(name: str, values: np.ndarray) -> None:
    print(f"{name}: {', '.join(f'{value:.9g}' for value in np.ravel(values))}")


def entangled(count: int) -> np.ndarray:
    """Four dimensions that follow two causes."""
    t = np.arange(count, dtype=float)
    a, b = np.sin(0.7 * t), np.cos(1.3 * t)
    return np.stack([10 + 3 * a, -5 + a + 2 * b, 100 * b, 2 * a - b + 0.2 * np.sin(5.1 * t)], axis=1)


def eigen() -> None:
    matrix = np.array([[4, 1, 0.5, 0], [1, 3, -0.25, 1], [0.5, -0.25, 2, 0.75], [0, 1, 0.75, 1]])
    values, vectors = np.linalg.eigh(matrix)
    show("eigenvalues", values[::-1])
    first = vectors[:, -1]
    show("first vector", first * np.sign(first[np.argmax(np.abs(first))]))


def pca() -> None:
    """The first fit is made of 2·4 + 30 points and serves until 76 points were learned; the mean follows point by point."""
    learned, asked = entangled(38), entangled(75)
    scaler = StandardScaler().fit(learned)
    model = PCA(n_components=0.95, svd_solver="full").fit(scaler.transform(learned))
    bias = (len(learned) - 1) / len(learned)  # scikit-learn divides by n - 1
    asked[70] += [0, 0, 30, 0]  # one dimension goes its own way
    asked[72] = asked[:72].mean(axis=0) + 8 * scaler.scale_ * model.components_[0] * np.sqrt(model.explained_variance_[0] * bias)  # too far along
    before = np.cumsum(asked, axis=0) - asked
    standard = (asked - before / np.maximum(np.arange(75.0), 1)[:, None]) / scaler.scale_
    scores = model.transform(standard)
    spe = ((standard - model.inverse_transform(scores)) ** 2).sum(axis=1)
    t2 = (scores**2 / (model.explained_variance_ * bias)).sum(axis=1)
    print("components:", model.n_components_)
    show("point 72", asked[72])
    show("root of SPE of points 40, 50, 60, 70", np.sqrt(spe[[40, 50, 60, 70]]))
    show("root of T2 of point 72", np.sqrt(t2[72]))


def blobs(count: int) -> np.ndarray:
    """Three groups of two values, in turn."""
    t = np.arange(count)
    centres = np.array([[0, 1000], [10, 3000], [20, 2000]], float)[t % 3]
    return centres + np.stack([np.sin(0.9 * t), 100 * np.cos(1.7 * t)], axis=1)


def kmeans() -> None:
    rows = blobs(128)
    scaler = StandardScaler().fit(rows)
    model = KMeans(n_clusters=3, n_init=10, random_state=0).fit(scaler.transform(rows))
    order = np.argsort(model.cluster_centers_[:, 0])
    show("mean", scaler.mean_)
    show("scale", scaler.scale_)
    show("centres", model.cluster_centers_[order])
    show("distances of (5, 2000), (20, 2000), (-40, 9000)",
         model.transform(scaler.transform([[5, 2000], [20, 2000], [-40, 9000]])).min(axis=1))


def wave(count: int) -> np.ndarray:
    t = np.arange(count, dtype=float)
    return 50 + np.sin(2 * np.pi * t / 20) + 0.3 * np.sin(0.77 * t)


def shape() -> None:
    """Windows of 16; a window's variance is smoothed by 1/500 a point, and a quarter of it is added before dividing."""
    size, values = 16, wave(230)
    values[200:210] = 50.5
    usual, distances = 0.0, {}
    for at in range(size - 1, len(values)):
        window = values[at - size + 1 : at + 1]
        variance = window.var()
        usual = usual or variance
        past = values[: at - size + 1]
        if len(past) >= 2 * size:
            shapes = np.lib.stride_tricks.sliding_window_view(past, size)
            extra = 0.25 * usual
            mine = (window - window.mean()) / np.sqrt(variance + extra)
            theirs = (shapes - shapes.mean(axis=1)[:, None]) / np.sqrt(shapes.var(axis=1) + extra)[:, None]
            distances[at] = np.sqrt(((mine - theirs) ** 2).mean(axis=1).min())
        usual += (variance - usual) / 500
    show("distances of points 60, 120, 180, 205, 220", np.array([distances[at] for at in (60, 120, 180, 205, 220)]))


if __name__ == "__main__":
    for part in (eigen, pca, kmeans, shape):
        part()
