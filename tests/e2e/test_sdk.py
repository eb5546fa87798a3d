"""The Python package against the real server: outside over HTTP, inside a kernel over its socket."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any, Iterator

import pandas as pd
import pytest
from conftest import ROOT, SAMPLE, Server, wait_until

sys.path.insert(0, str(ROOT / "sdk" / "python"))

import suricate as s  # noqa: E402


@pytest.fixture
def at(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The session's server, found by the SDK as a user's program finds it."""
    point_at(shared_server, monkeypatch)
    return shared_server


def point_at(server: Server, monkeypatch: pytest.MonkeyPatch, token: str | None = None) -> None:
    for name in [name for name in os.environ if name.startswith("SURICATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SURICATE_URL", server.url)
    monkeypatch.setenv("SURICATE_TOKEN", token or server.token)


def finish(record: dict[str, Any]) -> Any:
    """Give the result of a run that must have succeeded."""
    assert record["state"] == "succeeded", (record["state"], record["reason"], record["error"])
    return record["result"]


# Outside -------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sdk/t.csv", "sdk/t.ndjson", "sdk/t.json", "sdk/t.csv.gz"])
def test_a_frame_comes_back_as_it_was_written(at: Server, name: str) -> None:
    frame = pd.DataFrame({"name": ["a", "b", "ü"], "size": [1, 2, 3]})
    s.write(name, frame)
    pd.testing.assert_frame_equal(s.read(name), frame, check_dtype=False)


def test_versions_tags_and_conditions(at: Server) -> None:
    first = s.write("sdk/v", {"n": 1}, tags=["sdk-one"], metadata={"from": "a test"}, if_new=True)
    assert (first["version"], first["tags"], first["metadata"]) == (1, ["sdk-one"], {"from": "a test"})
    second = s.write("sdk/v", {"n": 2}, if_match=first["etag"])
    assert second["version"] == 2 and s.read("sdk/v") == {"n": 2} and s.read("sdk/v", version=1) == {"n": 1}
    assert sorted(info["version"] for info in s.versions("sdk/v")) == [1, 2]
    for conditions in ({"if_match": first["etag"]}, {"if_new": True}):
        with pytest.raises(s.Conflict):
            s.write("sdk/v", {"n": 3}, **conditions)  # type: ignore[arg-type]
    assert s.tags("sdk/v", ["sdk-two"]) == ["sdk-two"] == s.info("sdk/v")["tags"]
    assert [info["name"] for info in s.list(tag="sdk-two")] == ["sdk/v"]
    s.delete("sdk/v")
    assert not s.exists("sdk/v")
    with pytest.raises(s.NotFound, match="sdk/v"):
        s.read("sdk/v")


def test_a_long_list_is_followed_to_its_end(at: Server) -> None:
    for number in range(12):
        s.write(f"sdk/many/{number:02}", b"")
    assert [info["name"] for info in s.list("sdk/many/")] == [f"sdk/many/{number:02}" for number in range(12)]


def test_names_beyond_ascii_arrive(at: Server) -> None:
    s.write("sdk/größe 1%?#.txt", "x")
    assert [info["name"] for info in s.list("sdk/gr")] == ["sdk/größe 1%?#.txt"]
    assert s.read("sdk/größe 1%?#.txt") == "x"


def test_a_file_goes_up_and_comes_down_whole(at: Server, tmp_path: Path) -> None:
    (tmp_path / "up").write_bytes(os.urandom(1 << 20) * 40 + b"end")
    info = s.write("sdk/big", tmp_path / "up")
    s.download("sdk/big", tmp_path / "down")
    assert (tmp_path / "down").read_bytes() == (tmp_path / "up").read_bytes()
    assert info["size"] == (40 << 20) + 3


def test_a_preview_tells_columns_and_types(at: Server) -> None:
    s.write("sdk/week1.csv", SAMPLE)
    found = s.preview("sdk/week1.csv")
    types = {column["name"]: column["type"] for column in found["columns"]}
    assert found["rows"] == 216
    assert (types["passer"], types["receiver"], types["yards"], types["down"]) == ("text", "text", "integer", "integer")


def test_a_wrong_token_and_a_missing_scope_are_told_apart_from_a_missing_object(
    at: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s.write("sdk/secret", b"1")
    made = at.requests.post("/v1/tokens", json={"name": "reader", "scopes": ["objects:read"], "expires_in": "1d"})
    point_at(at, monkeypatch, made.json()["token"])
    assert s.read("sdk/secret") == b"1"
    with pytest.raises(s.Denied, match="objects:write"):
        s.write("sdk/secret", b"2")
    point_at(at, monkeypatch, "wrong")
    with pytest.raises(s.Denied):
        s.read("sdk/secret")


def test_a_running_server_of_this_machine_is_found_by_itself(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(server, monkeypatch)
    monkeypatch.delenv("SURICATE_URL")
    monkeypatch.delenv("SURICATE_TOKEN")
    monkeypatch.setenv("SURICATE_DATA", str(server.data))
    assert s.write("x", b"1")["version"] == 1


def test_a_notebook_is_a_function(at: Server) -> None:
    at.put_notebook("sdk-twice", "import suricate as s\ns.result(2 * n)", parameters="n: int = 1  # a number")
    assert s.run("sdk-twice", {"n": 21}).result == 42
    at.put_notebook("sdk-fails", "1 / 0")
    with pytest.raises(s.RunFailed, match="ZeroDivisionError") as caught:
        s.run("sdk-fails")
    assert caught.value.run.state == "failed"
    assert caught.value.run.id in {run.id for run in s.runs(notebook="sdk-fails")}


def test_a_run_can_be_cancelled(at: Server) -> None:
    at.put_notebook("sdk-waits", "import time\ntime.sleep(600)")
    started = s.run("sdk-waits", wait=False)
    wait_until(lambda: started.refresh().state == "running", "the run has begun")
    assert started.cancel().wait(60).state == "cancelled"


# Inside a kernel -----------------------------------------------------------------------------


def test_inside_a_kernel_objects_are_read_and_written(at: Server) -> None:
    s.write("sdk/week1.csv", SAMPLE)
    record = at.run(
        "import suricate as s\nplays = s.read('sdk/week1.csv')",
        "info = s.write('sdk/out.parquet', plays[plays.complete == 1], tags=['sdk-out'])",
        "back = s.read('sdk/out.parquet')\n"
        "s.result({'rows': len(plays), 'caught': len(back), 'version': info['version'], 'run': info['run']})",
    )
    result = finish(record)
    assert result["run"] == record["id"]
    assert (result["rows"], result["caught"]) == (216, 61)
    lineage = at.requests.get(f"/v1/runs/{record['id']}/lineage").json()
    assert {read["object"] for read in lineage["reads"]} == {"sdk/week1.csv", "sdk/out.parquet"}
    assert [(write["object"], write["version"]) for write in lineage["writes"]] == [("sdk/out.parquet", result["version"])]


def test_inside_a_kernel_an_estimator_is_kept_without_pickle(at: Server) -> None:
    record = at.run(
        "import suricate as s, numpy as np\nfrom sklearn.cluster import KMeans\n"
        "points = np.arange(12.0).reshape(-1, 1)\nmodel = KMeans(3, n_init=5, random_state=0).fit(points)\n"
        "saved = s.save_model('sdk/model', model, metrics={'inertia': model.inertia_})\n"
        "again = s.load_model('sdk/model')\n"
        "s.result({**saved, 'class': s.info('models/sdk/model')['metadata']['class'],\n"
        "          'same': bool((again.predict(points) == model.predict(points)).all())})",
    )
    result = finish(record)
    assert result["same"] and result["format"] == "skops" and result["kind"] == "scikit-learn" and result["stage"] == "live"
    assert result["class"].endswith("KMeans") and result["metrics"]["inertia"] > 0
    assert result["run"] == record["id"] and result["code"] == f"notebook {record['notebook']['name']}@{record['notebook']['version']}"
    assert [info["name"] for info in s.list(tag="model")] == ["models/sdk/model"]


def test_inside_a_kernel_the_token_may_do_what_the_run_may(at: Server) -> None:
    record = at.run(
        "import suricate as s\nrefused = []\n"
        "for what in (lambda: s.run('sdk-twice'), lambda: s.recipes(), lambda: s.runs()):\n"
        "    try:\n        what()\n    except s.Denied as error:\n        refused.append(str(error))\n"
        "s.result(len(refused))",
    )
    assert finish(record) == 3


def test_inside_a_kernel_charts_progress_and_results_are_recorded(at: Server) -> None:
    record = at.run(
        "import matplotlib.pyplot as plt, suricate as s\ns.progress(0.5, 'half')",
        "plt.plot([1, 2])\ns.show()",
        "figure, axes = plt.subplots()\naxes.plot([2, 1])\ns.show(figure)",
        "s.result(1)\ns.result({'last': float('nan')})",
    )
    assert finish(record) == {"last": None}
    names = sorted(figure["name"] for figure in record["figures"])
    assert names == ["figure-1.png", "figure-1.svg", "figure-2.png", "figure-2.svg"]
    content = at.requests.get(f"/v1/runs/{record['id']}/figures/figure-1.svg").text
    assert "<svg" in content


def test_inside_a_kernel_a_fetch_from_a_host_that_is_not_allowed_is_refused_in_words(at: Server) -> None:
    record = at.run(
        "import suricate as s\n"
        "try:\n    s.fetch('http://127.0.0.1:9/x', 'sdk/fetched')\n"
        "except s.SuricateError as error:\n    s.result([type(error).__name__, str(error)])",
    )
    kind, words = finish(record)
    assert kind in ("Denied", "Unavailable", "Invalid") and "127.0.0.1" in words


def test_inside_a_kernel_the_first_names_keep_working(at: Server) -> None:
    record = at.run(
        "from suricate import *\nfrom suricate import create_object, list_objects, retrieve_object, update_object, show\n"
        "name = create_object({'a': 1})\nupdate_object(name, [1, 2])\n"
        "import suricate\nsuricate.result([retrieve_object(name), name in list_objects()])\ndel_ = suricate.delete(name)",
    )
    assert finish(record) == [[1, 2], True]


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
def test_a_kernel_reads_on_while_its_server_is_gone(server: Server, monkeypatch: pytest.MonkeyPatch, kill: bool) -> None:
    server.put("n", b"7")
    server.put_notebook(
        "reader",
        "import suricate as s\ns.write('begun', b'')\ntotal = int(s.read('n'))\n"
        "while not s.exists('enough'):\n    total += int(s.read('n'))\ns.result(total)",
    )
    run_id = server.start_run("reader")["id"]
    wait_until(lambda: server.requests.get("/v1/objects/begun").status_code == 200, "the notebook has begun")
    server.restart(kill=kill)
    point_at(server, monkeypatch)
    s.write("enough", b"")
    total = finish(server.wait_run(run_id))
    assert total >= 7 and total % 7 == 0
    assert len(s.versions("begun")) == 1  # written once, however often it had to be asked for


@pytest.fixture(autouse=True)
def nothing_chosen_by_hand() -> Iterator[None]:
    yield
    s.connect(None)


# Tables as cached columns ----------------------------------------------------------------------

TABLES = {
    "plain.csv": b"name,size,ratio,ok\na,1,0.5,True\nb,2,1.5,False\n\xc3\xbc,3,2.25,True\n",
    "holes.csv": b"n,x,t,b\n1,,a,True\n,2.5,,\n3,1e3,NA,False\n",
    "quoted.csv": b'"a ""b""","c,d"\n"x\ny",1\n"",2\n',
    "semicolons.csv": b"a;b\n1;x\n2;y\n",
    "tabs.tsv": b"a\tb\n1\tx\n",
    "dates.csv": b"day,n\n2013-09-05,1\n2013-09-06,2\n",
    "big.csv": b"n\n9223372036854775807\n-9223372036854775808\n",
    "huge.csv": b"n\n18446744073709551615\n1\n",
    "zeros.csv": b"code,n\n007,1\n010,2\n",
    "mixed.csv": b"v\n1\nx\n2.5\n",
    "nothing.csv": b"a,b\n",
    "empty.csv": b"",
    "twice.csv": b"a,a,b\n1,2,3\n",
    "ragged.csv": b"a,b\n1,2\n3\n",
    "index.csv": b"a,b\nx,1,2\ny,3,4\n",
    "bom.csv": b"\xef\xbb\xbfa,b\n1,2\n",
    "latin.csv": b"name\nM\xfcller\n",
    "infinite.csv": b"x\ninf\n-inf\nnan\n",
    "spaces.csv": b"a, b\n 1, x\n2,y \n",
    "unnamed.csv": b",n\n0,1\n1,2\n",
    "truth.csv": b"t\nTRUE\nfalse\n",
    "records.ndjson": b'{"a": 1, "b": "x"}\n{"a": 2, "b": null}\n{"b": "z", "c": [1, 2]}\n',
    "numbers.ndjson": b'{"n": 1, "x": 0.5, "t": true}\n{"n": 2, "x": 1, "t": false}\n',
    "lacking.ndjson": b'{"a": 1, "b": "x", "c": 0.5}\n{"b": "y"}\n\n{"a": 3, "c": 1}\n',
    "whole.ndjson": b'{"x": 1.0}\n{"x": 2.0}\n',
    "numeric.ndjson": b'{"x": "1"}\n{"x": "2"}\n',
    "mixed.ndjson": b'{"x": 1}\n{"x": "a"}\n',
    "bools.ndjson": b'{"t": true, "n": 1}\n{"n": 2}\n',
    "braces.ndjson": b'{"text": "a {b} [c] null"}\n{"text": "d"}\n',
    "escapes.ndjson": b'{"t\\u00e4xt": "a\\n\\ud83c\\udfc8", "n": -5}\n',
    "late.ndjson": b'{"a": 1}\n{"a": 2, "b": "x"}\n',
    "hollow.ndjson": b'{"a": {}, "b": 1}\n{"a": {}, "b": 2}\n',
    "nulls.ndjson": b'{"a": null, "b": 1}\n{"a": null, "b": 2}\n',
    "large.ndjson": b'{"n": 9007199254740993}\n{"n": 1}\n',
    "values.ndjson": b'1\n2\n',
    "nested.jsonl": b'{"a": {"b": 1}}\n{"a": {"b": 2}}\n',
    "dates.ndjson": b'{"date": "2013-09-05T20:30:00Z", "ts": 1378413000, "n": "12"}\n',
}


def by_pandas(name: str, content: bytes) -> Any:
    """What `s.read` made of it before there were columns, or the kind of error."""
    from suricate import _objects

    try:
        s.write(name, content)
        kept, _objects._COLUMNAR = _objects._COLUMNAR, ()
        try:
            return s.read(name)
        finally:
            _objects._COLUMNAR = kept
    except Exception as error:
        return type(error)


@pytest.mark.parametrize("table", TABLES)
def test_a_table_is_the_same_frame_from_columns_and_from_pandas(at: Server, table: str) -> None:
    name = f"sdk/tables/{table}"
    expected = by_pandas(name, TABLES[table])
    if isinstance(expected, type):
        with pytest.raises(expected):
            s.read(name)
        return
    for _ in range(2):  # parsed, then from what was kept
        pd.testing.assert_frame_equal(s.read(name), expected)


def test_plain_tables_do_come_as_columns(at: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    from suricate import _objects

    for name in ("plain.csv", "semicolons.csv", "numbers.ndjson"):
        s.write(f"sdk/columnar/{name}", TABLES[name])
    s.write("sdk/columnar/sample.csv", SAMPLE)
    expected = pd.read_csv(SAMPLE)
    monkeypatch.setattr(_objects, "Download", None)
    for name in ("plain.csv", "semicolons.csv", "numbers.ndjson"):
        assert len(s.read(f"sdk/columnar/{name}")) in (2, 3)
    pd.testing.assert_frame_equal(s.read("sdk/columnar/sample.csv"), expected)


def test_a_kernel_maps_the_columns_of_a_table(at: Server) -> None:
    s.write("sdk/mapped.csv", SAMPLE)
    cell = (
        "import suricate as s\nfrom suricate import _objects\n_objects.Download = None\n"
        "frame = s.read('sdk/mapped.csv')\ns.result([len(frame), int(frame.complete.sum())])"
    )
    expected = pd.read_csv(SAMPLE)
    record = at.run(cell)
    assert finish(record) == [len(expected), int(expected.complete.sum())]
    reads = at.requests.get(f"/v1/runs/{record['id']}/lineage").json()["reads"]
    assert [item["object"] for item in reads] == ["sdk/mapped.csv"]
