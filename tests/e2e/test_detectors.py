"""Native detectors from outside: what the API and the SDK say, beside sums written down again here, and what bad data does."""

from __future__ import annotations

import math
import os
import random
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, Server

sys.path.insert(0, str(ROOT / "sdk" / "python"))

import suricate as s  # noqa: E402

#: Kinds that judge a window of points: after a gap they begin a new one.
WINDOWED = ["kmeans", "pca", "shape"]
KINDS = ["threshold", "rate", "absence", "seasonal", "change", "kmeans", "pca", "shape", "combination"]
#: 2026-01-05T00:00:00Z, a Monday
START_US = 1767571200000000
MINUTE_US = 60_000_000


@pytest.fixture
def at(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in [name for name in os.environ if name.startswith("SURICATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SURICATE_URL", shared_server.url)
    monkeypatch.setenv("SURICATE_TOKEN", shared_server.token)
    return shared_server


def score(server: Server, kind: str, values: list[Any], status: int = 200, **more: Any) -> dict[str, Any]:
    answer = server.requests.post(f"/v1/detectors/{kind}/score", json={"values": values, **more})
    assert answer.status_code == status, answer.text
    result: dict[str, Any] = answer.json()
    return result


def days(count: int, seed: int = 1) -> list[float]:
    """Minutes with a day's shape and some noise."""
    numbers = random.Random(seed)
    return [100 + 30 * math.sin(n * 2 * math.pi / 1440) + numbers.gauss(0, 1) for n in range(count * 1440)]


def times(count: int) -> list[int]:
    return [START_US + n * MINUTE_US for n in range(count)]


# What they compute ------------------------------------------------------------------------------


def cusum(values: list[float], level: float, spread: float, slack: float) -> list[float]:
    up = down = 0.0
    sums = []
    for value in values:
        z = (value - level) / spread
        up, down = max(0.0, up + z - slack), max(0.0, down - z - slack)
        sums.append(max(up, down))
    return sums


def page_hinkley(values: list[float], level: float, spread: float, tolerance: float, forgetting: float) -> list[float]:
    mean = rise = fall = least = most = 0.0
    sums = []
    for count, value in enumerate(values, 1):
        z = (value - level) / spread
        mean += (z - mean) / count
        rise = forgetting * rise + z - mean - tolerance
        fall = forgetting * fall + z - mean + tolerance
        least, most = min(least, rise), max(most, fall)
        sums.append(max(rise - least, most - fall))
    return sums


def test_the_sums_of_a_change_are_those_of_the_literature(at: Server) -> None:
    numbers = random.Random(7)
    values = [numbers.gauss(10, 2) + (1.5 if n > 300 else 0) for n in range(500)]
    wide = {"clip": 1e6, "cap": 1e6, "level": 10, "spread": 2}
    got = score(at, "change", values, parameters={"method": "cusum", "slack": 0.25, **wide})
    np.testing.assert_allclose(got["values"], cusum(values, 10, 2, 0.25), rtol=1e-12, atol=1e-12)
    got = score(at, "change", values, parameters={"method": "page-hinkley", "tolerance": 0.01, "forgetting": 0.999, **wide})
    np.testing.assert_allclose(got["values"], page_hinkley(values, 10, 2, 0.01, 0.999), rtol=1e-9, atol=1e-9)
    assert max(got["scores"][300:400]) > 0.99


def test_a_score_is_the_share_of_less_strange_points(at: Server) -> None:
    numbers = random.Random(3)
    scores = np.array(score(at, "threshold", [numbers.gauss(0, 1) for _ in range(20000)])["scores"])[2000:]
    for share in (0.1, 0.01, 0.001):
        assert share / 2 < (scores >= 1 - share).mean() < share * 2, share


def test_the_sdk_says_what_the_api_says(at: Server) -> None:
    values = days(2)
    values[2000] = 200
    frame = pd.DataFrame({"load": values}, index=pd.to_datetime(times(len(values)), unit="us", utc=True))
    for kind in KINDS:
        found = s.detect(kind, frame)
        said = score(at, kind, values, times=times(len(values)))
        assert found.attrs["code"] == said["code"] and [*found.index] == [*frame.index]
        for column, key in (("score", "scores"), ("value", "values"), ("expected", "expected"), ("low", "low"), ("high", "high")):
            np.testing.assert_array_equal(found[column], np.array(said[key], dtype=float), err_msg=f"{kind} {column}")
        assert [*found.warm] == said["warm"]
    assert s.detect("seasonal", frame["load"]).score.iloc[2000] > 0.999
    assert s.detect("seasonal", frame).dimension.iloc[2000] == "load"


def test_rows_past_those_to_learn_from_teach_nothing(at: Server) -> None:
    shifted = [0.0, 1.0] * 100 + [50.0] * 1000
    once = score(at, "threshold", shifted, learn=200)
    assert once["scores"][200] > 0.99 and once["scores"][-1] == once["scores"][200] and once["expected"][-1] == once["expected"][200]
    assert score(at, "threshold", shifted)["expected"][-1] > 20


def test_the_kinds_say_what_they_take(at: Server) -> None:
    kinds = {kind["name"]: kind for kind in s.detectors()}
    assert set(KINDS) <= set(kinds)
    for name, kind in kinds.items():
        assert kind["summary"] and kind["source"] and kind["cost"] and kind["version"] >= 1, name
        given = {one["name"]: one["default"] for one in kind["parameters"] if one["default"] is not None}
        values = [[1.0, 2.0] if kind["is_multivariate"] else [1.0]] * 3
        assert score(at, name, values, parameters=given)["code"] == f"{name}/{kind['version']}"


# Bad input ----------------------------------------------------------------------------------------


def test_what_does_not_fit_is_named(at: Server) -> None:
    assert score(at, "oracle", [1], 404)["hint"].startswith("the kinds are: threshold")
    for kind, body, field in [
        ("seasonal", {"values": [1], "parameters": {"period": 7}}, "/parameters/period"),
        ("seasonal", {"values": [1], "parameters": {"follow": "soon"}}, "/parameters/follow"),
        ("threshold", {"values": [1], "parameters": {"above": 1, "below": 2}}, "/parameters/above"),
        ("change", {"values": [1], "parameters": {"method": "guess"}}, "/parameters/method"),
        ("change", {"values": [1], "parameters": {"level": 1}}, "/parameters/spread"),
        ("threshold", {"values": [1], "model": {"kind": "threshold", "format": 1}}, "/model"),
        ("seasonal", {"values": [[1, 2]]}, "/values"),
        ("combination", {"values": [[1] * 33]}, "/values"),
        ("combination", {"values": [[]]}, "/values"),
        ("combination", {"values": [[1, 2], [1, 2], [1]]}, "/values/2"),
        ("combination", {"values": [1, "2"]}, "/values/1"),
        ("combination", {"values": [1, 2], "times": [1]}, "/times"),
        ("combination", {"values": [1, 2], "times": [1, "noon"]}, "/times/1"),
        ("absence", {"values": [1, 2], "messages": [1, -1]}, "/messages/1"),
    ]:
        answer = at.requests.post(f"/v1/detectors/{kind}/score", json=body)
        assert (answer.status_code, answer.json()["field"]) == (400, field), (kind, body, answer.text)
    too_many = at.requests.post("/v1/detectors/threshold/score", json={"values": [1] * 100001})
    assert too_many.status_code == 413 and "100000" in too_many.json()["detail"]
    with pytest.raises(s.NotFound):
        s.detect("oracle", [1, 2])
    with pytest.raises(s.Invalid):
        s.detect("rate", [[1, 2], [3, 4]])


def test_a_model_begins_where_it_was_learned_and_only_in_its_kind_and_shape(at: Server) -> None:
    numbers = random.Random(5)
    rows = [[numbers.gauss(side, 1), numbers.gauss(-side, 1)] for side in numbers.choices([0, 20], k=2000)]
    learned = s.detect("kmeans", pd.DataFrame(rows, columns=["a", "b"]))
    model = learned.attrs["model"]
    assert model["kind"] == "kmeans" and model["format"] == 1
    assert not learned.warm.iloc[20]
    begun = s.detect("kmeans", rows[:600] + [[10.0, 10.0]], model=model)
    assert begun.score.iloc[-1] > 0.99 > begun.score.iloc[100:600].mean()
    for wrong, field in [({**model, "kind": "pca"}, "/model/kind"), ({**model, "format": 2}, "/model/format"), ({"kind": "kmeans", "format": 1}, "/model/")]:
        with pytest.raises(s.Invalid) as refused:
            s.detect("kmeans", rows, model=wrong)
        assert refused.value.problem["field"].startswith(field)
    with pytest.raises(s.Invalid):
        s.detect("kmeans", [[1, 2, 3]] * 5, model=model)


@pytest.mark.parametrize("kind", KINDS)
def test_missing_and_infinite_values_say_nothing_and_teach_nothing(at: Server, kind: str) -> None:
    values = days(1)
    holes = pd.Series(values, index=pd.to_datetime(times(len(values)), unit="us"))
    holes.iloc[500], holes.iloc[501], holes.iloc[502] = np.nan, np.inf, -np.inf
    found = s.detect(kind, holes)
    without = s.detect(kind, holes.drop(holes.index[500:503]))
    if kind not in ("absence", "combination"):  # which judge the silence
        assert (found.score.iloc[500:503] == 0).all()
    if kind not in ("absence", "combination", *WINDOWED):
        assert not found.warm.iloc[500:503].any()
        np.testing.assert_array_equal(found.score.drop(found.index[500:503]), without.score)
    assert found.score.between(0, 1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_constant_is_never_strange_and_a_change_after_it_is(at: Server, kind: str) -> None:
    values = [5.0] * 2000 + [6.0] * 10
    said = score(at, kind, values, times=times(len(values)))
    assert max(said["scores"][:2000]) == 0
    if kind not in ("absence", "shape"):  # which see no level
        assert max(said["scores"][2000:]) > 0.99
    assert score(at, kind, [0] * 100)["scores"] == [0] * 100


@pytest.mark.parametrize("kind", ["threshold", "seasonal", "change", "combination"])
def test_a_new_level_becomes_normal_in_the_end(at: Server, kind: str) -> None:
    said = score(at, kind, [5.0] * 2000 + [6.0] * 40000, times=times(42000))
    assert max(said["scores"][-100:]) < 0.99


@pytest.mark.parametrize("kind", KINDS)
def test_data_of_an_hour_ago_change_little(at: Server, kind: str) -> None:
    values, when = days(3), times(3 * 1440)
    late_values = [*values[:4000], *values[3940:4000], *values[4000:]]
    late = [*when[:4000], *when[3940:4000], *when[4000:]]
    said = score(at, kind, late_values, times=late)
    assert all(0 <= one <= 1 for one in said["scores"])
    assert max(said["scores"][4000:4060]) < 0.9999 and max(said["scores"][4061:]) < 0.9999
    if kind == "rate":  # a step back in time is no change at all
        assert said["values"][4000] is None and said["values"][4001] is not None


def test_silence_is_measured_from_the_last_message(at: Server) -> None:
    steady = [1] * 100 + [None] * 5
    said = score(at, "absence", steady, times=times(105))
    assert said["values"][99:] == [0, 60, 120, 180, 240, 300] and said["scores"][99] == 0
    assert min(said["scores"][100:]) > 0.99
    limited = score(at, "absence", [None] * 6, times=times(6), parameters={"after": 150})
    assert [one >= 0.99 for one in limited["scores"]] == [False, False, False, True, True, True] and all(limited["warm"])


def test_a_kernel_may_detect(shared_server: Server) -> None:
    record = shared_server.run("import suricate as s", "s.result(s.detect('threshold', [1, 2, 30], parameters={'above': 10}).score.ge(0.99).tolist())")
    assert record["state"] == "succeeded" and record["result"] == [False, False, True], record
