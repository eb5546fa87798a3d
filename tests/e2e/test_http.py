"""Hostile HTTP: what two parsers could read in two ways, what is too large, too slow or cut short.

Raw sockets, because a decent client refuses to send most of this.  After every case the server must still answer.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from contextlib import closing

import pytest
from conftest import Server, wait_until

CHUNKED = b"Transfer-Encoding: chunked\r\n"
NEXT = b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"


def connect(server: Server) -> socket.socket:
    host, port = re.match(r"http://([^:]+):(\d+)", server.url).groups()
    made = socket.create_connection((host, int(port)), timeout=20)
    return made


def read_all(connection: socket.socket) -> bytes:
    """Everything until the server closes; a reset after an answer is an end too."""
    answer = b""
    try:
        while block := connection.recv(65536):
            answer += block
    except ConnectionError:
        pass
    return answer


def exchange(server: Server, data: bytes) -> bytes:
    with closing(connect(server)) as connection:
        try:
            connection.sendall(data)
        except ConnectionError:
            pass  # refused before all of it was sent
        return read_all(connection)


def statuses(answer: bytes) -> list[int]:
    return [int(code) for code in re.findall(rb"HTTP/1\.1 (\d{3}) [A-Z]", answer)]


def head(server: Server, line: str = "GET /v1/status HTTP/1.1") -> bytes:
    return f"{line}\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.token}\r\n".encode()


PUT = "PUT /v1/objects/hostile/x HTTP/1.1"

# What follows the head of a PUT: every one of these must be refused, and what comes after it must not be taken for
# a request of its own.
SMUGGLING = {
    "length and chunked": b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n",
    "chunked and length": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths, the same": b"Content-Length: 1\r\nContent-Length: 1\r\n\r\nx",
    "two lengths, different": b"Content-Length: 1\r\nContent-Length: 6\r\n\r\nx",
    "a list of lengths": b"Content-Length: 1, 1\r\n\r\nx",
    "a signed length": b"Content-Length: +1\r\n\r\nx",
    "a negative length": b"Content-Length: -1\r\n\r\nx",
    "a hexadecimal length": b"Content-Length: 0x1\r\n\r\nx",
    "an empty length": b"Content-Length: \r\n\r\nx",
    "a length past 64 bits": b"Content-Length: 99999999999999999999999\r\n\r\nx",
    "space before the colon": b"Content-Length : 1\r\n\r\nx",
    "space inside the name": b"Content Length: 1\r\n\r\nx",
    "an unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "two codings": b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "coding given twice": CHUNKED + b"Transfer-Encoding: identity\r\n\r\n1\r\nx\r\n0\r\n\r\n",
    "a folded header": b"X-A: b\r\n c: d\r\nContent-Length: 1\r\n\r\nx",
    "a folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "bare line feeds": b"Content-Length: 1\n\nx",
    "a bare line feed in the middle": b"X-A: b\nContent-Length: 1\r\n\r\nx",
    "a bare carriage return": b"X-A: b\rContent-Length: 99\r\nContent-Length: 1\r\n\r\nx",
    "NUL in a value": b"X-A: a\0b\r\nContent-Length: 1\r\n\r\nx",
    "NUL in a name": b"X\0A: b\r\nContent-Length: 1\r\n\r\nx",
    "a header without a name": b": b\r\nContent-Length: 1\r\n\r\nx",
    "a line without a colon": b"garbage\r\nContent-Length: 1\r\n\r\nx",
    "two hosts": b"Host: evil.example\r\nContent-Length: 1\r\n\r\nx",
    "two authorizations": b"Authorization: Bearer x\r\nContent-Length: 1\r\n\r\nx",
}

BAD_CHUNKS = {
    "not a number": b"zz\r\nx\r\n0\r\n\r\n",
    "negative": b"-1\r\nx\r\n0\r\n\r\n",
    "signed": b"+1\r\nx\r\n0\r\n\r\n",
    "prefixed": b"0x1\r\nx\r\n0\r\n\r\n",
    "a space before": b" 1\r\nx\r\n0\r\n\r\n",
    "too large for 64 bits": b"fffffffffffffffff\r\nx\r\n0\r\n\r\n",
    "longer than it says": b"1\r\nxy\r\n0\r\n\r\n",
    "no line end after the data": b"1\r\nx0\r\n\r\n",
}

BAD_LINES = {
    "two spaces": b"GET  /healthz HTTP/1.1\r\n",
    "tabs": b"GET\t/healthz\tHTTP/1.1\r\n",
    "a space in the address": b"GET /heal thz HTTP/1.1\r\n",
    "no version": b"GET /healthz\r\n",
    "another version": b"GET /healthz HTTP/1.2\r\n",
    "version 2": b"GET /healthz HTTP/2.0\r\n",
    "NUL in the address": b"GET /healthz\0x HTTP/1.1\r\n",
    "NUL before the query": b"GET /healthz\0?x=y HTTP/1.1\r\n",
    "an absolute address": b"GET http://127.0.0.1/healthz HTTP/1.1\r\n",
    "no path": b"OPTIONS * HTTP/1.1\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLING)
def test_a_request_that_two_parsers_read_differently_is_refused_and_ends_the_connection(shared_server, shape):
    answer = exchange(shared_server, head(shared_server, PUT) + SMUGGLING[shape] + NEXT)
    assert set(statuses(answer)) <= {400, 413}, answer
    assert not answer.endswith(b"ok\n"), "what came after it was answered"
    assert shared_server.requests.get("/v1/objects/hostile/x").status_code == 404


@pytest.mark.parametrize("shape", BAD_CHUNKS)
def test_a_malformed_chunk_is_refused_and_stores_nothing(shared_server, shape):
    answer = exchange(shared_server, head(shared_server, PUT) + CHUNKED + b"\r\n" + BAD_CHUNKS[shape] + NEXT)
    assert set(statuses(answer)) <= {400, 413}, answer
    assert not answer.endswith(b"ok\n")
    assert shared_server.requests.get("/v1/objects/hostile/x").status_code == 404


@pytest.mark.parametrize("shape", BAD_LINES)
def test_a_malformed_request_line_is_refused(shared_server, shape):
    answer = exchange(shared_server, BAD_LINES[shape] + b"Host: 127.0.0.1\r\nConnection: close\r\n\r\n")
    assert set(statuses(answer)) <= {400, 505}, answer


def test_chunked_is_no_part_of_http_1_0(shared_server):
    answer = exchange(shared_server, head(shared_server, PUT.replace("1.1", "1.0")) + CHUNKED + b"\r\n1\r\nx\r\n0\r\n\r\n")
    assert statuses(answer) == [400]


def test_a_request_without_host_is_refused(shared_server):
    assert 400 in statuses(exchange(shared_server, b"GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n"))


def test_a_foreign_host_is_refused_so_that_rebinding_reads_nothing(shared_server):
    for host in (b"evil.example", b"127.0.0.1.evil.example", b"localhost.evil.example:80", b"[::1].evil"):
        answer = exchange(shared_server, b"GET /healthz HTTP/1.1\r\nHost: " + host + b"\r\nConnection: close\r\n\r\n")
        assert statuses(answer) == [403], host


def test_pipelined_requests_are_answered_in_order(shared_server):
    answer = exchange(shared_server, head(shared_server) + b"\r\n" + head(shared_server, "GET /v1/objects HTTP/1.1") + b"\r\n" + NEXT)
    assert statuses(answer) == [200, 200, 200]
    assert answer.endswith(b"ok\n")


@pytest.mark.parametrize("size, expected", [(9_000, 414), (100_000, 414)])
def test_an_address_too_long_is_refused(shared_server, size, expected):
    answer = exchange(shared_server, head(shared_server, f"GET /v1/objects/{'a' * size} HTTP/1.1") + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [expected]


@pytest.mark.parametrize("headers", [
    b"X-A: " + b"a" * 20_000 + b"\r\n", b"X-A: " + b"a" * 300_000 + b"\r\n",
    b"".join(b"X-%d: a\r\n" % number for number in range(300)), b"".join(b"X-%d: a\r\n" % number for number in range(10_000)),
], ids=["20 kB", "300 kB", "300 headers", "10,000 headers"])
def test_headers_too_large_are_refused(shared_server, headers):
    answer = exchange(shared_server, head(shared_server) + headers + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [431]


@pytest.mark.parametrize("name, status", [
    ("a/../b", 400), ("a/%2e%2e/b", 400), ("a%2f..%2fb", 400), ("./a", 400), ("a//b", 400), ("a/", 400), ("a%00b", 400),
    ("a%0ab", 400), ("a%ff", 400), ("a%", 400), ("a%2", 400), ("a%zz", 400), ("a" * 513, 413), ("%C0%AE%C0%AE/x", 400),
])
def test_a_name_that_could_be_read_otherwise_is_refused(shared_server, name, status):
    answer = exchange(shared_server, head(shared_server, f"GET /v1/objects/{name} HTTP/1.1") + b"Connection: close\r\n\r\n")
    assert statuses(answer) == [status]
    problem = json.loads(answer.split(b"\r\n\r\n", 1)[1])
    assert problem["field"] and problem["detail"]


def test_a_name_is_decoded_once(shared_server):
    shared_server.put("once/%252e%252e", b"x")
    names = [item["name"] for item in shared_server.requests.get("/v1/objects", params={"prefix": "once/"}).json()["items"]]
    assert names == ["once/%2e%2e"]


def test_a_body_where_none_is_taken_is_refused(shared_server):
    answer = shared_server.requests.request("GET", "/v1/status", data=b"abc")
    assert answer.status_code == 400 and answer.json()["field"] == "body"


def test_a_body_too_large_is_refused_before_it_is_sent(shared_server):
    with closing(connect(shared_server)) as connection:
        connection.sendall(head(shared_server, "POST /v1/tokens HTTP/1.1") + b"Content-Type: application/json\r\n"
                           b"Content-Length: 20000000\r\nExpect: 100-continue\r\n\r\n")
        answer = read_all(connection)
    assert statuses(answer) == [413]
    assert json.loads(answer.split(b"\r\n\r\n", 1)[1])["field"] == "Content-Length"


def test_a_body_too_large_is_answered_while_it_is_sent(shared_server):
    body = b"x" * 20_000_000
    for framing in (b"Content-Length: %d\r\n\r\n" % len(body), CHUNKED + b"\r\n%x\r\n" % len(body)):
        answer = exchange(shared_server, head(shared_server, "POST /v1/tokens HTTP/1.1") + b"Content-Type: application/json\r\n" + framing + body)
        assert statuses(answer) == [413], answer


def test_an_object_longer_than_its_limit_is_refused_though_its_length_was_not_told(start_server):
    server = start_server("--limit", "object_bytes=1MiB")
    answer = exchange(server, head(server, PUT) + CHUNKED + b"\r\n" + b"10000\r\n" + b"x" * 0x10000 + b"\r\n" +
                      (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 40 + b"0\r\n\r\n")
    assert statuses(answer) == [413]
    assert b"object_bytes" in answer
    assert server.requests.get("/v1/objects/hostile/x").status_code == 404
    assert server.requests.put("/v1/objects/exact", data=b"x" * (1 << 20)).status_code == 201
    assert server.requests.put("/v1/objects/more", data=b"x" * ((1 << 20) + 1)).status_code == 413


def test_an_unauthorised_upload_is_answered_before_its_end(shared_server):
    line = head(shared_server, PUT).replace(shared_server.token.encode(), b"su_wrong_token")
    answer = exchange(shared_server, line + b"Content-Length: 8000000\r\n\r\n" + b"x" * 8_000_000)
    assert statuses(answer) == [401]


def test_an_upload_cut_short_stores_nothing(shared_server):
    for size in (10, 100_000, 3_000_000):
        with closing(connect(shared_server)) as connection:
            connection.sendall(head(shared_server, PUT) + b"Content-Length: 9000000\r\n\r\n" + b"x" * size)
    assert shared_server.requests.get("/v1/objects/hostile/x").status_code == 404


@pytest.mark.parametrize("body, status, words", [
    (b"[" * 10_000, 413, "nested"), (b'{"name":"a","name":"b","scopes":["*"]}', 400, "duplicate"),
    (b'{"name":1e999,"scopes":["*"]}', 400, ""), (b'{"name":"\xff","scopes":["*"]}', 400, ""),
    (b'{"name":"a","scopes":["*"]} x', 400, ""), (b"", 400, "empty"), (b"[]", 400, "object"),
    (b'{"name":"a","scopes":["*"],"other":1}', 400, "other"), (b'{"name":"a","scopes":"*"}', 400, "scopes"),
    (b'{"scopes":["*"]}', 400, "name"), (b'{"name":"a\\u0000b","scopes":["*"]}', 400, ""),
])
def test_json_that_is_not_what_it_should_be_is_refused_with_the_reason(shared_server, body, status, words):
    answer = shared_server.requests.post("/v1/tokens", data=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in (status, 400), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == answer.status_code and problem["type"].startswith("/problems/")
    assert words in answer.text


def test_another_type_than_json_is_refused(shared_server):
    answer = shared_server.requests.post("/v1/tokens", data=b"<a/>", headers={"Content-Type": "text/xml"})
    assert answer.status_code == 415


def test_an_unknown_address_method_or_parameter_is_told(shared_server):
    ask = shared_server.requests
    assert ask.get("/v1/nothing").status_code == 404
    refused = ask.post("/v1/status")
    assert refused.status_code == 405 and refused.headers["Allow"] == "GET, HEAD"
    unknown = ask.get("/v1/objects", params={"perfix": "x"})
    assert unknown.status_code == 400 and unknown.json()["field"] == "perfix"
    assert ask.get("/v1/objects?prefix=a&prefix=b").status_code == 400
    for limit in ("0", "1001", "-1", "x", ""):
        assert ask.get("/v1/objects", params={"limit": limit}).status_code == 400, limit


def test_head_answers_like_get_without_a_body(shared_server):
    shared_server.put("head/x", b"0123456789")
    answer = shared_server.requests.head("/v1/objects/head/x")
    assert answer.status_code == 200 and answer.headers["Content-Length"] == "10" and not answer.content
    assert shared_server.requests.head("/v1/status").status_code == 200


@pytest.mark.parametrize("wanted, status, body", [
    ("bytes=0-3", 206, b"0123"), ("bytes=4-", 206, b"456789"), ("bytes=-3", 206, b"789"), ("bytes=-99", 206, b"0123456789"),
    ("bytes=9-99", 206, b"9"), ("bytes=10-", 416, None), ("bytes=-0", 416, None), ("bytes=3-1", 200, b"0123456789"),
    ("bytes=0-1,3-4", 200, b"0123456789"), ("lines=1-2", 200, b"0123456789"), ("bytes=x", 200, b"0123456789"),
    ("bytes=99999999999999999999-", 200, b"0123456789"),
])
def test_a_range_is_one_piece_or_nothing(shared_server, wanted, status, body):
    shared_server.put("range/x", b"0123456789")
    answer = shared_server.requests.get("/v1/objects/range/x", headers={"Range": wanted})
    assert answer.status_code == status
    if status == 416:
        assert answer.headers["Content-Range"] == "bytes */10"
    else:
        assert answer.content == body


def test_a_range_of_a_changed_object_is_the_whole(shared_server):
    etag = shared_server.put("range/y", b"0123456789")["etag"]
    headers = {"Range": "bytes=1-2", "If-Range": etag}
    assert shared_server.requests.get("/v1/objects/range/y", headers=headers).status_code == 206
    shared_server.put("range/y", b"abcdefghij")
    assert shared_server.requests.get("/v1/objects/range/y", headers=headers).content == b"abcdefghij"


def test_a_large_file_comes_whole_and_in_pieces(shared_server):
    body = bytes(range(256)) * 20_000
    shared_server.put("range/large", body)
    assert shared_server.requests.get("/v1/objects/range/large").content == body
    piece = shared_server.requests.get("/v1/objects/range/large", headers={"Range": "bytes=1000000-3000000"})
    assert piece.status_code == 206 and piece.content == body[1_000_000:3_000_001]


def test_a_head_that_crawls_is_cut_off(start_server):
    server = start_server("--limit", "head_s=2", "--limit", "idle_s=60")
    with closing(connect(server)) as connection:
        began = time.monotonic()
        with pytest.raises(ConnectionError):
            connection.sendall(b"GET /healthz HTTP/1.1\r\n")
            while time.monotonic() - began < 20:
                connection.sendall(b"X-A: b\r\n")
                connection.settimeout(0.25)
                try:
                    if not connection.recv(1000):
                        raise ConnectionResetError
                except TimeoutError:
                    pass
        assert time.monotonic() - began < 8


def test_a_body_that_crawls_is_answered_with_408_and_holds_no_worker(start_server):
    server = start_server("--limit", "body_grace_s=2", "--limit", "body_rate_bytes=1000", "--limit", "workers=1")
    with closing(connect(server)) as slow:
        slow.sendall(head(server, PUT) + b"Content-Length: 900000\r\n\r\nx")
        began = time.monotonic()
        answer = b""
        slow.settimeout(0.2)
        while b"408" not in answer and time.monotonic() - began < 20:
            assert server.requests.get("/v1/objects", timeout=2).status_code == 200  # the only worker is free
            try:
                slow.sendall(b"x")
                answer += slow.recv(65536)
            except TimeoutError:
                pass
    assert statuses(answer) == [408]
    wait_until(lambda: "suricate_http_slow_closed_total 1" in server.requests.get("/metrics").text, "it is counted")
    assert server.requests.get("/v1/objects/hostile/x").status_code == 404


def test_a_thousand_idle_connections_leave_others_alone(shared_server):
    held = [connect(shared_server) for _ in range(600)]
    try:
        for number, connection in enumerate(held):
            connection.sendall(b"GET /healthz HTT" if number % 2 else head(shared_server, PUT) + b"Content-Length: 5000\r\n\r\nx")
        times = []
        for _ in range(100):
            began = time.monotonic()
            assert shared_server.requests.get("/v1/objects").status_code == 200
            times.append(time.monotonic() - began)
        assert sorted(times)[90] < 0.25
    finally:
        for connection in held:
            connection.close()


def test_concurrent_uploads_and_downloads_keep_their_contents(shared_server):
    failures: list[str] = []

    def work(number: int) -> None:
        client = shared_server.client(shared_server.token)
        for turn in range(6):
            body = bytes([number, turn]) * (1000 if turn % 2 else 700_000)
            client.put(f"/v1/objects/mixed/{number}", data=body)
            if client.get(f"/v1/objects/mixed/{number}").content != body:
                failures.append(f"{number} in turn {turn}")

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_more_requests_than_may_wait_are_told_to_come_back(start_server):
    server = start_server("--limit", "event_streams=2")
    streams = [server.requests.get("/v1/events", stream=True) for _ in range(2)]
    refused = server.requests.get("/v1/events")
    assert refused.status_code == 503 and refused.headers["Retry-After"]
    for stream in streams:
        stream.close()


def test_an_event_stream_tells_what_happens_and_goes_on_where_it_was(server):
    def follow(**headers: str):
        answer = server.requests.get("/v1/events", stream=True, headers=headers)
        return answer, answer.iter_lines(chunk_size=1)

    def event(lines) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in lines:
            if not line and "event" in found:
                return found
            name, _, value = line.decode().partition(": ")
            found[name] = value
        raise AssertionError("the stream ended")

    answer, lines = follow()
    server.put("told/1", b"x")
    first = event(lines)
    assert first["event"] == "object.created" and json.loads(first["data"])["name"] == "told/1"
    answer.close()
    server.put("told/2", b"x")
    answer, lines = follow(**{"Last-Event-ID": first["id"]})
    assert json.loads(event(lines)["data"])["name"] == "told/2"
    answer.close()
    answer, lines = follow(**{"Last-Event-ID": "1-1"})
    assert event(lines)["event"] == "reset"
    answer.close()


def test_a_post_with_a_key_is_done_once(server):
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": []}
    server.requests.put("/v1/notebooks/n", data=json.dumps(notebook), headers={"Content-Type": "application/x-ipynb+json"})
    first = server.requests.post("/v1/runs", json={"notebook": "n"}, headers={"Idempotency-Key": "k1"})
    again = server.requests.post("/v1/runs", json={"notebook": "n"}, headers={"Idempotency-Key": "k1"})
    assert first.status_code == again.status_code == 202
    assert first.json()["id"] == again.json()["id"] and again.headers["Location"] == first.headers["Location"]
    assert again.headers["Idempotent-Replayed"] == "true"
    other = server.requests.post("/v1/runs", json={"notebook": "n", "label": "x"}, headers={"Idempotency-Key": "k1"})
    assert other.status_code == 422 and "Idempotency-Key" in other.text
    fresh = server.requests.post("/v1/runs", json={"notebook": "n"}, headers={"Idempotency-Key": "k2"})
    assert fresh.json()["id"] != first.json()["id"]
    assert server.requests.post("/v1/runs", json={"notebook": "n"}, headers={"Idempotency-Key": "k" * 65}).status_code == 400
    assert len(server.requests.get("/v1/runs").json()["items"]) == 2
    # A refusal had no effect, so the key is free again.
    assert server.requests.post("/v1/runs", json={"notebook": "none"}, headers={"Idempotency-Key": "k3"}).status_code == 404
    assert server.requests.post("/v1/runs", json={"notebook": "n"}, headers={"Idempotency-Key": "k3"}).status_code == 202
    server.restart(kill=True)
    kept = server.requests.post("/v1/runs", json={"notebook": "n"}, headers={"Idempotency-Key": "k1"})
    assert kept.json()["id"] == first.json()["id"]


def test_sigterm_ends_streams_waits_and_uploads_in_good_order(start_server):
    server = start_server("--limit", "drain_s=3")
    stream = server.requests.get("/v1/events", stream=True)
    upload = connect(server)
    upload.sendall(head(server, PUT) + b"Content-Length: 9000000\r\n\r\n" + b"x" * 2_000_000)
    idle = connect(server)
    began = time.monotonic()
    assert server.stop(timeout_s=12) == 0
    assert time.monotonic() - began < 10
    stream.close()
    upload.close()
    idle.close()
    server.start()
    assert server.requests.get("/v1/objects/hostile/x").status_code == 404


def test_a_request_under_way_at_sigterm_is_answered(server):
    notebook = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
        {"id": "a", "cell_type": "code", "metadata": {}, "source": "import time; time.sleep(30)", "outputs": [], "execution_count": None}]}
    server.requests.put("/v1/notebooks/n", data=json.dumps(notebook), headers={"Content-Type": "application/x-ipynb+json"})
    answers = []
    waiting = threading.Thread(target=lambda: answers.append(server.requests.post("/v1/runs?wait=60s", json={"notebook": "n"})))
    waiting.start()
    wait_until(lambda: "suricate_http_requests_parked 1" in server.requests.get("/metrics").text, "the request waits")
    assert server.stop(timeout_s=12) == 0
    waiting.join()
    assert answers[0].status_code == 202 and answers[0].json()["state"] in ("queued", "starting", "running")
    server.start()
