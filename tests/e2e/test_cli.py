"""The command line: every command against the real server, exit statuses, and what never leaves this machine."""

from __future__ import annotations

import functools
import http.server
import json
import os
import pty
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import BINARY, FINAL_STATES, ROOT, SAMPLE, Server, notebook, wait_until

PARAMETERS = "count: int = 2  # how many lines\nname: str = 'line'\nextra: dict = None"
PRINTS = "for i in range(count):\n    print(name, i)"
RESULT = "import suricate as s\ns.result({'count': count, 'name': name})"


def write_notebook(folder: Path, *cells: str, name: str = "report.ipynb", parameters: str | None = PARAMETERS) -> Path:
    path = folder / name
    path.write_text(json.dumps(notebook(*cells, parameters=parameters)))
    return path


def commands() -> list[str]:
    """Every command that `suricate help` lists."""
    listed = subprocess.run([BINARY, "help"], capture_output=True, text=True, check=True).stdout
    return [match.strip() for match in re.findall(r"^  ([a-z]+(?: [a-z]+)?)  +\S", listed, re.M)]


# -- help and what is generated -----------------------------------------------------------------------------------


def test_every_command_explains_itself() -> None:
    names = commands()
    assert len(names) > 35 and {"put", "recipe run", "serve", "doctor"} <= set(names)
    for name in names:
        said = subprocess.run([BINARY, "help", *name.split()], capture_output=True, text=True, check=True).stdout
        assert said.startswith(f"usage: suricate {name}"), said
        if name != "serve":
            asked = subprocess.run([BINARY, *name.split(), "--help"], capture_output=True, text=True, check=True).stdout
            assert asked == said


def test_man_page_completion_and_reference_are_current() -> None:
    subprocess.run([ROOT / "packaging" / "manuals", "--check", BINARY], check=True)


@pytest.mark.parametrize(("words", "expected"), [
    (["re"], {"recipe", "replay", "restore"}), (["recipe", ""], {"ls", "show", "run", "export", "add", "rm", "index"}),
    (["recipe", "run", "--o"], {"--object", "--output"}), (["put", "--t"], {"--tag", "--type"}), (["runs", "--st"], {"--state"}),
    (["ls", "--js"], {"--json"}),
])
def test_bash_completes(words: list[str], expected: set[str]) -> None:
    script = (f"source {ROOT / 'packaging/completion/suricate.bash'}; COMP_WORDS=(suricate {' '.join(w or chr(39) * 2 for w in words)});"
              f"COMP_CWORD={len(words)}; _suricate; printf '%s\\n' \"${{COMPREPLY[@]}}\"")
    said = subprocess.run(["bash", "-euc", script], capture_output=True, text=True, check=True).stdout
    assert set(said.split()) == expected


@pytest.mark.parametrize("arguments", [
    [], ["bogus"], ["recipe"], ["recipe", "bogus"], ["put"], ["put", "a", "b", "c"], ["ls", "--bogus"], ["ls", "--tag"], ["put", "-"],
    ["recipe", "run", "x"], ["run", "x", "-p", "novalue"], ["run", "x", "-l", "time=soon"], ["token", "create", "x"],
    ["get", "x", "-c"], ["restore", "x"], ["ls", "--url", "ftp://127.0.0.1/"],
])
def test_wrong_use_exits_with_2_and_says_what_is_right(arguments: list[str], tmp_path: Path) -> None:
    done = subprocess.run([BINARY, *arguments], capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          env={"SURICATE_URL": "http://127.0.0.1:1", "HOME": str(tmp_path)})
    assert done.returncode == 2, done
    assert done.stdout == "" and "suricate" in done.stderr


# -- objects ------------------------------------------------------------------------------------------------------


def test_objects_go_there_and_back(server: Server, tmp_path: Path) -> None:
    said = server.cli("put", SAMPLE, "nfl/week 1.csv", "--tag", "season:2013", "-t", "football", "--metadata", '{"week": 1}')
    assert "version 1" in said.stdout
    info = json.loads(server.cli("info", "nfl/week 1.csv", "--json").stdout)
    assert info["type"] == "text/csv" and info["tags"] == ["football", "season:2013"] and info["metadata"] == {"week": 1}
    out = tmp_path / "back.csv"
    server.cli("get", "nfl/week 1.csv", "-o", out)
    assert out.read_bytes() == SAMPLE.read_bytes() and not out.with_suffix(".csv.part").exists()
    assert server.cli("get", "nfl/week 1.csv").stdout == SAMPLE.read_text()
    server.cli("put", "-", "nfl/week 1.csv", input="a,b\n1,2\n")
    assert server.cli("get", "nfl/week 1.csv").stdout == "a,b\n1,2\n"
    assert server.cli("get", "nfl/week 1.csv", "--version", "1").stdout == SAMPLE.read_text()
    assert [item["version"] for item in json.loads(server.cli("versions", "nfl/week 1.csv", "--json").stdout)["items"]] == [2, 1]
    server.cli("put", SAMPLE)
    listed = json.loads(server.cli("ls", "--json").stdout)["items"]
    assert [item["name"] for item in listed] == [SAMPLE.name, "nfl/week 1.csv"]
    assert json.loads(server.cli("ls", "nfl/", "--json").stdout)["items"] == listed[1:]
    assert json.loads(server.cli("ls", "--tag", "football", "--json").stdout)["items"] == listed[1:]
    server.cli("rm", SAMPLE.name, "nfl/week 1.csv")
    empty = server.cli("ls")
    assert empty.stdout == "" and "no objects" in empty.stderr


def test_preview_describes_the_columns(server: Server) -> None:
    server.cli("put", SAMPLE, "plays.csv")
    said = server.cli("preview", "plays.csv").stdout
    assert "216 rows" in said and re.search(r"^passer +text .*P\.Manning", said, re.M)
    assert json.loads(server.cli("preview", "plays.csv", "--json").stdout)["rows"] == 216


def test_a_list_of_many_pages_is_printed_as_one(server: Server) -> None:
    for number in range(1005):
        server.requests.put(f"/v1/objects/many/{number:04}", data=b"x").raise_for_status()
    names = [item["name"] for item in json.loads(server.cli("ls", "many/", "--json").stdout)["items"]]
    assert names == [f"many/{number:04}" for number in range(1005)]
    assert len(server.cli("ls", "many/").stdout.splitlines()) == 1006


def test_a_large_file_goes_up_from_disk_and_from_standard_input(server: Server, tmp_path: Path) -> None:
    body = os.urandom(1 << 20) * 24
    file = tmp_path / "large.bin"
    file.write_bytes(body)
    server.cli("put", file, "-q")
    server.cli("put", "-", "piped.bin", input=body)
    large, piped = (json.loads(server.cli("info", name, "--json").stdout) for name in ("large.bin", "piped.bin"))
    assert large["sha256"] == piped["sha256"] and large["size"] == len(body)


def test_a_broken_download_goes_on_where_it_ended(server: Server, tmp_path: Path) -> None:
    server.cli("put", SAMPLE, "plays.csv")
    out, part = tmp_path / "plays.csv", tmp_path / "plays.csv.part"
    part.write_bytes(SAMPLE.read_bytes()[:5000])
    server.cli("get", "plays.csv", "-o", out, "--continue")
    assert out.read_bytes() == SAMPLE.read_bytes() and not part.exists()
    server.cli("get", "plays.csv", "-o", out, "--continue")  # all of it is there already
    assert out.read_bytes() == SAMPLE.read_bytes()
    out.unlink()
    part.write_bytes(b"of another version")
    done = server.cli("get", "plays.csv", "-o", out, "-c", check=False)
    assert done.returncode == 5 and "without --continue" in done.stderr and not out.exists()
    server.cli("get", "plays.csv", "-o", out)
    assert out.read_bytes() == SAMPLE.read_bytes()


def test_conditions_say_who_was_first(server: Server) -> None:
    server.cli("put", SAMPLE, "plays.csv", "--new")
    etag = json.loads(server.cli("info", "plays.csv", "--json").stdout)["etag"]
    assert server.cli("put", SAMPLE, "plays.csv", "--new", check=False).returncode == 5
    server.cli("put", "-", "plays.csv", "--if-match", etag, input="a\n1\n")
    assert server.cli("put", SAMPLE, "plays.csv", "--if-match", etag, check=False).returncode == 5


# -- errors and exit statuses -------------------------------------------------------------------------------------


def test_exit_statuses_and_messages(server: Server, tmp_path: Path) -> None:
    missing = server.cli("get", "nothing/here", check=False)
    assert missing.returncode == 3 and "nothing/here" in missing.stderr and missing.stdout == ""
    assert server.cli("put", tmp_path / "no-such-file", check=False).returncode == 3
    assert server.cli("runs", "show", "nobody", check=False).returncode == 3
    assert server.cli("put", tmp_path, "x", check=False).returncode == 2
    assert server.cli("put", SAMPLE, "a/../b", check=False).returncode == 2
    denied = server.cli("ls", check=False, env={"SURICATE_TOKEN": "su_wrong"})
    assert denied.returncode == 4
    narrow = server.cli("token", "create", "narrow", "--scope", "runs:read").stdout.strip()
    scope = server.cli("ls", check=False, env={"SURICATE_TOKEN": narrow})
    assert scope.returncode == 4 and "objects:read" in scope.stderr
    away = server.cli("status", check=False, env={"SURICATE_URL": "http://127.0.0.1:1"})
    assert away.returncode == 7 and "hint:" in away.stderr
    problem = json.loads(server.cli("get", "nothing/here", "--json", check=False).stderr)
    assert problem["status"] == 404 and problem["type"].startswith("/problems/") and problem["detail"]


def test_what_is_no_suricate_server_is_said_so(server: Server) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        connection, _ = listener.accept()
        connection.recv(4096)
        connection.sendall(b"SSH-2.0-something\r\n")
        connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    done = server.cli("status", "--url", f"http://127.0.0.1:{listener.getsockname()[1]}", check=False)
    thread.join()
    listener.close()
    assert done.returncode == 7


# -- which server, which token ------------------------------------------------------------------------------------


class Recording(http.server.BaseHTTPRequestHandler):
    """Answers everything with an empty list and remembers who asked how."""

    seen: list[str | None] = []

    def do_GET(self) -> None:  # noqa: N802
        self.seen.append(self.headers.get("Authorization"))
        body = b'{"items": []}'
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def test_the_local_server_is_found_and_its_token_goes_nowhere_else(server: Server) -> None:
    bare = {"SURICATE_URL": "", "SURICATE_TOKEN": ""}
    assert json.loads(server.cli("status", "--json", env=bare).stdout)["user"] == "owner"
    assert server.cli("status", "--data", server.data, env={**bare, "SURICATE_DATA": ""}).returncode == 0
    none = server.cli("status", "--data", server.folder / "elsewhere", env=bare, check=False)
    assert none.returncode == 7 and "suricate serve" in none.stderr

    Recording.seen = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recording) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{other.server_address[1]}"
        server.cli("ls", "--url", url, env=bare)
        server.cli("ls", env={"SURICATE_URL": url, "SURICATE_TOKEN": ""})
        server.cli("ls", "--url", url, "--data", server.data, env=bare)
        other.shutdown()
    assert Recording.seen == [None, None, f"Bearer {server.token}"]


def test_tokens_are_printed_once_and_never_again(server: Server) -> None:
    token = server.cli("token", "create", "nightly", "--scope", "objects:read", "--expires", "12h").stdout.strip()
    assert server.cli("ls", env={"SURICATE_TOKEN": token}).returncode == 0
    listed = server.cli("token", "ls", "--json").stdout
    assert token not in listed and server.token not in listed
    mine = next(item for item in json.loads(listed)["items"] if item["name"] == "nightly")
    assert mine["scopes"] == ["objects:read"]
    server.cli("token", "rm", mine["id"])
    assert server.cli("ls", env={"SURICATE_TOKEN": token}, check=False).returncode == 4
    assert token not in server.log.read_text()


def test_a_login_address_works_once(server: Server) -> None:
    url = server.cli("token", "login").stdout.strip()
    assert url.startswith(f"{server.url}/login?code=")
    stranger = server.client(None)
    assert stranger.get(url, allow_redirects=False).status_code == 303
    assert stranger.get("/v1/session").json()["user"] == "owner"
    assert server.client(None).get(url, allow_redirects=False).status_code in (401, 403, 404)


def test_users_come_and_go(server: Server) -> None:
    server.cli("user", "add", "ada", input="correct horse battery staple\n")
    assert re.search(r"^ada ", server.cli("user", "ls").stdout, re.M)
    login = {"user": "ada", "password": "correct horse battery staple"}
    assert server.client(None).post("/v1/session", json=login).status_code == 201
    server.cli("user", "password", "ada", input="another long password\n")
    assert server.client(None).post("/v1/session", json=login).status_code in (401, 403)
    assert server.cli("user", "add", "ada", input="correct horse battery staple\n", check=False).returncode == 5
    assert server.cli("user", "add", "bob", input="", check=False).returncode == 2
    server.cli("user", "rm", "ada")
    assert "ada" not in server.cli("user", "ls").stdout


# -- runs ---------------------------------------------------------------------------------------------------------


def test_run_replaces_papermill(shared_server: Server, tmp_path: Path) -> None:
    file, out = write_notebook(tmp_path, PRINTS, RESULT), tmp_path / "out.ipynb"
    done = shared_server.cli("run", file, "-p", "count=3", "-p", "name=row", "--wait", "-o", out)
    assert re.sub(r"\s+", " ", done.stdout).startswith("row 0 row 1 row 2 count: 3 name: row")
    assert "succeeded" in done.stderr
    executed = json.loads(out.read_text())
    assert any("row 2" in "".join(output.get("text", "")) for cell in executed["cells"] for output in cell.get("outputs", []))
    quiet = shared_server.cli("run", "report.ipynb", "-p", "count:=1", "--wait", "--json")
    record = json.loads(quiet.stdout)
    assert record["state"] == "succeeded" and record["result"] == {"count": 1, "name": "line"} and quiet.stderr == ""


def test_parameters_come_from_a_file_and_options_go_first(shared_server: Server, tmp_path: Path) -> None:
    file, given = write_notebook(tmp_path, RESULT, name="given.ipynb"), tmp_path / "given.json"
    given.write_text('{"count": 5, "name": "file"}')
    record = json.loads(shared_server.cli("run", file, "-f", given, "-p", 'name:="2013"', "--wait", "--json").stdout)
    assert record["parameters"] == {"count": 5, "name": "2013"} and record["result"] == {"count": 5, "name": "2013"}
    wrong = shared_server.cli("run", file, "-p", "count=many", "--wait", check=False)
    assert wrong.returncode == 2 and "count" in wrong.stderr
    unknown = shared_server.cli("run", file, "-p", "nobody=1", check=False)
    assert unknown.returncode == 2 and "nobody" in unknown.stderr
    listed = shared_server.cli("notebook", "parameters", "given.ipynb").stdout
    assert re.search(r"^count +int +2 +how many lines", listed, re.M)


def test_a_failing_run_exits_with_1_and_shows_why(shared_server: Server, tmp_path: Path) -> None:
    file = write_notebook(tmp_path, "print('before')", "1 / 0", name="fails.ipynb")
    done = shared_server.cli("run", file, "--wait", check=False)
    assert done.returncode == 1 and "before" in done.stdout
    assert "ZeroDivisionError" in done.stderr and "failed" in done.stderr
    limited = write_notebook(tmp_path, "import time\ntime.sleep(60)", name="slow.ipynb")
    late = shared_server.cli("run", limited, "--limit", "time=1s", "--wait", "--json", check=False)
    assert late.returncode == 1 and json.loads(late.stdout)["state"] == "timed_out"


def test_runs_are_shown_watched_cancelled_and_repeated(shared_server: Server, tmp_path: Path) -> None:
    chart = "import matplotlib.pyplot as plt\nplt.plot([1, 2, 3])\nplt.show()"
    file = write_notebook(tmp_path, PRINTS, chart, RESULT, name="shown.ipynb")
    run = shared_server.cli("run", file).stdout.strip()
    assert shared_server.cli("runs", "show", run, "--wait").returncode == 0
    assert shared_server.cli("runs", "watch", run).stdout == "line 0\nline 1\n"
    assert shared_server.cli("runs", "log", run).stdout.strip()
    listed = json.loads(shared_server.cli("runs", "--notebook", "shown.ipynb", "--json").stdout)["items"]
    assert [item["id"] for item in listed] == [run]
    assert re.search(rf"^{run} +succeeded +shown\.ipynb", shared_server.cli("runs", "ls", "-n", "5").stdout, re.M)
    saved = shared_server.cli("runs", "figures", run, "-o", tmp_path / "charts").stdout.split()
    assert {Path(name).name for name in saved} == {"figure-1.png", "figure-1.svg"}
    assert (tmp_path / "charts" / "figure-1.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(shared_server.cli("runs", "notebook", run).stdout)["nbformat"] == 4
    assert json.loads(shared_server.cli("runs", "lineage", run, "--json").stdout)["notebook"]["name"] == "shown.ipynb"
    again = json.loads(shared_server.cli("runs", "replay", run, "--wait", "--json").stdout)
    assert again["state"] == "succeeded" and again["id"] != run
    endless = shared_server.cli("run", write_notebook(tmp_path, "while True: pass", name="endless.ipynb")).stdout.strip()
    shared_server.cli("runs", "cancel", endless)
    ended = shared_server.cli("runs", "show", endless, "--wait", "--json", check=False)
    assert ended.returncode == 1 and json.loads(ended.stdout)["state"] == "cancelled"


def test_what_is_printed_shows_while_the_run_goes_on(shared_server: Server, tmp_path: Path) -> None:
    wait = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.02)"
    file = write_notebook(tmp_path, "print('begun', flush=True)", wait.replace("'go'", "'/run/kernel/never'"), name="live.ipynb")
    with subprocess.Popen([BINARY, "run", file, "--wait"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
                          env={**shared_server.env, "SURICATE_URL": shared_server.url, "SURICATE_TOKEN": shared_server.token}) as watching:
        assert watching.stdout is not None
        assert watching.stdout.readline() == "begun\n"
        run = json.loads(shared_server.cli("runs", "--notebook", "live.ipynb", "--json").stdout)["items"][0]
        assert run["state"] == "running"
        shared_server.cli("runs", "cancel", run["id"])
        assert watching.wait(60) == 1


def test_watching_outlives_a_restart_of_the_server(start_server: Callable[..., Server], tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = start_server("--listen", f"127.0.0.1:{port}")
    file = write_notebook(tmp_path, "import time\nfor i in range(60):\n    print('line', i, flush=True)\n    time.sleep(0.1)", parameters=None)
    with subprocess.Popen([BINARY, "run", file, "--wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          env={**server.env, "SURICATE_URL": server.url, "SURICATE_TOKEN": server.token}) as watching:
        assert watching.stdout is not None
        first = watching.stdout.readline()
        server.restart(kill=True)
        rest, said = watching.communicate(timeout=120)
    assert first + rest == "".join(f"line {i}\n" for i in range(60)), said
    assert watching.returncode == 0, said


def test_a_terminal_gets_colours_but_no_commands(shared_server: Server, tmp_path: Path) -> None:
    said = shared_server.run("print('\\x1b[31mred\\x1b[0m \\x1b]0;title\\x07 \\x1b[2J\\x08end')", name="colours")
    assert said["state"] == "succeeded"
    master, slave = pty.openpty()
    env = {**shared_server.env, "SURICATE_URL": shared_server.url, "SURICATE_TOKEN": shared_server.token, "TERM": "xterm"}
    done = subprocess.run([BINARY, "runs", "watch", said["id"]], stdout=slave, stderr=subprocess.DEVNULL, env=env, timeout=60)
    os.close(slave)
    shown = os.read(master, 4096).decode()
    os.close(master)
    assert done.returncode == 0
    assert "\x1b[31mred\x1b[0m" in shown and "end" in shown
    assert "\x1b]" not in shown and "\x1b[2J" not in shown and "\x07" not in shown


# -- recipes ------------------------------------------------------------------------------------------------------


def test_a_recipe_is_run_and_printed(shared_server: Server) -> None:
    shared_server.cli("put", SAMPLE, "cli/plays.csv")
    fits = {item["name"]: item["fits"] for item in json.loads(shared_server.cli("recipe", "ls", "--object", "cli/plays.csv", "--json").stdout)["items"]}
    assert fits["favourite-receiver"] and fits["kinds-of-receivers"]
    assert "passer" in shared_server.cli("recipe", "show", "favourite-receiver").stdout
    done = shared_server.cli("recipe", "run", "favourite-receiver", "--object", "cli/plays.csv", "-p", "passer=P.Manning", "--wait")
    assert re.search(r"^favourite: W\.Welker$", done.stdout, re.M) and re.search(r"^W\.Welker +11 +9 +67 +2$", done.stdout, re.M)
    record = json.loads(shared_server.cli("recipe", "run", "favourite-receiver", "--object", "cli/plays.csv", "-p", "passer=P.Manning", "--wait", "--json").stdout)
    assert record["result"]["favourite"] == "W.Welker"
    assert shared_server.cli("recipe", "run", "favourite-receiver", "--object", "nothing", check=False).returncode == 3


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder served over HTTP, and its address."""
    folder = tmp_path / "shop"
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()


def test_recipes_move_as_files_and_through_shops(server: Server, shop: tuple[Path, str], tmp_path: Path) -> None:
    folder, address = shop
    declared = {"name": "rows", "title": "Rows", "summary": "Counts rows.", "version": "1.0.0", "author": "A user",
                "licence": "CC0-1.0", "input": {"any_of": [{"at_least": {"text": 0, "numeric": 1}}]}}
    content = notebook("import suricate as s\ns.result(len(s.read(object)))", parameters="object: str = 'x'",
                       metadata={"suricate": {"recipe": declared}})
    (folder / "rows.ipynb").write_text(json.dumps(content))
    assert "1 recipes" in server.cli("recipe", "index", folder).stdout
    index = json.loads((folder / "index.json").read_text())
    assert index["recipes"][0]["name"] == "rows" and index["recipes"][0]["file"] == "rows.ipynb"
    assert "rows" in server.cli("recipe", "add", f"{address}/index.json").stdout
    server.cli("recipe", "add", f"{address}/index.json", "rows")
    server.cli("recipe", "export", "rows", "-o", tmp_path / "rows.ipynb")
    server.cli("recipe", "rm", "rows")
    assert server.cli("recipe", "show", "rows", check=False).returncode == 3
    server.cli("recipe", "add", tmp_path / "rows.ipynb")
    server.cli("recipe", "rm", "rows")
    server.cli("recipe", "add", f"{address}/rows.ipynb")
    assert server.cli("recipe", "show", "rows").returncode == 0
    assert server.cli("recipe", "add", f"{address}/index.json", "nothing", check=False).returncode == 3
    (folder / "rows.ipynb").write_text(json.dumps(content, indent=1))
    assert server.cli("recipe", "add", f"{address}/index.json", "rows", check=False).returncode == 5
    plain = write_notebook(tmp_path, "1", name="plain.ipynb")
    assert "declares no recipe" in server.cli("recipe", "add", plain, check=False).stderr


def test_the_shipped_index_is_what_recipe_index_writes(server: Server, tmp_path: Path) -> None:
    for file in (ROOT / "recipes").glob("*.ipynb"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    server.cli("recipe", "index", tmp_path)
    assert json.loads((tmp_path / "index.json").read_text()) == json.loads((ROOT / "recipes" / "index.json").read_text())


# -- looking after a server ---------------------------------------------------------------------------------------


def test_backup_and_restore(start_server: Callable[..., Server]) -> None:
    server = start_server()
    server.cli("put", SAMPLE, "plays.csv")
    backup, restored = server.folder / "backup", server.folder / "restored" / "data"
    server.cli("backup", "backup")
    server.cli("rm", "plays.csv")
    assert server.cli("backup", backup, check=False).returncode != 0
    restored.parent.mkdir()
    server.cli("restore", backup, "--data", restored)
    assert server.cli("restore", backup, "--data", restored, check=False).returncode != 0
    second = start_server(folder=restored.parent)
    assert second.cli("get", "plays.csv").stdout == SAMPLE.read_text()


def test_doctor_tries_things_and_says_how_to_get_them(server: Server, tmp_path: Path) -> None:
    findings = {item["check"]: item for item in json.loads(server.cli("doctor", "--json", check=False).stdout)}
    assert findings["bubblewrap"]["finding"] == "ok" and findings["server"] == {"check": "server", "finding": "ok", "detail": server.url, "fix": None}
    assert findings["disk"]["finding"] in ("ok", "note") and findings["owner's token"]["finding"] == "ok"
    bare = server.cli("doctor", check=False, env={"PATH": str(tmp_path)})
    assert bare.returncode == 1 and "apt-get install bubblewrap" in bare.stdout


def test_status_and_version(server: Server) -> None:
    assert json.loads(server.cli("status", "--json").stdout)["status"] == "ok"
    version = server.cli("version").stdout.split()
    assert version[0] == "suricate" and re.fullmatch(r"\d+\.\d+\.\d+", version[1])
    assert server.cli("--version").stdout == server.cli("version").stdout


def test_progress_shows_on_a_terminal_and_only_there(server: Server, tmp_path: Path) -> None:
    """A slow pipe: the bytes come over more than a second."""
    env = {**server.env, "SURICATE_URL": server.url, "SURICATE_TOKEN": server.token, "TERM": "xterm"}
    master, slave = pty.openpty()
    with subprocess.Popen([BINARY, "put", "-", "slow"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=slave, env=env) as putting:
        os.close(slave)
        assert putting.stdin is not None
        began, shown = time.monotonic(), b""
        os.set_blocking(master, False)

        def has_progress() -> bool:
            nonlocal shown
            assert putting.stdin is not None
            putting.stdin.write(b"x" * 100_000)
            putting.stdin.flush()
            try:
                shown += os.read(master, 65536)
            except (BlockingIOError, OSError):
                pass
            return b"/s" in shown

        wait_until(has_progress, "a progress line stands on the terminal", 30)
        assert time.monotonic() - began >= 0.9
        putting.stdin.close()
        assert putting.wait(60) == 0
    os.close(master)
    assert FINAL_STATES and "/s" not in server.cli("put", "-", "fast", input="x").stderr
