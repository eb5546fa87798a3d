"""Native detectors on a DataFrame: the code that a watch runs, for comparing and tuning."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ._transport import call, call_json, path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["detect", "detectors"]


def detectors() -> list[dict[str, Any]]:
    """List the kinds of detectors there are.

    Returns
    -------
    list of dict
        ``name, version, summary, source, cost, is_multivariate, parameters`` each.
    """
    items: list[dict[str, Any]] = call("GET", path("detectors"))["items"]
    return items


def detect(
    kind: str,
    data: Any,
    *,
    parameters: Mapping[str, Any] | None = None,
    model: Mapping[str, Any] | None = None,
    learn: int | None = None,
) -> pd.DataFrame:
    """Score rows with a native detector, one after the other, as a watch would.

    A row is scored with what the rows before it taught, then learned from. Nothing is
    kept on the server.

    Parameters
    ----------
    kind : str
        For example ``"combination"``, the default of watches; :func:`detectors` lists them.
    data : DataFrame, Series or sequence of numbers
        Rows by columns, at most 100,000 rows and 32 columns. A DatetimeIndex gives the
        rows their times (UTC where it has no zone); without one they are a second apart.
        NaN and infinity are missing values; a row without any value is one in which no
        message came.
    parameters : mapping, optional
        The kind's parameters that differ from their defaults.
    model : mapping, optional
        A model of this kind to begin with, as ``frame.attrs["model"]`` of an earlier call.
    learn : int, optional
        Learn only from so many rows at the beginning. Left out: from all.

    Returns
    -------
    DataFrame
        With the index of `data`: ``score`` in [0, 1], ``value`` that was judged,
        ``expected``, ``low``, ``high`` (NaN where the kind has no such notion), ``warm``,
        and ``dimension``, the column that contributed most. ``attrs`` holds ``code`` (kind
        and version) and ``model`` (what was learned, or None).

    Raises
    ------
    NotFound
        If there is no such kind.
    Invalid
        If parameters, model or shape do not fit the kind.

    Examples
    --------
    >>> import suricate as s                                             # doctest: +SKIP
    >>> frame = s.window("machine", last="7d")                           # doctest: +SKIP
    >>> found = s.detect("seasonal", frame["load"])                      # doctest: +SKIP
    >>> found[found.score > 0.999]                                       # doctest: +SKIP
    """
    import pandas as pd

    frame = data if isinstance(data, pd.DataFrame) else pd.DataFrame(data)
    body: dict[str, Any] = {"values": _rows(frame), "parameters": dict(parameters or {})}
    if model is not None:
        body["model"] = dict(model)
    if learn is not None:
        body["learn"] = int(learn)
    if isinstance(frame.index, pd.DatetimeIndex):
        body["times"] = _times(frame.index)
    answer = call_json("POST", path("detectors", kind, "score"), body)
    found = pd.DataFrame(
        {
            "score": answer["scores"],
            "value": answer["values"],
            "expected": answer["expected"],
            "low": answer["low"],
            "high": answer["high"],
            "warm": answer["warm"],
        },
        index=frame.index,
    )
    numbers = ["score", "value", "expected", "low", "high"]
    found[numbers] = found[numbers].astype("float64")
    found["dimension"] = [None if at is None else frame.columns[at] for at in answer["dimensions"]]
    found.attrs.update(code=answer["code"], model=answer["model"])
    return found


def _rows(frame: pd.DataFrame) -> list[list[float | None]]:
    numbers = frame.astype("float64").to_numpy()
    return [[_number(value) for value in row] for row in numbers.tolist()]


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _times(index: pd.DatetimeIndex) -> Iterable[int]:
    utc = index.tz_localize("UTC") if index.tz is None else index.tz_convert("UTC")
    times: list[int] = utc.as_unit("us").asi8.tolist()
    return times
