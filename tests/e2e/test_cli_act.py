"""The command line of acting: actions, decisions and why, watches, triggers, models, silences, against the real server."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import BINARY, Server, wait_until
from test_consumers import BASE, Follower, Receiver, make_stream, receiver, say  # noqa: F401


def read(server: Server, *words: str) -> Any:
    """What a command prints with --json."""
    return json.loads(server.cli(*words, "--json").stdout)


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver) -> Server:  # noqa: F811
    """A server with the stream `s` and the action `hook` that goes to the receiver."""
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}")
    make_stream(server)
    server.cli("action", "put", "hook", "--webhook", receiver.url)
    return server


def decide(server: Server, **parameters: Any) -> str:
    """A follower's decision about a window; its id."""
    say(server, 1, 2, 11)
    follower = Follower(server)
    answer = follower.commit(follower.next("30s").json()["window"], decisions=[
        {"action": "hook", "parameters": parameters, "reason": "too slow"}])
    assert answer.status_code == 200, answer.text
    return str(answer.json()["decisions"][0])


# -- actions ------------------------------------------------------------------------------------------------------


def test_actions_are_put_shown_listed_and_removed(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    assert acting.cli("action", "put", "scale-up", check=False).returncode == 2
    acting.cli("secret", "set", "hook-key", input="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    said = acting.cli("action", "put", "scale-up", "--webhook", receiver.url, "--secret", "hook-key", "--header", "X-Team: blue")
    assert said.stdout == "action scale-up set\n"
    shown = read(acting, "action", "show", "scale-up")
    assert shown["webhook"] == receiver.url and shown["secret"] == "hook-key" and shown["headers"] == {"X-Team": "blue"}
    assert receiver.url in acting.cli("action", "ls").stdout
    acting.cli("action", "rm", "scale-up", "hook")
    assert "no actions" in acting.cli("action", "ls").stderr


def test_an_action_comes_from_a_file_from_fields_and_from_options(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    definition = json.dumps({"webhook": "https://example.org/from-the-file", "headers": {"X-One": "1"}})
    acting.cli("action", "put", "mixed", "-", "headers.X-Two=two", "--webhook", receiver.url, input=definition)
    shown = read(acting, "action", "show", "mixed")
    assert shown["webhook"] == receiver.url and shown["headers"] == {"X-One": "1", "X-Two": "two"}
    two = acting.cli("action", "put", "mixed", "one.json", "two.json", check=False)
    assert two.returncode == 2 and "one file" in two.stderr
    assert acting.cli("action", "put", "mixed", "--header", "nothing", check=False).returncode == 2


# -- decisions ----------------------------------------------------------------------------------------------------


def test_why_says_on_what_grounds_a_decision_stands_and_what_came_of_it(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    assert "no decisions" in acting.cli("decision", "ls").stderr
    assert acting.cli("why", "last", check=False).returncode == 3
    decision = decide(acting, by=1)
    wait_until(lambda: read(acting, "why", "last")["state"] == "sent", "it was delivered")
    said = acting.cli("why", "last").stdout
    assert "consumer c" in said and "too slow" in said and '{"by":1}' in said and "2 among offsets 0 to 1" in said and "sent" in said
    assert read(acting, "why", decision[:20]) == read(acting, "decision", "show", decision) == read(acting, "why", "last", "--stream", "s")
    assert decision in acting.cli("decision", "ls", "--consumer", "c").stdout
    assert "no decisions" in acting.cli("decision", "ls", "--state", "failed").stderr


def test_a_decision_is_found_by_how_its_id_begins(acting: Server) -> None:
    decision = decide(acting)
    assert read(acting, "why", decision[:12])["id"] == decision
    unknown = acting.cli("why", "zzzz", check=False)
    assert unknown.returncode == 3 and "begins with zzzz" in unknown.stderr and "decision ls" in unknown.stderr
    assert acting.cli("why", "z" * 26, check=False).returncode == 3


def test_investigating_a_decision_makes_one_notebook_that_runs(acting: Server) -> None:
    decision = decide(acting)
    name = acting.cli("decision", "investigate", "last").stdout.strip()
    assert name == f"investigate/{decision}"
    before = acting.requests.get(f"/v1/notebooks/{name}", params={"view": "info"}).json()
    assert acting.cli("decision", "investigate", decision).stdout.strip() == name
    assert acting.requests.get(f"/v1/notebooks/{name}", params={"view": "info"}).json()["version"] == before["version"]
    ended = json.loads(acting.cli("run", name, "--wait", "--json", check=False).stdout)
    assert ended["state"] == "succeeded", ended["error"]
    assert ended["result"]["decision"] == decision and ended["figures"]


# -- watches ------------------------------------------------------------------------------------------------------

WATCH = ("--stream", "s", "--every", "10s", "--value", "max(v)", "--detector", "threshold", "-p", "above=100", "--on", "value",
         "--critical", "100", "--start", "earliest", "--action", "hook")


def fire(server: Server) -> dict[str, Any]:
    """A watch whose second window is critical, and its decision as `why` gives it, delivered."""
    server.cli("watch", "put", "heat", *WATCH)
    say(server, 1, 2, 111, 121)
    return wait_until(lambda: (found := read(server, "decision", "ls", "--watch", "heat", "--state", "sent")["items"])
                      and read(server, "why", found[-1]["id"]), "the watch has decided and told")


def test_a_watch_is_put_shown_changed_listed_and_removed(acting: Server) -> None:
    assert acting.cli("watch", "put", "heat", *WATCH).stdout == "watch heat set\n"
    definition = read(acting, "watch", "show", "heat")["definition"]
    assert definition["values"] == ["max(v)"] and definition["detector"]["parameters"] == {"above": 100}
    assert definition["levels"]["critical"]["enter"] == 100 and definition["actions"][0]["action"] == "hook"
    acting.cli("watch", "set", "heat", "--hold", "3", "enabled=false", "--value", "min(v)")
    changed = read(acting, "watch", "show", "heat")
    assert changed["definition"]["hold"] == 3 and changed["definition"]["values"] == ["min(v)"] and changed["state"] == "paused"
    assert changed["definition"]["levels"] == definition["levels"] and changed["definition"]["actions"] == definition["actions"]
    assert ["heat", "s", "10s"] in [line.split()[:3] for line in acting.cli("watch", "ls").stdout.splitlines()]
    wrong = acting.cli("watch", "put", "heat", "--stream", "s", "--detector", "magic", check=False)
    assert wrong.returncode == 2 and "magic" in wrong.stderr
    assert acting.cli("watch", "set", "cold", "hold=1", check=False).returncode == 3
    acting.cli("watch", "rm", "heat")
    assert acting.cli("watch", "show", "heat", check=False).returncode == 3


def test_what_a_watch_decided_is_explained_back_tested_and_looked_at(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    decision = fire(acting)
    assert decision["event"] == "opened" and decision["grounds"]["value"] == 111
    said = acting.cli("why", "last", "--watch", "heat", "--state", "sent").stdout
    for part in ("watch heat", "opened, critical", "2023-11-14T22:15:10.000", "111", "threshold/1", "hook", "sent"):
        assert part in said, said
    again = next(line for line in said.splitlines() if line.startswith("again")).split()[1:]
    replayed = read(acting, *again[1:])
    assert [item["id"] for item in replayed["decisions"]] == [decision["id"]]
    assert replayed["compared"] == {"live": 1, "same": 1, "differ": []}
    stricter = acting.cli("watch", "backtest", "heat", "--from", "earliest", "--critical", "500")
    assert "no decisions" in stricter.stderr
    unsaved = acting.cli("watch", "backtest", "any", "--new", "--from", "earliest", *WATCH).stdout
    assert "opened" in unsaved and "critical" in unsaved
    assert read(acting, "decision", "show", decision["id"])["state"] == "sent", "back-tests change nothing"
    assert len(receiver.taken) == 1 and receiver.taken[0]["headers"]["Idempotency-Key"] == decision["id"]
    name = acting.cli("decision", "investigate", decision["id"]).stdout.strip()
    ended = json.loads(acting.cli("run", name, "--wait", "--json", check=False).stdout)
    assert ended["state"] == "succeeded", ended["error"]
    assert ended["result"]["again"] is True and ended["figures"]


def test_keys_and_scores_of_a_watch_are_shown_and_its_decisions_followed(acting: Server, tmp_path: Path) -> None:
    decision = fire(acting)
    assert acting.cli("watch", "keys", "heat", "--state", "firing").stdout.splitlines()[1].split()[0] == "firing", "the one key has no name"
    scores = acting.cli("watch", "scores", "heat", "--from", "earliest").stdout.splitlines()
    assert scores[0].startswith("WINDOW") and any(" 111 " in line and line.endswith("critical") for line in scores)
    assert decision["id"] in acting.cli("watch", "tail", "heat", "-n", "1").stdout
    followed = tmp_path / "followed"
    with followed.open("w") as out:
        tail = subprocess.Popen([str(BINARY), "watch", "tail", "heat", "-n", "2", "--json"], stdout=out,
                                env={**acting.env, "SURICATE_URL": acting.url, "SURICATE_TOKEN": acting.token})
    try:
        wait_until(lambda: followed.read_text().count("\n") == 1, "what was decided before is shown")
        acting.cli("push", "s", input="".join(json.dumps({"ts": BASE + second, "v": 5}) + "\n" for second in (131, 141)))
        wait_until(lambda: tail.poll() is not None, "the tail has shown two")
    finally:
        tail.kill()
    assert tail.wait() == 0 and [json.loads(line)["event"] for line in followed.read_text().splitlines()] == ["opened", "resolved"]
    assert acting.cli("watch", "tail", "cold", check=False).returncode == 3


# -- what is not to be sent -----------------------------------------------------------------------------------------


def test_silences_are_made_listed_and_ended(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    silence = acting.cli("silence", "add", "--action", "ho*", "--for", "2h", "--reason", "moving").stdout.strip()
    listed = read(acting, "silence", "ls")["items"]
    assert [item["id"] for item in listed] == [silence] and listed[0]["matchers"] == {"action": "ho*"} and listed[0]["reason"] == "moving"
    assert "moving" in acting.cli("silence", "ls").stdout
    decision = decide(acting)
    stopped = wait_until(lambda: (found := read(acting, "why", decision))["state"] != "pending" and found, "its fate is known")
    assert stopped["state"] == "stopped" and not receiver.taken
    assert "silence: stopped it" in acting.cli("why", decision).stdout
    acting.cli("silence", "rm", silence)
    assert acting.cli("silence", "add", "--for", "soon", "--reason", "x", check=False).returncode == 2
    assert acting.cli("silence", "add", "--for", "1h", check=False).returncode == 2, "without a reason"


def test_the_switch_stops_all_actions_and_starts_them_again(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    acting.cli("switch", "stop", "--reason", "too many")
    assert "too many" in acting.cli("switch", "show").stdout and read(acting, "switch", "show")["actions"] == "stopped"
    decision = decide(acting)
    acting.cli("switch", "start")
    assert read(acting, "switch", "show")["actions"] == "running"
    wait_until(lambda: read(acting, "why", decision)["state"] != "pending", "its fate is known")


def test_decisions_that_wait_are_approved_and_rejected(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    acting.cli("action", "put", "hook", "--webhook", receiver.url, "approval.wait=10m")
    decision = decide(acting)
    wait_until(lambda: read(acting, "why", decision)["state"] == "held", "it waits")
    assert decision in acting.cli("decision", "ls", "--state", "held").stdout
    acting.cli("decision", "approve", decision[:12], "--reason", "go on")
    wait_until(lambda: read(acting, "why", decision)["state"] == "sent", "it went")
    assert acting.cli("decision", "reject", decision, check=False).returncode == 5
    assert acting.cli("decision", "resend", "zzzz", check=False).returncode == 3


def test_a_sample_is_sent_and_its_fate_shown(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    outcome = read(acting, "action", "test", "hook", "key=postgres")
    assert len(receiver.taken) == 1 and receiver.taken[0]["body"]["data"]["key"] == "postgres", outcome
    assert "200" in acting.cli("action", "test", "hook").stdout


# -- detectors ----------------------------------------------------------------------------------------------------


def test_detectors_are_listed_and_tried_on_a_table(server: Server) -> None:
    listed = server.cli("detector", "ls").stdout
    assert "combination" in listed and "seasonal" in listed
    rows = [{"at": f"2025-01-01T{hour:02}:{minute:02}:00Z", "load": 5 + minute % 3} for hour in range(20) for minute in range(60)]
    rows[1100]["load"] = 500
    table = "".join(json.dumps(row) + "\n" for row in rows)
    scored = json.loads(server.cli("detector", "score", "combination", "-", "--time", "at", "--json", input=table).stdout)
    assert len(scored["scores"]) == 1200 and scored["scores"][1100] > 0.99
    said = server.cli("detector", "score", "threshold", "-", "--field", "load", "-p", "above=100", input=table).stdout
    assert said.splitlines()[0].split() == ["ROW", "VALUE", "SCORE", "NORMAL", "LOW", "HIGH"] and len(said.splitlines()) == 1201
    unknown = server.cli("detector", "score", "magic", "-", input=table, check=False)
    assert unknown.returncode == 3 and "magic" in unknown.stderr
    assert server.cli("detector", "score", "threshold", "-", input='{"a": "text"}\n', check=False).returncode == 2


# -- models -------------------------------------------------------------------------------------------------------


def test_models_are_saved_promoted_compared_rolled_back_and_fetched(server: Server) -> None:
    assert "no models" in server.cli("model", "ls").stderr
    server.cli("model", "promotion", "load", "metric=auc", "better=higher", "at_least=0.5")
    for auc, mean in ((0.7, 1.0), (0.6, 2.0), (0.9, 3.0)):
        said = server.cli("model", "save", "load", "-", "--metric", f"auc={auc}", input=json.dumps({"mean": mean})).stdout
    assert said.startswith("version 3 is live")
    shown = server.cli("model", "show", "load").stdout
    assert "candidate" in shown and "retired" in shown and '{"auc":0.9}' in shown
    assert json.loads(server.cli("model", "get", "load").stdout) == {"mean": 3.0}
    assert json.loads(server.cli("model", "get", "load", "--version", "1").stdout) == {"mean": 1.0}
    compared = server.cli("model", "compare", "load", "1", "3").stdout
    assert "auc" in compared and "0.7" in compared and compared.splitlines()[-1].split()[-1] == "b"
    assert server.cli("model", "rollback", "load").stdout == "version 1 is live\n"
    assert server.cli("model", "promote", "load", "2").stdout == "version 2 is live\n"
    server.cli("model", "retire", "load", "3")
    assert "3" in server.cli("model", "ls").stdout
    server.cli("model", "promotion", "load", "--none")
    assert read(server, "model", "show", "load")["promotion"] is None
    assert server.cli("model", "promote", "load", "two", check=False).returncode == 2
    assert server.cli("model", "promote", "load", "9", check=False).returncode == 3
    server.cli("model", "rm", "load")
    assert "no models" in server.cli("model", "ls").stderr


def test_a_model_scores_the_rows_of_a_table_and_a_stretch_of_a_stream(server: Server) -> None:
    rows = [{"x": n % 5, "y": n % 7} for n in range(300)] + [{"x": 900, "y": -900}]
    table = "".join(json.dumps(row) + "\n" for row in rows)
    learned = json.loads(server.cli("detector", "score", "kmeans", "-", "--json", input=table).stdout)["model"]
    server.cli("model", "save", "pairs", "-", "--kind", "kmeans", input=json.dumps(learned))
    scores = [float(line) for line in server.cli("model", "score", "pairs", "-", input=table).stdout.splitlines()]
    assert len(scores) == 301 and max(scores) == scores[300]
    server.cli("stream", "create", "pairs")
    server.cli("push", "pairs", input=table)
    assert len(server.cli("model", "score", "pairs", "--stream", "pairs", "--from", "earliest", "--field", "x", "--field", "y").stdout.splitlines()) == 301
    assert server.cli("model", "score", "nothing", "-", input=table, check=False).returncode == 3


# -- triggers -----------------------------------------------------------------------------------------------------


def test_triggers_are_put_fired_listed_and_removed(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    acting.cli("trigger", "put", "by-hand", "--action", "hook", "-p", "by={{ event.parameters.by | 1 }}")
    shown = read(acting, "trigger", "show", "by-hand")
    assert shown["when"]["kind"] == "api" and shown["then"] == {"action": "hook", "parameters": {"by": "{{ event.parameters.by | 1 }}"}}
    decision = read(acting, "trigger", "fire", "by-hand", "-p", "by=2")["decision"]
    wait_until(lambda: read(acting, "why", decision)["state"] == "sent", "what it started was delivered")
    assert receiver.taken[0]["body"]["data"]["parameters"]["by"] == 2
    assert decision in acting.cli("trigger", "firings", "by-hand").stdout
    said = acting.cli("why", decision).stdout
    assert "trigger by-hand" in said and "suricate trigger fire by-hand" in said
    acting.put_notebook("report", "print(day)", parameters="day = 'today'")
    acting.cli("trigger", "put", "nightly", "--cron", "30 2 * * *", "--zone", "Europe/Berlin", "--notebook", "report", "-p", "day=yesterday")
    assert read(acting, "trigger", "show", "nightly")["then"] == {"run": {"notebook": "report", "parameters": {"day": "yesterday"}}}
    listed = acting.cli("trigger", "ls").stdout
    assert "by-hand" in listed and "30 2 * * *" in listed
    address = acting.cli("trigger", "url", "by-hand").stdout.strip()
    assert acting.client(None).post(address).status_code < 300
    wait_until(lambda: len(receiver.taken) == 2, "the secret address fired it")
    assert acting.cli("trigger", "put", "never", "--cron", "0 0 30 2 *", "--action", "hook", check=False).returncode == 2
    acting.cli("trigger", "rm", "by-hand")
    assert acting.cli("trigger", "show", "by-hand", check=False).returncode == 3
