"""The command line of streams: stream, push, tail, replay, sql, consumer, secret, against the real server."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import BINARY, ROOT, SAMPLE, Server, wait_until

PLAYS = ROOT / "samples" / "live-chart" / "plays"


def lines(*rows: Any) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def bodies(server: Server, stream: str, *options: str) -> list[Any]:
    said = server.cli("tail", stream, "--from", "earliest", "--raw", *options).stdout
    return [json.loads(line) for line in said.splitlines()]


def start(server: Server, *arguments: str, **more: Any) -> subprocess.Popen[str]:
    """A command that goes on by itself."""
    return subprocess.Popen(
        [str(BINARY), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=server.folder,
        env={**server.env, "SURICATE_TOKEN": server.token, **({"SURICATE_URL": server.url} | more.pop("env", {}))}, **more)


def timed_plays(server: Server, name: str = "plays.ndjson") -> None:
    plays = subprocess.run([PLAYS, SAMPLE], capture_output=True, text=True, check=True).stdout
    server.cli("put", "-", name, "--type", "application/x-ndjson", input=plays)


# -- definitions --------------------------------------------------------------------------------------------------


def test_a_stream_is_made_shown_changed_and_removed(server: Server, tmp_path: Path) -> None:
    made = server.cli("stream", "create", "house/kitchen", "--time-field", "at", "--key", "sensor", "--keep", "30d",
                      "--delay", "5s", "--description", "warm")
    assert made.stdout == "stream house/kitchen made\n"
    record = json.loads(server.cli("stream", "show", "house/kitchen", "--json").stdout)
    definition = record["definition"]
    assert definition["time"]["field"] == "at" and definition["key"] == "sensor" and definition["delay"] == "5s"
    assert definition["retention"]["age"] == "30d" and definition["source"]["kind"] == "push"
    shown = server.cli("stream", "show", "house/kitchen").stdout
    assert 'from "at"' in shown and "warm" in shown and "30d" in shown
    assert "house/kitchen" in server.cli("stream", "ls").stdout and "kitchen" in server.cli("stream", "ls", "house/").stdout
    again = server.cli("stream", "create", "house/kitchen", check=False)
    assert again.returncode == 5 and "--replace" in again.stderr
    assert "changed" in server.cli("stream", "create", "house/kitchen", "--replace").stdout
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"source": {"kind": "push"}, "format": "text"}))
    server.cli("stream", "create", "log", "--file", file, "--description", "from a file")
    record = json.loads(server.cli("stream", "show", "log", "--json").stdout)
    assert record["definition"]["format"] == "text" and record["definition"]["description"] == "from a file"
    server.cli("stream", "rm", "log", "house/kitchen")
    assert server.cli("stream", "show", "log", check=False).returncode == 3
    wrong = server.cli("stream", "create", "x", "--idle", "soon", check=False)
    assert wrong.returncode == 2 and "idle" in wrong.stderr


def test_options_build_the_definition_of_a_brokers_and_a_derived_stream(server: Server) -> None:
    server.cli("secret", "set", "broker", input="not-the-password")
    server.cli("stream", "create", "orders", "--amqp", "amqp://127.0.0.1:1/", "--user", "app", "--secret", "broker", "--queue", "q",
               "--declare", "quorum", "--exchange", "x", "--bind", "a.*", "--bind", "b")
    source = json.loads(server.cli("stream", "show", "orders", "--json").stdout)["definition"]["source"]
    assert source["kind"] == "amqp" and source["queue"] == "q" and source["declare"]["type"] == "quorum"
    assert source["bind"] == [{"exchange": "x", "routing_key": "a.*"}, {"exchange": "x", "routing_key": "b"}]
    assert "amqp://127.0.0.1:1/" in server.cli("stream", "show", "orders").stdout
    server.cli("stream", "create", "plays", "--time-field", "at")
    server.cli("stream", "create", "yards", "--from", "plays", "--every", "1s", "--by", "who", "--aggregate", "total=sum(yards)",
               "--aggregate", "n=count()")
    rows = [{"at": f"2025-01-01T00:00:0{second}Z", "who": who, "yards": 3} for second in range(3) for who in "ab"]
    server.cli("push", "plays", input=lines(*rows))
    derived = wait_until(lambda: [row for row in bodies(server, "yards", "-q") if row["who"] == "b"], "a window is computed")
    assert derived[0]["total"] == 3 and derived[0]["n"] == 1
    refused = server.cli("stream", "rm", "plays", check=False)
    assert refused.returncode == 5 and "--force" in refused.stderr and "yards" in refused.stderr
    wrong = server.cli("stream", "create", "x", "--from", "plays", "--every", "1s", "--aggregate", "sum(n)", check=False)
    assert wrong.returncode == 2 and "n=sum(count)" in wrong.stderr


def test_a_rate_limit_is_waited_for(server: Server, tmp_path: Path) -> None:
    file = tmp_path / "definition.json"
    file.write_text(json.dumps({"limits": {"messages_per_s": 100}}))
    server.cli("stream", "create", "s", "--file", file)
    said = server.cli("push", "s", "--batch", "100", "--json", input=lines(*range(250)))
    assert json.loads(said.stdout)["count"] == 250 and bodies(server, "s") == list(range(250))


def test_a_paused_stream_takes_nothing_until_it_goes_on(server: Server) -> None:
    server.cli("stream", "create", "s")
    server.cli("stream", "pause", "s")
    refused = server.cli("push", "s", input=lines({"a": 1}), check=False)
    assert refused.returncode == 5 and "paused" in refused.stderr
    server.cli("stream", "resume", "s")
    server.cli("push", "s", input=lines({"a": 1}))
    assert bodies(server, "s") == [{"a": 1}]


# -- push ---------------------------------------------------------------------------------------------------------


def test_files_of_every_format_are_pushed(server: Server, tmp_path: Path) -> None:
    server.cli("stream", "create", "s")
    server.cli("stream", "create", "log", "--format", "text")
    for name, text in {"a.csv": 'n,who,x\n1,"R, ""Q""",2.5\n2,,\n', "b.json": '[{"n": 3},\n {"n": 4}]', "c.ndjson": '{"n": 5}\n\n{"n": 6}'}.items():
        (tmp_path / name).write_text(text)
        server.cli("push", "s", tmp_path / name)
    assert bodies(server, "s") == [{"n": 1, "who": 'R, "Q"', "x": 2.5}, {"n": 2, "who": None, "x": None},
                                   {"n": 3}, {"n": 4}, {"n": 5}, {"n": 6}]
    server.cli("push", "log", "--format", "text", "--key", "host", input="one line\nanother\n")
    assert server.cli("tail", "log", "--raw").stdout == "one line\nanother\n"
    assert "  host  one line" in server.cli("tail", "log").stdout
    said = json.loads(server.cli("push", "s", tmp_path / "a.csv", "--json", "--batch", "1").stdout)
    assert (said["count"], said["first"], said["next"]) == (2, 6, 8)


def test_a_large_file_is_pushed_in_batches(server: Server, tmp_path: Path) -> None:
    server.cli("stream", "create", "s")
    file = tmp_path / "many.ndjson"
    file.write_text(lines(*({"n": n} for n in range(25000))))
    said = server.cli("push", "s", file)
    assert "25000 messages" in said.stderr and said.stdout == ""
    assert [row["n"] for row in bodies(server, "s")] == list(range(25000))


def test_a_refused_message_is_named_by_its_line(server: Server, tmp_path: Path) -> None:
    server.cli("stream", "create", "s")
    file = tmp_path / "rows.ndjson"
    file.write_text(lines({"n": 1}, {"n": 2}) + "\n" + lines({"n": 3}) + "oops\n" + lines({"n": 5}))
    refused = server.cli("push", "s", file, check=False)
    assert refused.returncode == 2 and "rows.ndjson, line 5:" in refused.stderr and "nothing of it is stored" in refused.stderr
    refused = server.cli("push", "s", file, "--batch", "2", check=False)
    assert "line 5:" in refused.stderr and "before line 4 is stored" in refused.stderr
    assert [row["n"] for row in bodies(server, "s")] == [1, 2]
    missing = server.cli("push", "nowhere", input="1\n", check=False)
    assert missing.returncode == 3 and "suricate stream create" in missing.stderr


def test_lines_of_a_slow_pipe_arrive_at_once(server: Server) -> None:
    server.cli("stream", "create", "s")
    pushing = start(server, "push", "s", stdin=subprocess.PIPE)
    assert pushing.stdin is not None
    for number in range(3):
        pushing.stdin.write(lines({"n": number}))
        pushing.stdin.flush()
        wait_until(lambda wanted=number + 1: len(bodies(server, "s", "-q")) == wanted, "the line has arrived")
    _, said = pushing.communicate()
    assert pushing.returncode == 0 and "3 messages" in said


class Moody(BaseHTTPRequestHandler):
    """A server that says: too busy; then takes the batch and answers nothing; then takes it again."""

    seen: list[tuple[str, bytes]] = []

    def do_GET(self) -> None:
        self.answer(200, {"name": "s"})

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.seen.append((self.headers["Idempotency-Key"], body))
        if len(self.seen) == 2:
            self.close_connection = True
            return
        self.answer(429 if len(self.seen) == 1 else 200, {"first": 0, "next": 1, "count": 1, "repeated": len(self.seen) > 1})

    def answer(self, status: int, record: dict[str, Any]) -> None:
        body = json.dumps(record).encode()
        self.send_response(status)
        if status == 429:
            self.send_header("Retry-After", "1")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def moody() -> Iterator[ThreadingHTTPServer]:
    Moody.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Moody)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_batch_is_sent_again_under_the_same_key(server: Server, moody: ThreadingHTTPServer) -> None:
    said = server.cli("push", "s", "--json", input=lines({"n": 1}), env={"SURICATE_URL": f"http://127.0.0.1:{moody.server_port}"})
    assert json.loads(said.stdout)["count"] == 1
    keys, sent = zip(*Moody.seen, strict=True)
    assert len(keys) == 3 and len(set(keys)) == 1 and set(sent) == {b'{"n": 1}\n'}


def test_push_goes_on_when_the_server_comes_back(server: Server) -> None:
    server.cli("stream", "create", "s")
    port = server.url.rsplit(":", 1)[1]
    pushing = start(server, "push", "s", stdin=subprocess.PIPE)
    assert pushing.stdin is not None
    pushing.stdin.write(lines({"n": 1}))
    pushing.stdin.flush()
    wait_until(lambda: bodies(server, "s", "-q"), "the first message is there")
    server.kill()
    pushing.stdin.write(lines({"n": 2}))
    pushing.stdin.flush()
    server.arguments = [*server.arguments, "--listen", f"127.0.0.1:{port}"]
    server.start()
    _, said = pushing.communicate(timeout=60)
    assert pushing.returncode == 0, said
    assert [row["n"] for row in bodies(server, "s")] == [1, 2]


# -- tail ---------------------------------------------------------------------------------------------------------


def test_tail_shows_the_last_ten_or_what_is_asked_for(server: Server) -> None:
    server.cli("stream", "create", "s", "--time-field", "at")
    assert "no messages" in server.cli("tail", "s").stderr
    server.cli("push", "s", input=lines(*({"at": f"2025-01-01T00:00:{n:02}Z", "n": n} for n in range(30))))

    def numbers(*options: str) -> list[int]:
        said = server.cli("tail", "s", "--json", *options).stdout
        return [json.loads(line)["body"]["n"] for line in said.splitlines()]

    assert numbers() == list(range(20, 30))
    assert numbers("-n", "3") == [27, 28, 29]
    assert numbers("--from", "5", "-n", "3") == [5, 6, 7]
    assert numbers("--from", "earliest", "--to", "2") == [0, 1]
    assert numbers("--from", "2025-01-01T00:00:28Z") == [28, 29]
    assert "29  2025-01-01T00:00:29.000  {" in server.cli("tail", "s").stdout
    assert server.cli("tail", "nowhere", check=False).returncode == 3


def test_tail_follows_through_a_restart_without_gap_or_repetition(server: Server) -> None:
    server.cli("stream", "create", "s")
    server.cli("push", "s", input=lines(*range(5)))
    port = server.url.rsplit(":", 1)[1]
    out = server.folder / "followed"
    with out.open("w") as file:
        following = subprocess.Popen(
            [str(BINARY), "tail", "-f", "s", "--from", "2", "--raw"], stdout=file, stderr=subprocess.PIPE,
            env={**server.env, "SURICATE_URL": server.url, "SURICATE_TOKEN": server.token})

    def followed(count: int) -> list[int]:
        wait_until(lambda: len(out.read_text().splitlines()) >= count, f"{count} messages are there")
        return [int(line) for line in out.read_text().splitlines()]

    assert followed(3) == [2, 3, 4]
    server.cli("push", "s", input=lines(5, 6))
    assert followed(5) == [2, 3, 4, 5, 6]
    server.kill()
    server.arguments = [*server.arguments, "--listen", f"127.0.0.1:{port}"]
    server.start()
    server.cli("push", "s", input=lines(7))
    assert followed(6) == [2, 3, 4, 5, 6, 7]
    following.terminate()
    following.communicate()


# -- replay -------------------------------------------------------------------------------------------------------


def test_a_table_is_replayed_as_a_stream_in_the_order_of_its_times(server: Server) -> None:
    server.cli("put", "-", "t.csv", input="n,day\n1,2013-09-06\n2,2013-09-05 12:00\n3,\n")
    said = server.cli("replay", "t.csv", "--as", "days", "--speed", "max")
    assert 'made the stream days, time from "day"' in said.stderr and "order of their times" in said.stderr
    assert "1 rows without a time" in said.stderr
    items = [json.loads(line) for line in server.cli("tail", "days", "--json", "--from", "earliest").stdout.splitlines()]
    assert [(item["body"]["n"], item["time"][:16]) for item in items] == [
        (2, "2013-09-05T12:00"), (3, "2013-09-05T12:00"), (1, "2013-09-06T00:00")]
    wrong = server.cli("replay", "t.csv", "--as", "days", "--time", "n", check=False)
    assert wrong.returncode == 5 and '"day"' in wrong.stderr


def test_rows_keep_their_pace(server: Server) -> None:
    server.cli("put", "-", "t.ndjson", input=lines(*({"ts": 1700000000 + 30 * n, "n": n} for n in range(4))))
    said = json.loads(server.cli("replay", "t.ndjson", "--as", "paced", "--speed", "100", "--per-row", "--json").stdout)
    assert said["count"] == 4 and said["time"] == "ts" and 900 <= said["took_ms"] < 20000
    arrivals = [json.loads(line)["arrival"] for line in server.cli("tail", "paced", "--json").stdout.splitlines()]
    assert len(set(arrivals)) == 4
    said = json.loads(server.cli("replay", "t.ndjson", "--as", "rated", "--rate", "20", "--json").stdout)
    assert said["count"] == 4 and said["time"] is None and 150 <= said["took_ms"] < 20000


def test_now_moves_the_rows_to_today(server: Server) -> None:
    timed_plays(server)
    server.cli("replay", "plays.ndjson", "--as", "plays", "--speed", "36000", "--now")
    items = [json.loads(line) for line in server.cli("tail", "plays", "--json").stdout.splitlines()]
    assert len(items) == 10 and all(item["time"][:4] >= "2024" and item["time"] == item["body"]["at"] for item in items)


@pytest.mark.parametrize(("arguments", "word"), [
    (["week1.csv", "--as", "s"], "--rate"), (["week1.csv"], "--as"), (["week1.csv", "--as", "s", "--speed", "0"], "max"),
    (["week1.csv", "--as", "s", "--speed", "2", "--rate", "2"], "one of them"), (["week1.csv", "--as", "s", "--time", "kind"], '"kind"'),
])
def test_replay_says_what_it_needs(server: Server, arguments: list[str], word: str) -> None:
    server.cli("put", SAMPLE, "week1.csv")
    done = server.cli("replay", *arguments, check=False)
    assert done.returncode == 2 and word in done.stderr
    assert server.cli("replay", "nothing.csv", "--as", "s", check=False).returncode == 3


# -- sql, consumers, secrets --------------------------------------------------------------------------------------


def test_sql_answers_as_table_csv_and_json(server: Server) -> None:
    server.cli("stream", "create", "kitchen", "--time-field", "at")
    server.cli("push", "kitchen", input=lines(*({"at": f"2025-01-01T00:00:{n:02}Z", "who": "ab"[n % 2], "n": n} for n in range(10))))
    question = "select who, sum(n) as total from kitchen group by who order by who"
    table = server.cli("sql", question).stdout.split()
    assert table == ["who", "total", "a", "20", "b", "25"]
    assert server.cli("sql", question, "--format", "csv").stdout.replace("\r", "") == "who,total\na,20\nb,25\n"
    assert json.loads(server.cli("sql", question, "--format", "json").stdout)["items"] == [{"who": "a", "total": 20}, {"who": "b", "total": 25}]
    assert server.cli("sql", question, "--format", "ndjson").stdout == '{"who":"a","total":20}\n{"who":"b","total":25}\n'
    assert json.loads(server.cli("sql", question, "--json").stdout)["rows"] == [["a", 20], ["b", 25]]
    assert server.cli("sql", "-", "--last", "3s", input="select count(*) as n from kitchen").stdout.split()[0] == "n"
    server.cli("put", SAMPLE, "nfl/week1.csv")
    said = server.cli("sql", 'select count(*) as n from "nfl/week1.csv" where complete = 1', "--format", "csv").stdout
    assert int(said.split()[1]) > 0
    wrong = server.cli("sql", "select nonsense from kitchen", check=False)
    assert wrong.returncode == 2 and "nonsense" in wrong.stderr


def test_consumers_are_listed_moved_and_removed(server: Server) -> None:
    server.cli("stream", "create", "s")
    server.requests.put("/v1/streams/s/consumers/alarms", json={"every": "10s", "from": "earliest"}).raise_for_status()
    assert "alarms" in server.cli("consumer", "ls", "s").stdout
    before = json.loads(server.cli("consumer", "show", "s", "alarms", "--json").stdout)
    assert before["every"] == "10s"
    server.cli("consumer", "seek", "s", "alarms", "earliest")
    assert json.loads(server.cli("consumer", "show", "s", "alarms", "--json").stdout)["epoch"] > before["epoch"]
    server.cli("consumer", "rm", "s", "alarms")
    assert "no consumers" in server.cli("consumer", "ls", "s").stderr


def test_a_secret_comes_from_standard_input_and_is_never_shown(server: Server) -> None:
    said = server.cli("secret", "set", "broker", input="hunter2hunter2\n")
    assert said.stdout == "secret broker set\n"
    listed = server.cli("secret", "ls").stdout + server.cli("secret", "ls", "--json").stdout
    assert "broker" in listed and "hunter2" not in listed
    assert server.cli("secret", "set", "empty", input="", check=False).returncode == 2
    assert server.cli("secret", "set", "x", "value", input="v", check=False).returncode == 2
    server.cli("secret", "rm", "broker")
    assert "no secrets" in server.cli("secret", "ls").stderr


def test_stats_and_dead_letters_are_shown(server: Server) -> None:
    server.cli("stream", "create", "s")
    server.cli("push", "s", input=lines(1, 2, 3))
    assert json.loads(server.cli("stats", "s", "--json").stdout)["offsets"]["next"] == 3
    assert "offsets.next" in server.cli("stats", "s").stdout
    assert "no dead letters" in server.cli("dead-letters", "s").stderr
    assert "as it was written" in server.cli("stream", "verify", "s").stderr


# -- the live chart -----------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(560)
@pytest.mark.server("--warm", "1")
def test_the_live_chart_follows_the_game_to_its_end(server: Server) -> None:
    done = subprocess.run(
        [ROOT / "samples" / "live-chart" / "run", "max"], cwd=server.folder, capture_output=True, text=True, timeout=540,
        stdin=subprocess.DEVNULL,
        env={**server.env, "PATH": os.environ["PATH"], "SURICATE": str(BINARY), "SURICATE_URL": server.url, "SURICATE_TOKEN": server.token})
    assert done.returncode == 0, done.stdout + done.stderr
    assert "W.Welker leads" in done.stdout
    assert "play 216  quarter 4, 00:00" in done.stdout and "favourite receiver is W.Welker" in done.stdout
    standings = json.loads(server.cli("get", "live/favourite-receiver.json").stdout)
    assert standings["plays"] == 216
    assert standings["receivers"][0] == {"receiver": "W.Welker", "targets": 11, "catches": 9, "yards": 67, "touchdowns": 2}
    versions = json.loads(server.cli("versions", "live/favourite-receiver.svg", "--json").stdout)["items"]
    assert len(versions) == 216, "a chart after each play"
    assert server.cli("get", "live/favourite-receiver.svg").stdout.lstrip().startswith("<?xml")
