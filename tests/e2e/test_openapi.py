"""The OpenAPI document against the server: what it lists is there, and what is there it lists."""

from __future__ import annotations

import re
from typing import Any, Iterator

from conftest import ROOT


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method.upper(), path, operation


def test_the_document_is_openapi_3_1(server):
    document = server.client(None).get("/v1/openapi.json").json()
    assert document["openapi"] == "3.1.0" and document["info"]["version"]
    assert document["components"]["schemas"]["problem"]["required"] == ["type", "title", "status"]
    names = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(names) == len(set(names)) > 40
    for method, path, operation in operations(document):
        assert operation["summary"], (method, path)
        in_path = {item["name"] for item in operation["parameters"] if item["in"] == "path"}
        assert in_path == set(re.findall(r"\{([^}]+)\}", path)), path
        assert "default" in operation["responses"] and len(operation["responses"]) == 2


def test_every_listed_address_is_routed_and_no_other_method_is(server):
    document = server.requests.get("/v1/openapi.json").json()
    for path, item in document["paths"].items():
        address = re.sub(r"\{[^}]*\}", "none", path)
        for method in ("GET", "PUT", "POST", "DELETE", "PATCH"):
            with server.client(None).request(method, address, stream=True, allow_redirects=False) as answer:
                if method.lower() in item:
                    assert answer.status_code != 405, (method, path)
                else:
                    assert answer.status_code == 405, (method, path)
                    allowed = set(answer.headers["Allow"].split(", ")) - {"HEAD"}
                    assert {name.lower() for name in allowed} >= set(item), path


def test_every_route_of_the_source_is_in_the_document(server):
    listed = {(method, path) for method, path, _ in operations(server.requests.get("/v1/openapi.json").json())}
    written = set()
    for source in (ROOT / "src" / "api").glob("*.c"):
        pattern = r'\{\s*(?:\.method = )?"(GET|PUT|POST|DELETE|PATCH)",\s*(?:\.path = )?"(/[^"]*)"'
        for method, path in re.findall(pattern, source.read_text()):
            written.add((method, path.replace("*", "")))
    assert written and written == listed


def test_the_parameters_listed_are_the_parameters_taken(server):
    for method, path, operation in operations(server.requests.get("/v1/openapi.json").json()):
        if method != "GET" or operation.get("security") == []:
            continue
        address = re.sub(r"\{[^}]*\}", "none", path)
        with server.requests.get(address, params={"no_such_parameter": "1"}, stream=True) as answer:
            assert answer.status_code == 400 and answer.json()["field"] == "no_such_parameter", path
        for item in operation["parameters"]:
            if item["in"] == "query" and item["name"] != "token":
                value = {"integer": "1", "boolean": "true"}.get(item["schema"]["type"], "1s")
                with server.requests.get(address, params={item["name"]: value}, stream=True) as answer:
                    assert answer.status_code != 400 or answer.json().get("field") != item["name"] or "there is no parameter" not in answer.text, (path, item["name"])


def test_request_bodies_are_described_field_by_field(server):
    document = server.requests.get("/v1/openapi.json").json()
    body = document["paths"]["/v1/tokens"]["post"]["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"name", "scopes", "expires_in"} and set(schema["required"]) == {"name", "scopes"}


def test_the_metrics_are_openmetrics(server):
    text = server.client(None).get("/metrics").text
    assert text.endswith("# EOF\n")
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, flags=re.M))
    for line in text.splitlines():
        if not line.startswith("#"):
            name = re.match(r"[a-z_]+", line).group(0)
            family = re.sub(r"_(total|info|bucket|sum|count)$", "", name)
            assert family in types or name in types, line
            float(line.rsplit(" ", 1)[1])
