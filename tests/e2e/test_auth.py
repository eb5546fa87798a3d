"""Who may do what: every route with every kind of credential, sessions and their cookies, tenants, revocation."""

from __future__ import annotations

import json
import re
import socket
import stat
import time
from contextlib import closing
from typing import Any

import pytest
import requests
from conftest import Server, wait_until

SCOPES = ["objects:read", "objects:write", "notebooks:read", "notebooks:write", "runs:read", "runs:write", "recipes:read",
          "recipes:write", "figures:read", "streams:read", "streams:write", "actions:write", "secrets:write", "admin"]


def token(server: Server, *scopes: str, expires_in: str = "1h", **headers: str) -> str:
    answer = server.requests.post("/v1/tokens", json={"name": "test", "scopes": list(scopes), "expires_in": expires_in}, headers=headers)
    assert answer.status_code == 201, answer.text
    return answer.json()["token"]


def tenant(server: Server, name: str) -> requests.Session:
    answer = server.requests.post("/v1/tenants", json={"name": name})
    assert answer.status_code == 201, answer.text
    return server.client(answer.json()["token"])


def operations(server: Server) -> list[tuple[str, str, dict[str, Any]]]:
    document = server.requests.get("/v1/openapi.json").json()
    return [(method.upper(), path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def address(path: str) -> str:
    return re.sub(r"\{[^}]*\}", "none", path)


def call(client: requests.Session, method: str, path: str) -> requests.Response:
    # A body that no handler takes: who is let through gets 400 or 404, and nothing happens.
    with client.request(method, address(path), json={"no such field": 1} if method != "GET" and method != "DELETE" else None, stream=True) as answer:
        return answer


def test_every_route_refuses_whoever_has_no_credential_for_it(server):
    owner = server.requests
    other = tenant(server, "other")
    revoked = owner.post("/v1/tokens", json={"name": "gone", "scopes": ["*"]}).json()
    owner.delete(f"/v1/tokens/{revoked['id']}")
    nobodies = [server.client(None), server.client("su_nonsense"), server.client("su_01m8698zczr4xd1ekt489w1e18_" + "x" * 40),
                server.client(revoked["token"])]
    with_each = {scope: server.client(token(server, scope)) for scope in SCOPES}
    checked = 0
    for method, path, operation in operations(server):
        if operation.get("security") == []:
            continue
        for nobody in nobodies:
            answer = call(nobody, method, path)
            assert answer.status_code == 401 and "WWW-Authenticate" in answer.headers, (method, path)
        needed = operation.get("x-scope")
        for scope, client in with_each.items():
            answer = call(client, method, path)
            may = scope == needed or needed is None and scope != "figures:read"
            if needed == "figures:read":
                may = scope in ("figures:read", "recipes:read", "runs:read")
            if path == "/v1/users/{name}/password":
                continue  # whose it is decides (below)
            if (method, path, scope) == ("POST", "/v1/replays", "streams:write"):
                may = False  # it reads an object as well: that takes objects:read too
            assert (answer.status_code != 403 or not may) and answer.status_code != 401, (method, path, scope, answer.status_code)
            if not may:
                assert answer.status_code == 403, (method, path, scope)
            checked += 1
        assert call(other, method, path).status_code not in (401, 403, 500) or path == "/v1/tenants", (method, path)
    assert checked > 300


def test_the_owners_token_is_for_the_owner_alone(server):
    path = server.data / "owner.token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    before = path.read_text()
    server.restart()
    assert path.read_text() == before


def test_secrets_are_stored_hashed_and_never_logged(start_server):
    server = start_server("--log", "debug")
    made = token(server, "objects:read")
    secret = made.rsplit("_", 1)[1] if made.count("_") == 2 else made.split("_", 2)[2]
    code = server.requests.post("/v1/login-codes").json()["url"].split("code=")[1]
    server.client(None).get("/login", params={"code": code})
    server.requests.post("/v1/users", json={"name": "ann", "password": "correct horse"})
    server.client(None).post("/v1/session", json={"user": "ann", "password": "correct horse"})
    server.client(None).get("/v1/objects", params={"token": made})
    server.client(None).get("/v1/objects", headers={"Referer": f"http://x/?token={made}"})
    server.requests.post("/v1/tokens", data=f'{{"name": "{made}"', headers={"Content-Type": "application/json"})
    server.stop()
    owner = server.token.split("_", 2)[2]
    for path in [server.log, *server.data.glob("suricate.db*")]:
        content = path.read_bytes()
        for canary in (secret, owner, code.split("_", 2)[2], "correct horse"):
            assert canary.encode() not in content, f"{path.name} holds a secret"
    assert b"http.request" in server.log.read_bytes()


def test_a_token_can_do_no_more_than_its_maker(server):
    reader = server.client(token(server, "objects:read"))
    assert reader.post("/v1/tokens", json={"name": "x", "scopes": ["objects:write"]}).status_code == 403
    assert reader.post("/v1/tokens", json={"name": "x", "scopes": ["admin"]}).status_code == 403
    assert reader.post("/v1/tokens", json={"name": "x", "scopes": ["objects:read"]}).status_code == 201
    assert reader.put("/v1/objects/x", data=b"x").status_code == 403
    short = server.client(token(server, "objects:read", expires_in="1h"))
    child = short.post("/v1/tokens", json={"name": "x", "scopes": ["objects:read"], "expires_in": "never"}).json()
    assert child["expires_at"] is not None


def test_an_expired_token_is_refused(server):
    short = server.client(token(server, "objects:read", expires_in="300ms"))
    assert short.get("/v1/objects").status_code == 200
    wait_until(lambda: short.get("/v1/objects").status_code == 401, "the token has expired", 5)
    server.restart()
    assert short.get("/v1/objects").status_code == 401


@pytest.mark.parametrize("body", [
    {"name": "x", "scopes": []}, {"name": "x", "scopes": ["everything"]}, {"name": "x", "scopes": ["*"], "expires_in": "0s"},
    {"name": "x", "scopes": ["*"], "expires_in": "soon"}, {"name": "", "scopes": ["*"]}, {"name": "x", "scopes": [1]},
    {"name": "x", "scopes": ["open"]}, {"name": "x", "scopes": ["*"], "expires_in": "99999999999999d"},
])
def test_a_token_that_makes_no_sense_is_refused(server, body):
    assert server.requests.post("/v1/tokens", json=body).status_code == 400


def test_revoking_ends_the_token_at_once_and_its_open_streams_within_a_second(server):
    made = server.requests.post("/v1/tokens", json={"name": "x", "scopes": ["*"]}).json()
    client = server.client(made["token"])
    stream = client.get("/v1/events", stream=True)
    assert stream.status_code == 200
    assert client.get("/v1/objects").status_code == 200
    assert server.requests.delete(f"/v1/tokens/{made['id']}").status_code == 204
    assert client.get("/v1/objects").status_code == 401
    began = time.monotonic()
    assert stream.content == b""
    assert time.monotonic() - began < 2.5
    assert server.requests.delete(f"/v1/tokens/{made['id']}").status_code == 404
    server.restart(kill=True)
    assert client.get("/v1/objects").status_code == 401


def test_tokens_are_listed_without_their_text(server):
    made = token(server, "objects:read")
    listed = server.requests.get("/v1/tokens")
    assert made not in listed.text and made.split("_", 2)[2] not in listed.text
    mine = server.client(made).get("/v1/tokens").json()["items"]
    assert all(item["user"] == "owner" for item in mine)


# -- tenants ------------------------------------------------------------------------------------------------------------


def test_what_another_tenant_has_does_not_exist(server):
    other = tenant(server, "other")
    server.put("secret/x", b"1", **{"X-Suricate-Tags": "t"})
    server.put_notebook("secret", "1")
    run = server.start_run("secret")["id"]
    mine = server.requests.post("/v1/tokens", json={"name": "x", "scopes": ["*"]}).json()["id"]
    for method, path in [
        ("GET", "/v1/objects/secret/x"), ("HEAD", "/v1/objects/secret/x"), ("DELETE", "/v1/objects/secret/x"),
        ("GET", "/v1/objects/secret/x?view=info"), ("GET", "/v1/objects/secret/x?view=versions"), ("GET", "/v1/objects/secret/x?view=preview"),
        ("GET", "/v1/notebooks/secret"), ("DELETE", "/v1/notebooks/secret"), ("GET", f"/v1/runs/{run}"), ("GET", f"/v1/runs/{run}/events"),
        ("GET", f"/v1/runs/{run}/outputs"), ("GET", f"/v1/runs/{run}/notebook"), ("GET", f"/v1/runs/{run}/log"),
        ("GET", f"/v1/runs/{run}/lineage"), ("POST", f"/v1/runs/{run}/cancel"), ("POST", f"/v1/runs/{run}/replay"),
        ("DELETE", f"/v1/tokens/{mine}"), ("DELETE", "/v1/users/nobody"),
    ]:
        assert other.request(method, path).status_code == 404, (method, path)
    assert other.post("/v1/runs", json={"notebook": "secret"}).status_code == 404
    for path in ("/v1/objects", "/v1/objects?tag=t", "/v1/objects?prefix=secret", "/v1/notebooks", "/v1/runs"):
        assert other.get(path).json()["items"] == [], path
    assert [item["name"] for item in other.get("/v1/users").json()["items"]] == ["owner"]
    assert server.requests.get("/v1/objects/secret/x").content == b"1"
    # The same name is another thing over there, with versions of its own.
    assert other.put("/v1/objects/secret/x", data=b"2").json()["version"] == 1
    assert server.requests.get("/v1/objects/secret/x").content == b"1"
    # Nor does anybody hear what happens to others.
    stream = other.get("/v1/events", stream=True)
    server.put("secret/y", b"1")
    other.put("/v1/objects/own", data=b"1")
    lines = [line for _, line in zip(range(3), stream.iter_lines(chunk_size=1))]
    assert json.loads(lines[2].removeprefix(b"data: "))["name"] == "own"
    stream.close()


def test_only_an_admin_of_main_manages_tenants(server):
    other = tenant(server, "other")
    assert other.get("/v1/tenants").status_code == 403
    assert other.post("/v1/tenants", json={"name": "third"}).status_code == 403
    assert server.requests.post("/v1/tenants", json={"name": "other"}).status_code == 409
    for name in ("", "A", "a/b", "..", "a b", "x" * 48, "-a"):
        assert server.requests.post("/v1/tenants", json={"name": name}).status_code == 400, name
    assert [item["name"] for item in server.requests.get("/v1/tenants").json()["items"]] == ["main", "other"]
    assert other.get("/v1/status").json()["tenant"] == "other"


# -- people and sessions ------------------------------------------------------------------------------------------------


@pytest.fixture
def ann(server) -> str:
    answer = server.requests.post("/v1/users", json={"name": "ann", "password": "correct horse"})
    assert answer.status_code == 201, answer.text
    return "correct horse"


def login(server: Server, password: str, user: str = "ann") -> tuple[requests.Session, str]:
    browser = server.client(None)
    answer = browser.post("/v1/session", json={"user": user, "password": password})
    assert answer.status_code == 201, answer.text
    return browser, answer.json()["csrf"]


def test_a_session_cookie_is_out_of_scripts_and_other_sites_reach(server, ann):
    answer = server.client(None).post("/v1/session", json={"user": "ann", "password": ann})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Strict" in cookie and "Path=/" in cookie
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_cookie_alone_changes_nothing(server, ann):
    browser, csrf = login(server, ann)
    assert browser.get("/v1/objects").status_code == 200
    put = lambda **headers: browser.put("/v1/objects/x", data=b"x", headers=headers).status_code  # noqa: E731
    host = server.url.removeprefix("http://")
    port = host.rsplit(":", 1)[1]
    assert put() == 403
    assert put(**{"X-Suricate-CSRF": "wrong"}) == 403
    assert put(**{"X-Suricate-CSRF": csrf}) == 201
    assert put(**{"X-Suricate-CSRF": csrf, "Origin": server.url, "Sec-Fetch-Site": "same-origin"}) == 200
    for origin in ("null", "http://evil.example", f"http://sub.{host}", f"http://{host}.evil.example", f"http://127.0.0.1.evil:{port}",
                   "http://127.0.0.1:1", "", f"http://user@{host}"):
        assert put(**{"X-Suricate-CSRF": csrf, "Origin": origin}) == 403, origin
    for site in ("cross-site", "same-site"):
        assert put(**{"X-Suricate-CSRF": csrf, "Sec-Fetch-Site": site}) == 403, site
        assert browser.get("/v1/objects", headers={"Sec-Fetch-Site": site}).status_code == 403
    assert browser.post("/v1/tokens", data="a=b", headers={"Content-Type": "application/x-www-form-urlencoded", "X-Suricate-CSRF": csrf}).status_code == 415
    assert browser.post("/v1/tokens", data="{}", headers={"Content-Type": "text/plain", "X-Suricate-CSRF": csrf}).status_code == 415


def test_another_site_cannot_log_somebody_in(server, ann):
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = server.client(None).post("/v1/session", json={"user": "ann", "password": ann}, headers=headers)
        assert answer.status_code == 403
    assert server.client(None).post("/v1/session", data="user=ann", headers={"Content-Type": "application/x-www-form-urlencoded"}).status_code == 415


def test_logging_out_and_changing_the_password_end_sessions_everywhere(server, ann):
    first, csrf = login(server, ann)
    second, _ = login(server, ann)
    stream = second.get("/v1/events", stream=True)
    kept = server.client(None)
    kept.cookies.update(first.cookies)
    assert first.delete("/v1/session", headers={"X-Suricate-CSRF": csrf}).status_code == 204
    assert kept.get("/v1/objects").status_code == 401
    assert second.get("/v1/objects").status_code == 200
    assert server.requests.put("/v1/users/ann/password", json={"password": "another one"}).status_code == 204
    assert second.get("/v1/objects").status_code == 401
    began = time.monotonic()
    assert stream.content == b""
    assert time.monotonic() - began < 2.5
    login(server, "another one")


def test_people_change_their_own_password_only_with_the_old_one(server, ann):
    browser, csrf = login(server, ann)
    change = lambda name, **body: browser.put(f"/v1/users/{name}/password", json=body, headers={"X-Suricate-CSRF": csrf}).status_code  # noqa: E731
    assert change("ann", password="new password") == 400
    assert change("ann", old="wrong", password="new password") == 403
    assert change("owner", old=ann, password="new password") == 403
    assert change("ann", old=ann, password="short") == 400
    assert change("ann", old=ann, password="new password") == 204


def test_a_removed_user_is_gone_with_everything_they_held(server, ann):
    browser, csrf = login(server, ann)
    held = browser.post("/v1/tokens", json={"name": "x", "scopes": ["objects:read"]}, headers={"X-Suricate-CSRF": csrf}).json()["token"]
    assert server.client(held).get("/v1/objects").status_code == 200
    assert server.requests.delete("/v1/users/ann").status_code == 204
    assert server.client(held).get("/v1/objects").status_code == 401
    assert browser.get("/v1/objects").status_code == 401
    assert server.requests.delete("/v1/users/ann").status_code == 404
    assert server.requests.delete("/v1/users/owner").status_code == 409


def test_users_are_checked(server, ann):
    add = lambda **body: server.requests.post("/v1/users", json=body).status_code  # noqa: E731
    assert add(name="ann") == 409
    assert add(name="bob", password="short") == 400
    assert add(name="Bob!") == 400
    assert add(name="bob", scopes=["objects:read"]) == 201
    assert server.client(None).post("/v1/session", json={"user": "bob", "password": ""}).status_code == 401
    listed = server.requests.get("/v1/users").json()["items"]
    assert [(item["name"], item["has_password"]) for item in listed] == [("ann", True), ("bob", False), ("owner", False)]


def test_guessing_passwords_is_slowed_down(start_server):
    server = start_server("--limit", "login_failures=3", "--limit", "login_pause_s=2")
    server.requests.post("/v1/users", json={"name": "ann", "password": "correct horse"})
    guess = lambda password: server.client(None).post("/v1/session", json={"user": "ann", "password": password})  # noqa: E731
    assert [guess("wrong").status_code for _ in range(4)] == [401, 401, 401, 429]
    paused = guess("correct horse")
    assert paused.status_code == 429 and paused.headers["Retry-After"]
    wait_until(lambda: guess("correct horse").status_code == 201, "the pause is over", 10)
    # A name that nobody has is told the same.
    unknown = server.client(None).post("/v1/session", json={"user": "zoe", "password": "correct horse"})
    assert unknown.status_code == 401 and unknown.json()["detail"] == guess("wrong").json()["detail"]


def test_a_login_code_is_good_once(server):
    url = server.requests.post("/v1/login-codes").json()["url"]
    browser = server.client(None)
    assert browser.head(url).status_code == 400  # a link checker does not use it up
    answer = browser.get(url, allow_redirects=False)
    assert answer.status_code == 303 and answer.headers["Location"] == "/"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert browser.get("/v1/session").json()["user"] == "owner"
    again = server.client(None).get(url, allow_redirects=False)
    assert again.status_code == 401 and "Set-Cookie" not in again.headers
    assert server.client(None).get("/login?code=su_x_y", allow_redirects=False).status_code == 401
    assert server.client(token(server, "objects:read")).post("/v1/login-codes").status_code == 403


def test_a_code_is_no_token_and_a_token_no_code(server):
    code = server.requests.post("/v1/login-codes").json()["url"].split("code=")[1]
    assert server.client(code).get("/v1/objects").status_code == 401
    assert server.client(None).get("/login", params={"code": server.token}, allow_redirects=False).status_code == 401
    browser = server.client(None)
    browser.cookies.set("suricate_session", server.token)
    assert browser.get("/v1/objects").status_code == 401


def test_a_token_in_the_address_is_for_figures_alone(server):
    figures, both = token(server, "figures:read"), token(server, "figures:read", "objects:read")
    path = "/v1/recipes/favourite-receiver/latest/figure.svg"
    nobody = server.client(None)
    assert nobody.get(path, params={"token": figures}).status_code == 404  # no run yet, but let through
    assert nobody.get(path, params={"token": both}).status_code == 401
    assert nobody.get(path, params={"token": server.token}).status_code == 401
    assert nobody.get("/v1/objects", params={"token": figures}).status_code in (400, 401)
    assert server.client(figures).get("/v1/objects").status_code == 403
    assert server.client(figures).get("/v1/status").status_code == 403


# -- the kernels' door --------------------------------------------------------------------------------------------------


def test_the_kernels_socket_takes_run_tokens_only(server):
    found = [path for path in open("/proc/net/unix").read().split() if path.endswith("/api.sock")]
    answers = []
    for path in found:
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.settimeout(5)
            try:
                connection.connect(path)
            except OSError:
                continue
            connection.sendall(f"GET /v1/objects HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token}\r\nConnection: close\r\n\r\n".encode())
            answers.append(connection.recv(65536).split(b"\r\n")[0])
    assert answers and set(answers) == {b"HTTP/1.1 401 Unauthorized"}


def test_listening_beyond_this_machine_must_be_forced(server, tmp_path):
    refused = server.cli("serve", "--data", tmp_path / "d", "--listen", "0.0.0.0:0", check=False, timeout=20)
    assert refused.returncode != 0 and "--insecure-listen" in refused.stderr


def test_the_page_allows_only_its_own_files(server):
    answer = server.client(None).get("/")
    policy = answer.headers["Content-Security-Policy"]
    assert answer.status_code == 200 and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy and "script-src 'self';" in policy and "style-src 'self';" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert server.client(None).get("/", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
