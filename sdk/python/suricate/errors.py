"""What can go wrong, as exceptions one can tell apart.

Every message says what was wrong and, where the server knows it, what to do. The
server's problem details (RFC 9457) stay at hand in :attr:`SuricateError.problem`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = [
    "Conflict",
    "Denied",
    "Internal",
    "Invalid",
    "Limit",
    "NotFound",
    "RunFailed",
    "SuricateError",
    "TimedOut",
    "Unavailable",
]


class SuricateError(Exception):
    """Anything the server refused or could not do.

    Attributes
    ----------
    status : int
        The HTTP status, 0 if no answer came.
    problem : dict
        The problem details: ``type, title, status, detail`` and perhaps ``field``, ``hint``.
    """

    def __init__(self, message: str, status: int = 0, problem: Mapping[str, Any] | None = None):
        super().__init__(message)
        self.status = status
        self.problem = dict(problem or {})


class Invalid(SuricateError):
    """A name, a parameter or a body is not as it must be."""


class Denied(SuricateError):
    """The token is missing, expired, or may not do this."""


class NotFound(SuricateError):
    """There is no such thing, or none this token may see."""


class Conflict(SuricateError):
    """Somebody else was first: the thing exists, or changed since it was read."""


class Limit(SuricateError):
    """Something is too large, too many or too fast; the message names the limit."""


class TimedOut(SuricateError):
    """The answer did not come in time."""


class Unavailable(SuricateError):
    """The server cannot be reached, or takes no work at the moment."""


class Internal(SuricateError):
    """The server failed; its log has the cause."""


class RunFailed(SuricateError):
    """A run that was waited for ended otherwise than ``succeeded``.

    Attributes
    ----------
    run : suricate.Run
        The run, with ``state``, ``reason`` and ``error``.
    """

    def __init__(self, message: str, run: Any):
        super().__init__(message)
        self.run = run


_BY_STATUS: dict[int, type[SuricateError]] = {
    400: Invalid,
    401: Denied,
    403: Denied,
    404: NotFound,
    408: TimedOut,
    409: Conflict,
    410: NotFound,
    412: Conflict,
    413: Limit,
    414: Limit,
    415: Invalid,
    416: Invalid,
    422: Invalid,
    428: Conflict,
    429: Limit,
    431: Limit,
    499: TimedOut,
    502: Unavailable,
    503: Unavailable,
    504: TimedOut,
    507: Limit,
}


def from_reply(status: int, reason: str, body: bytes) -> SuricateError:
    """Turn a refusal into the exception that fits its status.

    Parameters
    ----------
    status : int
        HTTP status, 400 or above.
    reason : str
        The status line's own words, used if the body holds none.
    body : bytes
        Problem details, or anything.
    """
    problem: dict[str, Any] = {}
    try:
        parsed = json.loads(body)
        if isinstance(parsed, dict):
            problem = parsed
    except ValueError:
        pass
    message = str(problem.get("detail") or problem.get("title") or reason or f"HTTP status {status}")
    field, hint = problem.get("field"), problem.get("hint")
    if field and str(field) not in message:
        message = f"{field}: {message}"
    if hint:
        message = f"{message.rstrip('.')}. {hint}"
    kind = _BY_STATUS.get(status, Internal if status >= 500 else Invalid)
    return kind(message, status, problem)
