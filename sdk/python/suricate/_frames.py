"""Columns of streams and tables, as bytes a DataFrame can stand on.

In a kernel they come as mapped memory: the server passes a sealed, read-only descriptor
over the socket ``frames.sock`` beside its own, so nothing is copied. Elsewhere, and from
a server that has no such socket, they come over HTTP.
"""

from __future__ import annotations

import array
import json
import mmap
import os
import socket
import warnings
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from . import errors
from ._transport import TIMEOUT_S, Target, attempts, send, target

if TYPE_CHECKING:
    import pandas as pd

ANSWER_BYTES = 1 << 16
TYPE = "application/x-suricate-columns"


class Columns(NamedTuple):
    """Blocks of columns, one after the other, and where to go on.

    Attributes
    ----------
    buffer : mmap or bytes
        The blocks (docs/reference/columns.md); empty when there are no rows.
    next : str or None
        The path of the rest; None when this is all.
    headers : mapping
        What the server says of it (``X-Suricate-…``).
    """

    buffer: mmap.mmap | bytes
    next: str | None
    headers: Mapping[str, str]


def pieces(where: str) -> Iterator[Columns]:
    """Fetch what stands at a path, and the rest of it, piece by piece; at least one."""
    rest: str | None = where
    while rest is not None:
        found = columns(rest)
        yield found
        rest = found.next


def frame(where: str, *, index: bool = True, meta: bool = False) -> pd.DataFrame:
    """Fetch what stands at a path as one DataFrame.

    Parameters
    ----------
    where : str
        A path made by :func:`suricate._transport.path`.
    index, meta : bool
        As in :func:`suricate.window`.
    """
    from ._columns import frame_of

    frames = [frame_of(found.buffer, index=index, meta=meta) for found in pieces(where)]
    full = [part for part in frames if len(part)] or frames[:1]
    if len(full) == 1:
        return full[0]
    import pandas as pd

    return pd.concat(full, ignore_index=not index)


def columns(where: str) -> Columns:
    """Fetch what stands at a path that answers with columns, or the first piece of it.

    Parameters
    ----------
    where : str
        A path made by :func:`suricate._transport.path`.
    """
    place = target()
    if place.socket_path:
        path = os.path.join(os.path.dirname(place.socket_path), "frames.sock")
        for attempt in attempts():
            try:
                return _mapped(path, place, where)
            except (FileNotFoundError, ConnectionRefusedError):
                break  # no such socket: HTTP has the patience to find out whether there is a server
            except errors.Unavailable as error:
                attempt.failed(error)
    return _copied(where)


def _copied(where: str) -> Columns:
    for attempt in attempts():
        with send("GET", where, headers={"Accept": TYPE}, timeout_s=10 * TIMEOUT_S) as reply:
            try:
                kind = reply.headers.get("Content-Type", "")
                if kind != TYPE:
                    raise errors.Invalid(f"{where} answers with {kind or 'nothing known'}, not with columns")
                return _columns(where, reply.read(), reply.headers)
            except errors.Unavailable as error:
                attempt.failed(error)
    raise AssertionError("unreachable")


def _mapped(path: str, place: Target, where: str) -> Columns:
    """Ask on the frames' socket: a line of JSON each way, and a descriptor with the answer."""
    order = json.dumps({"token": place.read_token(), "path": where}) + "\n"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(TIMEOUT_S)
        connection.connect(path)
        try:
            connection.sendall(order.encode())
            text, descriptor = _receive(connection)
        except TimeoutError:
            raise errors.TimedOut(f"the server did not answer within {TIMEOUT_S:.0f} s") from None
        except (ConnectionResetError, BrokenPipeError):
            raise errors.Unavailable("the connection broke in the middle of an answer") from None
    try:
        answer = _answer(text)
        if answer["status"] != 200:
            raise errors.from_reply(answer["status"], "", text)
        if not answer["size"]:
            return _columns(where, b"", answer["headers"])
        if descriptor < 0:
            raise errors.Internal("the server passed no descriptor with its answer")
        memory = mmap.mmap(descriptor, answer["size"], flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
        return _columns(where, memory, answer["headers"])
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _receive(connection: socket.socket) -> tuple[bytes, int]:
    """Give the answer's line and the descriptor that came with it, or -1."""
    text, found = b"", array.array("i")
    while not text.endswith(b"\n") and len(text) < ANSWER_BYTES:
        piece, extra, _, _ = connection.recvmsg(ANSWER_BYTES, socket.CMSG_LEN(found.itemsize), socket.MSG_CMSG_CLOEXEC)
        for level, kind, content in extra:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                found.frombytes(content[: len(content) - len(content) % found.itemsize])
        if not piece:
            break
        text += piece
    for surplus in found[1:]:
        os.close(surplus)
    return text, found[0] if found else -1


def _answer(text: bytes) -> Mapping[str, Any]:
    if not text:
        raise errors.Unavailable("the server ended the connection without an answer")
    try:
        answer = json.loads(text)
        if isinstance(answer, dict) and isinstance(answer.get("status"), int):
            return answer
    except ValueError:
        pass
    raise errors.Internal("the answer on the frames' socket is not understood; is the package as old as the server?")


def _columns(where: str, buffer: mmap.mmap | bytes, headers: Mapping[str, str]) -> Columns:
    """Put an answer together; `X-Suricate-Next` is the query for the rest, in place of the one asked with."""
    place, query = where.partition("?")[0], headers.get("X-Suricate-Next")
    damaged = headers.get("X-Suricate-Damaged")
    if damaged:
        name = place.removeprefix("/v1/streams/").removesuffix("/columns")
        warnings.warn(
            f"stream {name}: the messages at offsets {damaged} are damaged on disk and left out", stacklevel=6
        )
    return Columns(buffer, f"{place}?{query}" if query else None, headers)
