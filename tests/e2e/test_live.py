"""Open notebooks: one document on the server, edited by many, run by a kernel that outlives tab and server."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote

import pytest
import websocket
from conftest import PATIENCE_S, Server, wait_until


def notebook(*cells: str, kind: str = "code") -> dict[str, Any]:
    made = [{"id": chr(97 + i), "cell_type": kind, "metadata": {}, "source": source, "outputs": [], "execution_count": None}
            for i, source in enumerate(cells)]
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": made}


class Live:
    """A client of one open notebook, with a WebSocket of its own when it watches."""

    def __init__(self, server: Server, name: str, *cells: str) -> None:
        self.server, self.name = server, name
        self.path = f"/v1/notebooks/{quote(name)}"
        if cells:
            assert server.requests.put(self.path, data=json.dumps(notebook(*cells))).status_code in (200, 201)
        self.socket: websocket.WebSocket | None = None
        self.heard: list[dict[str, Any]] = []

    def watch(self, query: str = "") -> dict[str, Any]:
        self.socket = websocket.create_connection(self.server.url.replace("http", "ws") + self.path + "/live" + query,
                                                  header=[f"Authorization: Bearer {self.server.token}"], timeout=PATIENCE_S)
        return self.next()

    def next(self) -> dict[str, Any]:
        assert self.socket
        message = json.loads(self.socket.recv())
        self.heard.append(message)
        return message

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        while True:
            message = self.next()
            if wanted(message):
                return message

    def now(self) -> dict[str, Any]:
        return self.server.requests.get(self.path + "/live").json()

    def edit(self, *edits: dict[str, Any], client: str = "one") -> dict[str, Any]:
        answer = self.server.requests.patch(self.path + "/live", json={"client": client, "edits": list(edits)})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, what: str, body: dict[str, Any] | None = None) -> Any:
        return self.server.requests.post(f"{self.path}/live/{what}", json=body or {})

    def run(self, *cells: str) -> None:
        assert self.post("execute", {"cells": list(cells)}).status_code == 202

    def idle(self) -> dict[str, Any]:
        return wait_until(lambda: (now := self.now()) and now["kernel"]["queue"] == 0 and now["kernel"]["state"] == "idle" and now, "an idle kernel")

    def outputs(self, cell: str) -> list[dict[str, Any]]:
        return next(one["outputs"] for one in self.now()["notebook"]["cells"] if one["id"] == cell)

    def close(self) -> None:
        if self.socket:
            self.socket.close()


@pytest.fixture
def live(shared_server: Server) -> Iterator[Callable[..., Live]]:
    made: list[Live] = []

    def open_one(name: str, *cells: str, server: Server | None = None) -> Live:
        made.append(Live(server or shared_server, name, *cells))
        return made[-1]

    yield open_one
    for one in made:
        one.close()
        if one.server is shared_server:
            one.server.requests.delete(one.path + "/live")


def source(cell: str, text: str, revision: int) -> dict[str, Any]:
    return {"op": "source", "cell": cell, "source": text, "revision": revision}


def test_cells_run_and_everybody_who_looks_hears_it(live):
    one = live("live/run.ipynb", "x = 6\nprint('hi')", "x * 7")
    assert one.watch()["type"] == "snapshot"
    other = live("live/run.ipynb")
    assert other.watch()["viewers"] == 2
    one.run("a", "b")
    ends = [watcher.until(lambda m: m["type"] == "cell" and m["cell"] == "b" and m["state"] == "idle") for watcher in (one, other)]
    assert [end["status"] for end in ends] == ["ok", "ok"] and ends[0]["execution_count"] == 2
    told = [m["message"]["content"] for m in other.heard if m["type"] == "output"]
    assert told[0] == {"name": "stdout", "text": "hi\n"} and told[1]["data"] == {"text/plain": "42"}
    assert [o["output_type"] for o in one.outputs("a")] == ["stream"]


def test_edits_are_told_with_their_revisions(live):
    one = live("live/edit.ipynb", "1", "2")
    one.watch()
    result = one.edit(source("a", "10", 0), {"op": "insert", "after": "a", "cell": {"id": "new", "cell_type": "markdown", "source": "# t"}},
                      {"op": "move", "cell": "b", "after": None}, {"op": "type", "cell": "b", "cell_type": "raw"})
    assert result["cells"] == {"a": 1, "new": 1, "b": 2} and result["conflicts"] == []
    told = one.until(lambda m: m["type"] == "edit")
    assert [edit["op"] for edit in told["edits"]] == ["source", "insert", "move", "type"] and told["client"] == "one"
    assert [(cell["id"], cell["cell_type"]) for cell in one.now()["notebook"]["cells"]] == [("b", "raw"), ("a", "code"), ("new", "markdown")]


def test_of_two_edits_of_one_cell_the_second_is_a_conflict_that_shows_both(live):
    one = live("live/conflict.ipynb", "old", "other")
    one.edit(source("a", "mine", 0))
    result = one.edit(source("a", "yours", 0), source("b", "fine", 0), client="two")
    assert result["conflicts"] == [{"cell": "a", "revision": 1, "source": "mine", "reason": "changed"}]
    assert [cell["source"] for cell in one.now()["notebook"]["cells"]] == ["mine", "fine"]
    assert one.edit(source("a", "yours", 1), client="two")["conflicts"] == []


def test_an_edit_sent_again_changes_nothing(live):
    one = live("live/again.ipynb", "old")
    edits = (source("a", "new", 0), {"op": "insert", "after": "a", "cell": {"id": "n", "cell_type": "code", "source": ""}})
    first, second = one.edit(*edits), one.edit(*edits)
    assert first == second and len(one.now()["notebook"]["cells"]) == 2


def test_an_edit_of_a_deleted_cell_gives_the_text_back_as_a_conflict(live):
    one = live("live/deleted.ipynb", "old", "b")
    one.edit({"op": "delete", "cell": "a", "revision": 0})
    assert one.edit(source("a", "lost?", 0))["conflicts"][0]["reason"] == "deleted"


def test_nothing_runs_when_its_text_is_in_conflict(live):
    one = live("live/conflict-run.ipynb", "print('old')")
    one.edit(source("a", "print('mine')", 0))
    answer = one.post("execute", {"cells": ["a"], "edits": [source("a", "print('yours')", 0)]})
    assert answer.status_code == 409 and answer.json()["conflicts"][0]["source"] == "print('mine')"
    assert one.now()["kernel"]["state"] == "none"


@pytest.mark.parametrize(("edit", "field"), [
    ({"op": "paint"}, "/edits/op"),
    ({"op": "source", "cell": "a", "source": 5, "revision": 0}, "/edits/source"),
    ({"op": "insert", "cell": {"cell_type": "code", "source": ""}, "after": None}, "/edits/cell"),
    ({"op": "insert", "cell": {"id": "x" * 65, "cell_type": "code", "source": ""}, "after": None}, "/edits/cell"),
    ({"op": "insert", "cell": "a", "after": None}, "/edits/cell"),
    ({"op": "move", "cell": "none"}, "/edits/cell"),
    ({"op": "type", "cell": "a", "cell_type": "video"}, "/edits/cell_type"),
    ({"op": "metadata", "cell": None, "metadata": []}, "/edits/metadata"),
])
def test_a_wrong_edit_is_refused_with_its_field(live, edit, field):
    one = live("live/wrong.ipynb", "1")
    answer = one.server.requests.patch(one.path + "/live", json={"client": "c", "edits": [edit]})
    assert answer.status_code == 400 and answer.json()["field"] == field, answer.text
    assert one.now()["notebook"]["cells"][0]["source"] == "1"


def test_a_cell_that_fails_drops_those_behind_it(live):
    one = live("live/fail.ipynb", "1/0", "print('never')")
    one.run("a", "b")
    now = one.idle()
    assert now["cells"]["a"]["status"] == "error" and now["cells"]["b"]["status"] == "aborted"
    assert one.outputs("a")[0]["ename"] == "ZeroDivisionError" and one.outputs("b") == []


def test_interrupt_ends_the_cell_and_restart_the_memory(live):
    one = live("live/interrupt.ipynb", "x = 1\nimport time\nwhile True: time.sleep(0.05)", "x")
    one.watch()
    one.run("a")
    one.until(lambda m: m["type"] == "cell" and m["state"] == "running")
    time.sleep(0.3)  # within the loop, not within its first line
    assert one.post("kernel", {"action": "interrupt"}).status_code == 202
    assert one.until(lambda m: m["type"] == "cell" and m["state"] == "idle")["status"] == "error"
    one.run("b")
    assert one.until(lambda m: m["type"] == "cell" and m["cell"] == "b" and m["state"] == "idle")["status"] == "ok"
    assert one.post("kernel", {"action": "restart"}).status_code == 202
    one.run("b")
    assert one.until(lambda m: m["type"] == "cell" and m["cell"] == "b" and m["state"] == "idle")["status"] == "error"
    assert one.outputs("b")[0]["ename"] == "NameError"


def test_a_kernel_that_dies_is_told_and_another_one_starts(live):
    one = live("live/die.ipynb", "import os\nos._exit(3)", "1 + 1")
    one.watch()
    one.run("a")
    dead = one.until(lambda m: m["type"] == "kernel" and m["kernel"]["state"] == "dead")
    assert "died" in dead["kernel"]["detail"]
    one.run("b")
    assert one.until(lambda m: m["type"] == "cell" and m["cell"] == "b" and m["state"] == "idle")["status"] == "ok"


def test_input_is_asked_for_and_answered(live):
    one = live("live/input.ipynb", "name = input('who? ')\nimport getpass\nword = getpass.getpass('word? ')\nprint(name, len(word))")
    one.watch()
    one.run("a")
    assert one.until(lambda m: m["type"] == "input" and m["input"])["input"] == {"cell": "a", "prompt": "who? ", "password": False}
    assert one.post("input", {"value": "Ann"}).status_code == 202
    assert one.until(lambda m: m["type"] == "input" and m["input"])["input"]["password"] is True
    assert one.post("input", {"value": "secret"}).status_code == 202
    one.until(lambda m: m["type"] == "cell" and m["state"] == "idle")
    assert "Ann 6" in json.dumps(one.outputs("a")) and "secret" not in json.dumps(one.now())
    assert one.post("input", {"value": "more"}).status_code == 409


def test_completion_and_inspection_answer_even_while_a_cell_runs(live):
    one = live("live/complete.ipynb", "word = 'abc'", "import time\nfor _ in range(600): time.sleep(0.05)")
    one.run("a")
    one.idle()
    found = one.post("complete?wait=20s", {"code": "word.start", "cursor": 10}).json()
    assert found["matches"] == ["startswith"] and found["cursor_start"] == 5
    assert "abc" in one.post("inspect?wait=20s", {"code": "word", "cursor": 4}).json()["data"]["text/plain"]
    one.run("b")
    wait_until(lambda: one.now()["cells"]["b"]["state"] == "running", "a running cell")
    assert one.post("complete?wait=20s", {"code": "word.ends", "cursor": 9}).json()["matches"] == ["endswith"]
    assert one.now()["cells"]["b"]["state"] == "running"


def test_without_a_kernel_nothing_is_completed(live):
    one = live("live/none.ipynb", "1")
    answer = one.post("complete", {"code": "a", "cursor": 1})
    assert answer.status_code == 409 and "no kernel" in answer.json()["detail"]


def test_an_update_changes_the_output_of_the_cell_that_showed_it(live):
    one = live("live/update.ipynb", "from IPython.display import display\nhandle = display('one', display_id='d')", "handle.update('two')")
    one.run("a", "b")
    one.idle()
    assert one.outputs("a")[0]["data"]["text/plain"] == "'two'" and one.outputs("b") == []


def test_the_sdk_works_in_the_kernel(live, shared_server):
    shared_server.put("live/data.csv", "a,b\n1,2\n")
    one = live("live/sdk.ipynb", "import suricate as s\nprint(s.read('live/data.csv').shape)\ns.write('live/out.txt', 'made')")
    one.run("a")
    one.idle()
    assert one.outputs("a")[0]["text"] == "(1, 2)\n"
    assert shared_server.requests.get("/v1/objects/live/out.txt").text == "made"


def test_saving_makes_a_version_with_text_and_outputs(live):
    one = live("live/save.ipynb", "6 * 7")
    one.run("a")
    one.idle()
    version = one.post("save").json()["version"]
    stored = one.server.requests.get(one.path).json()
    assert version == 2 and stored["cells"][0]["outputs"][0]["data"]["text/plain"] == ["42"]
    assert one.post("save").json()["version"] == 2  # nothing new


def test_a_reader_that_comes_back_goes_on_where_it_was(live):
    one = live("live/resume.ipynb", "1")
    live("live/resume.ipynb").watch()  # keeps it open
    snapshot = one.watch()
    one.close()
    one.edit(source("a", "2", 0))
    first = one.watch(f"?epoch={snapshot['epoch']}&after={snapshot['seq']}")
    assert first["type"] in ("viewers", "edit") and first["seq"] == snapshot["seq"] + 1
    edit = first if first["type"] == "edit" else one.until(lambda m: m["type"] == "edit")
    assert edit["edits"][0]["source"] == "2"
    one.close()
    assert one.watch("?epoch=1&after=1")["type"] == "snapshot"


def test_lines_printed_with_nobody_looking_are_all_there(live):
    lines = 100_000
    one = live("live/lines.ipynb", f"for i in range({lines}):\n    print(i, 'x' * 10)")
    one.run("a")
    one.idle()
    expected = "".join(f"{i} {'x' * 10}\n" for i in range(lines))
    reference = one.outputs("a")[0]["metadata"]["suricate"]
    whole = one.server.requests.get(reference["href"]).json()
    assert whole["text"] == expected
    assert reference["too_large"] == len(expected)


def test_the_notebook_deleted_closes_it_for_everybody(live):
    one = live("live/gone.ipynb", "1")
    one.watch()
    assert one.server.requests.delete(one.path).status_code == 204
    one.until(lambda m: m["type"] == "deleted")
    assert one.server.requests.get(one.path + "/live").status_code == 404


def test_a_version_stored_by_others_is_shown_when_nothing_is_unsaved(live):
    one = live("live/outside.ipynb", "1")
    one.watch()
    assert one.server.requests.put(one.path, data=json.dumps(notebook("from outside"))).status_code == 200
    assert one.until(lambda m: m["type"] == "snapshot")["notebook"]["cells"][0]["source"] == "from outside"


def test_a_notebook_that_is_not_there_can_t_be_opened(shared_server):
    assert shared_server.requests.get("/v1/notebooks/live/none-at-all.ipynb/live").status_code == 404


@pytest.mark.parametrize("name", ["live/it's \"quoted\".ipynb", "live/עברית \u202e rtl.ipynb", "live/🎈 emoji.ipynb"])
def test_any_name_works(shared_server, name):
    path = f"/v1/notebooks/{quote(name)}"
    assert shared_server.requests.put(path, data=json.dumps(notebook("1"))).status_code == 201
    assert shared_server.requests.get(path + "/live").json()["name"] == name


def test_a_token_that_may_only_read_runs_nothing(live):
    one = live("live/rights.ipynb", "1")
    token = one.server.requests.post("/v1/tokens", json={"name": "reader", "scopes": ["notebooks:read"]}).json()["token"]
    reader = one.server.client(token)
    assert reader.get(one.path + "/live").status_code == 200
    for method, path in [("patch", ""), ("post", "/execute"), ("post", "/kernel"), ("post", "/input"), ("post", "/complete"), ("post", "/save")]:
        assert getattr(reader, method)(one.path + "/live" + path, json={}).status_code == 403, path


def test_a_killed_server_finds_document_kernel_and_outputs_again(start_server, live):
    server = start_server()
    one = live("restart.ipynb", "x = 7", "import time\nfor i in range(40):\n    print(i, flush=True)\n    time.sleep(0.05)", server=server)
    one.run("a", "b")
    wait_until(lambda: one.now()["cells"]["b"]["state"] == "running" and one.outputs("b"), "output")
    one.edit({"op": "insert", "after": "b", "cell": {"id": "c", "cell_type": "code", "source": "x * 6"}}, source("a", "x = 8  # edited", 0))
    server.restart(kill=True)
    now = one.idle()
    assert [cell["source"] for cell in now["notebook"]["cells"]][::2] == ["x = 8  # edited", "x * 6"]
    assert one.outputs("b")[0]["text"] == "".join(f"{i}\n" for i in range(40))
    one.run("c")
    one.idle()
    assert one.outputs("c")[0]["data"]["text/plain"] == "42"
