"""Where a run's results come from, and doing it again on the same inputs."""

from __future__ import annotations

from conftest import Server


def lineage(server: Server, run_id: str) -> dict:
    answer = server.requests.get(f"/v1/runs/{run_id}/lineage")
    assert answer.status_code == 200, answer.text
    return answer.json()


COPY = "import suricate as s\ntable = s.read('line/in.csv')\ns.write('line/out.json', {'sum': int(table['n'].sum()) * factor})\ns.result(int(table['n'].sum()) * factor)"


def test_what_a_run_read_and_wrote_is_its_lineage(shared_server: Server) -> None:
    stored = shared_server.put("line/in.csv", "n\n1\n2\n", **{"Content-Type": "text/csv"})
    run = shared_server.run(COPY, name="line/copy", parameters="factor = 1", given={"factor": 10})
    assert run["state"] == "succeeded" and run["result"] == 30, run
    told = lineage(shared_server, run["id"])
    out = shared_server.requests.get("/v1/objects/line/out.json?view=info").json()
    assert told["reads"] == [{"object": "line/in.csv", "version": stored["version"], "sha256": stored["sha256"]}]
    assert told["writes"] == [{"object": "line/out.json", "version": out["version"], "sha256": out["sha256"]}]
    assert out["run"] == run["id"]
    assert told["notebook"] == run["notebook"] and told["parameters"] == {"factor": 10} and told["user"] == "owner"
    assert told["environment"]["lock_sha256"] and told["environment"]["python"] and told["server_version"]
    assert told["replay_of"] is None and told["fetches"] == []


def test_a_replay_reads_the_versions_that_the_original_read(shared_server: Server) -> None:
    shared_server.put("line/in.csv", "n\n1\n2\n", **{"Content-Type": "text/csv"})
    run = shared_server.run(COPY, name="line/copy2", parameters="factor = 1", given={"factor": 2})
    assert run["result"] == 6, run
    shared_server.put("line/in.csv", "n\n100\n", **{"Content-Type": "text/csv"})
    shared_server.put_notebook("line/copy2", "raise ValueError('another version')")
    answer = shared_server.requests.post(f"/v1/runs/{run['id']}/replay?wait=40s")
    assert answer.status_code == 202, answer.text
    again = answer.json()
    assert again["state"] == "succeeded" and again["result"] == 6 and again["replay_of"] == run["id"]
    assert again["notebook"] == run["notebook"] and again["parameters"] == run["parameters"]
    assert lineage(shared_server, again["id"])["reads"] == lineage(shared_server, run["id"])["reads"]


def test_a_replay_works_when_the_notebook_is_gone(shared_server: Server) -> None:
    run = shared_server.run("print('still here')", name="line/gone")
    assert shared_server.requests.delete("/v1/notebooks/line/gone").status_code == 204
    again = shared_server.requests.post(f"/v1/runs/{run['id']}/replay?wait=40s").json()
    assert again["state"] == "succeeded", again


def test_a_replay_of_a_run_under_way_is_refused(shared_server: Server) -> None:
    shared_server.put_notebook("line/long", "import time; time.sleep(600)")
    run = shared_server.start_run("line/long")
    assert shared_server.requests.post(f"/v1/runs/{run['id']}/replay").status_code == 409
    shared_server.requests.post(f"/v1/runs/{run['id']}/cancel?wait=30s")
    assert shared_server.requests.post("/v1/runs/01zzzzzzzzzzzzzzzzzzzzzzzz/replay").status_code == 404


def test_what_a_replay_writes_itself_it_reads_itself(shared_server: Server) -> None:
    cells = ("import suricate as s\ns.write('line/own.json', {'n': 1})", "s.result(s.read('line/own.json')['n'])")
    run = shared_server.run(*cells, name="line/own")
    assert run["state"] == "succeeded", run
    again = shared_server.requests.post(f"/v1/runs/{run['id']}/replay?wait=40s").json()
    reads = lineage(shared_server, again["id"])["reads"]
    assert again["state"] == "succeeded" and reads[0]["version"] == lineage(shared_server, again["id"])["writes"][0]["version"]
