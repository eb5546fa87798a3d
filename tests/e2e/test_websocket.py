"""The tail of a stream over a WebSocket: history and live without a seam, and whoever misbehaves goes alone."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
from base64 import b64encode
from typing import Any, Iterator
from urllib.parse import urlsplit

import pytest
import requests
import websocket
from conftest import PATIENCE_S, Server, wait_until


def create(server: Server, name: str) -> str:
    answer = server.requests.put(f"/v1/streams/{name}", json={"source": {"kind": "push"}})
    assert answer.status_code in (200, 201), answer.text
    return name


def push(server: Server, stream: str, values: list[Any]) -> None:
    body = "\n".join(json.dumps(value) for value in values)
    answer = server.requests.post(f"/v1/streams/{stream}/messages", data=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text


def connect(server: Server, stream: str, token: str | None = None, **more: Any) -> websocket.WebSocket:
    url = f"{server.url.replace('http', 'ws', 1)}/v1/streams/{stream}/tail{more.pop('query', '')}"
    header = {"Authorization": f"Bearer {token or server.token}"}
    return websocket.create_connection(url, timeout=PATIENCE_S, header=more.pop("header", header), suppress_origin=True, **more)


def items(connection: websocket.WebSocket) -> Iterator[dict[str, Any]]:
    while text := connection.recv():
        yield from json.loads(text)["items"]


def take(connection: websocket.WebSocket, count: int) -> list[Any]:
    found: list[Any] = []
    for item in items(connection):
        assert item["offset"] == len(found) + (found[0]["offset"] if found else item["offset"])
        found.append(item)
        if len(found) == count:
            break
    return found


def closing(connection: websocket.WebSocket) -> int:
    """The code of the close frame that comes next."""
    while True:
        code, data = connection.recv_data(control_frame=True)
        if code == websocket.ABNF.OPCODE_CLOSE:
            return struct.unpack(">H", data[:2])[0]


def test_history_moves_on_to_live_without_gap_or_repetition(shared_server: Server) -> None:
    stream = create(shared_server, "ws/seam")
    push(shared_server, stream, [{"n": n} for n in range(500)])
    pusher = threading.Thread(target=lambda: [push(shared_server, stream, [{"n": 500 + n}]) for n in range(200)])
    connection = connect(shared_server, stream, query="?from=earliest")
    pusher.start()
    found = take(connection, 700)
    pusher.join()
    assert [item["offset"] for item in found] == [*range(700)]
    assert [item["body"]["n"] for item in found] == [*range(700)]
    connection.close()


def test_a_tail_begins_where_it_is_told(shared_server: Server) -> None:
    stream = create(shared_server, "ws/from")
    push(shared_server, stream, [{"n": n} for n in range(10)])
    assert take(connect(shared_server, stream, query="?from=7"), 3)[0]["offset"] == 7
    live = connect(shared_server, stream)
    push(shared_server, stream, [{"n": 10}])
    assert take(live, 1)[0]["body"] == {"n": 10}


def test_pings_are_answered(shared_server: Server) -> None:
    connection = connect(shared_server, create(shared_server, "ws/ping"))
    connection.ping("are you there")
    code, data = connection.recv_data(control_frame=True)
    assert (code, bytes(data)) == (websocket.ABNF.OPCODE_PONG, b"are you there")
    connection.close(status=1000)


@pytest.mark.server()
def test_a_server_that_ends_says_1012(server: Server) -> None:
    connection = connect(server, create(server, "ws/end"))
    ender = threading.Thread(target=server.stop)
    ender.start()
    assert closing(connection) == 1012
    connection.close()
    ender.join()


def test_a_revoked_token_ends_its_sockets(shared_server: Server) -> None:
    stream = create(shared_server, "ws/revoked")
    made = shared_server.requests.post("/v1/tokens", json={"name": "ws", "scopes": ["streams:read"]}).json()
    connection = connect(shared_server, stream, made["token"])
    assert shared_server.requests.delete(f"/v1/tokens/{made['id']}").status_code == 204
    assert closing(connection) == 1008


def test_a_stream_that_is_deleted_ends_its_sockets(shared_server: Server) -> None:
    connection = connect(shared_server, create(shared_server, "ws/deleted"))
    assert shared_server.requests.delete("/v1/streams/ws/deleted?force=true").status_code == 204
    push(shared_server, create(shared_server, "ws/deleted"), [1])
    assert closing(connection) == 1000


# Who may -------------------------------------------------------------------------------------


def handshake(server: Server, path: str, **changes: str | None) -> requests.Response:
    headers: dict[str, str | None] = {
        "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(), "Authorization": f"Bearer {server.token}",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }  # fmt: skip
    return server.client(None).get(path, headers={name: value for name, value in headers.items() if value}, stream=True)


def test_handshakes_that_are_not_in_order_are_refused(shared_server: Server) -> None:
    path = f"/v1/streams/{create(shared_server, 'ws/shake')}/tail"
    assert handshake(shared_server, path).status_code == 101
    assert handshake(shared_server, path, Sec_WebSocket_Version="8").status_code == 400
    assert handshake(shared_server, path, Sec_WebSocket_Version="8").headers["Sec-WebSocket-Version"] == "13"
    assert handshake(shared_server, path, Sec_WebSocket_Key="short").status_code == 400
    assert handshake(shared_server, path, Sec_WebSocket_Key=None).status_code == 400
    assert handshake(shared_server, path, Connection="keep-alive").status_code == 400
    assert handshake(shared_server, path, Authorization=None).status_code == 401
    assert handshake(shared_server, "/v1/streams/ws/none/tail").status_code == 404


def test_with_a_session_only_our_own_pages_connect(shared_server: Server) -> None:
    path = f"/v1/streams/{create(shared_server, 'ws/origin')}/tail"
    code = shared_server.requests.post("/v1/users", json={"name": "wsann", "password": "correct horse battery", "scopes": ["streams:read"]})
    assert code.status_code in (200, 201), code.text
    browser = requests.Session()
    browser.trust_env = False
    login = browser.post(shared_server.url + "/v1/session", json={"user": "wsann", "password": "correct horse battery"})
    assert login.status_code in (200, 201), login.text
    cookie = "; ".join(f"{item.name}={item.value}" for item in browser.cookies)
    ours = shared_server.url
    assert handshake(shared_server, path, Authorization=None, Cookie=cookie, Origin=ours).status_code == 101
    assert handshake(shared_server, path, Authorization=None, Cookie=cookie, Origin="http://evil.example").status_code == 403
    assert handshake(shared_server, path, Authorization=None, Cookie=cookie, Origin="null").status_code == 403
    assert handshake(shared_server, path, Authorization=None, Cookie=cookie).status_code == 403


# Misbehaviour ----------------------------------------------------------------------------------


def raw(server: Server, stream: str, *, query: str = "", receive_bytes: int = 0) -> socket.socket:
    """An upgraded connection without any library."""
    parts = urlsplit(server.url)
    connection = socket.socket()
    if receive_bytes:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    connection.settimeout(PATIENCE_S)
    connection.connect((parts.hostname, parts.port))
    connection.sendall(
        f"GET /v1/streams/{stream}/tail{query} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {server.token}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        f"Sec-WebSocket-Key: {b64encode(os.urandom(16)).decode()}\r\n\r\n".encode()
    )
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += connection.recv(1)
    assert head.startswith(b"HTTP/1.1 101 "), head
    return connection


def end_of(connection: socket.socket) -> bytes:
    """Everything up to the end of the connection."""
    text = b""
    try:
        while piece := connection.recv(65536):
            text += piece
    except ConnectionError:
        pass
    connection.close()
    return text


@pytest.mark.parametrize(
    ("what", "code"),
    [
        (b"\x81\x05hello", 1002),  # not masked
        (b"\x83\x80\0\0\0\0", 1002),  # an opcode that there is not
        (b"\xf1\x80\0\0\0\0", 1002),  # reserved bits
        (b"\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0a", 1009),  # far too long
        (b"\x81\x82\0\0\0\0\xff\xfe", 1007),  # no UTF-8
        (b"\x89\xfe\x01\x00\0\0\0\0" + bytes(256), 0),  # a ping longer than one may be
        (b"\x88\x81\0\0\0\0\x03", 0),  # half a close code
    ],
)
def test_frames_that_break_the_protocol_close_their_own_socket(shared_server: Server, what: bytes, code: int) -> None:
    stream = create(shared_server, "ws/broken")
    other = connect(shared_server, stream)
    connection = raw(shared_server, stream)
    connection.sendall(what)
    answer = end_of(connection)
    assert answer[:1] == b"\x88" and int.from_bytes(answer[2:4], "big") == code, answer
    push(shared_server, stream, [{"still": "here"}])
    assert take(other, 1)[0]["body"] == {"still": "here"}
    other.close()


@pytest.mark.server("--limit", "socket_stall_s=1")
def test_a_reader_that_stops_reading_is_dropped_and_others_never_notice(server: Server) -> None:
    stream = create(server, "ws/slow")
    slow = raw(server, stream, receive_bytes=4096)
    fine = connect(server, stream)
    pusher = threading.Thread(target=lambda: [push(server, stream, ["x" * 1000] * 1000) for _ in range(24)])
    pusher.start()
    assert len(take(fine, 24_000)) == 24_000
    pusher.join()
    wait_until(lambda: "sockets.stalled" in server.log.read_text(), "the slow reader was dropped")
    push(server, stream, ["after"])
    assert take(fine, 1)[0]["body"] == "after"
    fine.close()
    assert len(end_of(slow)) < 24_000_000


def test_pings_without_end_do_not_pile_up(shared_server: Server) -> None:
    stream = create(shared_server, "ws/flood")
    connection = raw(shared_server, stream, receive_bytes=4096)
    connection.settimeout(2)
    ping = b"\x89\xfd\0\0\0\0"[:1] + b"\xfd" + b"\0\0\0\0" + bytes(125)
    sent = 0
    try:
        while sent < 64 << 20:
            sent += connection.send(ping * 100)
    except (TimeoutError, ConnectionError):
        pass
    assert sent < 64 << 20  # it stopped reading, or ended the connection
    connection.close()
    other = connect(shared_server, stream)
    push(shared_server, stream, [1])
    assert take(other, 1)[0]["body"] == 1
    other.close()


@pytest.mark.server("--limit", "sockets=2")
def test_there_are_not_more_sockets_than_the_limit_says(server: Server) -> None:
    stream = create(server, "ws/many")
    kept = [connect(server, stream) for _ in range(2)]
    with pytest.raises(websocket.WebSocketBadStatusException) as refused:
        connect(server, stream)
    assert refused.value.status_code == 503
    kept.pop().close()
    wait_until(lambda: try_to_connect(server, stream), "there is room again")
    kept.pop().close()


def try_to_connect(server: Server, stream: str) -> bool:
    try:
        connect(server, stream).close()
        return True
    except websocket.WebSocketBadStatusException:
        return False
