"""How the SDK reaches the server: one short-lived HTTP connection a call.

Nothing is shared between calls, so the SDK may be used from any thread and after a
fork. In a kernel the connection goes over the server's Unix socket with the run's own
token; elsewhere over HTTP or HTTPS with the user's.

A call that may be repeated safely (all are: those that are not so by nature carry an
``Idempotency-Key``) waits out a server that is being restarted, for up to
`PATIENCE_S` seconds.
"""

from __future__ import annotations

import http.client
import io
import json
import os
import random
import socket
import time
import uuid
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote, urlencode, urlsplit

from . import errors

PATIENCE_S = 30.0
TIMEOUT_S = 90.0
CHUNK_BYTES = 1 << 20
ERROR_BYTES = 1 << 20
BARREN_LIMIT = 5

Body = bytes | IO[bytes] | None


@dataclass(frozen=True)
class Target:
    """Where the server is and which token opens it."""

    url: str = ""
    token: str = ""
    socket_path: str = ""
    token_file: str = ""

    def open(self, timeout_s: float) -> http.client.HTTPConnection:
        """Make a connection, not yet connected."""
        if self.socket_path:
            return _UnixConnection(self.socket_path, timeout_s)
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise errors.Invalid(f"the server's address must look like http://127.0.0.1:8080, was {self.url!r}")
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        return kind(parts.hostname, parts.port, timeout=timeout_s)

    def read_token(self) -> str:
        """Read the token; in a kernel it stands in a file and changes with the run that owns it."""
        if not self.token_file:
            return self.token
        try:
            return Path(self.token_file).read_text(encoding="ascii").strip()
        except FileNotFoundError:
            raise errors.Denied(
                "this kernel has no run yet, so it may not talk to the server; start the notebook as a run"
            ) from None


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str, timeout_s: float):
        super().__init__("suricate", timeout=timeout_s)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


_chosen: Target | None = None


def connect(url: str | None = None, token: str | None = None) -> None:
    """Choose the server by hand, for this process.

    Without it the SDK looks, in this order, at ``SURICATE_SOCKET`` (a kernel),
    ``SURICATE_URL`` with ``SURICATE_TOKEN``, and the files ``server.json`` and
    ``owner.token`` of a server running on this machine.

    Parameters
    ----------
    url : str, optional
        For example ``http://127.0.0.1:8080``. None goes back to looking around.
    token : str, optional
        A token of that server.
    """
    global _chosen
    _chosen = None if url is None else Target(url=url, token=token or os.environ.get("SURICATE_TOKEN", ""))


def target() -> Target:
    """Say which server the next call goes to.

    Raises
    ------
    Unavailable
        If nothing says where a server is.
    """
    if _chosen:
        return _chosen
    environment = os.environ
    if environment.get("SURICATE_SOCKET"):
        return Target(
            socket_path=environment["SURICATE_SOCKET"],
            token=environment.get("SURICATE_TOKEN", ""),
            token_file=environment.get("SURICATE_TOKEN_FILE", ""),
        )
    if environment.get("SURICATE_URL"):
        return Target(url=environment["SURICATE_URL"], token=environment.get("SURICATE_TOKEN", ""))
    return _local_server(_data_folder())


def _data_folder() -> Path:
    if os.environ.get("SURICATE_DATA"):
        return Path(os.environ["SURICATE_DATA"])
    return Path("/var/lib/suricate/data") if os.geteuid() == 0 else Path.home() / ".local/share/suricate"


def _local_server(folder: Path) -> Target:
    try:
        url = json.loads((folder / "server.json").read_text(encoding="utf-8"))["url"]
    except (OSError, ValueError, KeyError, TypeError):
        raise errors.Unavailable(
            f"no server found: SURICATE_URL is not set and {folder} holds no server.json; "
            "start one with `suricate serve`, or set SURICATE_URL and SURICATE_TOKEN"
        ) from None
    token = os.environ.get("SURICATE_TOKEN", "")
    if not token:
        try:
            token = (folder / "owner.token").read_text(encoding="ascii").strip()
        except OSError as error:
            raise errors.Denied(
                f"the server at {url} was found, but its owner's token cannot be read ({error.strerror}); "
                "set SURICATE_TOKEN"
            ) from None
    return Target(url=url, token=token)


def path(*parts: str, **query: Any) -> str:
    """Build a path below ``/v1``; parts may hold slashes, query values of None are left out.

    >>> path("objects", "nfl/week 1.csv", view="info", tag=None)
    '/v1/objects/nfl/week%201.csv?view=info'
    """
    text = "/v1/" + "/".join(quote(part, safe="/~") for part in parts)
    given = {key: value for key, value in query.items() if value is not None}
    return f"{text}?{urlencode(given)}" if given else text


def call(
    method: str,
    where: str,
    *,
    body: Body = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    wait_out: Collection[int] = (503,),
) -> Any:
    """Make a call and give its JSON answer (None if the answer is empty)."""
    headers = dict(headers or {})
    if method in ("POST", "PUT"):
        headers.setdefault("Idempotency-Key", uuid.uuid4().hex)
    start = _position(body)
    for attempt in attempts():
        with send(method, where, body=body, headers=headers, timeout_s=timeout_s, wait_out=wait_out) as reply:
            try:
                content = reply.read()
                break
            except errors.Unavailable as error:
                attempt.failed(error)
                _rewind(body, start)
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        raise errors.Internal(f"the answer to {method} {where} is not JSON; is this a Suricate server?") from None


def call_json(method: str, where: str, value: Any, *, timeout_s: float = TIMEOUT_S) -> Any:
    """Make a call with a JSON body."""
    body = json.dumps(value, allow_nan=False).encode()
    return call(method, where, body=body, headers={"Content-Type": "application/json"}, timeout_s=timeout_s)


def send(
    method: str,
    where: str,
    *,
    body: Body = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = TIMEOUT_S,
    wait_out: Collection[int] = (503,),
) -> Reply:
    """Make a call and give its open answer, which the caller closes.

    Parameters
    ----------
    method, where : str
        The method, and a path made by :func:`path`.
    body : bytes or seekable binary file, optional
        A file is sent from its position to its end, in pieces of 1 MiB.
    headers : mapping, optional
        Beside those every call has.
    timeout_s : float
        How long any one step of the connection may take.
    wait_out : collection of int
        Statuses that pass by themselves: the call is made again, for up to `PATIENCE_S`.

    Raises
    ------
    SuricateError
        The kind that fits the refusal; `Unavailable` if no server answered in time.
    """
    fields = {"Accept": "application/json, */*", **(headers or {})}
    if method in ("POST", "PUT"):
        fields.setdefault("Idempotency-Key", uuid.uuid4().hex)
    start = _position(body)
    for attempt in attempts():
        _rewind(body, start)
        try:
            reply = _send_once(method, where, body, fields, timeout_s)
        except _NO_ANSWER as error:
            attempt.failed(errors.Unavailable(f"the server does not answer: {error or type(error).__name__}"))
            continue
        if reply.status < 400:
            return reply
        with reply:
            refusal = errors.from_reply(reply.status, reply.reason, reply.read(ERROR_BYTES))
        if reply.status not in wait_out:
            raise refusal
        attempt.failed(refusal, reply.headers.get("Retry-After", ""))
    raise AssertionError("unreachable")


_NO_ANSWER = (ConnectionError, FileNotFoundError, http.client.RemoteDisconnected)


class _Attempt:
    def __init__(self, number: int, deadline: float):
        self._number, self._deadline = number, deadline

    def failed(self, error: errors.SuricateError, advice: str = "") -> None:
        """Wait before the next attempt, or raise `error` if there is no time for one."""
        pause = min(2.0, 0.05 * 2**self._number) * random.uniform(0.75, 1.25)
        if advice.isdigit():
            pause = max(pause, min(float(advice), 5.0))
        if time.monotonic() + pause > self._deadline:
            raise error
        time.sleep(pause)


def attempts() -> Iterator[_Attempt]:
    """Give attempts until one of them is told it `failed` too late for another."""
    deadline = time.monotonic() + PATIENCE_S
    number = 0
    while True:
        yield _Attempt(number, deadline)
        number += 1


def _send_once(method: str, where: str, body: Body, fields: Mapping[str, str], timeout_s: float) -> Reply:
    place = target()
    token = place.read_token()
    fields = dict(fields)
    if token:
        fields["Authorization"] = f"Bearer {token}"
    connection = place.open(timeout_s)
    try:
        connection.putrequest(method, where)
        for name, value in fields.items():
            connection.putheader(name, value.encode())
        if body is not None:
            connection.putheader("Content-Length", str(_length(body)))
        connection.endheaders()
        _send_body(connection, body)
        return Reply(connection, connection.getresponse())
    except TimeoutError:
        connection.close()
        raise errors.TimedOut(f"{method} {where.partition('?')[0]} took longer than {timeout_s:.0f} s") from None
    except BaseException:
        connection.close()
        raise


def _position(body: Body) -> int:
    return 0 if body is None or isinstance(body, bytes) else body.tell()


def _rewind(body: Body, start: int) -> None:
    """Bring a file back to where it stood before an attempt."""
    if body is not None and not isinstance(body, bytes):
        body.seek(start)


def _length(body: bytes | IO[bytes]) -> int:
    if isinstance(body, bytes):
        return len(body)
    here = body.tell()
    end = body.seek(0, os.SEEK_END)
    body.seek(here)
    return end - here


def _send_body(connection: http.client.HTTPConnection, body: Body) -> None:
    """Send a body; a server that refuses early closes its side, and its answer is still to be read."""
    try:
        if isinstance(body, bytes):
            connection.send(body)
        elif body is not None:
            while piece := body.read(CHUNK_BYTES):
                connection.send(piece)
    except (BrokenPipeError, ConnectionResetError):
        pass


class Reply:
    """An answer whose body has not been read yet; a context manager that closes the connection."""

    def __init__(self, connection: http.client.HTTPConnection, response: http.client.HTTPResponse):
        self._connection = connection
        self._response = response
        self.status = response.status
        self.reason = response.reason
        self.headers = response.headers

    def __enter__(self) -> Reply:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self, size: int | None = None) -> bytes:
        """Read the body, or up to `size` bytes of it."""
        try:
            return self._response.read(size)
        except TimeoutError:
            raise errors.TimedOut("the server stopped in the middle of its answer") from None
        except (http.client.IncompleteRead, ConnectionError) as error:
            raise errors.Unavailable(f"the connection broke in the middle of an answer: {error}") from None

    def lines(self) -> Iterator[bytes]:
        """Read the body line by line as it comes, without line ends."""
        try:
            while line := self._response.readline():
                yield line.rstrip(b"\r\n")
        except TimeoutError:
            raise errors.TimedOut("the server stopped in the middle of its answer") from None
        except (http.client.IncompleteRead, ConnectionError) as error:
            raise errors.Unavailable(f"the connection broke in the middle of an answer: {error}") from None

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()
        self._connection.close()


class Download(io.RawIOBase):
    """An object's bytes as a readable file, in constant memory.

    If the connection breaks, the rest is asked for again; should the object have
    changed meanwhile, that is a `Conflict`, never a mixture of two versions.
    """

    def __init__(self, where: str):
        self._where = where
        self._reply = send("GET", where)
        self.headers = self._reply.headers
        self.size = int(self.headers.get("Content-Length") or 0)
        self._position = 0
        self._barren = 0

    def readable(self) -> bool:
        """Say yes."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what comes next; 0 at the end."""
        wanted = min(len(buffer), self.size - self._position)
        while wanted:
            try:
                piece = self._reply.read(wanted)
            except errors.Unavailable:
                piece = b""
            if piece:
                buffer[: len(piece)] = piece
                self._position += len(piece)
                self._barren = 0
                return len(piece)
            self._resume()
        return 0

    def _resume(self) -> None:
        self._reply.close()
        self._barren += 1
        if self._barren > BARREN_LIMIT:
            raise errors.Unavailable(f"the connection broke {self._barren} times at byte {self._position}")
        fields = {"Range": f"bytes={self._position}-"}
        if self.headers.get("ETag"):
            fields["If-Match"] = self.headers["ETag"]
        self._reply = send("GET", self._where, headers=fields)
        if self._reply.status != 206:
            raise errors.Unavailable("the connection broke and the server cannot continue where it stopped")

    def close(self) -> None:
        """Close the connection."""
        if not self.closed:
            self._reply.close()
        super().close()
