"""Runs over the API: parameters, outputs as they arrive, results, figures, cancel, limits, the line."""

from __future__ import annotations

import base64
import json
import threading
import time
from typing import Any, Iterator

import pytest
from conftest import FINAL_STATES, Server, wait_until

RESULT = "application/vnd.suricate.result+json"


def events(server: Server, run_id: str, last: str | None = None) -> Iterator[tuple[str, str, Any]]:
    """The run's events as (id, name, data), until the stream ends."""
    answer = server.requests.get(f"/v1/runs/{run_id}/events", stream=True, headers={"Last-Event-ID": last} if last else {})
    assert answer.status_code == 200, answer.text
    event: dict[str, str] = {}
    with answer:
        for raw in answer.iter_lines(chunk_size=1):
            line = raw.decode()
            if line:
                key, _, value = line.partition(": ")
                event[key] = event.get(key, "") + value
            elif "data" in event:
                yield event.get("id", ""), event.get("event", "message"), json.loads(event["data"])
                event = {}


def outputs(server: Server, run_id: str) -> list[dict[str, Any]]:
    answer = server.requests.get(f"/v1/runs/{run_id}/outputs")
    assert answer.status_code == 200, answer.text
    return [output for cell in answer.json()["cells"] for output in cell["outputs"]]


def printed(server: Server, run_id: str) -> str:
    return "".join(output["text"] for output in outputs(server, run_id) if output["output_type"] == "stream")


def test_a_run_has_its_outputs_its_result_and_its_figures(shared_server: Server) -> None:
    run = shared_server.run(
        "print('hello', n)",
        "from IPython.display import display, SVG\n"
        f"display({{'{RESULT}': {{'answer': n + 1}}, 'text/plain': 'r'}}, raw=True)",
        f"display({{'image/png': '{base64.b64encode(b'PNG!').decode()}', 'image/svg+xml': '<svg/>'}}, raw=True)",
        parameters="n = 1  # a number", given={"n": 41})
    assert run["state"] == "succeeded" and run["reason"] == "" and run["error"] is None
    assert run["result"] == {"answer": 42} and run["parameters"] == {"n": 41}
    assert run["progress"]["cells_done"] == run["progress"]["cells_total"] == 5
    assert [figure["name"] for figure in run["figures"]] == ["figure-1.png", "figure-1.svg"]
    png = shared_server.requests.get(run["figures"][0]["href"])
    assert png.content == b"PNG!" and png.headers["Content-Type"] == "image/png"
    svg = shared_server.requests.get(run["figures"][1]["href"])
    assert svg.content == b"<svg/>" and "sandbox" in svg.headers["Content-Security-Policy"]
    assert printed(shared_server, run["id"]) == "hello 41\n"
    book = shared_server.requests.get(f"/v1/runs/{run['id']}/notebook")
    assert book.headers["Content-Disposition"] == f'attachment; filename="run-{run["id"]}.ipynb"'
    cells = book.json()["cells"]
    assert cells[1]["metadata"]["tags"] == ["injected-parameters"] and cells[1]["source"] == ["# Parameters\n", "n = 41\n"]
    assert all(cell["metadata"]["papermill"]["status"] == "completed" for cell in cells)
    assert set(cells[0]["metadata"]["execution"]) == {"iopub.status.busy", "iopub.execute_input", "shell.execute_reply", "iopub.status.idle"}
    assert run["cost"]["cpu_s"] >= 0 and run["cost"]["memory_peak_bytes"] > 0 and run["cost"]["waited_s"] >= 0
    assert "succeeded" in shared_server.requests.get(f"/v1/runs/{run['id']}/log").text


def test_outputs_are_readable_while_the_run_goes_on(shared_server: Server) -> None:
    shared_server.put_notebook("live", "print('first', flush=True)", "import time\nfor i in range(600):\n    time.sleep(0.1)")
    run = shared_server.start_run("live")
    wait_until(lambda: printed(shared_server, run["id"]) == "first\n", "the first output can be read")
    def record() -> dict[str, Any]:
        return shared_server.requests.get(f"/v1/runs/{run['id']}").json()
    wait_until(lambda: record()["progress"]["cells_done"] == 1, "the first cell is counted")
    assert record()["state"] == "running"
    early = shared_server.requests.get(f"/v1/runs/{run['id']}/notebook")
    assert early.status_code == 409 and early.json()["hint"]
    assert shared_server.requests.post(f"/v1/runs/{run['id']}/cancel?wait=30s").json()["state"] == "cancelled"


def test_the_event_stream_tells_everything_once_and_resumes(shared_server: Server) -> None:
    shared_server.put_notebook("told", "for i in range(3): print(i, flush=True)", "x = 1\nx", "import time; time.sleep(0.5); print('end')")
    run = shared_server.start_run("told")
    all_events = list(events(shared_server, run["id"]))
    names = [name for _, name, _ in all_events]
    assert names[-1] == "finished" and all_events[-1][2]["state"] == "succeeded"
    assert names.count("cell_start") == names.count("cell_end") == 3
    text = "".join(data["content"]["text"] for _, name, data in all_events if name == "output" and data["type"] == "stream")
    assert text == "0\n1\n2\nend\n"
    numbered = [(number, name, data) for number, name, data in all_events if number]
    assert len({number for number, _, _ in numbered}) == len(numbered)
    middle = next(number for number, name, _ in numbered if name == "cell_end")
    rest = list(events(shared_server, run["id"], middle))
    assert "0\n" not in json.dumps(rest) and rest[-1][1] == "finished"
    assert [data["cell"] for _, name, data in rest if name == "cell_start"] == ["cell-1", "cell-2"]


def test_a_stream_resumed_in_mid_run_misses_nothing(shared_server: Server) -> None:
    shared_server.put_notebook("resumed", "import time\nfor i in range(40):\n    print(i, flush=True)\n    time.sleep(0.02)")
    run = shared_server.start_run("resumed")
    seen, last, ended = [], None, False
    while not ended:
        for number, name, data in events(shared_server, run["id"], last):
            last = number or last
            if name == "output" and data["type"] == "clear_output":
                seen.clear()
            elif name == "output":
                seen += data["content"]["text"].split()
            ended = ended or name == "finished"
            if name == "output" and len(seen) % 10 == 5:
                break
    assert seen == [str(number) for number in range(40)]


def test_an_error_stops_the_run_and_names_the_cell(shared_server: Server) -> None:
    run = shared_server.run("1 / 0", "print('never')")
    assert run["state"] == "failed" and run["reason"] == "ZeroDivisionError: division by zero"
    assert run["error"]["ename"] == "ZeroDivisionError" and run["error"]["cell"] == "cell-0" and run["error"]["traceback"]
    cells = shared_server.requests.get(f"/v1/runs/{run['id']}/notebook").json()["cells"]
    assert [cell["metadata"]["papermill"]["status"] for cell in cells] == ["failed", "pending"]


def test_tags_let_cells_fail_or_be_skipped(shared_server: Server) -> None:
    from conftest import notebook
    book = notebook("1 / 0", "print('skipped')", "print('reached')", "raise SystemExit(0)", "print('past the end')")
    book["cells"][0]["metadata"]["tags"] = ["raises-exception"]
    book["cells"][1]["metadata"]["tags"] = ["skip-execution"]
    assert shared_server.requests.put("/v1/notebooks/tagged", data=json.dumps(book)).ok
    run = shared_server.wait_run(shared_server.start_run("tagged")["id"])
    assert run["state"] == "succeeded", run
    assert printed(shared_server, run["id"]).startswith("reached\n") and "skipped" not in printed(shared_server, run["id"])
    assert "past the end" not in printed(shared_server, run["id"])


def test_updates_clears_and_carriage_returns_are_recorded_as_nbclient_does(shared_server: Server) -> None:
    run = shared_server.run(
        "from IPython.display import display, clear_output\nh = display('one', display_id='d')\ndisplay('other')",
        "print('gone'); clear_output(); print('10%\\r20%\\r30%')",
        "print('stays until'); clear_output(wait=True); print('replaced')",
        "from IPython.display import update_display\nupdate_display('two', display_id='d')")
    assert run["state"] == "succeeded", run
    cells = shared_server.requests.get(f"/v1/runs/{run['id']}/outputs").json()["cells"]
    assert [output["data"]["text/plain"] for output in cells[0]["outputs"]] == ["'two'", "'other'"]
    assert cells[1]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "30%\n"}]
    assert cells[2]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": "replaced\n"}]
    assert cells[3]["outputs"] == []


@pytest.mark.parametrize("given, part", [
    ({"nope": 1}, "it takes: n, names"), ({"n": "3"}, "type int"), ({"names": {}}, "type list"), ({"n": None}, "type int"),
])
def test_wrong_parameters_are_refused_before_anything_runs(shared_server: Server, given: dict[str, Any], part: str) -> None:
    shared_server.put_notebook("typed", "print(n, names)", parameters="n: int = 3\nnames = ['a']")
    answer = shared_server.requests.post("/v1/runs", json={"notebook": "typed", "parameters": given})
    assert answer.status_code == 400
    assert part in answer.json()["detail"] and answer.json()["field"].startswith("/parameters/") and answer.json()["hint"]


@pytest.mark.parametrize("body, status", [
    ({}, 400), ({"notebook": "absent"}, 404), ({"notebook": "typed", "limits": {"time_s": 0}}, 400), ({"notebook": "typed", "limits": {"x": 1}}, 400),
    ({"notebook": "typed", "retries": 99}, 400), ({"notebook": "typed", "version": 77}, 404), ({"notebook": "typed", "surprise": 1}, 400),
])
def test_wrong_requests_are_refused(shared_server: Server, body: dict[str, Any], status: int) -> None:
    shared_server.put_notebook("typed", "1", parameters="n: int = 3\nnames = ['a']")
    answer = shared_server.requests.post("/v1/runs", json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]


def test_parameters_of_every_type_reach_the_notebook(shared_server: Server) -> None:
    given = {"i": -7, "f": 2, "s": "it's \"ü\" \\ \n 🏈", "b": False, "l": [1, None, "x"], "d": {"k": [0.1]}, "o": None}
    run = shared_server.run(
        f"from IPython.display import display\ndisplay({{'{RESULT}': [i, f, s, b, l, d, o], 'text/plain': ''}}, raw=True)\nassert isinstance(f, float)",
        parameters="i = 0\nf = 1.5\ns = ''\nb = True\nl = []\nd = {}\no = 'x' # type: Optional[str]", given=given)
    assert run["state"] == "succeeded", run
    assert run["result"] == [-7, 2.0, given["s"], False, [1, None, "x"], {"k": [0.1]}, None]


def test_a_time_limit_ends_the_run(shared_server: Server) -> None:
    shared_server.put_notebook("long", "print('begun', flush=True)", "import time; time.sleep(600)")
    run = shared_server.wait_run(shared_server.start_run("long", limits={"time_s": 2})["id"])
    assert run["state"] == "timed_out" and run["reason"]
    assert printed(shared_server, run["id"]).startswith("begun")


def test_a_cancel_is_heeded_in_every_state(start_server: Any) -> None:
    server = start_server("--limit", "runs_parallel=1")
    server.put_notebook("slow", "import time; time.sleep(600)")
    server.put_notebook("stubborn", "import time\nprint('on', flush=True)\nwhile True:\n    try:\n        time.sleep(600)\n    except KeyboardInterrupt:\n        pass")
    first, second = server.start_run("slow"), server.start_run("slow")
    assert server.requests.get(f"/v1/runs/{second['id']}").json()["state"] == "queued"
    cancelled = server.requests.post(f"/v1/runs/{second['id']}/cancel").json()
    assert cancelled["state"] == "cancelled" and cancelled["reason"]
    assert server.requests.post(f"/v1/runs/{first['id']}/cancel?wait=30s").json()["state"] == "cancelled"
    assert server.requests.post(f"/v1/runs/{first['id']}/cancel").status_code == 200
    third = server.start_run("stubborn")
    wait_until(lambda: printed(server, third["id"]), "the stubborn run prints")
    assert server.requests.post(f"/v1/runs/{third['id']}/cancel?wait=40s").json()["state"] == "cancelled"
    server.put_notebook("quick", "1")
    done = server.wait_run(server.start_run("quick")["id"])
    assert done["state"] == "succeeded"
    assert server.requests.post(f"/v1/runs/{done['id']}/cancel").status_code == 409
    assert server.requests.post("/v1/runs/01zzzzzzzzzzzzzzzzzzzzzzzz/cancel").status_code == 404


def test_runs_beyond_the_limit_wait_in_line_and_come_in_order(start_server: Any) -> None:
    server = start_server("--limit", "runs_parallel=1", "--limit", "runs_queued=3")
    server.put_notebook("turn", "import time; time.sleep(1)")
    runs = [server.start_run("turn") for _ in range(3)]
    wait_until(lambda: server.requests.get(f"/v1/runs/{runs[0]['id']}").json()["state"] != "queued", "the first has its turn")
    server.start_run("turn")
    refused = server.requests.post("/v1/runs", json={"notebook": "turn"})
    assert refused.status_code == 429 and "runs_queued" in refused.json()["detail"]
    ended = [server.wait_run(run["id"]) for run in runs]
    assert [run["state"] for run in ended] == ["succeeded"] * 3
    assert ended[0]["ended_at"] <= ended[1]["started_at"] <= ended[1]["ended_at"] <= ended[2]["started_at"]


def test_lists_are_filtered_and_paged_newest_first(shared_server: Server) -> None:
    shared_server.put_notebook("listed", "1")
    ids = [shared_server.start_run("listed", label=f"n{number}")["id"] for number in range(5)]
    for run_id in ids:
        shared_server.wait_run(run_id)
    seen, cursor = [], None
    while True:
        page = shared_server.requests.get("/v1/runs", params={"notebook": "listed", "state": "succeeded", "limit": 2, **({"cursor": cursor} if cursor else {})}).json()
        seen += [run["id"] for run in page["items"]]
        cursor = page["next"]
        if not cursor:
            break
    assert seen == ids[::-1]
    assert shared_server.requests.get("/v1/runs?state=asleep").status_code == 400
    assert shared_server.requests.get(f"/v1/runs/{ids[0]}").json()["label"] == "n0"


def test_progress_that_the_notebook_tells_is_shown_and_not_kept(shared_server: Server) -> None:
    shared_server.put_notebook("telling", "import suricate as s\ns.progress(0.25, 'a quarter')\nimport time; time.sleep(600)")
    run = shared_server.start_run("telling")
    def told() -> Any:
        progress = shared_server.requests.get(f"/v1/runs/{run['id']}").json()["progress"]
        return progress["text"] == "a quarter" and progress["fraction"] == 0.25
    wait_until(told, "the progress is told")
    assert outputs(shared_server, run["id"]) == []
    shared_server.requests.post(f"/v1/runs/{run['id']}/cancel?wait=30s")


def test_twenty_megabytes_printed_at_once_arrive_whole(shared_server: Server) -> None:
    run = shared_server.run("print('x' * 20_000_000)")
    assert run["state"] == "succeeded", run
    assert len(printed(shared_server, run["id"])) == 20_000_001


def test_two_hundred_cells_run_in_order(shared_server: Server) -> None:
    run = shared_server.run("n = 0", *["n += 1"] * 200, "print(n)")
    assert run["state"] == "succeeded" and printed(shared_server, run["id"]) == "200\n"


def test_many_readers_follow_one_run(shared_server: Server) -> None:
    shared_server.put_notebook("followed", "import time\nfor i in range(50):\n    print(i, flush=True); time.sleep(0.01)")
    run = shared_server.start_run("followed")
    texts: list[str] = []
    def follow() -> None:
        client = shared_server.client(shared_server.token)
        answer = client.get(f"/v1/runs/{run['id']}/events", stream=True)
        lines = [json.loads(line[6:]) for line in answer.iter_lines(chunk_size=1) if line.startswith(b"data: ")]
        texts.append("".join(data["content"]["text"] for data in lines if data.get("type") == "stream"))
    threads = [threading.Thread(target=follow) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert texts == ["".join(f"{number}\n" for number in range(50))] * 12


def test_another_tenant_does_not_see_the_run(server: Server) -> None:
    run = server.run("1")
    made = server.requests.post("/v1/tenants", json={"name": "other"})
    assert made.status_code == 201, made.text
    other = server.client(made.json()["token"])
    for rest in ("", "/notebook", "/outputs", "/events", "/log", "/lineage", "/figures"):
        assert other.get(f"/v1/runs/{run['id']}{rest}").status_code == 404, rest
    assert other.post(f"/v1/runs/{run['id']}/cancel").status_code == 404
    assert other.post(f"/v1/runs/{run['id']}/replay").status_code == 404
    assert other.get("/v1/runs").json()["items"] == []


def test_a_wait_ends_with_the_run(shared_server: Server) -> None:
    shared_server.put_notebook("waited", "import time; time.sleep(1)")
    begun = time.monotonic()
    answer = shared_server.requests.post("/v1/runs?wait=40s", json={"notebook": "waited"})
    assert answer.status_code == 202 and answer.json()["state"] in FINAL_STATES
    assert answer.headers["Location"] == f"/v1/runs/{answer.json()['id']}"
    assert time.monotonic() - begun < 30


def test_a_repeated_post_with_one_idempotency_key_is_one_run(shared_server: Server) -> None:
    shared_server.put_notebook("once", "1")
    headers = {"Idempotency-Key": f"key-{time.monotonic_ns()}"}
    first, second = (shared_server.requests.post("/v1/runs", json={"notebook": "once"}, headers=headers).json() for _ in range(2))
    assert first["id"] == second["id"]
