"""Decisions: what was decided, on what grounds, and what became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from . import errors
from ._objects import collect
from ._transport import call, call_json, path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["approve", "decisions", "investigate", "reject", "resend", "why"]

ID_LENGTH = 26
_GROUNDS = ("value", "score", "expected", "low", "high")
_FIRST = ("start", "end", "watch", "key", "event", "level", *_GROUNDS, "action", "parameters", "reason", "state", "attempts")


def decisions(
    *,
    watch: str | None = None,
    key: str | None = None,
    stream: str | None = None,
    consumer: str | None = None,
    trigger: str | None = None,
    run: str | None = None,
    action: str | None = None,
    state: str | None = None,
    limit: int | None = 100,
) -> pd.DataFrame:
    """List decisions, newest first.

    Parameters
    ----------
    watch, key, stream, consumer, trigger, run, action : str, optional
        Only those made by, about or for these.
    state : str, optional
        Only those that are ``pending``, ``held``, ``stopped``, ``sent``, ``failed``, ``expired`` or ``noted``.
    limit : int, optional
        How many at most; None: all.

    Returns
    -------
    DataFrame
        A row per decision: ``start`` and ``end`` of its window (UTC), ``value``, ``score`` and what
        normal would have been (``expected``, ``low``, ``high``), ``action``, ``state``, ``id`` and so on.
    """
    filters = {"watch": watch, "key": key, "stream": stream, "consumer": consumer, "trigger": trigger, "run": run}
    return table(collect("decisions", most=limit, action=action, state=state, **filters))


def why(decision: str = "last", **filters: str) -> dict[str, Any]:
    """Say on what grounds something was decided, and what became of it.

    Parameters
    ----------
    decision : str
        A decision's id, how one begins, or ``"last"``: the newest that the filters select.
    **filters : str
        As in :func:`decisions`: ``watch="latency"``, ``state="failed"``.

    Returns
    -------
    dict
        The decision: ``window`` with its offsets, ``grounds`` (value, score, what normal would have been),
        ``models`` and ``code`` by version, ``guards`` in the order they were asked, ``log`` of every attempt.

    Examples
    --------
    >>> s.why(watch="latency")["grounds"]["score"]                                  # doctest: +SKIP
    0.9994
    """
    if len(decision) == ID_LENGTH:
        found: dict[str, Any] = call("GET", path("decisions", decision))
        return found
    prefix = None if decision == "last" else decision
    items = call("GET", path("decisions", id=prefix, limit=1 if prefix is None else 2, **filters))["items"]
    if not items:
        raise errors.NotFound("there is no such decision" if prefix is None else f"no decision's id begins with {prefix}")
    if len(items) > 1:
        raise errors.Invalid(f"more than one decision begins with {prefix}; give a letter more")
    found = call("GET", path("decisions", items[0]["id"]))
    return found


def approve(decision: str, reason: str | None = None) -> dict[str, Any]:
    """Let a decision go that waits for approval.

    Parameters
    ----------
    decision : str
        As in :func:`why`.
    reason : str, optional
        Why, for the log.

    Returns
    -------
    dict
        The decision.
    """
    return _tell(decision, "approve", reason)


def reject(decision: str, reason: str | None = None) -> dict[str, Any]:
    """Refuse a decision that waits for approval; the parameters are those of :func:`approve`."""
    return _tell(decision, "reject", reason)


def resend(decision: str) -> dict[str, Any]:
    """Deliver a decision again that failed, under its own idempotency key."""
    return _tell(decision, "resend", None)


def investigate(decision: str = "last") -> str:
    """Make a notebook that shows a decision's window, once.

    Parameters
    ----------
    decision : str
        As in :func:`why`.

    Returns
    -------
    str
        The notebook's name, for :func:`suricate.run`.
    """
    answer = call("POST", path("decisions", why(decision)["id"], "investigate"), body=b"")
    return str(answer["notebook"])


def _tell(decision: str, verb: str, reason: str | None) -> dict[str, Any]:
    body = {} if reason is None else {"reason": reason}
    answer: dict[str, Any] = call_json("POST", path("decisions", why(decision)["id"], verb), body)
    return answer


def table(items: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Make a DataFrame of decisions, those of a back-test too."""
    import pandas as pd

    rows = [_row(item) for item in items]
    columns = dict.fromkeys(_FIRST if not rows else [name for name in _FIRST if any(name in row for row in rows)])
    columns.update(dict.fromkeys(name for row in rows for name in row))
    frame = pd.DataFrame(rows, columns=[*columns, *([] if "id" in columns else ["id"])])
    for name in ("start", "end", "decided_at", "settled_at"):
        if name in frame:
            frame[name] = pd.to_datetime(frame[name], utc=True, format="ISO8601")
    for name in _GROUNDS:
        if name in frame:
            frame[name] = frame[name].astype("float64")
    return frame


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    """Lay a decision flat: its window's ends, and its grounds."""
    grounds, window = item.get("grounds") or {}, item.get("window") or {}
    row = {name: value for name, value in item.items() if name not in ("grounds", "window", "guards", "log")}
    row.update(start=window.get("start"), end=window.get("end"))
    row.update({name: grounds.get(name) for name in _GROUNDS})
    return row
