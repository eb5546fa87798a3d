"""Dashboards: what may be published, at which addresses, by whom; that a restart keeps them."""

from __future__ import annotations

from typing import Any

import pytest
from conftest import Server


def put(server: Server, slug: str, **body: Any) -> Any:
    return server.requests.put(f"/v1/dashboards/{slug}", json=body)


def test_a_notebook_is_published_changed_listed_and_taken_down(server: Server) -> None:
    server.put_notebook("reports/week.ipynb", "print(1)")
    made = put(server, "week", notebook="reports/week.ipynb", title="The week")
    assert made.status_code == 201
    assert made.json() == server.requests.get("/v1/dashboards/week").json()
    assert {key: made.json()[key] for key in ("slug", "title", "notebook", "run", "show_code", "changed_by")} == {
        "slug": "week", "title": "The week", "notebook": "reports/week.ipynb", "run": None, "show_code": False, "changed_by": "owner"}
    changed = put(server, "week", notebook="reports/week.ipynb", title="This week", show_code=True)
    assert changed.status_code == 200 and changed.json()["show_code"] is True
    assert changed.json()["created_at"] == made.json()["created_at"]
    assert [item["title"] for item in server.requests.get("/v1/dashboards").json()["items"]] == ["This week"]
    server.restart(kill=True)
    assert server.requests.get("/v1/dashboards/week").json()["title"] == "This week"
    assert server.requests.delete("/v1/dashboards/week").status_code == 204
    assert server.requests.get("/v1/dashboards/week").status_code == 404
    assert server.requests.delete("/v1/dashboards/week").status_code == 404
    assert server.requests.get("/v1/notebooks/reports/week.ipynb").status_code == 200


def test_a_run_is_published(server: Server) -> None:
    run = server.run("print(1)")
    made = put(server, "r", run=run["id"], title="A run")
    assert made.status_code == 201 and made.json()["run"] == run["id"] and made.json()["notebook"] is None


@pytest.mark.parametrize(("slug", "body", "status", "field"), [
    ("x", {"title": "t"}, 400, "/notebook"),
    ("x", {"title": "t", "notebook": "there", "run": "r"}, 400, "/notebook"),
    ("x", {"notebook": "there"}, 400, "/title"),
    ("x", {"title": "", "notebook": "there"}, 400, "/title"),
    ("x", {"title": "t" * 201, "notebook": "there"}, 400, "/title"),
    ("x", {"title": "t", "notebook": "there", "more": 1}, 400, "/more"),
    ("X", {"title": "t", "notebook": "there"}, 400, "slug"),
    ("-x", {"title": "t", "notebook": "there"}, 400, "slug"),
    ("x%C3%A4", {"title": "t", "notebook": "there"}, 400, "slug"),
    ("x" * 65, {"title": "t", "notebook": "there"}, 400, "slug"),
    ("x", {"title": "t", "notebook": "not there"}, 404, "name"),
    ("x", {"title": "t", "run": "01m88p9psnyaqvjecymxh6ny7d"}, 404, None),
])
def test_what_is_no_dashboard_is_refused(shared_server: Server, slug: str, body: dict[str, Any], status: int, field: str | None) -> None:
    shared_server.put_notebook("there", "print(1)")
    answer = put(shared_server, slug, **body)
    assert answer.status_code == status, answer.text
    assert answer.json().get("field") == field
    assert shared_server.requests.get("/v1/dashboards/x").status_code == 404


def test_dashboards_come_page_by_page_in_order(server: Server) -> None:
    server.put_notebook("n", "print(1)")
    for number in (3, 1, 5, 2, 4):
        put(server, f"d{number}", notebook="n", title=f"Number {number}")
    seen, cursor = [], None
    while True:
        page = server.requests.get("/v1/dashboards", params={"limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["slug"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ["d1", "d2", "d3", "d4", "d5"]


def test_who_may_only_read_does_not_publish(server: Server) -> None:
    server.put_notebook("n", "print(1)")
    put(server, "d", notebook="n", title="t")
    token = server.requests.post("/v1/tokens", json={"name": "reader", "scopes": ["notebooks:read"]}).json()["token"]
    reader = server.client(token)
    assert reader.get("/v1/dashboards/d").status_code == 200
    assert reader.put("/v1/dashboards/d", json={"notebook": "n", "title": "mine"}).status_code == 403
    assert reader.delete("/v1/dashboards/d").status_code == 403
