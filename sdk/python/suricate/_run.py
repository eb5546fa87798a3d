"""Runs, recipes and fetches: work that the server does and one can wait for."""

from __future__ import annotations

import builtins
import time
from collections.abc import Iterable, Mapping
from typing import Any

from . import errors
from ._objects import Info, collect
from ._plain import plain
from ._transport import call, call_json, path, send

__all__ = ["Run", "fetch", "recipes", "run", "run_recipe", "runs"]

FINAL = frozenset({"succeeded", "failed", "cancelled", "timed_out", "out_of_memory", "interrupted"})
_WAIT_S = 30.0


class Run:
    """One run of a notebook, as the server last described it.

    Attributes
    ----------
    record : dict
        The whole description (see the API's reference).
    """

    def __init__(self, record: Mapping[str, Any]):
        self.record = dict(record)

    def __repr__(self) -> str:
        return f"Run({self.id}, {self.record['notebook']['name']!r}, {self.state})"

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.record["id"])

    @property
    def state(self) -> str:
        """``queued``, ``starting``, ``running`` or one of the final states."""
        return str(self.record["state"])

    @property
    def is_over(self) -> bool:
        """Whether the state is final."""
        return self.state in FINAL

    @property
    def reason(self) -> str | None:
        """Why it ended as it did, in words."""
        return self.record.get("reason")

    @property
    def result(self) -> Any:
        """What the notebook gave to ``s.result``; None before."""
        return self.record.get("result")

    @property
    def error(self) -> dict[str, Any] | None:
        """The exception that ended it: ``ename``, ``evalue``, ``traceback``, ``cell``."""
        return self.record.get("error")

    def refresh(self) -> Run:
        """Ask the server again."""
        self.record = call("GET", path("runs", self.id))
        return self

    def wait(self, timeout_s: float | None = None) -> Run:
        """Wait until the run is over.

        Parameters
        ----------
        timeout_s : float, optional
            How long at most; for ever by default.

        Raises
        ------
        TimedOut
            If it is not over by then. The run goes on.
        """
        for span in _spans(timeout_s):
            if self.is_over:
                return self
            self.record = call("GET", path("runs", self.id, wait=f"{span:.0f}s"), timeout_s=span + _WAIT_S)
        if self.is_over:
            return self
        raise errors.TimedOut(f"run {self.id} is {self.state} after {timeout_s:.0f} s; it goes on")

    def cancel(self) -> Run:
        """Ask the server to end it."""
        self.record = call("POST", path("runs", self.id, "cancel"), body=b"") or self.record
        return self

    def notebook(self) -> dict[str, Any]:
        """Give the executed notebook, outputs included, as nbformat's JSON."""
        answer: dict[str, Any] = call("GET", path("runs", self.id, "notebook"))
        return answer

    def figures(self) -> builtins.list[str]:
        """Name the figures it has made, for :meth:`figure`."""
        return [item["name"] for item in self.record.get("figures") or ()]

    def figure(self, name: str) -> bytes:
        """Give one figure, PNG or SVG as its name says."""
        with send("GET", path("runs", self.id, "figures", name)) as reply:
            return reply.read()

    def lineage(self) -> dict[str, Any]:
        """Say what the run read, wrote and ran with."""
        answer: dict[str, Any] = call("GET", path("runs", self.id, "lineage"))
        return answer


def run(
    notebook: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    wait: bool = True,
    timeout_s: float | None = None,
    version: int | None = None,
    limits: Mapping[str, int] | None = None,
    network: bool | None = None,
    retries: int | None = None,
    label: str | None = None,
) -> Run:
    """Run a stored notebook.

    Parameters
    ----------
    notebook : str
        Its name.
    parameters : mapping, optional
        Values for names of its cell tagged ``parameters``.
    wait : bool
        Whether to come back only when it is over.
    timeout_s : float, optional
        How long to wait at most; for ever by default.
    version : int, optional
        An older version of the notebook.
    limits : mapping, optional
        ``time_s``, ``memory_mb``, ``processes``, ``scratch_mb``, ``output_mb``.
    network : bool, optional
        Whether it asks for a network, if its owner grants one.
    retries : int, optional
        How often to begin again if it is interrupted.
    label : str, optional
        A word to find it by.

    Returns
    -------
    Run
        With its ``result`` if it was waited for.

    Raises
    ------
    RunFailed
        If it was waited for and did not succeed.
    """
    order = {
        "notebook": notebook,
        "version": version,
        "parameters": plain(parameters or {}),
        "limits": limits and dict(limits),
        "network": network,
        "retries": retries,
        "label": label,
    }
    return _start(path("runs"), order, wait, timeout_s)


def run_recipe(
    recipe: str,
    object: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    wait: bool = True,
    timeout_s: float | None = None,
    limits: Mapping[str, int] | None = None,
) -> Run:
    """Run a recipe on an object.

    Parameters
    ----------
    recipe, object : str
        Their names.
    parameters, wait, timeout_s, limits
        As in :func:`run`.

    Examples
    --------
    >>> s.run_recipe("favourite-receiver", "week1.csv").result["favourite"]   # doctest: +SKIP
    'W.Welker'
    """
    order = {"object": object, "parameters": plain(parameters or {}), "limits": limits and dict(limits)}
    return _start(path("recipes", recipe, "runs"), order, wait, timeout_s)


def runs(
    *, state: str | None = None, notebook: str | None = None, recipe: str | None = None, limit: int = 100
) -> builtins.list[Run]:
    """List runs, as the server orders them.

    Parameters
    ----------
    state, notebook, recipe : str, optional
        Only those in that state, of that notebook, of that recipe.
    limit : int
        How many at most, 1 to 1000.
    """
    page = call("GET", path("runs", state=state, notebook=notebook, recipe=recipe, limit=limit))
    return [Run(item) for item in page["items"]]


def recipes(object: str | None = None) -> builtins.list[dict[str, Any]]:
    """List recipes; with an object's name, each says whether it fits that object (``fits``, ``reason``)."""
    return collect("recipes", object=object)


def fetch(
    url: str, name: str, *, tags: Iterable[str] | None = None, wait: bool = True, timeout_s: float | None = None
) -> Info | dict[str, Any]:
    """Let the server download something into an object.

    A kernel has no network of its own. The server fetches over http and https from the
    hosts its owner allows, and writes address and hash into the run's lineage.

    Parameters
    ----------
    url : str
        What to download.
    name : str
        The object it becomes.
    tags : iterable of str, optional
        The object's tags.
    wait : bool
        Whether to come back only when it is there.
    timeout_s : float, optional
        How long to wait at most.

    Returns
    -------
    dict
        The new version's info; without `wait` the fetch: ``id``, ``state``, ``reason``, ``object``.

    Raises
    ------
    Unavailable
        If the download failed; the message says why.
    """
    order: dict[str, Any] = {"url": url, "name": name}
    if tags is not None:
        order["tags"] = [tags] if isinstance(tags, str) else [*tags]
    state: dict[str, Any] = call_json("POST", path("fetches"), order)
    if not wait:
        return state
    for span in _spans(timeout_s):
        if state["state"] != "running":
            break
        state = call("GET", path("fetches", state["id"], wait=f"{span:.0f}s"), timeout_s=span + _WAIT_S)
    if state["state"] == "running":
        raise errors.TimedOut(f"{url} is not there after {timeout_s:.0f} s; the server goes on")
    if state["state"] != "succeeded":
        raise errors.Unavailable(f"{url} could not be fetched: {state.get('reason') or 'no reason given'}")
    found = state["object"]
    return found if isinstance(found, dict) else call("GET", path("objects", name, view="info"))


def _start(where: str, order: Mapping[str, Any], wait: bool, timeout_s: float | None) -> Run:
    started = Run(call_json("POST", where, {key: value for key, value in order.items() if value is not None}))
    if not wait:
        return started
    started.wait(timeout_s)
    if started.state != "succeeded":
        raise errors.RunFailed(_obituary(started), started)
    return started


def _obituary(run: Run) -> str:
    text = f"run {run.id} of {run.record['notebook']['name']} ended as {run.state}"
    if run.error:
        return f"{text}: {run.error.get('ename')}: {run.error.get('evalue')}"
    return f"{text}: {run.reason}" if run.reason else text


def _spans(timeout_s: float | None) -> Iterable[float]:
    """Cut a wait into pieces the server grants; ends when the time is over."""
    deadline = None if timeout_s is None else time.monotonic() + timeout_s
    while True:
        left = _WAIT_S if deadline is None else min(_WAIT_S, deadline - time.monotonic())
        if left <= 0:
            return
        yield max(left, 1.0)
