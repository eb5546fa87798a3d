"""Columns by descriptor: a kernel maps what the server sealed, and the socket gives nothing else to anybody."""

from __future__ import annotations

import array
import hashlib
import json
import os
import socket
from pathlib import Path
from typing import Any

import pytest
from conftest import PATIENCE_S, Server, wait_until


def create(server: Server, name: str, rows: list[Any], token: str | None = None) -> str:
    client = server.client(token) if token else server.requests
    assert client.put(f"/v1/streams/{name}", json={"source": {"kind": "push"}}).status_code in (200, 201)
    body = "\n".join(json.dumps(row) for row in rows)
    answer = client.post(f"/v1/streams/{name}/messages", data=body, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 200, answer.text
    return name


def finish(record: dict[str, Any]) -> Any:
    assert record["state"] == "succeeded", (record["state"], record["reason"], record["error"])
    return record["result"]


ASK = """
import array, json, mmap, os, socket
def ask(question, token=None):
    if isinstance(question, str):
        question = json.dumps({"token": token or open(os.environ["SURICATE_TOKEN_FILE"]).read().strip(), "path": question}).encode() + b"\\n"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect("/run/suricate/frames.sock")
        try:
            connection.sendall(question)
            connection.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass
        text, fds, _, _ = socket.recv_fds(connection, 65536, 4)
    return (json.loads(text) if text else None), fds
"""


def test_a_window_in_a_kernel_stands_on_mapped_memory(shared_server: Server) -> None:
    create(shared_server, "frames/mapped", [{"n": n, "who": f"w{n % 3}", "x": n / 2} for n in range(5000)])
    result = finish(
        shared_server.run(
            "import suricate as s\nframe = s.window('frames/mapped')",
            "maps = [line for line in open('/proc/self/maps') if 'memfd:columns' in line]\n"
            "s.result({'rows': len(frame), 'sum': int(frame.n.sum()), 'who': frame.who.value_counts().to_dict(),\n"
            "          'kinds': {name: str(kind) for name, kind in frame.dtypes.items()},\n"
            "          'modes': sorted({line.split()[1] for line in maps}), 'index': [frame.index.name, str(frame.index.tz)]})",
        )
    )
    assert result["rows"] == 5000 and result["sum"] == sum(range(5000))
    assert result["who"] == {"w0": 1667, "w1": 1667, "w2": 1666}
    assert result["kinds"]["n"] == "int64" and result["kinds"]["x"] == "float64"
    assert result["index"] == ["_time", "UTC"]
    assert result["modes"] in (["r--s"], [])  # no mapping is left when the frame needed none of it


def test_what_a_kernel_gets_can_be_changed_by_nobody(shared_server: Server) -> None:
    create(shared_server, "frames/sealed", [{"n": n} for n in range(100)])
    result = finish(
        shared_server.run(
            ASK,
            """
answer, (fd,) = ask("/v1/streams/frames/sealed/columns")
def refused(action):
    try:
        action()
    except (OSError, ValueError) as error:
        return type(error).__name__
    return "done"
memory = mmap.mmap(fd, answer["size"], flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)
import suricate as s
s.result({
    "status": answer["status"], "head": len(memory[:8]), "write": refused(lambda: os.pwrite(fd, b"x", 0)),
    "shrink": refused(lambda: os.ftruncate(fd, 0)), "grow": refused(lambda: os.ftruncate(fd, 1 << 20)),
    "map": refused(lambda: mmap.mmap(fd, 64, flags=mmap.MAP_SHARED, prot=mmap.PROT_READ | mmap.PROT_WRITE)),
    "anew": refused(lambda: os.pwrite(os.open(f"/proc/self/fd/{fd}", os.O_RDWR), b"x", 0)),
})
""",
        )
    )
    assert result["status"] == 200 and result["head"] == 8
    assert {result[what] for what in ("write", "shrink", "grow", "map", "anew")} == {"PermissionError"}


def test_hostile_questions_are_refused_and_the_next_is_answered(shared_server: Server) -> None:
    create(shared_server, "frames/asked", [1, 2, 3])
    shared_server.put("frames/secret.bin", b"\0" * 100)
    result = finish(
        shared_server.run(
            ASK,
            """
import suricate as s
streams, kernel = "/v1/streams/frames/asked", open(os.environ["SURICATE_TOKEN_FILE"]).read().strip()
questions = {
    "nothing": b"", "garbage": b"\\x00\\xff garbage\\n", "no object": b"[1]\\n", "no path": b'{"token": "x"}\\n',
    "deep": b"[" * 9000 + b"\\n", "endless": b"x" * 100_000, "extra": json.dumps({"token": kernel, "path": streams, "more": 1}).encode() + b"\\n",
    "content": streams + "/messages", "tail": streams + "/tail", "list": "/v1/objects", "bytes": "/v1/objects/frames/secret.bin",
    "up": "/v1/streams/../objects/columns", "none": "/v1/streams/frames/none/columns", "query": streams + "/columns?from=x",
    "status": "/v1/status?view=columns", "events": "/v1/events?view=columns",
}
told = {}
for name, question in questions.items():
    answer, fds = ask(question)
    told[name] = [answer and answer["status"], len(fds)]
for name, token in {"unknown": "su_abc_def", "empty": " ", "newline": "a\\nb"}.items():
    answer, fds = ask(streams + "/columns", token)
    told[name] = [answer["status"], len(fds)]
answer, fds = ask(streams + "/columns")
told["good"] = [answer["status"], len(fds)]
s.result(told)
""",
        )
    )
    assert result.pop("good") == [200, 1]
    assert result.pop("nothing") == [None, 0]
    assert result["endless"] == [413, 0] and result["none"] == [404, 0] and result["unknown"] == [401, 0]
    assert {count for _, count in result.values()} == {0}, result
    assert {status for status, _ in result.values()} <= {400, 401, 403, 404, 413}, result


def test_another_tenants_stream_does_not_exist(shared_server: Server) -> None:
    other = shared_server.requests.post("/v1/tenants", json={"name": "frames-other"}).json()["token"]
    create(shared_server, "frames/theirs", [{"n": 1}], other)
    result = finish(
        shared_server.run(ASK, "import suricate as s\ns.result(ask('/v1/streams/frames/theirs/columns')[0]['status'])")
    )
    assert result == 404


# From outside of kernels -----------------------------------------------------------------------


def socket_of(server: Server) -> str:
    """Where this server's frames' socket is."""
    folder = Path("/proc", str(server.process.pid), "fd")
    mine = {os.readlink(entry).removeprefix("socket:[").removesuffix("]") for entry in folder.iterdir() if entry.is_symlink()}
    lines = [line.split() for line in open("/proc/net/unix").read().splitlines()]
    (path,) = {words[7] for words in lines if len(words) > 7 and words[6] in mine and words[7].endswith("/frames.sock")}
    return path


def ask(server: Server, token: str, path: str) -> dict[str, Any]:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(socket_of(server))
        connection.sendall(json.dumps({"token": token, "path": path}).encode() + b"\n")
        text, fds, _, _ = socket.recv_fds(connection, 65536, 4)
    for fd in fds:
        os.close(fd)
    return {**json.loads(text), "descriptors": len(fds)}


def test_the_frames_socket_takes_run_tokens_only_and_none_that_is_over(shared_server: Server) -> None:
    create(shared_server, "frames/over", [1])
    run = shared_server.run("import os, suricate as s\ns.result(open(os.environ['SURICATE_TOKEN_FILE']).read().strip())")
    over = finish(run)
    for token in (shared_server.token, over):  # a run's token ends a moment after the run
        answer = wait_until(
            lambda token=token: (found := ask(shared_server, token, "/v1/streams/frames/over/columns"))["status"] == 401 and found,
            "the token is refused",
        )
        assert answer["descriptors"] == 0


def test_a_descriptor_sent_along_with_a_question_is_not_kept(shared_server: Server) -> None:
    reading, writing = os.pipe()
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(PATIENCE_S)
        connection.connect(socket_of(shared_server))
        connection.sendmsg([b"{}\n"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [writing] * 4))])
        assert json.loads(connection.recv(65536))["status"] == 400
    os.close(writing)
    assert os.read(reading, 1) == b""  # nobody else holds the other end
    os.close(reading)


@pytest.mark.server("--limit", "frame_connections=4", "--warm", "1")
def test_silent_connections_make_way_for_those_that_ask(server: Server) -> None:
    create(server, "frames/silent", [1, 2])
    result = finish(
        server.run(
            ASK,
            """
import suricate as s
silent = [socket.socket(socket.AF_UNIX) for _ in range(5)]
for connection in silent:
    connection.connect("/run/suricate/frames.sock")
answer, fds = ask("/v1/streams/frames/silent/columns")
s.result([answer["status"], len(fds)])
""",
            limits={"time_s": 120},
        )
    )
    assert result == [200, 1]


def test_what_a_run_reads_of_a_stream_is_in_its_lineage(shared_server: Server) -> None:
    create(shared_server, "frames/lineage", [{"n": n} for n in range(10)])
    run = shared_server.run("import suricate as s\ns.result([len(s.window('frames/lineage', to=6)), len(s.window('frames/lineage', from_=4))])")
    assert finish(run) == [6, 6]
    lineage = shared_server.requests.get(f"/v1/runs/{run['id']}/lineage").json()
    assert lineage["streams"] == [{"stream": "frames/lineage", "from": 0, "to": 10}]


def test_over_http_the_columns_are_the_same_bytes(shared_server: Server) -> None:
    create(shared_server, "frames/http", [{"n": n} for n in range(50)])
    path = "/v1/streams/frames/http/columns"
    answer = shared_server.requests.get(path)
    assert answer.status_code == 200 and answer.headers["Content-Type"] == "application/x-suricate-columns"
    inside = finish(
        shared_server.run(
            ASK,
            "import hashlib, suricate as s\nanswer, (fd,) = ask('/v1/streams/frames/http/columns')\n"
            "s.result([answer['size'], hashlib.sha256(mmap.mmap(fd, answer['size'], flags=mmap.MAP_SHARED, prot=mmap.PROT_READ)).hexdigest()])",
        )
    )
    assert inside == [len(answer.content), hashlib.sha256(answer.content).hexdigest()]


def test_a_stretch_comes_in_pieces_when_asked_for(shared_server: Server) -> None:
    create(shared_server, "frames/pieces", [{"n": n} for n in range(10)])
    path = "/v1/streams/frames/pieces/columns"
    first = shared_server.requests.get(path, params={"max": 4, "from": 1})
    assert first.headers["X-Suricate-Next"] == "from=5&to=10&max=4"
    second = shared_server.requests.get(f"{path}?{first.headers['X-Suricate-Next']}")
    third = shared_server.requests.get(f"{path}?{second.headers['X-Suricate-Next']}")
    assert third.status_code == 200 and "X-Suricate-Next" not in third.headers
    assert shared_server.requests.get(path, params={"from": 10}).content == b""
    for wrong in ({"from": "x"}, {"max": 0}, {"time_from": "soon"}, {"last": "60s", "from": 1}, {"nope": 1}):
        assert shared_server.requests.get(path, params=wrong).status_code == 400, wrong
