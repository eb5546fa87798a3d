"""Open notebooks under load: endless output, thousands of cells, a killed server, readers that lag; everything stays bounded."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest
from conftest import Server, wait_until
from test_live import Live, live, notebook, source  # noqa: F401 (live is a fixture)

MIB = 1 << 20


def memory(server: Server) -> int:
    """Resident bytes of the server itself."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) * 1024


def whole(one: Live, cell: str) -> str:
    """The text of a cell's streams, wherever it is told."""
    text = ""
    for output in one.outputs(cell):
        reference = output.get("metadata", {}).get("suricate", {})
        found = one.server.requests.get(reference["href"]).json() if "href" in reference else output
        text += found["text"]
    return text


def test_a_tab_that_closes_while_lines_print_changes_no_byte_of_them(live):  # noqa: F811
    code = "for i in range(100_000):\n    print(i, 'é' * (i % 7))"
    watched, left = live("load/watched.ipynb", code), live("load/left.ipynb", code)
    watched.watch()
    watched.run("a")
    watched.until(lambda m: m["type"] == "cell" and m["state"] == "idle")
    left.watch()
    left.run("a")
    left.until(lambda m: m["type"] == "cell" and m["state"] == "running")
    left.close()
    left.idle()
    expected = "".join(f"{i} {'é' * (i % 7)}\n" for i in range(100_000))
    assert whole(watched, "a") == expected
    assert whole(left, "a") == expected
    left.watch()
    again = Live(left.server, left.name)
    again.watch()
    again.close()
    assert whole(again, "a") == expected


def test_ten_thousand_prints_a_second_are_told_in_a_few_messages(live):  # noqa: F811
    one = live("load/prints.ipynb", "import time\nend = time.time() + 2\nn = 0\nwhile time.time() < end:\n    print(n, flush=True)\n    n += 1\nn")
    one.watch()
    one.run("a")
    one.until(lambda m: m["type"] == "cell" and m["state"] == "idle")
    told = [m for m in one.heard if m["type"] in ("output", "outputs")]
    streams = [m for m in told if m["type"] == "output" and m["message"]["type"] == "stream"]
    text = "".join(m["message"]["content"]["text"] for m in streams)
    assert len(told) < 120, len(told)
    printed = whole(one, "a") if len(one.outputs("a")) == 1 else one.outputs("a")[0].get("text", text)
    lines = printed.splitlines()
    assert len(lines) > 1000 and lines == [str(i) for i in range(len(lines))]
    if not any(m["type"] == "outputs" and m["outputs"] for m in told):
        assert text == printed


@pytest.mark.slow  # a load test: under sanitizers it measures the sanitizer
def test_fifty_megabytes_in_one_cell_are_kept_without_filling_server_or_socket(start_server, live):  # noqa: F811
    server = start_server()
    one = live("much.ipynb", "for _ in range(50):\n    print('0123456789abcde\\n' * 65536, end='')", "1 + 1", server=server)
    one.watch()
    before = memory(server)
    one.run("a", "b")
    one.until(lambda m: m["type"] == "cell" and m["cell"] == "b" and m["state"] == "idle")
    assert memory(server) - before < 200 * MIB
    assert sum(len(json.dumps(m)) for m in one.heard) < 8 * MIB
    reference = one.outputs("a")[0]["metadata"]["suricate"]
    assert reference["too_large"] == 50 * MIB
    assert server.requests.get(reference["href"]).json()["text"] == "0123456789abcde\n" * 65536 * 50
    assert one.outputs("b")[0]["data"] == {"text/plain": "2"}
    assert one.post("save").status_code == 200


def test_output_past_the_limit_is_cut_and_the_notebook_can_still_be_stored(start_server, live):  # noqa: F811
    server = start_server()
    one = live("endless.ipynb", "for _ in range(80):\n    print('\\x1b[1m0123456789a\\n' * 65536, end='')", server=server)
    one.run("a")
    one.idle()
    assert "left out" in one.outputs("a")[-1]["text"]
    assert one.post("save").status_code == 200
    stored = server.requests.get("/v1/notebooks/endless.ipynb").json()["cells"][0]["outputs"]
    assert "left out" in json.dumps(stored)


def test_a_large_display_is_told_by_reference_and_read_whole(live):  # noqa: F811
    one = live("load/it's \"large\" 🎈 50%.ipynb", "from IPython.display import HTML\nHTML('<p>' + 'x' * 400_000)")
    one.watch()
    one.run("a")
    told = one.until(lambda m: m["type"] == "output")["message"]["content"]
    assert told["too_large"] > 400_000
    got = one.server.requests.get(told["href"]).json()
    assert got["output_type"] == "execute_result" and len(got["data"]["text/html"]) == 400_003
    assert one.outputs("a")[0]["metadata"]["suricate"]["href"] == told["href"]


@pytest.mark.slow  # a load test: under sanitizers it measures the sanitizer
def test_five_thousand_cells_open_and_run(start_server, live):  # noqa: F811
    server = start_server()
    cells = [{"id": f"c{i}", "cell_type": "code", "metadata": {}, "source": f"x = {i}\nx", "outputs": [], "execution_count": None} for i in range(5000)]
    one = live("many.ipynb", server=server)
    server.requests.put("/v1/notebooks/many.ipynb", data=json.dumps(notebook() | {"cells": cells}))
    begun = time.monotonic()
    assert len(one.watch()["notebook"]["cells"]) == 5000
    assert time.monotonic() - begun < 5
    before = memory(server)
    assert one.post("execute", {"cells": [f"c{i}" for i in range(0, 5000, 25)] + ["c4999"]}).status_code == 202
    one.idle()
    assert one.outputs("c4999")[0]["data"]["text/plain"] == "4999"
    assert memory(server) - before < 100 * MIB


def test_a_reader_that_lags_gets_a_snapshot_instead_of_all_it_missed(live):  # noqa: F811
    one = live("load/lag.ipynb", "1")
    live("load/lag.ipynb").watch()
    snapshot = one.watch()
    one.close()
    for round_ in range(5):
        edits = [{"op": "metadata", "cell": "a", "metadata": {"n": n, "round": round_, "pad": "x" * 8000}} for n in range(200)]
        one.edit(*edits)
    assert one.watch(f"?epoch={snapshot['epoch']}&after={snapshot['seq']}")["type"] == "snapshot"


def test_two_people_who_type_at_the_same_time_lose_nothing(live):  # noqa: F811
    cells = ["0"] * 8
    one = live("load/two.ipynb", *cells)
    lost: list[str] = []

    def type_on(client: str) -> None:
        revisions = dict.fromkeys("abcdefgh", 0)
        for n in range(40):
            cell = "abcdefgh"[(n * (3 if client == "x" else 5)) % 8]
            text = f"{client}{n}"
            answer = one.edit(source(cell, text, revisions[cell]), client=client)
            if answer["conflicts"]:
                revisions[cell] = answer["conflicts"][0]["revision"]
                assert answer["conflicts"][0]["source"]
            elif answer["cells"][cell] != revisions[cell] + 1:
                lost.append(text)
            else:
                revisions[cell] += 1

    both = [threading.Thread(target=type_on, args=(client,)) for client in "xy"]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    now = one.now()
    assert not lost
    assert sum(cell["revision"] for cell in now["cells"].values()) == now["revision"]


def test_a_killed_server_has_every_acknowledged_edit_with_its_revision(start_server, live):  # noqa: F811
    server = start_server()
    one = live("kill.ipynb", "0", "0", server=server)
    one.edit(source("a", "saved", 0))
    version = one.post("save").json()["version"]
    for n in range(30):
        one.edit(source("b", f"n = {n}", n))
    server.restart(kill=True)
    now = one.now()
    assert [cell["source"] for cell in now["notebook"]["cells"]] == ["saved", "n = 29"] and now["version"] >= version
    assert one.edit(source("b", "after", 30))["conflicts"] == []
    one.edit({"op": "insert", "after": None, "cell": {"id": "z", "cell_type": "markdown", "source": "first"}})
    server.restart(kill=True)
    assert [cell["source"] for cell in one.now()["notebook"]["cells"]] == ["first", "saved", "after"]


def test_a_killed_server_hears_all_that_was_printed_meanwhile_and_what_waits_runs_on(start_server, live):  # noqa: F811
    server = start_server()
    code = "import time\nfor i in range(3000):\n    print(i)\n    if i % 100 == 0: time.sleep(0.05)"
    one = live("print.ipynb", "kept = 'still here'", code, "kept", server=server)
    one.run("a", "b", "c")
    wait_until(lambda: one.now()["cells"]["b"]["state"] == "running" and one.outputs("b"), "output")
    server.restart(kill=True)
    wait_until(lambda: one.outputs("c"), "the last cell's output")
    assert whole(one, "b") == "".join(f"{i}\n" for i in range(3000))
    assert one.outputs("c")[0]["data"]["text/plain"] == "'still here'"


def test_what_a_kernel_put_out_is_stored_before_it_ends(start_server, live):  # noqa: F811
    server = start_server()
    one = live("ends.ipynb", "'put out'", server=server)
    one.run("a")
    one.idle()
    assert one.post("kernel", {"action": "shutdown"}).status_code == 202
    server.restart(kill=True)
    now = one.now()
    assert now["kernel"]["state"] == "none" and one.outputs("a")[0]["data"]["text/plain"] == "'put out'"
    assert now["cells"]["a"]["status"] == "ok"


def test_a_kernel_that_nobody_uses_ends_by_itself(start_server, live):  # noqa: F811
    server = start_server("--limit", "live_idle_s=1")
    one = live("idle.ipynb", "1", server=server)
    one.run("a")
    wait_until(lambda: one.now()["kernel"]["state"] == "none" and one.outputs("a"), "the kernel's end")


def test_so_many_kernels_and_open_notebooks_and_no_more(start_server, live):  # noqa: F811
    server = start_server("--limit", "live_kernels=1", "--limit", "live_notebooks=2")
    one, two, three = (live(f"{name}.ipynb", "1", server=server) for name in ("one", "two", "three"))
    one.run("a")
    answer = two.post("execute", {"cells": ["a"]})
    assert answer.status_code == 429 and "shut one down" in answer.json()["detail"]
    two.watch()
    answer = server.requests.get(three.path + "/live")
    assert answer.status_code == 429 and "2 notebooks are open" in answer.json()["detail"]
    assert {item["name"] for item in server.requests.get("/v1/live").json()["items"]} == {"one.ipynb", "two.ipynb"}
    assert server.requests.delete(one.path + "/live").status_code == 204
    assert two.post("execute", {"cells": ["a"]}).status_code == 202


def test_an_error_that_a_cell_may_raise_drops_nothing(live):  # noqa: F811
    one = live("load/raises.ipynb", "1/0", "'went on'")
    one.edit({"op": "metadata", "cell": "a", "metadata": {"tags": ["raises-exception"]}})
    one.run("a", "b")
    now = one.idle()
    assert now["cells"]["a"]["status"] == "error" and one.outputs("b")[0]["data"]["text/plain"] == "'went on'"


def test_a_cell_run_again_while_it_runs_is_interrupted_and_leaves_nothing_queued(live):  # noqa: F811
    one = live("load/again.ipynb", "import time\nwhile True: time.sleep(0.05)")
    one.run("a")
    wait_until(lambda: one.now()["cells"]["a"]["state"] == "running", "a running cell")
    time.sleep(0.3)  # within the loop
    one.run("a")
    assert one.post("kernel", {"action": "interrupt"}).status_code == 202
    assert one.idle()["cells"]["a"]["state"] == "idle"


@pytest.mark.parametrize(("path", "body", "status", "field"), [
    ("execute", {}, 400, "/cells"), ("execute", {"cells": []}, 400, "/cells"), ("execute", {"cells": [5]}, 400, "/cells"),
    ("execute", {"cells": ["a"], "edits": [{"op": "paint"}]}, 400, "/edits/op"), ("execute", {"cells": "a"}, 400, "/cells"),
    ("kernel", {}, 400, "/action"), ("kernel", {"action": "explode"}, 400, "/action"), ("kernel", {"action": 5}, 400, "/action"),
    ("kernel", {"action": "interrupt"}, 409, None), ("input", {}, 400, "/value"), ("input", {"value": "x"}, 409, None),
    ("complete", {"code": "a"}, 400, "/cursor"), ("complete", {"code": 5, "cursor": 0}, 400, "/code"),
    ("inspect", {"code": "a", "cursor": 0, "detail": 7}, 400, "/detail"), ("inspect", {"code": "a", "cursor": -1}, 400, "/cursor"),
    ("save", [], 400, None), ("nonsense", {}, 405, None),
])
def test_a_wrong_order_is_refused_with_its_field(live, path, body, status, field):  # noqa: F811
    one = live("load/wrong.ipynb", "1")
    answer = one.server.requests.post(f"{one.path}/live/{path}", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json().get("field") == field


@pytest.mark.parametrize(("path", "status"), [("live/outputs/a/0", 404), ("live/outputs/a/x", 400), ("live/outputs/none/0", 404), ("live?after=x", 400),
                                              ("live?epoch=-1", 400)])
def test_what_can_t_be_read_is_said(live, path, status):  # noqa: F811
    one = live("load/read.ipynb", "1")
    assert one.server.requests.get(f"{one.path}/{path}").status_code == status


def test_bodies_that_are_no_edits_are_refused(live):  # noqa: F811
    one = live("load/bodies.ipynb", "1")
    for body, status in [("{", 400), ("[]", 400), ('{"edits":5}', 400), ('{"edits":[]}', 400), ('{"edits":[5]}', 400),
                         ('{"client":"' + "x" * 65 + '","edits":[{}]}', 400), (json.dumps({"edits": [{}] * 1001}), 400)]:
        assert one.server.requests.patch(one.path + "/live", data=body, headers={"Content-Type": "application/json"}).status_code == status, body[:40]
    assert one.server.requests.delete(one.path).status_code == 204
    assert one.server.requests.patch(one.path + "/live", json={"edits": [source("a", "x", 0)]}).status_code == 404
