"""Things with a name and a definition: put one, or ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._plain import plain
from ._transport import call, call_json, path


def define(kind: str, name: str, definition: Mapping[str, Any]) -> dict[str, Any]:
    """Put a definition whole, or with an empty one describe what is there."""
    where = path(kind, name)
    answer: dict[str, Any] = call_json("PUT", where, plain(definition)) if definition else call("GET", where)
    return answer
