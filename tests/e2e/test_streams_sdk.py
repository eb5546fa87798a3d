"""Streams by the Python package against the real server: pushed, read as tables, followed."""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, Callable, Iterator

import pandas as pd
import pytest
from conftest import ROOT, Server, wait_until

sys.path.insert(0, str(ROOT / "sdk" / "python"))

import suricate as s  # noqa: E402

#: 2013-09-05T20:30:00Z
START = 1378413000


def point_at(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("SURICATE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("SURICATE_URL", server.url)
    monkeypatch.setenv("SURICATE_TOKEN", server.token)


@pytest.fixture
def at(shared_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The session's server, found by the SDK as a user's program finds it."""
    point_at(shared_server, monkeypatch)
    return shared_server


def finish(record: dict[str, Any]) -> Any:
    assert record["state"] == "succeeded", (record["state"], record["reason"], record["error"])
    return record["result"]


def plays(count: int, first: int = 0) -> list[dict[str, Any]]:
    """One message a second: a play each."""
    return [{"ts": START + n, "passer": f"p{n % 3}", "yards": n % 40, "down": None if n % 5 == 0 else n % 4 + 1, "air": n / 4}
            for n in range(first, first + count)]  # fmt: skip


def make(name: str, count: int = 0) -> str:
    s.create_stream(name, time="ts")
    if count:
        s.push(name, plays(count))
    return name


# Tables ----------------------------------------------------------------------------------------


def test_a_frame_comes_back_as_it_was_pushed(at: Server) -> None:
    name = make("sdk/frame", 100)
    frame = s.window(name)
    expected = pd.DataFrame(plays(100))
    assert frame.index.name == "_time" and str(frame.index.tz) == "UTC"
    assert [*frame.index] == [*pd.to_datetime(expected.ts, unit="s", utc=True)]
    assert frame.yards.dtype == "int64" and frame.air.dtype == "float64"
    assert [*frame.yards] == [*expected.yards] and [*frame.air] == [*expected.air] and [*frame.passer] == [*expected.passer]
    assert [*frame.down.fillna(0)] == [*expected.down.fillna(0)]


def test_stretches_are_named_by_offset_time_and_duration(at: Server) -> None:
    name = make("sdk/stretch", 100)
    assert [*s.window(name, from_=10, to=12).yards] == [10, 11]
    assert len(s.window(name, last="10s")) == 10
    assert len(s.window(name, from_="2013-09-05T20:31:00Z")) == 40
    assert len(s.window(name, to="2013-09-05T20:30:05Z")) == 5
    assert len(s.window(name, from_="latest")) == 0
    assert len(s.retrieve_from_stream(name, interval=5)) == 5
    assert name in s.list_streams() and s.stream(name)["offsets"] == {"first": 0, "next": 100}
    with pytest.raises(s.Invalid):
        s.window(name, last="soon")
    with pytest.raises(s.NotFound):
        s.window("sdk/none")


def test_pushed_frames_keep_offsets_keys_and_arrival(at: Server) -> None:
    s.create_stream("sdk/meta", key="who")
    pushed = s.push("sdk/meta", pd.DataFrame({"who": ["a", "b"], "n": [1, 2]}))
    assert pushed == {"first": 0, "next": 2, "count": 2, "repeated": False}
    frame = s.window("sdk/meta", index=False, meta=True)
    assert [*frame._offset] == [0, 1] and [*frame._key] == ["a", "b"]
    assert (frame._arrival == frame._time).all()


def test_messages_come_whole(at: Server) -> None:
    name = make("sdk/whole", 30)
    found = s.messages(name, 5, 8)
    assert [item["offset"] for item in found] == [5, 6, 7] and found[0]["body"] == plays(1, 5)[0]
    assert found[0]["time"] == "2013-09-05T20:30:05.000000Z"
    assert len(s.messages(name, limit=4)) == 4 and len(s.messages(name, limit=None)) == 30


def test_what_the_definition_does_not_allow_is_refused_whole(at: Server) -> None:
    name = make("sdk/refused", 1)
    with pytest.raises(s.Invalid) as refused:
        s.push(name, b'{"ts": 1}\n{"ts": \n')
    assert refused.value.status == 422 and refused.value.problem["errors"][0]["line"] == 2
    assert len(s.window(name)) == 1


def test_a_tail_goes_from_history_to_live(at: Server) -> None:
    name = make("sdk/tailing", 5)
    tail = s.tail(name, from_=3)
    assert [next(tail)["offset"] for _ in range(2)] == [3, 4]
    s.push(name, plays(2, 5))
    assert [next(tail)["body"]["ts"] for _ in range(2)] == [START + 5, START + 6]
    live = s.tail(name)
    threading.Timer(0.2, lambda: s.push(name, plays(1, 7))).start()
    assert next(live)["offset"] == 7
    tail.close()
    live.close()


def test_a_tail_outlives_a_restart(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(server, monkeypatch)
    name = make("sdk/outlive", 3)
    tail = s.tail(name, "earliest")
    assert [next(tail)["offset"] for _ in range(2)] == [0, 1]
    server.restart(kill=True)
    point_at(server, monkeypatch)
    s.push(name, plays(2, 3))
    assert [next(tail)["offset"] for _ in range(3)] == [2, 3, 4]
    tail.close()


@pytest.mark.parametrize("suffix", [".csv", ".ndjson", ".parquet"])
def test_an_export_holds_what_the_window_holds(at: Server, tmp_path: Path, suffix: str) -> None:
    name = make("sdk/export" + suffix.replace(".", "-"), 200)
    file = s.export(name, tmp_path / f"x{suffix}", from_=50)
    assert [*tmp_path.iterdir()] == [file]
    if suffix == ".ndjson":
        assert [json.loads(line)["body"] for line in file.read_text().splitlines()] == plays(150, 50)
        return
    frame = pd.read_csv(file) if suffix == ".csv" else pd.read_parquet(file)
    assert [*frame._offset] == [*range(50, 200)] and [*frame.yards] == [*s.window(name, from_=50).yards]
    assert frame.passer[0] == "p2"
    with pytest.raises(s.Invalid, match="must end with"):
        s.export(name, tmp_path / "x.xls")
    assert [*tmp_path.iterdir()] == [file]


def test_a_parquet_file_has_the_widest_type_of_each_field(at: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from suricate import _parquet

    monkeypatch.setattr(_parquet, "GROUP_ROWS", 2)
    s.create_stream("sdk/widen")
    s.push("sdk/widen", [{"n": 1, "t": 1}, {"n": 2}, {"n": 2.5, "t": "x", "new": True}, {"n": 3}, {"other": [1]}])
    frame = pd.read_parquet(s.export("sdk/widen", tmp_path / "x.parquet"))
    assert [*frame.n][:4] == [1.0, 2.0, 2.5, 3.0] and frame.t.dropna().tolist() == ["1", "x"]
    assert frame.new.dropna().tolist() == [True] and len(frame) == 5


def test_the_same_window_in_a_kernel_and_outside(at: Server) -> None:
    name = make("sdk/inside", 1000)
    record = at.run(f"import suricate as s\nframe = s.window({name!r}, last='100s')\ns.result({{'yards': int(frame.yards.sum()), 'rows': len(frame)}})")
    frame = s.window(name, last="100s")
    assert finish(record) == {"yards": frame.yards.sum(), "rows": len(frame)} and len(frame) == 100


# Following -----------------------------------------------------------------------------------


class Hook:
    """A webhook on loopback that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.told.append((self.headers["Idempotency-Key"], json.loads(body)))
                self.send_response(204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.http = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}/hook"
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    yield made
    made.http.shutdown()
    made.http.server_close()


def committed(server: Server, name: str, consumer: str) -> dict[str, Any]:
    answer = server.requests.get(f"/v1/streams/{name}/consumers/{consumer}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_windows_come_one_after_the_other_and_hold_their_messages(at: Server) -> None:
    name = make("sdk/follow", 65)
    seen = []
    for window in s.follow(name, "10s", name="c", from_="earliest", wait=False):
        assert len(window) == window.messages == len(window.frame) == 10
        seen.append((window.start.isoformat(), [*window.frame.yards]))
    assert [start for start, _ in seen] == [f"2013-09-05T20:3{n // 6}:{n % 6}0+00:00" for n in range(6)]
    assert [yards for _, yards in seen] == [[play["yards"] for play in plays(10, 10 * n)] for n in range(6)]
    assert [*s.follow(name, "10s", name="c", wait=False)] == []
    s.push(name, plays(10, 65))
    assert [window.start.second for window in s.follow(name, "10s", name="c", wait=False)] == [0]


def test_a_window_left_by_break_or_error_comes_again(at: Server) -> None:
    name = make("sdk/again", 45)
    for window in s.follow(name, "10s", name="c", from_="earliest"):
        if window.start.second == 10:
            break
    with pytest.raises(ZeroDivisionError):
        for window in s.follow(name, "10s", name="c"):
            assert window.start.second == 10
            1 / 0  # noqa: B018
    assert committed(at, name, "c")["iterations"] == 1
    assert [window.start.second for window in s.follow(name, "10s", name="c", wait=False)] == [10, 20, 30]


def test_the_later_of_two_followers_goes_on(at: Server) -> None:
    name = make("sdk/fenced", 45)
    first = s.follow(name, "10s", name="c", from_="earliest")
    window = next(first)
    second = s.follow(name, "10s", name="c")
    assert next(second).start == window.start
    with pytest.raises(s.Conflict):
        next(first)
    assert next(second).start.second == 10
    assert committed(at, name, "c")["iterations"] == 1


def test_decisions_and_models_come_with_the_commit(
    start_server: Callable[..., Server], monkeypatch: pytest.MonkeyPatch, hook: Hook
) -> None:
    server = start_server("--allow-fetch", f"127.0.0.1:{hook.http.server_address[1]}")
    point_at(server, monkeypatch)
    assert server.requests.put("/v1/actions/cheer", json={"webhook": hook.url}).status_code in (200, 201)
    name = make("sdk/act", 25)
    following = s.follow(name, "10s", name="c", from_="earliest")
    window = next(following)
    window.act("cheer", reason="long", by=1)
    window.save_model("models/sdk", {"mean": float(window.frame.yards.mean())}, windows=1)
    assert not s.exists("models/sdk") and not hook.told
    next(following)
    assert s.load_model("models/sdk") == {"mean": 4.5}
    info = s.info("models/sdk")
    assert info["metadata"]["windows"] == 1 and info["metadata"]["class"] == "builtins.dict"
    wait_until(lambda: hook.told, "the webhook was told")
    text = json.dumps(hook.told[0][1])
    assert "cheer" in text and '"by": 1' in text and "long" in text
    following.close()


def test_an_unknown_action_is_refused_with_the_commit_and_nothing_happens(at: Server) -> None:
    name = make("sdk/unknown", 25)
    with pytest.raises(s.NotFound, match="no-such-action"):
        for window in s.follow(name, "10s", name="c", from_="earliest"):
            window.act("no-such-action")
            window.save_model("models/unknown", {"a": 1})
    assert committed(at, name, "c")["iterations"] == 0 and not s.exists("models/unknown")


def test_following_outlives_a_server_that_is_killed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    point_at(server, monkeypatch)
    name = make("sdk/killed", 65)
    seen = []
    for window in s.follow(name, "10s", name="c", from_="earliest", wait=False):
        seen.append(window.start.second)
        if len(seen) in (2, 4):
            server.restart(kill=True)
            point_at(server, monkeypatch)
    assert seen == [0, 10, 20, 30, 40, 50] and committed(server, name, "c")["iterations"] == 6


def test_a_notebook_follows(at: Server) -> None:
    name = make("sdk/notebook", 35)
    cell = (
        "import suricate as s\nfound = []\n"
        f"for window in s.follow({name!r}, '10s', name='n', from_='earliest', wait=False):\n"
        "    found.append(int(window.frame.yards.sum()))\n"
        "s.result(found)"
    )
    assert finish(at.run(cell)) == [sum(play["yards"] for play in plays(10, 10 * n)) for n in range(3)]
    assert finish(at.run(cell)) == []


# SQL ---------------------------------------------------------------------------------------------


def test_a_question_in_sql_gives_a_frame_with_types(at: Server) -> None:
    name = make("sdk_sql", 120)
    frame = s.sql(f"select passer, count(*) as n, avg(yards) as mean from {name} group by passer order by passer", last="60s")
    expected = s.window(name, last="60s").groupby("passer").yards.agg(["count", "mean"])
    assert [*frame.passer] == ["p0", "p1", "p2"] and [*frame.n] == [*expected["count"]]
    assert frame.n.dtype == "int64" and frame["mean"].dtype == "float64"
    assert [*frame["mean"]] == pytest.approx([*expected["mean"]])
    s.write("sdk/clubs.csv", b"passer,club\np0,DEN\np1,BAL\n")
    joined = s.sql(
        f'select club, count(*) as n from {name} join "sdk/clubs.csv" using (passer) group by club order by club', objects=["sdk/clubs.csv"]
    )
    assert joined.to_dict("records") == [{"club": "BAL", "n": 40}, {"club": "DEN", "n": 40}]
    with pytest.raises(s.Invalid):
        s.sql("select nonsense from nowhere at all")
    with pytest.raises(s.SuricateError):
        s.sql(f"delete from {name}")


def test_sql_in_a_kernel(at: Server) -> None:
    name = make("sdk_sql_kernel", 30)
    record = at.run(f"import suricate as s\ns.result(int(s.sql('select sum(yards) as y from {name}').y[0]))")
    assert finish(record) == sum(play["yards"] for play in plays(30))
