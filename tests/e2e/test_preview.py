"""Previews over HTTP, held against pandas, and the odd files of the world."""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import random
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import IS_SANITIZED, SAMPLE, Server

pd = pytest.importorskip("pandas")


def preview(server: Server, name: str, content: bytes, **headers: str) -> dict[str, Any]:
    server.put(name, content, **headers)
    answer = server.requests.get(f"/v1/objects/{name}?view=preview&wait=60s")
    assert answer.status_code == 200, answer.text
    return answer.json()


def close(got: float, want: float) -> bool:
    return math.isclose(got, want, rel_tol=1e-9, abs_tol=1e-12)


def shown(text: str) -> str:
    """A text as a preview shows it: at most 200 bytes, whole characters."""
    kept = text.encode()[:200].decode(errors="ignore")
    return kept if kept == text else kept + "…"


def assert_agrees(column: dict[str, Any], values: Any, where: str) -> None:
    """One column of a preview against the pandas series of the same file."""
    assert column["count"] == values.count(), where
    assert column["nulls"] == values.isna().sum(), where
    if column["distinct_exact"]:
        assert column["distinct"] == values.nunique(), where
    else:
        assert abs(column["distinct"] / values.nunique() - 1) < 0.05, where
    if column["type"] in ("integer", "number"):
        numbers = values.dropna().astype(float)
        assert close(column["min"], numbers.min()) and close(column["max"], numbers.max()), where
        assert close(column["mean"], math.fsum(numbers) / len(numbers)), where
    elif column["type"] == "text":
        texts = values.dropna().astype(str)
        assert column["min"] == shown(min(texts, key=lambda t: t.encode())), where
        assert column["max"] == shown(max(texts, key=lambda t: t.encode())), where
    if column["distinct_exact"] and column["type"] == "text":
        counts = values.value_counts()
        counts.index = counts.index.map(shown)
        for entry in column["top"]:
            assert counts[entry["value"]] == entry["count"], where
        assert [entry["count"] for entry in column["top"]] == list(counts.head(10)), where


def test_the_sample_agrees_with_pandas(server: Server) -> None:
    content = SAMPLE.read_bytes()
    got = preview(server, "sample.csv", content)
    frame = pd.read_csv(io.BytesIO(content))
    assert got["kind"] == "csv" and got["header"] is True and got["rows"] == len(frame) and got["complete"]
    assert [column["name"] for column in got["columns"]] == list(frame.columns)
    for column in got["columns"]:
        assert_agrees(column, frame[column["name"]], column["name"])
    assert len(got["sample"]) == 50


def random_table(rng: random.Random) -> tuple[bytes, dict[str, Any]]:
    """A table of random columns in a random dialect."""
    words = ["ann", "bob", "a, b", 'say "hi"', "line\nend", "café", "x" * 300, " padded ", "Nancy", "0x1f", "1-2"]
    makers = {
        "integer": lambda: str(rng.randrange(-10**rng.randrange(1, 18), 10**rng.randrange(1, 18))),
        "number": lambda: rng.choice(["%.3f", "%e", "%.17g"]) % rng.uniform(-1e6, 1e6),
        "small": lambda: str(rng.randrange(5)),
        "word": lambda: rng.choice(words),
        "boolean": lambda: rng.choice(["true", "false"]),
        "unique": lambda: f"id-{rng.getrandbits(60)}",
        "mixed": lambda: rng.choice(["1", "2.5", "three"]),
    }
    columns = [f"{kind}_{index}" for index, kind in enumerate(rng.choices(list(makers), k=rng.randrange(1, 9)))]
    nulls = {name: rng.choice([0, 0, 0.1, 0.9]) for name in columns}
    dialect = {"delimiter": rng.choice(",;\t|"), "lineterminator": rng.choice(["\n", "\r\n"]),
               "quoting": rng.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])}
    out = io.StringIO()
    writer = csv.writer(out, **dialect)
    writer.writerow(columns)
    for _ in range(rng.randrange(2, 3000)):
        row = [rng.choice(["", "NA", "NaN", "null"]) if rng.random() < nulls[name] else makers[name.split("_")[0]]()
               for name in columns]
        if len(row) > 1 or row[0]:
            writer.writerow(row)
    encoding = rng.choice(["utf-8", "utf-8-sig", "utf-16", "latin-1"])
    content = out.getvalue().encode(encoding)
    compressed = rng.random() < 0.3
    return (gzip.compress(content) if compressed else content), {
        "sep": dialect["delimiter"], "encoding": encoding, "compression": "gzip" if compressed else None}


def test_random_tables_agree_with_pandas(server: Server) -> None:
    for seed in range(40):
        rng = random.Random(seed)
        content, options = random_table(rng)
        got = preview(server, f"random/{seed}.csv", content)
        frame = pd.read_csv(io.BytesIO(content), low_memory=False, **options)
        where = f"seed {seed}, {options}"
        assert got["rows"] == len(frame) and got["ragged_rows"] == 0, where
        assert got["compression"] == options["compression"] and not got["warnings"], where
        if len(got["columns"]) > 1:
            assert got["delimiter"] == options["sep"], where
        assert [column["name"] for column in got["columns"]] == list(frame.columns), where
        for column in got["columns"]:
            assert_agrees(column, frame[column["name"]], f"{where}, {column['name']}")


def test_ndjson_agrees_with_pandas(server: Server) -> None:
    rng = random.Random(5)
    lines = [json.dumps({"id": number, "user": {"name": rng.choice(["ann", "bob", "é\n\""])}, "score": rng.gauss(0, 1),
                         **({"ok": rng.random() < 0.5} if number % 3 else {})}, ensure_ascii=number % 2 == 0)
             for number in range(5000)]
    got = preview(server, "lines.ndjson", "\n".join(lines).encode())
    frame = pd.json_normalize([json.loads(line) for line in lines])
    assert got["kind"] == "ndjson" and got["rows"] == 5000
    assert {column["name"] for column in got["columns"]} == set(frame.columns)
    for column in got["columns"]:
        assert_agrees(column, frame[column["name"]], column["name"])
    array = preview(server, "list.json", ("[" + ",\n".join(lines) + "]").encode())
    assert array["kind"] == "json" and array["rows"] == 5000
    for one, other in zip(array["columns"], got["columns"], strict=True):
        exact = {key for key in one if key != "distinct" or one["distinct_exact"]}
        assert {key: one[key] for key in exact} == {key: other[key] for key in exact}


@pytest.mark.parametrize(("name", "content", "expected"), [
    ("empty.csv", b"", {"kind": "csv", "rows": 0, "columns": [], "sample": []}),
    ("ragged.csv", b"a,b\n1,2\n1\n1,2,3\n", {"rows": 3, "ragged_rows": 2}),
    ("bom.csv", b"\xef\xbb\xbfa,b\n1,2\n", {"rows": 1, "encoding": "utf-8"}),
    ("latin.csv", "a;b\n1;Zürich\n".encode("latin-1"), {"encoding": "latin-1", "delimiter": ";", "sample": [[1, "Zürich"]]}),
    ("packed.csv.gz", gzip.compress(b"a,b\n1,2\n"), {"kind": "csv", "compression": "gzip", "rows": 1}),
    ("torn.csv.gz", gzip.compress(b"a,b\n1,2\n" * 1000)[:-10], {"kind": "csv", "compression": "gzip", "complete": False}),
    ("picture.png", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", {"kind": "binary", "columns": []}),
    ("notes.txt", b"Dear all,\nno table here.\n", {"kind": "text", "rows": 2}),
    ("nul.csv", b"a,b\n1,\x00\n", {"kind": "binary"}),
    ("number.json", b"12", {"kind": "text"}),
    ("deep.json", b"[" * 10000 + b"]" * 10000, {"kind": "json", "rows": 0, "complete": False}),
])
def test_odd_files(server: Server, name: str, content: bytes, expected: dict[str, Any]) -> None:
    got = preview(server, name, content)
    assert {key: got[key] for key in expected} == expected
    assert got["name"] == name and got["version"] == 1


def test_a_csv_of_one_long_line_is_told_in_bounded_memory(server: Server) -> None:
    """A sparse 2 GB line needs no 2 GB of disk: gzip's ratio and the record's limit both say no early."""
    line = preview(server, "line.csv", b"a,b," * (40 << 18))
    assert line["rows"] == 0 and not line["complete"] and "longer than 16 MiB" in line["warnings"][0]
    bomb = gzip.compress(b"a,b\n" + b"0" * (512 << 20), 9)
    packed = preview(server, "bomb.csv.gz", bomb)
    assert not packed["complete"] and packed["rows"] == 0
    peak = Path(f"/proc/{server.process.pid}/status").read_text().split("VmHWM:")[1].split()[0]
    assert IS_SANITIZED or int(peak) < 100 * 1024


def test_a_preview_is_kept_and_made_once(server: Server) -> None:
    content = b"id,x\n" + b"".join(b"%d,%d\n" % (i, i % 7) for i in range(1_500_000))
    server.put("large.csv", content)
    answers: list[tuple[int, float]] = []

    def ask() -> None:
        start = time.monotonic()
        answer = server.client(server.token).get("/v1/objects/large.csv?view=preview&wait=60s")
        answers.append((answer.status_code, time.monotonic() - start))
        assert answer.json()["rows"] == 1_500_000

    askers = [threading.Thread(target=ask) for _ in range(8)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert [status for status, _ in answers] == [200] * 8
    assert server.log.read_text().count('"preview.made"') == 1
    start = time.monotonic()
    server.requests.get("/v1/objects/large.csv?view=preview")
    assert time.monotonic() - start < max(seconds for _, seconds in answers)


def test_a_version_has_its_own_preview(server: Server) -> None:
    server.put("v.csv", b"a\n1\n")
    assert preview(server, "v.csv", b"a,b\n1,2\n3,4\n")["rows"] == 2
    old = server.requests.get("/v1/objects/v.csv?view=preview&version=1").json()
    assert old["rows"] == 1 and old["version"] == 1
