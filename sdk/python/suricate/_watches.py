"""Watches: detectors over the windows of streams, and what they would have decided."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, overload

from ._decisions import table
from ._named import define
from ._objects import collect
from ._plain import plain
from ._streams import When
from ._transport import call, call_json, path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["backtest", "delete_watch", "scores", "watch", "watch_keys", "watches"]

BACKTEST_TIMEOUT_S = 600.0


def watch(name: str, **definition: Any) -> dict[str, Any]:
    """Put a detector on the windows of a stream, or describe a watch.

    Parameters
    ----------
    name : str
        The watch's name.
    **definition
        ``stream``, ``every``, ``by``, ``values``, ``detector``, ``levels``, ``hold``, ``actions`` and so on
        (docs/reference/watches.md). It is put whole: what is not said has its default. Without any the
        watch is described.

    Returns
    -------
    dict
        The watch: its ``definition``, ``state``, position, lag, how many keys fire.

    Examples
    --------
    >>> s.watch("latency", stream="syscalls", every="10s", by=["comm"], values=["avg(lat)"],
    ...         actions=[{"action": "page-me"}])                                    # doctest: +SKIP
    """
    return define("watches", name, definition)


def watches() -> builtins.list[dict[str, Any]]:
    """List watches by name, each as :func:`watch` describes it."""
    return collect("watches")


def delete_watch(name: str) -> None:
    """Delete a watch; its decisions stay."""
    call("DELETE", path("watches", name))


def watch_keys(name: str, *, state: str | None = None) -> builtins.list[dict[str, Any]]:
    """List what a watch knows of each key: state, level, value, score, since when.

    Parameters
    ----------
    name : str
        The watch's name.
    state : str, optional
        Only keys that are ``warming``, ``ok``, ``pending``, ``firing``, ``cooling`` or ``nodata``.
    """
    return collect("watches", name, "keys", state=state)


def scores(watch: str, key: str = "", *, last: str | None = None, from_: When = None, to: When = None) -> pd.DataFrame:
    """Give the scores of a watch over a stretch, window by window.

    Parameters
    ----------
    watch : str
        The watch's name.
    key : str
        Which of its keys; a watch without ``by`` has the one key "".
    last, from_, to
        As in :func:`suricate.window`.

    Returns
    -------
    DataFrame
        ``value``, ``score``, ``expected``, ``low``, ``high``, ``level``, indexed by the windows' starts (UTC).
    """
    query = {"key": key, "last": last, "from": from_, "to": to}
    return _scores(call("GET", path("watches", watch, "scores", **query), timeout_s=BACKTEST_TIMEOUT_S))


@overload
def backtest(
    watch: str | None = ...,
    *,
    last: str | None = ...,
    from_: When = ...,
    to: When = ...,
    key: str | None = ...,
    scores: Literal[False] = ...,
    **definition: Any,
) -> pd.DataFrame: ...


@overload
def backtest(
    watch: str | None = ...,
    *,
    last: str | None = ...,
    from_: When = ...,
    to: When = ...,
    key: str | None = ...,
    scores: Literal[True],
    **definition: Any,
) -> tuple[pd.DataFrame, pd.DataFrame]: ...


def backtest(
    watch: str | None = None,
    *,
    last: str | None = None,
    from_: When = None,
    to: When = None,
    key: str | None = None,
    scores: bool = False,
    **definition: Any,
) -> pd.DataFrame | tuple[pd.DataFrame, pd.DataFrame]:
    """Say what a watch decides over a stretch, by the code that runs live; nothing is sent.

    Parameters
    ----------
    watch : str, optional
        The watch's name; without one the definition must be whole.
    last, from_, to
        As in :func:`suricate.window`: windows that start there.
    key : str, optional
        Only this key's decisions and scores.
    scores : bool
        Whether the scores of every window come too.
    **definition
        Members that replace those of the watch's own definition, for this once.

    Returns
    -------
    DataFrame
        The decisions, as :func:`suricate.decisions` gives them; its ``attrs`` say how many ``windows``,
        ``messages`` and ``keys`` there were, and in ``compared`` how many decisions were made live there and
        are the same.
    DataFrame
        With `scores`: those of the key, as :func:`scores` gives them.

    Examples
    --------
    >>> len(s.backtest("latency", last="7d", hold=3))                               # doctest: +SKIP
    2
    """
    order: dict[str, Any] = {"last": last, "from": from_, "to": to, "key": key, "scores": scores}
    given = {name: value for name, value in order.items() if value is not None}
    if definition:
        given["definition"] = plain(definition)
    where = path("backtests") if watch is None else path("watches", watch, "backtest")
    answer = call_json("POST", where, given, timeout_s=BACKTEST_TIMEOUT_S)
    found = table(item for item in answer["decisions"] if key is None or item["key"] == key)
    found.attrs.update({name: answer.get(name) for name in ("windows", "messages", "keys", "truncated", "compared")})
    return (found, _scores(answer["scores"])) if scores else found


def _scores(answer: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    index = pd.to_datetime(answer["times"], unit="us", utc=True).rename("start")
    columns = {"value": "values", "score": "scores", "expected": "expected", "low": "low", "high": "high"}
    frame = pd.DataFrame({name: pd.array(answer[member], dtype="float64") for name, member in columns.items()}, index=index)
    frame["level"] = answer["levels"]
    return frame
