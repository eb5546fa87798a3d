"""The recipes that ship, and a user's own: declared, listed, run, embedded, exported, added, shopped for."""

from __future__ import annotations

import functools
import http.server
import json
import sys
import threading
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import ROOT, SAMPLE, Server, notebook

sys.path.insert(0, str(ROOT / "tests"))

from answers import KINDS, OFFICIAL  # noqa: E402

SHARED = ROOT.parent / "shared" / "data"
RECIPES = ROOT / "recipes"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="the real data files are not beside this checkout")

TABLES = [pytest.param(SAMPLE, id="sample"), pytest.param(SHARED / "nfl-2013-week1-DEN-BAL.csv", id="text", marks=needs_shared)]


def put(server: Server, name: str, file: Path) -> None:
    kind = "application/gzip" if file.suffix == ".gz" else "text/csv"
    server.put(name, file.read_bytes(), **{"Content-Type": kind})


def cook(server: Server, recipe: str, object: str, **parameters: Any) -> dict[str, Any]:
    answer = server.requests.post(f"/v1/recipes/{recipe}/runs", json={"object": object, "parameters": parameters})
    assert answer.status_code == 202, answer.text
    record = server.wait_run(answer.json()["id"])
    assert record["state"] == "succeeded", (record["state"], record["reason"], record["error"])
    return record


def own_recipe(name: str, *cells: str) -> bytes:
    declaration = {"name": name, "title": "Rows", "summary": "Counts rows.", "version": "1.2.0", "author": "A user",
                   "licence": "CC0-1.0", "input": {"any_of": [{"at_least": {"text": 0, "numeric": 1}}]}}
    parameters = "object: str = 'x'  # the table\ntimes: int = 1  # how often each row counts"
    return json.dumps(notebook(*cells, parameters=parameters, metadata={"suricate": {"recipe": declaration}})).encode()


COUNT = "import suricate as s\ns.result(len(s.read(object)) * times)"


# The two that ship ---------------------------------------------------------------------------


@pytest.mark.parametrize("table", TABLES)
def test_favourite_receiver_gives_the_official_answer(shared_server: Server, table: Path) -> None:
    put(shared_server, f"recipes/{table.stem}.csv", table)
    record = cook(shared_server, "favourite-receiver", f"recipes/{table.stem}.csv", passer="P.Manning")
    receivers = record["result"].pop("receivers")
    assert record["result"] == {
        "passer": "P.Manning", "game": "20130905_BAL@DEN", "measure": "catches", "favourite": "W.Welker"}
    assert [tuple(row[key] for key in ("receiver", "targets", "catches", "yards", "touchdowns")) for row in receivers] == OFFICIAL
    assert sorted(figure["name"] for figure in record["figures"]) == ["figure-1.png", "figure-1.svg"]
    assert record["recipe"]["name"] == "favourite-receiver"


@pytest.mark.parametrize("table", TABLES)
def test_kinds_of_receivers_are_the_three_known_ones(shared_server: Server, table: Path) -> None:
    put(shared_server, f"recipes/{table.stem}.csv", table)
    record = cook(shared_server, "kinds-of-receivers", f"recipes/{table.stem}.csv", passer="P.Manning")
    result = record["result"]
    assert (result["category"], result["columns"]) == ("receiver", ["down", "distance", "yards"])
    assert [(kind["size"], kind["ranges"]["yards"], kind["categories"]) for kind in result["clusters"]] == KINDS
    assert result["clusters"][0]["ranges"]["down"][1] <= 3
    assert sorted(result["silhouettes"]) == ["2", "3", "4", "5", "6", "7"]
    assert len(record["figures"]) == 2


@needs_shared
def test_favourite_receiver_reads_a_whole_season(shared_server: Server) -> None:
    put(shared_server, "recipes/nfl-2013.csv.gz", SHARED / "nfl-2013.csv.gz")
    record = cook(shared_server, "favourite-receiver", "recipes/nfl-2013.csv.gz", game="20130905_BAL@DEN", passer="P.Manning")
    assert record["result"]["favourite"] == "W.Welker"
    assert cook(shared_server, "favourite-receiver", "recipes/nfl-2013.csv.gz")["result"]["passer"] == "P.Manning"


def test_the_command_line_runs_a_recipe(shared_server: Server) -> None:
    shared_server.cli("put", SAMPLE, "recipes/cli.csv")
    done = shared_server.cli(
        "recipe", "run", "favourite-receiver", "--object", "recipes/cli.csv", "-p", "passer=P.Manning", "--wait", "--json")
    assert json.loads(done.stdout)["result"]["favourite"] == "W.Welker"


def test_a_failed_recipe_says_what_is_wrong(shared_server: Server) -> None:
    put(shared_server, "recipes/sample.csv", SAMPLE)
    answer = shared_server.requests.post(
        "/v1/recipes/favourite-receiver/runs", json={"object": "recipes/sample.csv", "parameters": {"passer": "T.Brady"}})
    record = shared_server.wait_run(answer.json()["id"])
    assert record["state"] == "failed"
    assert "no pass by 'T.Brady'" in record["error"]["evalue"]


# What fits -----------------------------------------------------------------------------------


def fitting(server: Server, object: str) -> dict[str, tuple[bool, str | None]]:
    items = server.requests.get("/v1/recipes", params={"object": object}).json()["items"]
    return {item["name"]: (item["fits"], item.get("reason")) for item in items}


@pytest.mark.parametrize("table", TABLES)
def test_both_fit_a_table_of_plays(shared_server: Server, table: Path) -> None:
    put(shared_server, f"recipes/{table.stem}.csv", table)
    found = fitting(shared_server, f"recipes/{table.stem}.csv")
    assert found["favourite-receiver"][0] and found["kinds-of-receivers"][0]


def test_what_does_not_fit_says_why(shared_server: Server) -> None:
    shared_server.put("recipes/shops.csv", "shop,price,weight\na,1,2\nb,2,4\nc,3,6\n", **{"Content-Type": "text/csv"})
    shared_server.put("recipes/noise", bytes(range(256)))
    shops, noise = fitting(shared_server, "recipes/shops.csv"), fitting(shared_server, "recipes/noise")
    assert shops["kinds-of-receivers"][0] and not shops["favourite-receiver"][0]
    assert "no column" in str(shops["favourite-receiver"][1])
    assert not noise["kinds-of-receivers"][0] and noise["kinds-of-receivers"][1]


def test_recipes_are_listed_with_their_parameters(shared_server: Server) -> None:
    items = {item["name"]: item for item in shared_server.requests.get("/v1/recipes").json()["items"]}
    for name in ("favourite-receiver", "kinds-of-receivers"):
        declaration = json.loads((RECIPES / f"{name}.ipynb").read_bytes())["metadata"]["suricate"]["recipe"]
        assert {key: items[name][key] for key in declaration} == declaration
    parameters = {item["name"]: item for item in items["kinds-of-receivers"]["parameters"]}
    assert parameters["clusters"]["type"] == "int" and parameters["clusters"]["default"] == 3
    assert parameters["clusters"]["help"] == "how many kinds to look for"


@pytest.mark.parametrize("parameters", [{"clusters": "three"}, {"colour": "red"}])
def test_a_parameter_that_is_not_taken_is_refused(shared_server: Server, parameters: dict[str, Any]) -> None:
    put(shared_server, "recipes/sample.csv", SAMPLE)
    answer = shared_server.requests.post(
        "/v1/recipes/kinds-of-receivers/runs", json={"object": "recipes/sample.csv", "parameters": parameters})
    assert answer.status_code in (400, 422) and next(iter(parameters)) in answer.text


# One's own -----------------------------------------------------------------------------------


def test_a_notebook_becomes_a_recipe_by_its_declaration_and_moves_as_one_file(server: Server, tmp_path: Path) -> None:
    file, moved = tmp_path / "rows.ipynb", tmp_path / "moved.ipynb"
    file.write_bytes(own_recipe("rows", COUNT))
    server.cli("recipe", "add", file)
    server.put("t.csv", "a,b\nx,1\ny,2\n", **{"Content-Type": "text/csv"})
    assert fitting(server, "t.csv")["rows"][0]
    assert cook(server, "rows", "t.csv", times=3)["result"] == 6
    server.cli("recipe", "export", "rows", "-o", moved)
    assert json.loads(moved.read_bytes())["metadata"]["suricate"] == json.loads(file.read_bytes())["metadata"]["suricate"]
    server.cli("recipe", "rm", "rows")
    assert server.requests.get("/v1/recipes/rows").status_code == 404
    server.cli("recipe", "add", moved)
    assert cook(server, "rows", "t.csv")["result"] == 2


def test_a_notebook_without_a_declaration_is_no_recipe(shared_server: Server, tmp_path: Path) -> None:
    (tmp_path / "plain.ipynb").write_text(json.dumps(notebook("1")))
    done = shared_server.cli("recipe", "add", tmp_path / "plain.ipynb", check=False)
    assert done.returncode != 0 and "recipe" in done.stderr


def test_the_newest_figure_is_embedded_by_a_token_that_can_do_nothing_else(shared_server: Server) -> None:
    put(shared_server, "recipes/sample.csv", SAMPLE)
    cook(shared_server, "favourite-receiver", "recipes/sample.csv")
    made = shared_server.requests.post("/v1/tokens", json={"name": "frame", "scopes": ["figures:read"], "expires_in": "1d"})
    token, nobody = made.json()["token"], shared_server.client(None)
    for kind, start in (("svg", b"<"), ("png", b"\x89PNG")):
        address = f"/v1/recipes/favourite-receiver/latest/figure.{kind}"
        answer = nobody.get(address, params={"token": token})
        assert answer.status_code == 200 and answer.content.startswith(start)
        assert nobody.get(address, params={"token": shared_server.token}).status_code in (401, 403)
        assert nobody.get(address).status_code in (401, 403)
    assert shared_server.client(token).get("/v1/objects/recipes/sample.csv").status_code == 403


# The shop ------------------------------------------------------------------------------------


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A folder on a web server of this machine."""
    handler = functools.partial(_Quiet, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
        yield f"http://127.0.0.1:{web.server_address[1]}", tmp_path
        web.shutdown()


def test_a_folder_with_an_index_is_a_shop(server: Server, shop: tuple[str, Path]) -> None:
    address, folder = shop
    (folder / "rows.ipynb").write_bytes(own_recipe("rows", COUNT))
    server.cli("recipe", "index", folder)
    assert "rows" in server.cli("recipe", "add", f"{address}/index.json").stdout
    server.cli("recipe", "add", f"{address}/index.json", "rows")
    assert server.requests.get("/v1/recipes/rows").json()["version"] == "1.2.0"
    (folder / "rows.ipynb").write_bytes(own_recipe("rows", "1 / 0"))
    done = server.cli("recipe", "add", f"{address}/index.json", "rows", check=False)
    assert done.returncode != 0 and "SHA-256" in done.stderr


def test_the_index_that_ships_is_the_one_the_command_makes(server: Server, tmp_path: Path) -> None:
    for file in RECIPES.glob("*.ipynb"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    server.cli("recipe", "index", tmp_path)
    assert json.loads((tmp_path / "index.json").read_text()) == json.loads((RECIPES / "index.json").read_text())
