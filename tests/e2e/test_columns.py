"""Objects as columns: the frame that pandas makes of the file, without reading the file again."""

from __future__ import annotations

import gzip
import io
import os
import random
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from conftest import Server

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "sdk" / "python"))

from suricate._columns import blocks_of, frame_of  # noqa: E402
from suricate._objects import _guess_delimiter  # noqa: E402

SAMPLES = sorted((ROOT / "samples").rglob("*.csv")) + sorted((ROOT / "samples").rglob("*.csv.gz"))
DATA = Path(os.environ.get("SURICATE_DATA_FILES", ROOT.parent / "shared" / "data"))
pytestmark = pytest.mark.filterwarnings("ignore:.*mixed types")  # pandas says so of columns whose pieces differ
LARGE = sorted(DATA.glob("*.csv*")) if DATA.is_dir() else []


def columns(server: Server, name: str) -> tuple[pd.DataFrame, str]:
    """Give the frame of an object's columns, and what the server says of it."""
    reply = server.requests.get(f"/v1/objects/{name}", params={"view": "columns"})
    assert reply.status_code == 200, reply.text
    assert reply.headers["Content-Type"] == "application/x-suricate-columns"
    frame = frame_of(reply.content)
    assert len(frame) == int(reply.headers["X-Suricate-Rows"])
    return frame, reply.headers["X-Suricate-Frame"]


def check_same(server: Server, name: str, text: bytes) -> None:
    server.put(name, text)
    frame, verdict = columns(server, name)
    assert verdict == "same"
    plain = gzip.decompress(text) if text[:2] == b"\x1f\x8b" else text
    expected = pd.read_csv(io.BytesIO(plain), sep=_guess_delimiter(plain[: 1 << 16].decode("utf-8-sig", "replace")), encoding="utf-8-sig")
    pd.testing.assert_frame_equal(frame, expected, check_exact=True)


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_samples_give_the_frame_that_pandas_makes(shared_server: Server, path: Path) -> None:
    check_same(shared_server, f"columns/{path.name}", path.read_bytes())


@pytest.mark.parametrize("path", LARGE, ids=lambda path: path.name)
def test_large_files_give_the_frame_that_pandas_makes_or_say_that_they_do_not(shared_server: Server, path: Path) -> None:
    name = f"columns/{path.name}"
    shared_server.put(name, path.read_bytes())
    frame, verdict = columns(shared_server, name)
    expected = pd.read_csv(path, low_memory=True)
    if verdict == "same":
        pd.testing.assert_frame_equal(frame, expected, check_exact=True)
    else:
        assert list(frame.columns) == list(expected.columns) and len(frame) == len(expected)


def random_cell(chance: random.Random, kind: int) -> str:
    if chance.random() < 0.1 and kind % 2:
        return chance.choice(["", "NA", "NaN", "null", "None", "#N/A", "<NA>"])
    match kind // 2:
        case 0: return str(chance.randint(-(10 ** chance.randint(1, 18)), 10 ** chance.randint(1, 18)))
        case 1: return chance.choice([repr, str, "{:.3f}".format, "{:e}".format])(chance.uniform(-1e6, 1e6))
        case 2: return chance.choice(["True", "False", "TRUE", "false"])
        case 3: return chance.choice(["a", "b c", " d ", "ä€😀", '"quoted, with ""quotes"" "', '"two\nlines"', "2020-01-01", "-", "1-2"])
        case 4: return chance.choice(["1", "2.50", "-0", "1e3", "inf", "-inf", " 7", "007", "5.", ".5"])
        case _: return chance.choice(["1", "x", "True", "2.5"])  # fmt: skip


@pytest.mark.parametrize("seed", range(25))
def test_random_tables_give_the_frame_that_pandas_makes(shared_server: Server, seed: int) -> None:
    chance = random.Random(seed)
    kinds = [chance.randrange(12) for _ in range(chance.randint(2, 9))]
    delimiter = chance.choice(",,;\t|")
    lines = [delimiter.join(f"column {i}" for i in range(len(kinds)))]
    lines += [delimiter.join(random_cell(chance, kind) for kind in kinds) for _ in range(chance.choice([1, 3, 50, 700]))]
    end = chance.choice(["\n", "\r\n"])
    text = chance.choice(["", "\ufeff"]) + end.join(lines) + chance.choice(["", end])
    if delimiter != "," and "quoted, with" in text:
        text = text.replace("quoted, with", "quoted with")
    check_same(shared_server, f"columns/random-{seed}.csv", text.encode())


@pytest.mark.parametrize(("what", "text"), {
    "numbers and then texts": "a,b\n" + "1,1\n" * 600_000 + "x,1\n",
    "booleans and then numbers": "a,b\n" + "True,1\n" * 600_000 + "2,1\n",
    "names twice": "a,a\n1,2\n",
    "records that are longer": "a,b\n1,2,3\n",
    "integers past 64 bits": "a\n18446744073709551615\n1\n",
    "another encoding": "a,b\né,1\n".encode("latin-1"),
    "a quote left open": 'a,b\n"1,2\n',
}.items())  # fmt: skip
def test_what_pandas_reads_otherwise_is_said(shared_server: Server, what: str, text: str | bytes) -> None:
    name = f"columns/{what.replace(' ', '-')}.csv"
    shared_server.put(name, text)
    _, verdict = columns(shared_server, name)
    assert verdict == "differs"


@pytest.mark.parametrize(("name", "content"), [
    ("empty.csv", b""), ("header.csv", b"a,b\n"), ("picture.png", b"\x89PNG"), ("binary.csv", b"a,b\n\0\0\0\0\1"), ("bad.ndjson", b'{"a":1}\n{"a":\n'),
    ("value.json", b'{"a":1}'), ("cut.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000, mtime=0)[:40]),
], ids=lambda value: value if isinstance(value, str) else "")  # fmt: skip
def test_what_is_no_table_is_refused(shared_server: Server, name: str, content: bytes) -> None:
    shared_server.put(f"columns/{name}", content)
    for _ in range(2):
        reply = shared_server.requests.get(f"/v1/objects/columns/{name}", params={"view": "columns"})
        assert reply.status_code in (422, 400)
        assert reply.json()["detail"]


def test_json_records_become_columns_by_path(shared_server: Server) -> None:
    lines = b'{"n":1,"u":{"name":"ada"},"ok":true}\n\n{"n":2.5,"l":[1,2]}\n'
    shared_server.put("columns/records.ndjson", lines)
    frame, verdict = columns(shared_server, "columns/records.ndjson")
    assert verdict == "differs"
    assert frame.to_dict("list")["n"] == [1.0, 2.5]
    assert list(frame.columns) == ["n", "u.name", "ok", "l"]
    shared_server.put("columns/records.json", b'[{"n":1},\n {"n":2}]')
    frame, _ = columns(shared_server, "columns/records.json")
    assert frame["n"].tolist() == [1, 2]


def files_of(server: Server) -> set[Path]:
    return {path for path in (server.data / "blobs").rglob("*") if path.is_file()}


def test_columns_are_made_once_and_go_with_the_object(server: Server) -> None:
    before: Any = files_of(server)
    server.put("table.csv", "a,b\n1,x\n2,y\n")
    assert len(files_of(server) - before) == 1
    first, _ = columns(server, "table.csv")
    second, _ = columns(server, "table.csv")
    pd.testing.assert_frame_equal(first, second)
    assert len(files_of(server) - before) == 2
    server.restart()
    columns(server, "table.csv")
    assert len(files_of(server) - before) == 2
    server.requests.delete("/v1/objects/table.csv").raise_for_status()
    assert files_of(server) == before


def test_many_rows_come_as_many_blocks(shared_server: Server) -> None:
    rows = 300_000
    text = "n,half,few,flag,sparse\n" + "".join(f"{i},{i / 2},{i % 7}x,{i % 2 == 0},{'late' if i > 280_000 else ''}\n" for i in range(rows))
    check_same(shared_server, "columns/many.csv", text.encode())
    reply = shared_server.requests.get("/v1/objects/columns/many.csv", params={"view": "columns"})
    assert [block.rows for block in blocks_of(reply.content)] == [131072, 131072, rows - 2 * 131072]
    assert len(reply.content) < 20 * rows


def test_the_reader_of_the_reference_page_reads_them(shared_server: Server) -> None:
    page = (ROOT / "docs" / "reference" / "columns.md").read_text()
    names: dict[str, Any] = {}
    exec(page.partition("```python\n")[2].partition("```")[0], names)
    shared_server.put("columns/page.csv", "n,half,few,flag,id,none\n" + "".join(f"{i},{i / 2},{'ab'[i % 2]},{i % 3 == 0},id-{i},\n" for i in range(500)) + ",,,,,\n")
    frame, _ = columns(shared_server, "columns/page.csv")
    reply = shared_server.requests.get("/v1/objects/columns/page.csv", params={"view": "columns"})
    (block,) = names["read"](reply.content)
    assert [name for name, _ in block] == list(frame.columns)
    for (name, _), values in block.items():
        expected = [None if pd.isna(value) else value for value in frame[name]]
        assert [None if value is not None and value != value else value for value in values] == expected
