"""Actions: where decisions go, and when they must not."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ._named import define
from ._objects import collect
from ._plain import plain
from ._transport import call, call_json, path

__all__ = ["action", "actions", "delete_action", "delete_silence", "silence", "silences", "try_action"]


def action(name: str, **definition: Any) -> dict[str, Any]:
    """Say where decisions of a name are sent, or describe an action.

    Parameters
    ----------
    name : str
        The action's name.
    **definition
        ``kind`` (``webhook`` unless said), the fields of that kind, and guards (docs/reference/consumers.md). It is
        put whole: what is not said has its default. Without any the action is described.

    Examples
    --------
    >>> s.action("page-me", webhook="https://pager.example.org/", cooldown="5m")    # doctest: +SKIP
    """
    return define("actions", name, definition)


def actions() -> builtins.list[dict[str, Any]]:
    """List actions by name."""
    return collect("actions")


def delete_action(name: str) -> None:
    """Delete an action; what waits for it fails."""
    call("DELETE", path("actions", name))


def try_action(name: str, decision: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Send a sample now.

    Parameters
    ----------
    name : str
        The action's name.
    decision : mapping, optional
        What the sample says beside what is made up.

    Returns
    -------
    dict
        What came of it.
    """
    body = {} if decision is None else {"decision": plain(decision)}
    answer: dict[str, Any] = call_json("POST", path("actions", name, "test"), body, timeout_s=60.0)
    return answer


def silence(
    reason: str,
    until: str | datetime | timedelta | None = None,
    *,
    watch: str | None = None,
    key: str | None = None,
    level: str | None = None,
    action: str | None = None,
    from_: str | datetime | None = None,
    every: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Send nothing of some decisions for a while; they are made and logged all the same.

    Parameters
    ----------
    reason : str
        Why, for the log.
    until : str, datetime or timedelta
        Until when, or how long from now.
    watch, key : str, optional
        Only decisions of these; ``*`` and ``?`` stand for any text and letter.
    level, action : str, optional
        Only decisions of this level, for this action.
    from_ : str or datetime, optional
        From when on; now by default.
    every : mapping, optional
        Times that come again: ``{"days": ["sun"], "from": "02:00", "to": "04:00", "zone": "Europe/Berlin"}``.

    Returns
    -------
    dict
        The silence, with its ``id``.
    """
    if isinstance(until, timedelta):
        until = datetime.now(UTC) + until
    matchers = {"watch": watch, "key": key, "level": level, "action": action}
    order = {
        "matchers": {name: value for name, value in matchers.items() if value is not None},
        "from": from_,
        "until": until,
        "reason": reason,
        "every": every,
    }
    given = plain({name: value for name, value in order.items() if value is not None})
    answer: dict[str, Any] = call_json("POST", path("silences"), given)
    return answer


def silences() -> builtins.list[dict[str, Any]]:
    """List silences."""
    return collect("silences")


def delete_silence(silence: str) -> None:
    """End a silence, by its id."""
    call("DELETE", path("silences", silence))
