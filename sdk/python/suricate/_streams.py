"""Streams: everything that happens, durable, read back as tables."""

from __future__ import annotations

import builtins
import json
import os
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from . import errors
from ._frames import frame
from ._objects import collect
from ._plain import plain
from ._transport import CHUNK_BYTES, attempts, call, call_json, path, send

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "create_stream",
    "delete_stream",
    "export",
    "messages",
    "push",
    "sql",
    "stream",
    "streams",
    "tail",
    "window",
]

BATCH_BYTES = 4 << 20
BATCH_ROWS = 50_000
TAIL_QUIET_S = 45.0
_NDJSON = "application/x-ndjson"
_BUSY = (429, 503)

When = str | int | None


class Message(TypedDict, total=False):
    """One message of a stream."""

    offset: int
    time: str
    arrival: str
    key: str | None
    id: str | None
    headers: dict[str, Any]
    body: Any


class Pushed(TypedDict):
    """Where pushed messages stand: offsets [first, next), `count` of them."""

    first: int
    next: int
    count: int
    repeated: bool


# Definitions ---------------------------------------------------------------------------------


def create_stream(name: str, *, if_new: bool = False, **definition: Any) -> dict[str, Any]:
    """Define a stream, or change the definition of one.

    Parameters
    ----------
    name : str
        Names may hold slashes: ``cluster/syscalls``.
    if_new : bool
        Only if the name is free; otherwise `Conflict`.
    **definition
        What differs from a plain push stream: ``source``, ``format``, ``time``, ``key``,
        ``delay``, ``skew``, ``idle``, ``retention``, ``limits``, ``paused``, ``description``
        (docs/reference/streams.md). For short, ``source="push"``, ``time="ts"`` and
        ``retention="7d"`` stand for the kind, the field and the age.

    Returns
    -------
    dict
        The stream's description.

    Examples
    --------
    >>> s.create_stream("syscalls", time="ts", key="comm", retention="7d")      # doctest: +SKIP
    """
    short = {"source": "kind", "time": "field", "retention": "age"}
    given = {
        key: {short[key]: value} if key in short and isinstance(value, str) else plain(value)
        for key, value in definition.items()
    }
    body = json.dumps({"source": {"kind": "push"}, **given}, allow_nan=False).encode()
    headers = {"Content-Type": "application/json", **({"If-None-Match": "*"} if if_new else {})}
    answer: dict[str, Any] = call("PUT", path("streams", name), body=body, headers=headers)
    return answer


def stream(name: str) -> dict[str, Any]:
    """Describe a stream: definition, offsets, schema, state of its source, rates."""
    answer: dict[str, Any] = call("GET", path("streams", name))
    return answer


def streams(prefix: str | None = None) -> builtins.list[dict[str, Any]]:
    """List streams by name, each as :func:`stream` describes it."""
    return collect("streams", prefix=prefix)


def delete_stream(name: str, *, force: bool = False) -> None:
    """Delete a stream with all its messages.

    Parameters
    ----------
    name : str
        Its name.
    force : bool
        Even if consumers follow it or other streams are derived from it; otherwise `Conflict`.
    """
    call("DELETE", path("streams", name, force="true" if force else None))


# Writing ---------------------------------------------------------------------------------------


def push(stream: str, rows: Any, key: str | None = None) -> Pushed:
    """Append messages; when it comes back they are on disk.

    What is too much for one request goes out in several, one after the other: each is
    taken whole or not at all, and counts once however often it had to be sent. A server
    under pressure is waited for.

    Parameters
    ----------
    stream : str
        The stream's name.
    rows : dict, list, iterable, DataFrame, str or bytes
        A dict is one message, an item of a list or any other iterable one each, and so is
        a row of a DataFrame (its index only if it says something). Text and bytes are
        taken for NDJSON: a message a line.
    key : str, optional
        The key of all of them, if the definition names no field for it.

    Returns
    -------
    dict
        ``first``, ``next``: the offsets [first, next) they stand at, if nobody else pushed
        meanwhile; ``count``; ``repeated``, if the server had them already.

    Raises
    ------
    Invalid
        If a message is not what the stream's definition says; `problem["errors"]` names
        the lines, and nothing of that request was appended.
    """
    headers = {"Content-Type": _NDJSON}
    if key is not None:
        headers["X-Suricate-Key"] = key
    total: Pushed | None = None
    for body in _batches(rows):
        answer: Pushed = call("POST", path("streams", stream, "messages"), body=body, headers=headers, wait_out=_BUSY)
        if total is None:
            total = answer
        else:
            total["next"], total["count"] = answer["next"], total["count"] + answer["count"]
            total["repeated"] = total["repeated"] and answer["repeated"]
    if total is None:
        raise errors.Invalid("rows: there is no message in it")
    return total


def _batches(rows: Any) -> Iterator[bytes]:
    """Cut what is to be pushed into NDJSON bodies of limited size."""
    lines: builtins.list[bytes] = []
    size = 0
    for line in _lines(rows):
        if lines and (size + len(line) > BATCH_BYTES or len(lines) == BATCH_ROWS):
            yield b"\n".join(lines)
            lines, size = [], 0
        lines.append(line)
        size += len(line) + 1
    if lines:
        yield b"\n".join(lines)


def _lines(rows: Any) -> Iterator[bytes]:
    if isinstance(rows, (bytes, bytearray, memoryview, str)):
        text = rows.encode() if isinstance(rows, str) else bytes(rows)
        yield from (line for line in text.split(b"\n") if line.strip())
    elif type(rows).__name__ == "DataFrame":
        yield from _frame_lines(rows)
    elif isinstance(rows, Mapping) or not isinstance(rows, Iterable):
        yield _json(rows)
    else:
        for row in rows:
            yield _json(row)


def _frame_lines(frame: pd.DataFrame) -> Iterator[bytes]:
    import pandas as pd

    says_nothing = isinstance(frame.index, pd.RangeIndex) and frame.index.name is None
    for start in range(0, len(frame), BATCH_ROWS):
        part = frame.iloc[start : start + BATCH_ROWS]
        part = part if says_nothing else part.reset_index()
        text = part.to_json(orient="records", lines=True, date_format="iso", date_unit="us")
        yield from (line.encode() for line in text.splitlines() if line)


def _json(value: Any) -> bytes:
    return json.dumps(plain(value), allow_nan=False, separators=(",", ":")).encode()


# Reading ---------------------------------------------------------------------------------------


def window(
    stream: str,
    last: str | None = None,
    from_: When = None,
    to: When = None,
    *,
    index: bool = True,
    meta: bool = False,
) -> pd.DataFrame:
    """Read a stretch of a stream as a table.

    Parameters
    ----------
    stream : str
        The stream's name.
    last : str, optional
        How far back from the largest event time: ``"60s"``, ``"15m"``, ``"2h"``, ``"1d"``.
    from_, to : str or int, optional
        Instead: from where, and up to where (exclusive). An offset, ``"earliest"``,
        ``"latest"``, or an event time as RFC 3339 text. Without any of the three it is
        everything that is kept.
    index : bool
        Whether event time becomes the index (``_time``, UTC, microseconds).
    meta : bool
        Whether the columns ``_offset``, ``_arrival``, ``_key``, ``_id`` are there too.

    Returns
    -------
    DataFrame
        A row per message, a column per field, typed as the stream's schema says. In a
        kernel it stands on mapped memory, without a copy.
    """
    return frame(path("streams", stream, "columns", last=last, **{"from": from_, "to": to}), index=index, meta=meta)


def messages(
    stream: str, from_: When = None, to: When = None, *, last: str | None = None, limit: int | None = 1000
) -> builtins.list[Message]:
    """Read messages as they came: offset, times, key, id, headers, body.

    Parameters
    ----------
    stream : str
        The stream's name.
    from_, to, last
        As in :func:`window`.
    limit : int, optional
        How many at most; None: all of the stretch.
    """
    where = path("streams", stream, "messages", format="ndjson", last=last, **{"from": from_, "to": to})
    for attempt in attempts():
        with send("GET", where) as reply:
            try:
                return [json.loads(line) for line in islice(filter(None, reply.lines()), limit)]
            except errors.Unavailable as error:
                attempt.failed(error)
    raise AssertionError("unreachable")


def tail(stream: str, from_: When = "latest") -> Iterator[Message]:
    """Follow a stream message by message, for ever.

    It begins in the past if `from_` says so, and moves on to what arrives without a gap
    or a message twice, also over a restart of the server. Nothing is remembered on the
    server; :func:`suricate.follow` is for work that must not be lost.

    Parameters
    ----------
    stream : str
        The stream's name.
    from_ : str or int
        As in :func:`window`.
    """
    position: When = from_
    if from_ in (None, "latest"):
        position = call("GET", path("streams", stream))["offsets"]["next"]
    while True:
        try:
            for item in _events(path("streams", stream, "tail", **{"from": position})):
                yield item
                position = item["offset"] + 1
        except (errors.Unavailable, errors.TimedOut):
            continue  # the connection broke: `send` has the patience to wait for a server


def _events(where: str) -> Iterator[Message]:
    """Read the messages of an event stream."""
    with send("GET", where, headers={"Accept": "text/event-stream"}, timeout_s=TAIL_QUIET_S) as reply:
        event, data = "message", builtins.list[bytes]()
        for line in reply.lines():
            name, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if name == b"data":
                data.append(value)
            elif name == b"event":
                event = value.decode()
            elif not line:
                if data and event == "message":
                    yield json.loads(b"\n".join(data))
                event, data = "message", []


def sql(
    query: str,
    *,
    last: str | None = None,
    from_: When = None,
    to: When = None,
    objects: Iterable[str] = (),
) -> pd.DataFrame:
    """Ask a question in SQL over streams and objects.

    Parameters
    ----------
    query : str
        A select statement. A stream is a table of its name (in double quotes if it holds
        more than letters, digits and underscores), a CSV or NDJSON object as well.
    last, from_, to
        Which stretch of the streams, as in :func:`window`.
    objects : iterable of str
        Objects that the statement names, where a stream has the same name.

    Returns
    -------
    DataFrame
        The answer's rows. If the server left some out, a warning says so.

    Examples
    --------
    >>> s.sql('select comm, avg(lat) as lat from syscalls group by comm', last="60s")   # doctest: +SKIP
    """
    order = {"sql": query, "last": last, "from": from_, "to": to, "objects": [*objects]}
    given = {key: value for key, value in order.items() if value not in (None, [])}
    answer = call_json("POST", path("query"), given, timeout_s=600)
    if answer.get("truncated"):
        warnings.warn(
            "the answer has more rows than the server gives at once; add a limit or an aggregate", stacklevel=2
        )
    return _answer_frame(answer)


_DTYPES = {"int": "Int64", "float": "float64", "bool": "boolean"}


def _answer_frame(answer: Mapping[str, Any]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(answer["rows"], columns=[column["name"] for column in answer["columns"]])
    for position, column in enumerate(answer["columns"]):
        kind = _DTYPES.get(column.get("kind", ""))
        if kind is None:
            continue
        values = frame.iloc[:, position].astype(kind)
        if kind != "float64" and not values.isna().any():
            values = values.astype(kind.lower().replace("boolean", "bool"))
        frame.isetitem(position, values)
    return frame


# Exporting -------------------------------------------------------------------------------------


def export(
    stream: str,
    file: str | os.PathLike[str],
    *,
    last: str | None = None,
    from_: When = None,
    to: When = None,
) -> Path:
    """Copy a stretch of a stream into a local file, whatever its size, in little memory.

    The file appears when it is complete.

    Parameters
    ----------
    stream : str
        The stream's name.
    file : path
        Its ending says the format: ``.ndjson`` or ``.jsonl`` (messages as
        :func:`messages` gives them), ``.csv`` (``_offset, _time, _key`` and the fields),
        ``.parquet`` (the same, typed; needs pyarrow).
    last, from_, to
        As in :func:`window`.

    Returns
    -------
    Path
        The file.
    """
    goal = Path(file)
    suffix = goal.suffix.lower()
    query = {"last": last, "from": from_, "to": to}
    if suffix in (".ndjson", ".jsonl", ".csv"):
        form = "csv" if suffix == ".csv" else "ndjson"
        where = path("streams", stream, "messages", format=form, **query)
        return _appear(goal, lambda partial: _copy(where, partial))
    if suffix == ".parquet":
        from ._parquet import write_parquet

        return _appear(goal, lambda partial: write_parquet(stream, partial, query))
    raise errors.Invalid(f"file: must end with .parquet, .csv or .ndjson, was {goal.name!r}")


def _appear(goal: Path, make: Any) -> Path:
    """Make a file under another name first, so that it is there whole or not at all."""
    handle, partial = tempfile.mkstemp(prefix=f".{goal.name}.", dir=goal.parent)
    os.close(handle)
    try:
        make(partial)
        os.replace(partial, goal)
    except BaseException:
        os.unlink(partial)
        raise
    return goal


def _copy(where: str, partial: str) -> None:
    for attempt in attempts():
        with open(partial, "wb") as sink, send("GET", where) as reply:
            try:
                while piece := reply.read(CHUNK_BYTES):
                    sink.write(piece)
                return
            except errors.Unavailable as error:
                attempt.failed(error)
