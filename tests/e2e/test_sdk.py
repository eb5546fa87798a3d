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
        "info = s.save_model('sdk/model', model, metadata={'inertia': model.inertia_})\n"
        "again = s.load_model('sdk/model')\n"
        "s.result({'type': info['type'], 'class': info['metadata']['class'],\n"
        "          'same': bool((again.predict(points) == model.predict(points)).all())})",
    )
    result = finish(record)
    assert result["same"] and result["type"] == "application/vnd.suricate.model+skops"
    assert result["class"].endswith("KMeans")
    assert [info["name"] for info in s.list(tag="model")] == ["sdk/model"]


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
