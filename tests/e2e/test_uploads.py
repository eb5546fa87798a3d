"""Uploads in pieces: what survives a lost connection, a killed server and a full disk."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from conftest import Server, wait_until

MIB = 1 << 20


def begin(server: Server, name: str, size: int, **more: Any) -> str:
    answer = server.requests.post("/v1/uploads", json={"name": name, "size": size, **more})
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert body["offset"] == 0 and answer.headers["Location"] == f"/v1/uploads/{body['id']}" and body["expires_at"] > body["created_at"]
    return body["id"]


def piece(server: Server, upload: str, offset: int | str, data: bytes) -> Any:
    return server.requests.patch(f"/v1/uploads/{upload}", data=data, headers={"Upload-Offset": str(offset)})


def offset_of(server: Server, upload: str) -> int:
    answer = server.requests.get(f"/v1/uploads/{upload}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["Upload-Offset"] == str(answer.json()["offset"])
    return answer.json()["offset"]


def problem(answer: Any, status: int, part: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert part in answer.json()["detail"], answer.text
    return answer.json()


def files(server: Server) -> list[str]:
    return sorted(os.listdir(server.data / "uploads"))


class HalfPatch:
    """A PATCH that announces more than it has sent."""

    def __init__(self, server: Server, upload: str, offset: int, announced: int, data: bytes):
        address = urlsplit(server.url)
        self.connection = socket.create_connection((address.hostname, address.port), 30)
        self.connection.sendall(
            f"PATCH /v1/uploads/{upload} HTTP/1.1\r\nHost: {address.netloc}\r\nAuthorization: Bearer {server.token}\r\n"
            f"Upload-Offset: {offset}\r\nContent-Length: {announced}\r\n\r\n".encode() + data)

    def lose(self) -> None:
        self.connection.close()


def test_pieces_become_the_objects_next_version(server: Server) -> None:
    content = os.urandom(3 * MIB + 17)
    server.put("big/file.csv", b"a,b\n1,2\n", **{"X-Suricate-Tags": "old"})
    upload = begin(server, "big/file.csv", len(content), tags=["new"], last_modified="2026-01-02T03:04:05Z")
    for at in range(0, 3 * MIB, MIB):
        answer = piece(server, upload, at, content[at : at + MIB])
        assert answer.status_code == 204 and answer.headers["Upload-Offset"] == str(at + MIB)
        assert offset_of(server, upload) == at + MIB
    last = piece(server, upload, 3 * MIB, content[3 * MIB :])
    assert last.status_code == 201 and last.headers["Location"] == "/v1/objects/big/file.csv"
    made = last.json()
    assert made["version"] == 2 and made["type"] == "text/csv" and made["tags"] == ["new"] and last.headers["ETag"] == made["etag"]
    assert made["metadata"] == {"last_modified": "2026-01-02T03:04:05Z"} and made["created_by"] == "owner"
    assert made["sha256"] == hashlib.sha256(content).hexdigest()
    assert server.requests.get("/v1/objects/big/file.csv").content == content
    assert files(server) == []


def test_a_client_that_lost_the_last_answer_gets_it_again(server: Server) -> None:
    upload = begin(server, "again", 4)
    first = piece(server, upload, 0, b"abcd").json()
    assert server.requests.get(f"/v1/uploads/{upload}").json()["version"] == 1
    again = piece(server, upload, 4, b"")
    assert again.status_code == 201 and again.json() == first
    assert server.requests.get("/v1/objects/again?view=info").json()["version"] == 1


def test_an_empty_file_is_an_upload_too(server: Server) -> None:
    upload = begin(server, "empty.txt", 0)
    answer = piece(server, upload, 0, b"")
    assert answer.status_code == 201 and answer.json()["size"] == 0


def test_a_wrong_offset_is_told_the_right_one_and_changes_nothing(server: Server) -> None:
    upload = begin(server, "x", 10)
    assert piece(server, upload, 0, b"01234").status_code == 204
    for wrong in (0, 4, 6, 10):
        answer = piece(server, upload, wrong, b"zzz")
        body = problem(answer, 409, "5 bytes so far")
        assert body["offset"] == 5 and answer.headers["Upload-Offset"] == "5"
    problem(server.requests.patch(f"/v1/uploads/{upload}", data=b"x"), 400, "Upload-Offset")
    problem(piece(server, upload, "-1", b"x"), 400, "Upload-Offset")
    assert piece(server, upload, 5, b"56789").status_code == 201
    assert server.requests.get("/v1/objects/x").content == b"0123456789"


def test_more_bytes_than_announced_are_refused(server: Server) -> None:
    upload = begin(server, "x", 4)
    assert piece(server, upload, 0, b"0123456789").status_code == 413
    assert offset_of(server, upload) == 0
    assert piece(server, upload, 0, b"0123").status_code == 201


def test_bytes_that_came_before_a_lost_connection_are_kept(server: Server) -> None:
    content = os.urandom(4 * MIB)
    upload = begin(server, "lost", len(content))
    half = HalfPatch(server, upload, 0, len(content), content[: 3 * MIB])
    busy = lambda: piece(server, upload, 0, b"").status_code == 409  # noqa: E731
    wait_until(busy, "the first request is at it")
    problem(piece(server, upload, 0, b"x"), 409, "another request")
    problem(server.requests.delete(f"/v1/uploads/{upload}"), 409, "another request")
    half.lose()
    offset = wait_until(lambda: offset_of(server, upload), "what came is kept")
    assert 0 < offset <= 3 * MIB
    rest = lambda: piece(server, upload, offset_of(server, upload), content[offset_of(server, upload) :])  # noqa: E731
    assert wait_until(lambda: (done := rest()).status_code == 201 and done, "the rest is taken")
    assert server.requests.get("/v1/objects/lost").content == content


def test_a_killed_server_has_every_byte_that_it_told_of(server: Server) -> None:
    content = os.urandom(6 * MIB)
    upload = begin(server, "killed", len(content))
    assert piece(server, upload, 0, content[: 2 * MIB]).status_code == 204
    half = HalfPatch(server, upload, 2 * MIB, 4 * MIB, content[2 * MIB : 5 * MIB])
    path = server.data / "uploads" / upload
    wait_until(lambda: path.stat().st_size > 2 * MIB, "bytes of the second request are in the file")
    server.restart(kill=True)
    half.lose()
    assert offset_of(server, upload) == 2 * MIB
    assert piece(server, upload, 2 * MIB, content[2 * MIB :]).status_code == 201
    assert server.requests.get("/v1/objects/killed").content == content
    server.restart(kill=True)
    assert server.requests.get("/v1/objects/killed").content == content and files(server) == []


def test_dropping_removes_the_bytes(server: Server) -> None:
    upload = begin(server, "x", 10)
    piece(server, upload, 0, b"01234")
    assert files(server) == [upload]
    assert server.requests.delete(f"/v1/uploads/{upload}").status_code == 204
    assert files(server) == []
    for answer in (server.requests.get(f"/v1/uploads/{upload}"), piece(server, upload, 5, b"x"),
                   server.requests.delete(f"/v1/uploads/{upload}")):
        problem(answer, 404, upload)


@pytest.mark.server("--limit", "upload_s=1", "--limit", "uploads=2")
def test_uploads_are_limited_and_expire(server: Server) -> None:
    first, second = begin(server, "a", 10), begin(server, "b", 10)
    problem(server.requests.post("/v1/uploads", json={"name": "c", "size": 1}), 413, "limits.uploads")
    gone = lambda: all(server.requests.get(f"/v1/uploads/{one}").status_code == 404 for one in (first, second))  # noqa: E731
    wait_until(gone, "the uploads expire")
    wait_until(lambda: server.requests.post("/v1/uploads", json={"name": "c", "size": 1}).status_code == 201, "there is room again")
    assert first not in files(server) and second not in files(server)


@pytest.mark.server("--limit", "object_bytes=1MiB")
def test_what_can_not_become_an_object_is_refused_at_once(server: Server) -> None:
    for body, status in (({"name": "../x", "size": 1}, 400), ({"name": "", "size": 1}, 400), ({"size": 1}, 400), ({"name": "x"}, 400),
                         ({"name": "x", "size": -1}, 400), ({"name": "x", "size": 2 * MIB}, 413), ({"name": "x", "size": 1, "tags": ["a,b"]}, 400),
                         ({"name": "x", "size": 1, "type": "ü"}, 400), ({"name": "x", "size": 1, "more": 1}, 400)):
        answer = server.requests.post("/v1/uploads", json=body)
        assert answer.status_code == status, (body, answer.text)
    assert files(server) == []


def test_room_on_the_disk_is_looked_at_first(server: Server) -> None:
    answer = server.requests.post("/v1/uploads", json={"name": "x", "size": 63 << 30})
    if answer.status_code == 201:
        pytest.skip("this disk has room for 63 GiB")
    problem(answer, 507, "free")


def test_another_tenants_upload_does_not_exist(server: Server) -> None:
    answer = server.requests.post("/v1/tenants", json={"name": "other"})
    other = server.client(answer.json()["token"])
    upload = begin(server, "mine", 3)
    assert other.get(f"/v1/uploads/{upload}").status_code == 404
    assert other.patch(f"/v1/uploads/{upload}", data=b"abc", headers={"Upload-Offset": "0"}).status_code == 404
    assert other.delete(f"/v1/uploads/{upload}").status_code == 404


def test_two_uploads_of_one_name_are_two_versions(server: Server) -> None:
    one, two = begin(server, "x", 1), begin(server, "x", 1)
    threads = [threading.Thread(target=piece, args=(server, upload, 0, body)) for upload, body in ((one, b"1"), (two, b"2"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = server.requests.get("/v1/objects/x?view=versions").json()["items"]
    assert [item["version"] for item in versions] == [2, 1] and len({item["sha256"] for item in versions}) == 2


def test_uploads_without_their_bytes_are_forgotten_at_the_start(server: Server) -> None:
    """A restored backup has the rows and not the files."""
    upload = begin(server, "x", 10)
    server.stop()
    (server.data / "uploads" / upload).unlink()
    Path(server.data / "uploads" / "stray").write_bytes(b"nobody's")
    server.start()
    assert server.requests.get(f"/v1/uploads/{upload}").status_code == 404
    assert files(server) == []


def test_a_full_disk_is_told_and_the_upload_goes_on_when_there_is_room(small_disk: Path, start_server: Any) -> None:
    folder = small_disk / "s"
    folder.mkdir()
    server = start_server(folder=folder)
    content = os.urandom(6 * MIB)
    upload = begin(server, "later", len(content))
    assert piece(server, upload, 0, content[: 2 * MIB]).status_code == 204
    filler = small_disk / "filler"
    with filler.open("wb") as file:
        try:
            while True:
                file.write(os.urandom(MIB // 4))
                file.flush()
        except OSError:
            pass
    refused = piece(server, upload, 2 * MIB, content[2 * MIB :])
    assert refused.status_code == 507 and refused.json()["type"] == "/problems/insufficient-storage", refused.text
    filler.unlink()
    offset = offset_of(server, upload)
    assert 2 * MIB <= offset < 6 * MIB
    assert piece(server, upload, offset, content[offset:]).status_code == 201
    assert server.requests.get("/v1/objects/later").content == content
