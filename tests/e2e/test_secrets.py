"""Secrets over HTTP: put, listed by name, removed, never given out."""

from __future__ import annotations

from pathlib import Path

from conftest import Server


def put(server: Server, name: str, value: str) -> int:
    return server.requests.put(f"/v1/secrets/{name}", json={"value": value}).status_code


def test_a_secret_is_listed_by_name_and_never_shown(server: Server) -> None:
    assert put(server, "broker", "tr0ub4dor-and-3") == 201
    assert put(server, "broker", "correct-horse-battery") == 204
    listed = server.requests.get("/v1/secrets")
    assert [item["name"] for item in listed.json()["items"]] == ["broker"]
    assert "horse" not in listed.text and listed.json()["items"][0]["changed_by"] == "owner"
    assert server.requests.get("/v1/secrets/broker").status_code == 405
    assert server.requests.delete("/v1/secrets/broker").status_code == 204
    gone = server.requests.delete("/v1/secrets/broker")
    assert gone.status_code == 404 and "broker" in gone.json()["detail"]


def test_no_file_and_no_log_line_holds_a_secrets_value(server: Server) -> None:
    assert put(server, "broker", "correct-horse-battery") == 201
    refused = server.requests.put("/v1/secrets/broker", json={"value": "correct-horse-battery", "other": 1})
    assert refused.status_code == 400 and "horse" not in refused.text
    server.stop()
    for path in [*server.data.rglob("*"), server.log]:
        if path.is_file():
            assert b"correct-horse" not in path.read_bytes(), path
    assert (server.data / "secrets.key").stat().st_mode & 0o777 == 0o600


def test_a_backup_has_no_key_and_the_restored_server_says_so(server: Server, tmp_path: Path) -> None:
    assert put(server, "broker", "correct-horse-battery") == 201
    server.cli("backup", str(tmp_path / "copy"))
    assert not (tmp_path / "copy" / "secrets.key").exists()


def test_a_reader_of_streams_has_no_business_with_secrets(server: Server) -> None:
    reader = server.requests.post("/v1/tokens", json={"name": "r", "scopes": ["objects:write"]}).json()["token"]
    client = server.client(reader)
    assert client.get("/v1/secrets").status_code == 403
    assert client.put("/v1/secrets/x", json={"value": "y"}).status_code == 403


def test_wrong_names_and_values_are_refused_in_words(server: Server) -> None:
    assert put(server, "with space", "x") == 400
    assert put(server, "a" * 129, "x") == 400
    assert put(server, "a", "") == 400
    long = server.requests.put("/v1/secrets/a", json={"value": "x" * 65_537})
    assert long.status_code in (400, 413) and "value" in long.text
