"""Triggers: runs and actions that start by themselves."""

from __future__ import annotations

import builtins
from typing import Any

from ._named import define
from ._objects import collect
from ._plain import plain
from ._transport import call, call_json, path

__all__ = ["delete_trigger", "fire", "firings", "trigger", "triggers"]


def trigger(name: str, **definition: Any) -> dict[str, Any]:
    """Start a run or an action by itself, or describe a trigger.

    Parameters
    ----------
    name : str
        The trigger's name.
    **definition
        ``when``: ``{"kind": "cron", "cron": "30 2 * * *", "zone": "Europe/Berlin"}`` or another kind (``api``,
        ``object``, ``event``, ``run``, ``drift``), ``then``: ``{"run": {"notebook": …}}`` or ``{"action": …}``,
        ``concurrency`` and so on (docs/reference/triggers.md). It is put whole. Without any the trigger is
        described.

    Examples
    --------
    >>> s.trigger("nightly", when={"kind": "cron", "cron": "30 2 * * *"},
    ...           then={"run": {"notebook": "report"}})                             # doctest: +SKIP
    """
    return define("triggers", name, definition)


def triggers() -> builtins.list[dict[str, Any]]:
    """List triggers by name."""
    return collect("triggers")


def delete_trigger(name: str) -> None:
    """Delete a trigger; what it has started goes on."""
    call("DELETE", path("triggers", name))


def fire(name: str, **parameters: Any) -> dict[str, Any]:
    """Let a trigger fire now.

    Parameters
    ----------
    name : str
        The trigger's name.
    **parameters
        Parameters of what starts.

    Returns
    -------
    dict
        The firing.
    """
    answer: dict[str, Any] = call_json("POST", path("triggers", name, "fire"), {"parameters": plain(parameters)})
    return answer


def firings(name: str) -> builtins.list[dict[str, Any]]:
    """List when a trigger fired and what came of it, newest first."""
    return collect("triggers", name, "firings")
