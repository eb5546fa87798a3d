"""Objects read and written as what they are."""

from __future__ import annotations

import gzip
import io
import json
import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import suricate as s
from conftest import SAMPLE, PlayedServer

FRAME = pd.DataFrame({"name": ["a", "b", "ü"], "size": [1, 2, 3], "share": [0.5, np.nan, 1.0]})


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.ndjson", "t.json", "t.csv.gz", "t.ndjson.gz", "table"])
def test_a_frame_comes_back_as_it_was_written(played: PlayedServer, name: str) -> None:
    s.write(name, FRAME)
    pd.testing.assert_frame_equal(s.read(name), FRAME, check_dtype=False)


def test_an_index_that_says_something_is_kept(played: PlayedServer) -> None:
    s.write("t.csv", FRAME.set_index("name"))
    assert list(s.read("t.csv").columns) == ["name", "size", "share"]


@pytest.mark.parametrize("value", [{"a": [1, 2.5, None]}, [1, 2], [], "x", 7, True, {"a": {}}])
def test_json_comes_back_as_it_was_written(played: PlayedServer, value: object) -> None:
    s.write("v.json", json.dumps(value).encode() if isinstance(value, str) else value)
    assert s.read("v.json") == value


def test_a_list_of_records_is_a_frame_unless_json_is_asked_for(played: PlayedServer) -> None:
    s.write("v.json", [{"a": 1}, {"a": 2}])
    assert s.read("v.json").a.tolist() == [1, 2]
    assert s.read("v.json", as_="json") == [{"a": 1}, {"a": 2}]


def test_text_and_bytes(played: PlayedServer) -> None:
    s.write("t.txt", "grüezi")
    assert s.read("t.txt") == "grüezi"
    assert s.read("t.txt", as_="bytes") == "grüezi".encode()
    s.write("t.bin", b"\x00\x01")
    assert s.read("t.bin") == b"\x00\x01"
    with pytest.raises(s.Invalid, match="does not look like a table"):
        s.read("t.bin", as_="frame")
    with pytest.raises(s.Invalid, match="as_ must be"):
        s.read("t.txt", as_="frames")  # type: ignore[arg-type]


def test_the_type_decides_where_the_name_does_not(played: PlayedServer) -> None:
    played.put("a", b"x,y\n1,2\n", "text/csv; charset=utf-8")
    played.put("b", b'{"x": 1}\n{"x": 2}\n', "application/x-ndjson")
    played.put("c", b'{"x": 1}', "application/json")
    assert s.read("a").y.tolist() == [2] and s.read("b").x.tolist() == [1, 2] and s.read("c") == {"x": 1}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"\xef\xbb\xbfn;x\n\xc3\xbc;1\n", [["ü", 1]]),
        ("n\tx\nü\t1\n".encode("latin-1"), [["ü", 1]]),
        ("n,x\nü,1\n".encode("utf-16"), [["ü", 1]]),
        (b'"a;b;c",x\nq,1\n', [["q", 1]]),
    ],
)
def test_encoding_and_delimiter_are_inferred(played: PlayedServer, content: bytes, expected: list[object]) -> None:
    played.put("t.csv", content)
    assert s.read("t.csv").values.tolist() == expected


def test_a_later_foreign_byte_is_named(played: PlayedServer) -> None:
    played.put("t.csv", b"n\n" + b"plain\n" * 20_000 + b"\xfc\n")
    with pytest.raises(s.Invalid, match='encoding="latin-1"'):
        s.read("t.csv")
    assert len(s.read("t.csv", encoding="latin-1")) == 20_001


def test_options_reach_pandas(played: PlayedServer) -> None:
    played.put("plays.csv", SAMPLE.read_bytes())
    assert list(s.read("plays.csv", usecols=["passer"], nrows=5).columns) == ["passer"]


def test_a_figure_is_written_as_its_name_says(played: PlayedServer) -> None:
    import matplotlib

    matplotlib.use("agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots()
    axes.plot([1, 2])
    assert s.write("f.svg", figure)["type"] == "image/svg+xml"
    assert s.write("f.png", figure)["type"] == "image/png"
    assert s.read("f.png", as_="bytes")[:4] == b"\x89PNG"
    plt.close(figure)


def test_what_json_cannot_hold_is_named(played: PlayedServer) -> None:
    with pytest.raises(TypeError, match=r"value\.a\[1\] is of type builtins\.object"):
        s.write("v.json", {"a": [1, object()]})
    assert played.calls == []


def test_versions_tags_and_conditions(played: PlayedServer) -> None:
    first = s.write("v.json", {"n": 1}, tags=["one", "two"])
    s.write("v.json", {"n": 2}, if_match=first["etag"])
    assert s.read("v.json", version=1) == {"n": 1} and s.read("v.json") == {"n": 2}
    assert [info["version"] for info in s.versions("v.json")] == [1, 2]
    with pytest.raises(s.Conflict):
        s.write("v.json", {}, if_new=True)
    assert s.tags("v.json", ["three"]) == ["three"] == s.tags("v.json")
    s.delete("v.json")
    assert not s.exists("v.json")
    with pytest.raises(s.NotFound, match="v.json"):
        s.read("v.json")


def test_a_list_follows_its_cursor(played: PlayedServer) -> None:
    for number in range(5):
        s.write(f"n/{number}", b"", tags=["even"] if number % 2 == 0 else None)
    assert [info["name"] for info in s.list("n/")] == [f"n/{number}" for number in range(5)]
    assert [info["name"] for info in s.list(tag="even")] == ["n/0", "n/2", "n/4"]


def test_files_go_up_and_down_in_constant_memory(played: PlayedServer, tmp_path: Path) -> None:
    size = 48 << 20
    (tmp_path / "up").write_bytes(bytes(size))
    s.connect(played.url, "t")
    try:
        tracemalloc.start()
        with pytest.raises(s.NotFound):
            s.download("nothing", tmp_path / "down")
        s.write("big", tmp_path / "up")  # the played server keeps it whole: what it holds is not ours
        before = tracemalloc.get_traced_memory()[0]
        tracemalloc.reset_peak()
        s.download("big", tmp_path / "down")
        assert tracemalloc.get_traced_memory()[1] - before < 8 << 20
    finally:
        tracemalloc.stop()
        s.connect(None)
    assert (tmp_path / "down").stat().st_size == size
    assert sorted(file.name for file in tmp_path.iterdir()) == ["down", "up"]


def test_an_open_file_is_sent_from_where_it_stands_and_again_if_need_be(played: PlayedServer) -> None:
    file = io.BytesIO(b"head,tail")
    file.seek(5)
    played.faults = [503]
    s.write("x", file)
    assert s.read("x") == b"tail"


def test_a_broken_download_continues_where_it_stopped(played: PlayedServer) -> None:
    content = bytes(range(256)) * 8192
    played.put("x", content)
    played.faults = [("cut", 1_000_000), "drop", ("cut", 500_000)]
    assert s.read("x") == content
    assert [call[2].get("Range") for call in played.calls][-1] == "bytes=1500000-"


def test_a_download_never_mixes_two_versions(played: PlayedServer) -> None:
    played.put("x", b"1" * 2_000_000)
    played.faults = [("cut", 1_000_000)]
    stream = s._objects.Download("/v1/objects/x")
    stream.read(900_000)
    played.put("x", b"2" * 2_000_000)
    with pytest.raises(s.Conflict):
        while stream.read(100_000):
            pass


def test_gzip_is_recognised_by_its_bytes(played: PlayedServer) -> None:
    played.put("plays", gzip.compress(SAMPLE.read_bytes()), "text/csv")
    assert len(s.read("plays")) == 216


def test_the_first_names_keep_working(played: PlayedServer) -> None:
    name = s.create_object({"a": 1})
    assert s.list_objects() == [name]
    assert s.list_objects(with_meta=True)[0]["name"] == name
    s.update_object(name, [1, 2])
    assert s.retrieve_object(name) == [1, 2]
    played.put("t.csv", b"x\n1\n")
    assert s.retrieve_object("t.csv").x.tolist() == [1]


def test_a_download_that_never_gets_on_is_given_up(played: PlayedServer) -> None:
    played.put("x", b"1" * 100)
    played.faults = [("cut", 10)] + [("cut", 0)] * 9
    with pytest.raises(s.Unavailable, match="at byte 10"):
        s.read("x")


def test_tags_may_be_in_any_script_but_hold_no_comma(played: PlayedServer) -> None:
    s.write("x", b"", tags=["größe", "東京"])
    assert played.calls[-1][2]["X-Suricate-Tags"].encode("latin-1").decode() == "größe,東京"
    with pytest.raises(s.Invalid, match="comma"):
        s.write("x", b"", tags=["a,b"])
