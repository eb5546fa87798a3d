"""Objects over HTTP: versions, conditions, ranges, tags, limits, tenants, crashes and a full disk."""

from __future__ import annotations

import hashlib
import http.client
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import quote, urlsplit

import pytest

from conftest import Server, wait_until

MIB = 1 << 20


def problem(answer: Any, status: int, part: str = "") -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body = answer.json()
    assert body["status"] == status and body["detail"], body
    assert part in body["detail"] + body.get("hint", ""), body
    return body


def raw_request(server: Server, head: bytes, body: bytes = b"", timeout_s: float = 30) -> bytes:
    """Send bytes as they are; everything that comes back until the server closes or falls silent."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout_s) as connection:
        try:
            connection.sendall(head.replace(b"\n", b"\r\n") + b"\r\n\r\n" + body)
            answer = b""
            while b"\r\n\r\n" not in answer:
                got = connection.recv(65536)
                if not got:
                    break
                answer += got
        except (ConnectionResetError, BrokenPipeError):
            return b""
        return answer


def raw_put(server: Server, path: str, headers: str, body: bytes = b"") -> bytes:
    host = urlsplit(server.url).netloc
    head = f"PUT /v1/objects/{path} HTTP/1.1\nHost: {host}\nAuthorization: Bearer {server.token}\n{headers}"
    return raw_request(server, head.encode(), body)


def test_put_makes_versions_that_stay(server: Server) -> None:
    first = server.requests.put("/v1/objects/a/b.csv", data=b"x,y\n1,2\n", headers={"Content-Type": "text/csv"})
    assert first.status_code == 201 and first.headers["Location"] == "/v1/objects/a/b.csv"
    assert first.json() | {"created_at": ""} == {
        "name": "a/b.csv", "version": 1, "latest": True, "etag": first.headers["ETag"], "size": 8,
        "sha256": hashlib.sha256(b"x,y\n1,2\n").hexdigest(), "type": "text/csv", "tags": [], "metadata": {},
        "created_at": "", "created_by": "owner", "run": None}
    second = server.requests.put("/v1/objects/a/b.csv", data=b"new")
    assert second.status_code == 200 and second.json()["version"] == 2
    assert server.requests.get("/v1/objects/a/b.csv").content == b"new"
    assert server.requests.get("/v1/objects/a/b.csv?version=1").content == b"x,y\n1,2\n"
    versions = server.requests.get("/v1/objects/a/b.csv?view=versions").json()
    assert [item["version"] for item in versions["items"]] == [2, 1] and versions["next"] is None
    problem(server.requests.get("/v1/objects/a/b.csv?version=3"), 404)
    problem(server.requests.get("/v1/objects/a/b.csv?version=0"), 400)
    problem(server.requests.get("/v1/objects/a/b.csv?view=nothing"), 400, "view")
    problem(server.requests.get("/v1/objects/a/b.csv?unknown=1"), 400)


def test_head_range_and_fresh_copies(server: Server) -> None:
    content = bytes(range(256)) * 1000
    etag = server.put("blob", content)["etag"]
    head = server.requests.head("/v1/objects/blob")
    assert head.status_code == 200 and head.headers["Content-Length"] == "256000" and head.headers["ETag"] == etag
    for spec, want in {"bytes=0-0": content[:1], "bytes=1000-1999": content[1000:2000], "bytes=-5": content[-5:],
                       "bytes=255990-": content[255990:], "bytes=0-999999": content}.items():
        part = server.requests.get("/v1/objects/blob", headers={"Range": spec})
        assert part.status_code == 206 and part.content == want, spec
    problem(server.requests.get("/v1/objects/blob", headers={"Range": "bytes=256000-"}), 416)
    assert server.requests.get("/v1/objects/blob", headers={"If-None-Match": etag}).status_code == 304
    assert server.requests.get("/v1/objects/blob", headers={"If-None-Match": '"other"'}).status_code == 200
    assert server.requests.get("/v1/objects/blob", headers={"Range": "bytes=0-9", "If-Range": '"other"'}).status_code == 200


def test_somebody_elses_page_does_not_run_as_ours(server: Server) -> None:
    server.put("evil.html", b"<script>alert(1)</script>", **{"Content-Type": "text/html"})
    answer = server.requests.get("/v1/objects/evil.html")
    assert "sandbox" in answer.headers["Content-Security-Policy"]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


def test_conditions(server: Server) -> None:
    etag = server.put("c", b"1", **{"If-None-Match": "*"})["etag"]
    problem(server.requests.put("/v1/objects/c", data=b"2", headers={"If-None-Match": "*"}), 412, "there already")
    newer = server.put("c", b"2", **{"If-Match": etag})["etag"]
    problem(server.requests.put("/v1/objects/c", data=b"3", headers={"If-Match": etag}), 412, newer)
    problem(server.requests.patch("/v1/objects/c", json={"tags": ["x"]}, headers={"If-Match": etag}), 412)
    problem(server.requests.delete("/v1/objects/c", headers={"If-Match": etag}), 412)
    problem(server.requests.put("/v1/objects/absent", data=b"3", headers={"If-Match": "*"}), 412)
    assert server.requests.delete("/v1/objects/c", headers={"If-Match": newer}).status_code == 204


def test_of_many_writers_one_wins(server: Server) -> None:
    etag = server.put("raced", b"base")["etag"]

    def write(number: int) -> int:
        return server.client(server.token).put(
            "/v1/objects/raced", data=b"%d" % number * 1000, headers={"If-Match": etag}).status_code

    with ThreadPoolExecutor(12) as pool:
        codes = sorted(pool.map(write, range(12)))
    assert codes == [200] + [412] * 11
    assert server.requests.get("/v1/objects/raced?view=info").json()["version"] == 2


def test_tags_metadata_and_lists(server: Server) -> None:
    server.put("m/one", b"1", **{"X-Suricate-Tags": "model, 2013 ,model", "X-Suricate-Metadata": '{"accuracy": 0.9, "é": [1]}'.encode().decode("latin-1")})
    for number in range(25):
        server.put(f"list/{number:02}", b"x", **({"X-Suricate-Tags": "even"} if number % 2 == 0 else {}))
    info = server.requests.get("/v1/objects/m/one?view=info").json()
    assert info["tags"] == ["2013", "model"] and info["metadata"] == {"accuracy": 0.9, "é": [1]}
    assert [item["name"] for item in server.requests.get("/v1/objects?tag=model").json()["items"]] == ["m/one"]
    names, cursor = [], ""
    while cursor is not None:
        page = server.requests.get("/v1/objects", params={"prefix": "list/", "limit": 10, **({"cursor": cursor} if cursor else {})}).json()
        names += [item["name"] for item in page["items"]]
        cursor = page["next"]
    assert names == [f"list/{number:02}" for number in range(25)]
    even = server.requests.get("/v1/objects?tag=even&prefix=list/1&limit=3").json()
    assert [item["name"] for item in even["items"]] == ["list/10", "list/12", "list/14"]
    patched = server.requests.patch("/v1/objects/m/one", json={"tags": ["b"], "metadata": {"k": 1}})
    assert patched.json()["tags"] == ["b"] and patched.json()["metadata"] == {"k": 1} and patched.json()["version"] == 1
    kept = server.put("m/one", b"2")
    assert kept["tags"] == ["b"] and kept["metadata"] == {}
    problem(server.requests.get("/v1/objects?limit=0"), 400)
    problem(server.requests.get("/v1/objects?limit=1001"), 400)
    problem(server.requests.patch("/v1/objects/m/one", json={"labels": []}), 400)
    problem(server.requests.patch("/v1/objects/m/one", json={"tags": ["a,b"]}), 400)
    problem(server.requests.put("/v1/objects/t", data=b"", headers={"X-Suricate-Tags": "x" * 65}), 400, "64")
    problem(server.requests.put("/v1/objects/t", data=b"", headers={"X-Suricate-Tags": ",".join(f"t{i}" for i in range(33))}), 400, "32")
    problem(server.requests.put("/v1/objects/t", data=b"", headers={"X-Suricate-Metadata": "[1]"}), 400)
    problem(server.requests.put("/v1/objects/t", data=b"", headers={"X-Suricate-Metadata": '{"a":1,"a":2}'}), 400)


def test_delete_and_numbers_that_are_never_given_twice(server: Server) -> None:
    for text in (b"1", b"2", b"3"):
        server.put("d", text)
    assert server.requests.delete("/v1/objects/d?version=3").status_code == 204
    assert server.requests.get("/v1/objects/d").content == b"2"
    assert server.requests.delete("/v1/objects/d").status_code == 204
    problem(server.requests.get("/v1/objects/d"), 404)
    problem(server.requests.delete("/v1/objects/d"), 404)
    again = server.requests.put("/v1/objects/d", data=b"4")
    assert again.status_code == 201 and again.json()["version"] == 4


def blobs(server: Server) -> list[Path]:
    return [path for path in (server.data / "blobs").rglob("*") if path.is_file() and path.parent.name != "tmp"]


def test_equal_content_is_stored_once_and_goes_with_the_last_name(server: Server) -> None:
    for name in ("one", "two", "three"):
        server.put(name, b"the same" * 1000)
    assert len(blobs(server)) == 1
    for name in ("one", "two"):
        server.requests.delete(f"/v1/objects/{name}")
    assert len(blobs(server)) == 1 and server.requests.get("/v1/objects/three").status_code == 200
    server.requests.delete("/v1/objects/three")
    assert blobs(server) == []


def test_odd_names(server: Server) -> None:
    for name in ("ünï/c ö&d?=#%+.csv", "a" * 512, "...", "a/.hidden", "q'\"\\"):
        stored = server.requests.put("/v1/objects/" + quote(name, safe="/"), data=b"x")
        assert stored.status_code == 201 and stored.json()["name"] == name
        assert server.requests.get(stored.headers["Location"]).content == b"x"
    for path in ("a%00b", "a%0Ab", "%ff", "a//b", "a/%2e%2e/b", "a/./b", "x%2F%2Fy", "%", "a" * 513, "a/"):
        answer = raw_put(server, path, "Content-Length: 1", b"x")
        assert answer.split(b" ")[1] in (b"400", b"404", b"413"), (path, answer[:200])
    assert len(server.requests.get("/v1/objects").json()["items"]) == 5


def test_an_early_refusal_costs_no_upload(server: Server) -> None:
    """412 and 413 come before the body is read."""
    server.put("there", b"x")
    lengths = (1 << 60, 99999999999999999999, -1, "1x")
    for headers in (f"If-None-Match: *\nContent-Length: {1 << 40}", *(f"Content-Length: {length}" for length in lengths)):
        answer = raw_put(server, "there", headers)
        assert answer.split(b" ")[1] in (b"400", b"412", b"413", b"507"), answer[:200]
    assert server.requests.get("/v1/objects/there").content == b"x"


def test_what_was_not_sent_in_full_is_not_stored(server: Server) -> None:
    address = urlsplit(server.url)
    for head, body in ((b"Content-Length: 1000", b"only these"), (b"Transfer-Encoding: chunked", b"5\r\nhello\r\n"),
                       (b"Transfer-Encoding: chunked", b"5\r\nhello\r\nZZ\r\ngarbage\r\n0\r\n\r\n")):
        with socket.create_connection((address.hostname, address.port), 30) as connection:
            connection.sendall(b"PUT /v1/objects/torn HTTP/1.1\r\nHost: " + address.netloc.encode() + b"\r\nAuthorization: Bearer "
                               + server.token.encode() + b"\r\n" + head + b"\r\n\r\n" + body)
            time.sleep(0.05)
    problem(server.requests.get("/v1/objects/torn"), 404)
    wait_until(lambda: not list((server.data / "blobs" / "tmp").iterdir()), "temporary files are gone")
    chunks = server.requests.put("/v1/objects/whole", data=iter([b"hello ", b"", b"chunks"]))
    assert chunks.status_code == 201 and server.requests.get("/v1/objects/whole").content == b"hello chunks"


def test_a_large_object_streams_in_constant_memory(server: Server) -> None:
    size = 256 * MIB
    block = os.urandom(MIB)
    digest = hashlib.sha256()

    def rss() -> int:
        text = Path(f"/proc/{server.process.pid}/status").read_text()
        return int(text.split("VmRSS:")[1].split()[0]) * 1024

    def body() -> Iterator[bytes]:
        for _ in range(size // MIB):
            digest.update(block)
            yield block

    server.put("warm", b"x" * MIB)
    before = rss()
    stored = server.requests.put("/v1/objects/large", data=body()).json()
    assert stored["sha256"] == digest.hexdigest()
    got = hashlib.sha256()
    with server.requests.get("/v1/objects/large", stream=True) as answer:
        for piece in answer.iter_content(MIB):
            got.update(piece)
    assert got.hexdigest() == digest.hexdigest()
    assert rss() - before < 16 * MIB


def test_another_tenant_sees_nothing(server: Server) -> None:
    server.put("secret.csv", b"a,b\n1,2\n")
    server.requests.get("/v1/objects/secret.csv?view=preview")
    other = server.requests.post("/v1/tenants", json={"name": "other"})
    assert other.status_code == 201, other.text
    client = server.client(other.json()["token"])
    for url in ("/v1/objects/secret.csv", "/v1/objects/secret.csv?view=info", "/v1/objects/secret.csv?view=preview", "/v1/objects/secret.csv?view=versions"):
        problem(client.get(url), 404)
    problem(client.delete("/v1/objects/secret.csv"), 404)
    problem(client.patch("/v1/objects/secret.csv", json={"tags": []}), 404)
    assert client.get("/v1/objects").json()["items"] == []
    mine = client.put("/v1/objects/secret.csv", data=b"a,b\n1,2\n", headers={"If-None-Match": "*"})
    assert mine.status_code == 201 and mine.json()["version"] == 1
    assert client.delete("/v1/objects/secret.csv").status_code == 204
    assert server.requests.get("/v1/objects/secret.csv").content == b"a,b\n1,2\n"


def test_scopes_and_expiry(server: Server) -> None:
    server.put("x", b"1")
    reader = server.requests.post("/v1/tokens", json={"name": "reader", "scopes": ["objects:read"], "expires_in": "1h"}).json()["token"]
    assert server.client(reader).get("/v1/objects/x").content == b"1"
    problem(server.client(reader).put("/v1/objects/x", data=b"2"), 403, "objects:write")
    problem(server.client(None).get("/v1/objects/x"), 401)
    problem(server.client("su_nobody_nothing").get("/v1/objects/x"), 401)
    short = server.requests.post("/v1/tokens", json={"name": "short", "scopes": ["objects:read"], "expires_in": "1s"}).json()["token"]
    wait_until(lambda: server.client(short).get("/v1/objects/x").status_code == 401, "the token has expired", 10)


@pytest.mark.parametrize("delay_s", [0.0, 0.02, 0.08, 0.2])
def test_a_kill_loses_nothing_that_was_answered(server: Server, delay_s: float) -> None:
    answered: dict[str, bytes] = {}
    stop = threading.Event()

    def write(worker: int) -> None:
        client = server.client(server.token)
        number = 0
        while not stop.is_set():
            name, content = f"w{worker}/{number}", os.urandom(20000 + number)
            try:
                if client.put(f"/v1/objects/{name}", data=content).status_code == 201:
                    answered[name] = content
            except Exception:
                return
            number += 1

    writers = [threading.Thread(target=write, args=(worker,)) for worker in range(4)]
    for writer in writers:
        writer.start()
    wait_until(lambda: len(answered) > 20, "some objects are stored")
    time.sleep(delay_s)
    server.process.kill()
    server.process.wait()
    stop.set()
    for writer in writers:
        writer.join()
    server.start()
    for name, content in answered.items():
        assert server.requests.get(f"/v1/objects/{name}").content == content, name
    listed = {item["sha256"] for item in server.requests.get("/v1/objects?limit=1000").json()["items"]}
    wait_until(lambda: {path.parent.name + path.name for path in blobs(server)} <= listed, "what nobody names is swept", 10)
    assert not list((server.data / "blobs" / "tmp").iterdir())


def test_a_full_disk_is_told_and_survived(small_disk: Path, start_server: Any) -> None:
    folder = small_disk / "s"
    folder.mkdir()
    server = start_server(folder=folder)
    stored: list[str] = []
    for number in range(30):
        answer = server.requests.put(f"/v1/objects/fill/{number}", data=os.urandom(MIB))
        if answer.status_code != 201:
            break
        stored.append(f"fill/{number}")
    body = problem(answer, 507, "Delete objects")
    assert body["type"] == "/problems/insufficient-storage"
    assert 5 <= len(stored) < 16
    problem(server.requests.put("/v1/objects/chunked", data=iter([os.urandom(MIB)] * 20)), 507)
    assert server.requests.get("/v1/objects/fill/0").status_code == 200
    for name in stored[:3]:
        assert server.requests.delete(f"/v1/objects/{name}").status_code == 204
    assert server.requests.put("/v1/objects/after", data=b"fits again").status_code == 201
    assert server.requests.get("/v1/objects/after").content == b"fits again"
    assert server.process.poll() is None


def test_events_tell_of_objects(server: Server) -> None:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=30)
    connection.request("GET", "/v1/events", headers={"Authorization": f"Bearer {server.token}"})
    stream = connection.getresponse()
    assert stream.status == 200
    server.put("told", b"x")
    server.requests.delete("/v1/objects/told")
    seen = []
    while len(seen) < 2:
        line = stream.readline().decode()
        if line.startswith("event: object."):
            seen.append(line.split(":", 1)[1].strip())
    assert seen == ["object.created", "object.deleted"]
    connection.close()
