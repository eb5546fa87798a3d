"""Fetches: the allow-list, private addresses, redirects, limits and lineage. The web is a server on loopback."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conftest import Server, wait_until

CONTENT = b"a,b\n1,2\n"


class Web(http.server.BaseHTTPRequestHandler):
    """Answers by path; `asked` of the server notes every request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # noqa: N802
        self.server.asked.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/table.csv":
            self.answer(200, CONTENT, "text/csv; charset=utf-8")
        elif self.path == "/empty":
            self.answer(200, b"", "text/plain")
        elif self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "http://169.254.169.254/latest/meta-data")
            self.send_header("Content-Length", "0")
            self.end_headers()
        elif self.path == "/large":
            self.send_response(200)
            self.send_header("Connection", "close")
            self.end_headers()
            try:
                for _ in range(64):
                    self.wfile.write(b"x" * 65536)
            except OSError:
                pass
            self.close_connection = True
        elif self.path == "/torn":
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"only this")
            self.close_connection = True
        elif self.path == "/slow":
            self.server.released.wait(30)  # type: ignore[attr-defined]
            self.answer(200, CONTENT, "text/csv")
        else:
            self.answer(404, b"nothing here", "text/plain")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def web() -> Iterator[http.server.ThreadingHTTPServer]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.asked, server.released = [], threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def allowing(start_server: Callable[..., Server], web: http.server.ThreadingHTTPServer) -> Server:
    return start_server("--allow-fetch", f"127.0.0.1:{web.server_port}", "--limit", "fetch_bytes=1MiB")


def fetch(server: Server, url: str, name: str = "fetched.csv", **more: Any) -> Any:
    return server.requests.post("/v1/fetches?wait=20s", json={"url": url, "name": name, **more})


def test_a_download_becomes_an_object_with_its_source(allowing: Server, web: Any) -> None:
    url = f"http://127.0.0.1:{web.server_port}/table.csv"
    done = fetch(allowing, url + "#part", tags=["web"])
    assert done.status_code == 202 and done.json()["state"] == "succeeded", done.text
    assert done.json()["object"] == {"name": "fetched.csv", "version": 1} and done.json()["bytes"] == len(CONTENT)
    info = allowing.requests.get("/v1/objects/fetched.csv?view=info").json()
    assert info["metadata"]["source"]["url"] == url and info["tags"] == ["web"]
    assert info["type"] == "text/csv; charset=utf-8"
    assert allowing.requests.get("/v1/objects/fetched.csv").content == CONTENT
    again = allowing.requests.get(done.headers["Location"])
    assert again.json() == done.json()
    assert allowing.requests.get("/v1/fetches").json()["items"] == [done.json()]
    assert fetch(allowing, f"http://127.0.0.1:{web.server_port}/empty", "empty").json()["state"] == "succeeded"


@pytest.mark.parametrize(("path", "part"), [
    ("/missing", "404"), ("/moved", "redirects to http://169.254.169.254"), ("/large", "more than 1048576 bytes"), ("/torn", "failed"),
])
def test_a_download_that_fails_says_why_and_stores_nothing(allowing: Server, web: Any, path: str, part: str) -> None:
    done = fetch(allowing, f"http://127.0.0.1:{web.server_port}{path}").json()
    assert done["state"] == "failed" and part in done["reason"] and done["object"] is None, done
    assert allowing.requests.get("/v1/objects/fetched.csv").status_code == 404
    assert web.asked == [path]


@pytest.mark.parametrize("url", [
    "file:///etc/passwd", "ftp://127.0.0.1/x", "gopher://127.0.0.1/x", "http://user:secret@127.0.0.1/", "http://",
    "nonsense", "http://127.0.0.1/a b", "http://127.0.0.1/\r\nHost: other", "http://127.0.0.1/é", "http://[fe80::1%25eth0]/",
    "http://127.0.0.1:99999/", "x" * 3000,
])
def test_what_is_no_plain_address_is_refused(allowing: Server, url: str) -> None:
    answer = fetch(allowing, url)
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] in ("/url", "url")


@pytest.mark.parametrize("host", [
    "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
    "0.0.0.0", "[::]", "10.0.0.1", "169.254.169.254", "192.168.1.1", "172.16.0.1", "100.64.0.1", "[64:ff9b::7f00:1]", "[2002:7f00:1::]",
    "[fe80::1]", "[fd00::1]", "127.0.0.1.", "example.org",
])
def test_other_hosts_and_ports_are_refused(allowing: Server, web: Any, host: str) -> None:
    """Only the host and port of the list: whatever the notation, nothing else is asked."""
    for port in (80, web.server_port + 1):
        answer = fetch(allowing, f"http://{host}:{port}/table.csv")
        assert answer.status_code == 403 and "fetch-hosts" in answer.json()["hint"], answer.text
    assert web.asked == []


def test_a_private_address_behind_an_allowed_name_is_refused(server: Server, web: Any) -> None:
    """The name is on the list, its address is loopback: refused at the connection, whatever the resolver says."""
    port = web.server_port
    hosts = [{"host": "localhost", "port": port}, {"host": "127.0.0.1", "port": port}, {"host": "*.localhost", "port": port}]
    put = server.requests.put("/v1/fetch-hosts", json={"items": hosts})
    assert put.status_code == 200 and len(put.json()["items"]) == 3
    for host in ("localhost", "127.0.0.1", "2130706433", "0x7f.1", "any.localhost"):
        done = fetch(server, f"http://{host}:{port}/table.csv").json()
        assert done["state"] == "failed" and "no public address" in done["reason"], done
    assert web.asked == []
    hosts[0]["allow_private"] = True
    server.requests.put("/v1/fetch-hosts", json={"items": hosts})
    assert fetch(server, f"http://LOCALHOST:{port}/table.csv").json()["state"] == "succeeded"


def test_the_list_is_the_owners(server: Server) -> None:
    for items in ([{"host": "a b"}], [{"host": ""}], [{"port": 80}], [{"host": "x", "port": 0}], [{"host": "x", "allow_private": True}],
                  ["x"], [{"host": "x", "more": 1}], [{"host": "x"}] * 257):
        assert server.requests.put("/v1/fetch-hosts", json={"items": items}).status_code == 400, items
    mine = [{"host": "example.org", "port": None, "allow_private": False}]
    assert server.requests.put("/v1/fetch-hosts", json={"items": mine}).json()["items"] == mine
    token = server.requests.post("/v1/tokens", json={"name": "w", "scopes": ["objects:read", "objects:write"], "expires_in": "1h"}).json()["token"]
    assert server.client(token).put("/v1/fetch-hosts", json={"items": []}).status_code == 403
    other = server.requests.post("/v1/tenants", json={"name": "other"}).json()["token"]
    assert server.client(other).get("/v1/fetch-hosts").json()["items"] == []
    denied = server.client(other).post("/v1/fetches", json={"url": "http://example.org/", "name": "x"})
    assert denied.status_code == 403


def test_another_tenant_does_not_see_a_fetch(allowing: Server, web: Any) -> None:
    done = fetch(allowing, f"http://127.0.0.1:{web.server_port}/table.csv")
    other = allowing.client(allowing.requests.post("/v1/tenants", json={"name": "other"}).json()["token"])
    assert other.get(done.headers["Location"]).status_code == 404
    assert other.get("/v1/fetches").json()["items"] == []


def test_a_wait_is_not_needed_and_a_restart_ends_it(allowing: Server, web: Any) -> None:
    url = f"http://127.0.0.1:{web.server_port}/slow"
    started = allowing.requests.post("/v1/fetches", json={"url": url, "name": "slow.csv"})
    assert started.status_code == 202 and started.json()["state"] == "running"
    wait_until(lambda: web.asked, "the download has begun")
    begin = time.monotonic()
    waited = allowing.requests.get(started.headers["Location"] + "?wait=1s").json()
    assert waited["state"] == "running" and time.monotonic() - begin >= 0.9
    allowing.restart(kill=True)
    after = allowing.requests.get(started.headers["Location"]).json()
    assert after["state"] == "failed" and "stopped" in after["reason"]
    assert allowing.requests.get("/v1/objects/slow.csv").status_code == 404


def test_stopping_does_not_wait_for_a_slow_host(allowing: Server, web: Any) -> None:
    url = f"http://127.0.0.1:{web.server_port}/slow"
    started = allowing.requests.post("/v1/fetches", json={"url": url, "name": "slow.csv"})
    wait_until(lambda: web.asked, "the download has begun")
    begin = time.monotonic()
    allowing.restart()
    assert time.monotonic() - begin < 10
    assert allowing.requests.get(started.headers["Location"]).json()["state"] == "failed"
