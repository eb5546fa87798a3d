"""How the SDK finds and reaches a server."""

from __future__ import annotations

import json
import os
import socketserver
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import suricate as s
from conftest import ROOT, PlayedServer, _Handler
from suricate import _transport, errors


def test_importing_the_package_imports_no_pandas() -> None:
    code = "import sys, suricate; print(sorted({'pandas', 'numpy', 'matplotlib', 'IPython'} & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "sdk" / "python")}
    answer = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_a_star_import_hides_no_builtin() -> None:
    import builtins

    assert not set(s.__all__) & set(dir(builtins))
    assert callable(s.list)


def test_without_a_server_the_error_says_how_to_get_one() -> None:
    with pytest.raises(s.Unavailable, match="suricate serve"):
        s.info("x")


def test_a_local_server_is_found_by_its_data_folder(
    played: PlayedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("SURICATE_URL")
    monkeypatch.delenv("SURICATE_TOKEN")
    monkeypatch.setenv("SURICATE_DATA", str(tmp_path))
    (tmp_path / "server.json").write_text(json.dumps({"url": played.url, "pid": 1}))
    with pytest.raises(s.Denied, match="SURICATE_TOKEN"):
        s.info("x")
    (tmp_path / "owner.token").write_text("owners\n")
    played.put("x", b"1")
    assert s.info("x")["size"] == 1
    assert played.calls[-1][2]["Authorization"] == "Bearer owners"


def test_connect_chooses_a_server_by_hand(played: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURICATE_URL", "http://127.0.0.1:1")
    played.put("x", b"1")
    s.connect(played.url, "mine")
    try:
        assert s.exists("x")
        assert played.calls[-1][2]["Authorization"] == "Bearer mine"
    finally:
        s.connect(None)


def test_a_kernel_speaks_over_the_socket_with_the_token_of_its_run(
    played: PlayedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    class Handler(_Handler):
        def address_string(self) -> str:
            return "unix"

    class Server(socketserver.ThreadingUnixStreamServer):
        daemon_threads = True

    Handler.played = played
    path, token = tmp_path / "api.sock", tmp_path / "token"
    monkeypatch.setenv("SURICATE_SOCKET", str(path))
    monkeypatch.setenv("SURICATE_TOKEN_FILE", str(token))
    monkeypatch.delenv("SURICATE_URL")
    with pytest.raises(s.Denied, match="no run"):
        s.exists("x")
    played.put("x", b"1")
    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        for run in ("first", "second"):
            token.write_text(run)
            assert s.read("x") == b"1"
            assert played.calls[-1][2]["Authorization"] == f"Bearer {run}"
        server.shutdown()


@pytest.mark.parametrize("fault", [503, "drop"])
def test_a_call_waits_out_a_server_that_is_restarted(played: PlayedServer, fault: object) -> None:
    played.faults = [fault] * 3
    assert s.write("x", b"1")["version"] == 1
    keys = {headers["Idempotency-Key"] for _, _, headers in played.calls}
    assert len(played.calls) == 4 and len(keys) == 1


def test_a_post_is_repeated_under_one_key(played: PlayedServer) -> None:
    played.answers["POST", "/v1/fetches"] = [(202, {"id": "f", "state": "running"})]
    played.faults = ["drop", 503]
    s.fetch("https://example.org/x", "x", wait=False)
    assert len({headers["Idempotency-Key"] for _, _, headers in played.calls}) == 1


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_transport, "PATIENCE_S", 0.3)
    monkeypatch.setenv("SURICATE_URL", "http://127.0.0.1:1")
    began = time.monotonic()
    with pytest.raises(s.Unavailable, match="does not answer"):
        s.exists("x")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, s.Invalid),
        (401, s.Denied),
        (403, s.Denied),
        (404, s.NotFound),
        (409, s.Conflict),
        (412, s.Conflict),
        (413, s.Limit),
        (422, s.Invalid),
        (429, s.Limit),
        (500, s.Internal),
        (507, s.Limit),
    ],
)
def test_a_refusal_is_an_exception_of_its_kind(played: PlayedServer, status: int, kind: type[Exception]) -> None:
    played.faults = [status]
    with pytest.raises(kind) as caught:
        s.info("x")
    assert str(caught.value) == f"fault {status}. Order another."
    assert caught.value.status == status  # type: ignore[attr-defined]
    assert len(played.calls) == 1


def test_a_refused_upload_gives_the_refusal_not_a_broken_pipe(played: PlayedServer, tmp_path: Path) -> None:
    played.faults = [413]
    (tmp_path / "big").write_bytes(bytes(3 << 20))
    with pytest.raises(s.Limit):
        s.write("x", tmp_path / "big")


def test_names_are_quoted(played: PlayedServer) -> None:
    s.write("a b/ü?#%.csv", "x\n")
    assert [*played.objects] == ["a b/ü?#%.csv"]


def test_a_wrong_address_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURICATE_URL", "localhost:8080")
    with pytest.raises(s.Invalid, match="localhost:8080"):
        s.exists("x")


def test_calls_from_many_threads_do_not_disturb_each_other(played: PlayedServer) -> None:
    for number in range(16):
        played.put(f"n/{number}", str(number).encode())
    found: dict[int, object] = {}
    threads = [threading.Thread(target=lambda n=number: found.__setitem__(n, s.read(f"n/{n}"))) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {number: str(number).encode() for number in range(16)}


def test_an_answer_that_breaks_off_is_asked_for_again(played: PlayedServer) -> None:
    played.put("x", b"1")
    played.answers["POST", "/v1/fetches"] = [(202, {"id": "f", "state": "running"})]
    s.connect(played.url, "t")
    try:
        replies = iter([errors.Unavailable("broken"), None])
        original = _transport.Reply.read

        def read(self: _transport.Reply, size: int | None = None) -> bytes:
            fault = next(replies, None)
            if fault:
                raise fault
            return original(self, size)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(_transport.Reply, "read", read)
            s.fetch("https://example.org/x", "x", wait=False)
    finally:
        s.connect(None)
    assert len(played.calls) == 2
    assert len({headers["Idempotency-Key"] for _, _, headers in played.calls}) == 1
