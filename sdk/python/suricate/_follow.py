"""Following a stream window by window, each an iteration that happens exactly once."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from . import _loaded, errors
from ._frames import frame
from ._models import Stage, about, dump, media_type
from ._plain import plain
from ._transport import TIMEOUT_S, call, call_json, path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Window", "follow"]

WAIT_S = 30
COMMIT_TIMEOUT_S = 600.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Window:
    """A stretch of event time whose messages are all there, and what is to be done about it.

    What :meth:`act` and :meth:`save_model` ask for happens when the loop of
    :func:`follow` comes round, together with the consumer's step to the next window; or
    not at all, if the loop's body fails or is left before.

    Attributes
    ----------
    stream : str
        The stream's name.
    start, end : datetime
        The window is [start, end) of event time, UTC.
    offsets : range
        All its messages are among these (others may be between them).
    messages : int
        How many messages are in it.
    revision : int
        0 for a window as it first closed; more when late messages joined it.
    manifest : dict
        What the window was made of, enough to make it again.
    models : dict
        The version of each loaded model that follows what is live, as the window begins.
    """

    def __init__(self, stream: str, answer: Mapping[str, Any]):
        found = answer["window"]
        self.stream = stream
        self.start = _EPOCH + timedelta(microseconds=found["start_us"])
        self.end = _EPOCH + timedelta(microseconds=found["end_us"])
        self.offsets = range(found["from"], found["to"])
        self.messages: int = found["messages"]
        self.revision: int = found.get("revision", 0)
        self.manifest: dict[str, Any] = dict(answer.get("manifest") or {})
        self.iteration: int | None = answer.get("iteration")
        self.models: dict[str, int] = {name: version for name, version in (answer.get("models") or {}).items() if version}
        self._span = (found["start_us"], found["end_us"])
        self._frame: pd.DataFrame | None = None
        self._decisions: list[dict[str, Any]] = []
        self._models: list[dict[str, Any]] = []
        self._is_over = False

    def __repr__(self) -> str:
        revision = f", revision {self.revision}" if self.revision else ""
        return f"Window({self.stream!r}, {self.start.isoformat()} to {self.end.isoformat()}, {self.messages} messages{revision})"

    def __len__(self) -> int:
        return self.messages

    @property
    def frame(self) -> pd.DataFrame:
        """Its messages as a DataFrame, indexed by event time; fetched when first asked for."""
        if self._frame is None:
            start_us, end_us = self._span
            query = {"from": self.offsets.start, "to": self.offsets.stop, "time_from": start_us, "time_to": end_us}
            self._frame = frame(path("streams", self.stream, "columns", **query))
        return self._frame

    def act(self, name: str, /, reason: str = "", **parameters: Any) -> None:
        """Decide on an action.

        The decision becomes a row with the commit, made exactly once, and is then
        delivered at least once, with a key by which the receiver knows a repetition.

        Parameters
        ----------
        name : str
            The action's name; it must exist when the loop comes round.
        reason : str
            Why, for people.
        **parameters
            Anything JSON can hold.
        """
        self._refuse_late("act")
        self._decisions.append({"action": name, "parameters": plain(parameters), "reason": reason})

    def save_model(
        self,
        name: str,
        model: Any,
        /,
        *,
        metrics: Mapping[str, float] | None = None,
        stage: Stage | None = None,
        kind: str | None = None,
        allow_pickle: bool = False,
        **metadata: Any,
    ) -> None:
        """Save a model as its next version, with the commit.

        The version knows the window, the run and the notebook that made it. Its stage is
        decided in the commit: the first version is live, later ones are candidates
        unless `stage` or the model's :func:`suricate.promotion` says otherwise.

        Parameters
        ----------
        name, model, metrics, stage, kind, allow_pickle
            As in :func:`suricate.save_model`.
        **metadata
            Whatever else is to be known.
        """
        self._refuse_late("save_model")
        body, form = dump(model, allow_pickle)
        item = {
            "name": name,
            "content": base64.b64encode(body).decode(),
            "type": media_type(form),
            "format": form,
            "metrics": metrics and plain(metrics),
            "stage": stage,
            "kind": kind,
            "metadata": {**about(model), **plain(metadata)},
        }
        self._models.append({key: value for key, value in item.items() if value is not None})

    def _refuse_late(self, what: str) -> None:
        if self._is_over:
            raise errors.Invalid(
                f"window.{what}: the loop has come round, this window is over; ask within the loop's body"
            )

    def _commit(self, where: str, epoch: int) -> None:
        self._is_over = True
        order = {
            "epoch": epoch,
            "window": {"start_us": self._span[0], "revision": self.revision},
            "decisions": self._decisions,
            "models": self._models,
        }
        if used := _loaded.used():
            order["used"] = used
        answer = call_json("POST", where, order, timeout_s=COMMIT_TIMEOUT_S)
        self.iteration = answer.get("iteration", self.iteration)


def follow(
    stream: str,
    every: str = "10s",
    slide: str | None = None,
    *,
    name: str | None = None,
    from_: str | int = "latest",
    delay: str | None = None,
    revisions: bool = False,
    empty: bool = False,
    wait: bool = True,
) -> Iterator[Window]:
    """Give the windows of a stream one after the other, each committed when the loop comes round.

    The consumer's place is kept on the server under `name`: whoever follows by that name
    goes on where the last commit was, after a crash too. What a window's
    :meth:`~Window.act` and :meth:`~Window.save_model` ask for is committed together with
    that place, or not at all. If the loop's body raises, or leaves by ``break`` or
    ``return``, its window is not committed and comes again.

    Of two that follow by one name the later one wins: the earlier gets `Conflict`, and
    nothing of it is committed.

    A model that was loaded by name (:func:`suricate.load_model`) becomes, with each
    window, the version that is live then; the decisions name it.

    Parameters
    ----------
    stream : str
        The stream's name.
    every : str
        A window's length: ``"500ms"``, ``"10s"``, ``"5m"``, ``"1h"``.
    slide : str, optional
        From one window's start to the next, if they overlap.
    name : str, optional
        The consumer. By default the notebook's name in a kernel, else the program's.
    from_ : str or int
        Where a new consumer begins, as in :func:`suricate.window`.
    delay : str, optional
        How long to wait for late messages, in event time; the stream's own by default.
    revisions : bool
        Whether a window comes again when late messages joined it.
    empty : bool
        Whether windows without messages come too.
    wait : bool
        Whether to wait for windows to come; otherwise the loop ends when no closed one is left.

    Yields
    ------
    Window

    Raises
    ------
    Conflict
        If somebody else follows by this name, or the consumer was moved or changed.

    Examples
    --------
    >>> for window in s.follow("syscalls", every="10s", name="load"):             # doctest: +SKIP
    ...     load = window.frame["lat"].mean()
    ...     if load > 100:
    ...         window.act("scale-up", by=1, reason=f"{load:.0f} ms")
    """
    where = path("streams", stream, "consumers", name or _default_name())
    definition = {
        "every": every,
        "slide": slide,
        "from": str(from_),
        "delay": delay,
        "revisions": revisions,
        "empty": empty,
    }
    call_json("PUT", where, {key: value for key, value in definition.items() if value is not None})
    epoch = call("POST", f"{where}/claim", body=b"")["epoch"]
    span_s = WAIT_S if wait else 0
    while True:
        names = ",".join(_loaded.changing())
        asked = f"&models={quote(names)}" if names else ""
        answer = call("GET", f"{where}/next?epoch={epoch}&wait={span_s}s{asked}", timeout_s=span_s + TIMEOUT_S)
        if answer is None:
            if not wait:
                return
            continue
        _loaded.begin(answer.get("models") or {})
        window = Window(stream, answer)
        yield window
        window._commit(f"{where}/commit", epoch)


def _default_name() -> str:
    """Name the follower by what follows: the notebook's name in a run, else the program's."""
    if os.environ.get("SURICATE_SOCKET"):
        label = Path(os.environ.get("SURICATE_TOKEN_FILE") or "/run/kernel/token").with_name("label")
        name = label.read_text(encoding="utf-8") if label.is_file() else ""
        return re.sub(r"[^A-Za-z0-9._-]+", "-", name.removesuffix(".ipynb")).strip("-.")[:64] or "notebook"
    return Path(sys.argv[0]).stem if sys.argv and Path(sys.argv[0]).suffix == ".py" else "python"
