"""Suricate from Python, the same in a kernel and outside.

>>> import suricate as s                                            # doctest: +SKIP
>>> frame = s.read("nfl/week1.csv")                                 # doctest: +SKIP
>>> s.write("nfl/catches.parquet", frame[frame.complete == 1])      # doctest: +SKIP
>>> s.result({"catches": int(frame.complete.sum())})                # doctest: +SKIP

Streams are tables that grow: push to them, read any stretch, follow them window by window.

>>> s.push("plays", {"passer": "P.Manning", "yards": 24})           # doctest: +SKIP
>>> recent = s.window("plays", last="15m")                          # doctest: +SKIP
>>> for window in s.follow("plays", every="1m", name="long"):       # doctest: +SKIP
...     if window.frame.yards.max() > 40:
...         window.act("cheer", reason="a long one")

In a kernel everything goes over the server's Unix socket with a token that may do what
the run may do. Outside, ``SURICATE_URL`` and ``SURICATE_TOKEN`` say where the server is;
without them a server on this machine is found by itself, and :func:`connect` chooses one
by hand.

Every function may be called from any thread, at the same time, and in a forked child:
calls share no connection and no state. Calls wait out a server that is being restarted,
for up to 30 seconds.
"""

from . import errors
from ._actions import action, actions, delete_action, delete_silence, silence, silences, try_action
from ._decisions import approve, decisions, investigate, reject, resend, why
from ._detect import detect, detectors
from ._first import (
    create_object,
    list_objects,
    list_streams,
    retrieve_from_stream,
    retrieve_object,
    update_object,
)
from ._follow import Window, follow
from ._models import ModelVersion, load_model, model, models, promote, promotion, retire, rollback, save_model
from ._objects import Info, delete, download, exists, info, preview, read, tags, versions, write
from ._objects import list as list  # not in __all__: a star import must not hide the built-in
from ._output import progress, result, show
from ._plain import plain
from ._run import Run, fetch, recipes, run, run_recipe, runs
from ._score import score
from ._streams import (
    create_stream,
    delete_stream,
    export,
    messages,
    push,
    sql,
    stream,
    streams,
    tail,
    window,
)
from ._transport import connect
from ._triggers import delete_trigger, fire, firings, trigger, triggers
from ._watches import backtest, delete_watch, scores, watch, watch_keys, watches
from .errors import (
    Conflict,
    Denied,
    Internal,
    Invalid,
    Limit,
    NotFound,
    RunFailed,
    SuricateError,
    TimedOut,
    Unavailable,
)

__version__ = "0.1.0"

__all__ = [
    "Conflict",
    "Denied",
    "Info",
    "Internal",
    "Invalid",
    "Limit",
    "ModelVersion",
    "NotFound",
    "Run",
    "RunFailed",
    "SuricateError",
    "TimedOut",
    "Unavailable",
    "Window",
    "action",
    "actions",
    "approve",
    "backtest",
    "connect",
    "create_object",
    "create_stream",
    "decisions",
    "delete",
    "delete_action",
    "delete_silence",
    "delete_stream",
    "delete_trigger",
    "delete_watch",
    "detect",
    "detectors",
    "download",
    "errors",
    "exists",
    "export",
    "fetch",
    "fire",
    "firings",
    "follow",
    "info",
    "investigate",
    "list_objects",
    "list_streams",
    "load_model",
    "messages",
    "model",
    "models",
    "plain",
    "preview",
    "progress",
    "promote",
    "promotion",
    "push",
    "read",
    "recipes",
    "reject",
    "resend",
    "result",
    "retire",
    "retrieve_from_stream",
    "retrieve_object",
    "rollback",
    "run",
    "run_recipe",
    "runs",
    "save_model",
    "score",
    "scores",
    "show",
    "silence",
    "silences",
    "sql",
    "stream",
    "streams",
    "tags",
    "tail",
    "trigger",
    "triggers",
    "try_action",
    "update_object",
    "versions",
    "watch",
    "watch_keys",
    "watches",
    "why",
    "window",
    "write",
]
