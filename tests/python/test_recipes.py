"""The recipes that ship, run by a real kernel on real tables; the server is a played one."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from answers import KINDS, OFFICIAL
from conftest import ROOT, SAMPLE, SHARED, PlayedServer, needs_shared
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

RECIPES = ROOT / "recipes"
NAMES = ["favourite-receiver", "kinds-of-receivers"]
RESULT = "application/vnd.suricate.result+json"

TABLES = [
    pytest.param(SAMPLE, id="sample"),
    pytest.param(SHARED / "nfl-2013-week1-DEN-BAL.csv", id="text", marks=needs_shared),
]


@pytest.fixture
def cook(played: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that runs a recipe on a file and gives its result and its charts."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "sdk" / "python"))

    def run(recipe: str, file: Path | bytes, name: str = "table.csv", **parameters: Any) -> tuple[Any, list[Any]]:
        played.put(name, file if isinstance(file, bytes) else file.read_bytes(), "text/csv")
        notebook = nbformat.read(RECIPES / f"{recipe}.ipynb", as_version=4)
        place = next(n for n, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", ()))
        lines = "\n".join(f"{key} = {value!r}" for key, value in {"object": name, **parameters}.items())
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(lines))
        NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
        data = [output["data"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
        results = [bundle[RESULT] for bundle in data if RESULT in bundle]
        assert len(results) == 1
        return json.loads(json.dumps(results[0])), [bundle for bundle in data if "image/png" in bundle]

    return run


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("parameters", [{}, {"passer": "P.Manning", "game": "20130905_BAL@DEN"}])
def test_favourite_receiver_gives_the_official_answer(cook: Any, table: Path, parameters: dict[str, str]) -> None:
    result, charts = cook("favourite-receiver", table, **parameters)
    receivers = result.pop("receivers")
    assert result == {"passer": "P.Manning", "game": "20130905_BAL@DEN", "measure": "catches", "favourite": "W.Welker"}
    assert [tuple(row.values()) for row in receivers] == OFFICIAL
    assert [*receivers[0]] == ["receiver", "targets", "catches", "yards", "touchdowns"]
    assert len(charts) == 1


def test_favourite_receiver_by_another_measure(cook: Any) -> None:
    result, _ = cook("favourite-receiver", SAMPLE, measure="yards")
    assert result["favourite"] == "D.Thomas" and result["measure"] == "yards"


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"passer": "T.Brady"}, "no pass by 'T.Brady'; those with most yards are P.Manning, J.Flacco"),
        ({"game": "20130905_BAL@DAL"}, "no pass in a game '20130905_BAL@DAL'; the table has 20130905_BAL@DEN"),
        ({"measure": "fame"}, "measure must be catches, targets, yards or touchdowns, was 'fame'"),
    ],
)
def test_favourite_receiver_says_what_is_wrong(cook: Any, parameters: dict[str, str], complaint: str) -> None:
    with pytest.raises(CellExecutionError, match=re.escape(complaint)):
        cook("favourite-receiver", SAMPLE, **parameters)


@needs_shared
def test_favourite_receiver_over_a_season(cook: Any) -> None:
    whole, _ = cook("favourite-receiver", SHARED / "nfl-2013.csv.gz", passer="P.Manning")
    assert whole["game"] is None and whole["favourite"] == "D.Thomas"
    one, _ = cook("favourite-receiver", SHARED / "nfl-2013.csv.gz", passer="P.Manning", game="20130905_BAL@DEN")
    assert [tuple(row.values()) for row in one["receivers"]] == OFFICIAL


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("parameters", [{}, {"passer": "P.Manning"}])
def test_kinds_of_receivers_are_the_three_known_ones(cook: Any, table: Path, parameters: dict[str, str]) -> None:
    result, charts = cook("kinds-of-receivers", table, **parameters)
    assert (result["category"], result["columns"]) == ("receiver", ["down", "distance", "yards"])
    found = [(kind["size"], kind["ranges"]["yards"], kind["categories"]) for kind in result["clusters"]]
    assert found == KINDS
    low, high = result["clusters"][0]["ranges"]["down"]
    assert 1 <= low <= high <= 3
    assert [*result["silhouettes"]] == ["2", "3", "4", "5", "6", "7"]
    assert result["silhouettes"]["3"] == pytest.approx(0.365, abs=0.002)
    assert len(charts) == 1


def test_kinds_of_receivers_takes_another_number(cook: Any) -> None:
    result, _ = cook("kinds-of-receivers", SAMPLE, clusters=2)
    assert len(result["clusters"]) == 2 and sum(kind["size"] for kind in result["clusters"]) == 27


def test_kinds_of_receivers_works_on_any_table(cook: Any) -> None:
    rows = [(shop, price + step / 10, 3 * price) for shop, price in (("a", 1), ("b", 5), ("c", 9)) for step in range(9)]
    table = pd.DataFrame(rows, columns=["shop", "price", "weight"]).to_csv(index=False).encode()
    result, _ = cook("kinds-of-receivers", table)
    assert (result["category"], result["columns"]) == ("shop", ["price", "weight"])
    assert [kind["categories"] for kind in result["clusters"]] == [{"a": 9}, {"b": 9}, {"c": 9}]


def test_kinds_of_receivers_takes_other_columns_of_a_table_of_plays(cook: Any) -> None:
    result, _ = cook("kinds-of-receivers", SAMPLE, category="kind", columns=["down", "yards"], clusters=2)
    names = {name for kind in result["clusters"] for name in kind["categories"]}
    assert names == {"pass", "run", "sack", "kneel"} and result["columns"] == ["down", "yards"]


@needs_shared
def test_kinds_of_receivers_works_on_share_prices(cook: Any) -> None:
    result, _ = cook("kinds-of-receivers", SHARED / "stocks-2003-2007.csv.gz", "stocks.csv.gz")
    assert result["category"] == "symbol" and sum(kind["size"] for kind in result["clusters"]) == 20_000


# The files -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_a_clean_notebook_with_a_whole_declaration(name: str) -> None:
    notebook = nbformat.read(RECIPES / f"{name}.ipynb", as_version=nbformat.NO_CONVERT)
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) == (4, 5)
    assert notebook.metadata.kernelspec.name == "python3"
    declaration = notebook.metadata.suricate.recipe
    assert declaration.name == name and re.fullmatch(r"\d+\.\d+\.\d+", declaration.version)
    assert all(declaration[key] for key in ("title", "summary", "author", "licence", "input"))
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in notebook.cells)


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_has_a_type_a_default_and_a_word_of_help(name: str) -> None:
    notebook = nbformat.read(RECIPES / f"{name}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", ())]
    lines = cell.source.splitlines()
    form = re.compile(r"[a-z_]+: (str|int|float|bool|list|dict) = .+  # \S.+")
    assert all(form.fullmatch(line) for line in lines)
    assert lines[0].startswith("object: str = ")


def test_the_index_agrees_with_the_notebooks() -> None:
    entries = json.loads((RECIPES / "index.json").read_text())["recipes"]
    assert [entry["name"] for entry in entries] == NAMES == sorted(file.stem for file in RECIPES.glob("*.ipynb"))
    for entry in entries:
        content = (RECIPES / entry.pop("file")).read_bytes()
        assert entry.pop("sha256") == hashlib.sha256(content).hexdigest()
        assert entry == json.loads(content)["metadata"]["suricate"]["recipe"]
