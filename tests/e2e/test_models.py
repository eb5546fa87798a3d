"""Models: versions with stages, promoted by hand or by their metrics, made by people, runs and iterations."""

from __future__ import annotations

import base64
import json
import pickle
import threading
from typing import Any, Callable

import pytest
from conftest import Server, wait_until
from test_consumers import BASE, Follower, Receiver, decisions, make_stream, put, receiver, say  # noqa: F401
from test_live import Live

JSON = "application/vnd.suricate.model+json"


def save(server: Server, name: str, value: Any = None, status: int = 201, **rest: Any) -> dict[str, Any]:
    answer = server.requests.put(f"/v1/models/{name}", json={"value": {"w": 1} if value is None else value, **rest})
    assert answer.status_code == status, answer.text
    return answer.json()


def model(server: Server, name: str) -> dict[str, Any]:
    answer = server.requests.get(f"/v1/models/{name}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(server: Server, path: str, status: int = 200, headers: dict[str, str] | None = None, **body: Any) -> dict[str, Any]:
    answer = server.requests.post(f"/v1/models/{path}", json=body, headers=headers or {})
    assert answer.status_code == status, answer.text
    return answer.json()


def stages(server: Server, name: str) -> dict[int, str]:
    return {item["version"]: item["stage"] for item in model(server, name)["versions"]}


def policy(server: Server, name: str, **body: Any) -> dict[str, Any]:
    answer = server.requests.put(f"/v1/models/{name}/promotion", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


# -- versions and stages ------------------------------------------------------------------------------------------


def test_the_first_version_is_live_and_later_ones_are_candidates(server):
    first = save(server, "t/first", {"mean": 2.5}, metrics={"auc": 0.8}, sources=[{"object": "week1.csv", "version": 1}], tags=["nfl"])
    assert first["version"] == 1 and first["stage"] == "live" and first["kind"] == "plain" and first["format"] == "json"
    assert first["metrics"] == {"auc": 0.8} and first["sources"] == [{"object": "week1.csv", "version": 1}] and first["run"] is None
    second = save(server, "t/first", {"mean": 3}, kind="means")
    assert second["stage"] == "candidate" and second["why"] == "it waits to be promoted"
    found = model(server, "t/first")
    assert (found["live"], found["candidate"], found["kind"], found["versions_total"]) == (1, 2, "plain", 2)
    assert server.requests.get("/v1/models/t/first/content").json() == {"mean": 2.5}
    assert server.requests.get("/v1/models/t/first/versions/2/content").json() == {"mean": 3}
    assert server.requests.get("/v1/models/t/first/versions/candidate").json()["version"] == 2
    info = server.requests.get("/v1/objects/models/t/first", params={"view": "info"}).json()
    assert info["tags"] == ["model", "nfl"] and info["type"] == JSON and info["version"] == 2


def test_promoting_rolling_back_and_retiring_move_the_live_version(server):
    for _ in range(3):
        save(server, "t/moves")
    assert post(server, "t/moves/promote", version=2)["live"] == 2
    assert post(server, "t/moves/promote", version=3)["live"] == 3
    assert stages(server, "t/moves") == {1: "retired", 2: "retired", 3: "live"}
    assert post(server, "t/moves/rollback")["live"] == 2
    assert post(server, "t/moves/rollback")["live"] == 1, "a second step goes further back, not forth again"
    assert "no other version" in post(server, "t/moves/rollback", status=409)["detail"]
    assert post(server, "t/moves/promote", version=3)["live"] == 3
    retired = post(server, "t/moves/retire", version=3)
    assert retired["live"] is None and stages(server, "t/moves")[3] == "retired"
    assert server.requests.get("/v1/models/t/moves/content").status_code == 404
    assert post(server, "t/moves/rollback")["live"] == 1
    post(server, "t/moves/promote", version=2)
    post(server, "t/moves/retire", version=1)
    post(server, "t/moves/rollback", status=409)
    history = model(server, "t/moves")["history"]
    assert [entry["live"] for entry in history][:2] == [2, 1] and "was rolled back" in json.dumps(history)
    assert "has no version 9" in post(server, "t/moves/promote", status=404, version=9)["detail"]


def test_of_two_who_promote_from_the_same_state_one_is_told(server):
    for _ in range(3):
        save(server, "t/race")
    etag = server.requests.get("/v1/models/t/race").headers["ETag"]
    statuses = []

    def promote(version: int) -> None:
        answer = server.requests.post("/v1/models/t/race/promote", json={"version": version}, headers={"If-Match": etag})
        statuses.append((answer.status_code, version))

    both = [threading.Thread(target=promote, args=(version,)) for version in (2, 3)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert sorted(status for status, _ in statuses) == [200, 412]
    assert model(server, "t/race")["live"] == next(version for status, version in statuses if status == 200)
    refused = server.requests.post("/v1/models/t/race/rollback", headers={"If-Match": etag})
    assert refused.status_code == 412 and "is at" in refused.json()["detail"]


def test_a_policy_promotes_what_is_better_and_says_why(server):
    policy(server, "t/policy", metric="auc", better="higher", at_least=0.6)
    assert model(server, "t/policy")["live"] is None
    low = save(server, "t/policy", metrics={"auc": 0.5})
    assert low["stage"] == "candidate" and "below the 0.6" in low["why"]
    assert save(server, "t/policy", metrics={"auc": 0.7})["stage"] == "live"
    equal = save(server, "t/policy", metrics={"auc": 0.7})
    assert equal["stage"] == "candidate" and "not higher than the 0.7 of version 2" in equal["why"]
    assert save(server, "t/policy", metrics={"f1": 1})["stage"] == "candidate"
    better = save(server, "t/policy", metrics={"auc": 0.9})
    assert better["stage"] == "live" and stages(server, "t/policy")[2] == "retired"
    other = save(server, "t/policy", metrics={"auc": 1}, kind="kmeans")
    assert other["stage"] == "candidate" and "promote it by hand" in other["why"]
    assert save(server, "t/policy", metrics={"auc": 0.95}, stage="candidate")["stage"] == "candidate"
    policy(server, "t/policy", metric="loss", better="lower")
    assert save(server, "t/policy", metrics={"loss": 3})["stage"] == "live", "the live one had no loss"
    assert save(server, "t/policy", metrics={"loss": 4})["stage"] == "candidate"
    assert save(server, "t/policy", metrics={"loss": 2})["stage"] == "live"
    assert server.requests.delete("/v1/models/t/policy/promotion").status_code == 204
    assert save(server, "t/policy", metrics={"loss": 1})["stage"] == "candidate"


def test_a_policy_that_no_version_can_pass_is_refused(server):
    for body, word in (({"metric": "a", "better": "more"}, "higher or lower"), ({"better": "lower"}, "metric"),
                       ({"metric": "a", "better": "lower", "at_least": 2, "at_most": 1}, "no version could pass")):
        refused = server.requests.put("/v1/models/t/none/promotion", json=body)
        assert refused.status_code == 400 and word in refused.json()["detail"]


def test_two_versions_can_be_compared(server):
    save(server, "t/two", metrics={"auc": 0.5, "loss": 2})
    save(server, "t/two", metrics={"auc": 0.75, "f1": 1})
    policy(server, "t/two", metric="auc", better="higher")
    found = server.requests.get("/v1/models/t/two/compare").json()
    assert found["a"]["version"] == 1 and found["b"]["version"] == 2 and found["is_same_content"]
    assert found["metrics"] == [{"metric": "auc", "a": 0.5, "b": 0.75, "difference": 0.25, "better": "b"},
                                {"metric": "loss", "a": 2, "b": None, "difference": None, "better": None},
                                {"metric": "f1", "a": None, "b": 1, "difference": None, "better": None}]
    assert server.requests.get("/v1/models/t/two/compare", params={"a": 2, "b": 1}).json()["metrics"][0]["better"] == "a"
    assert server.requests.get("/v1/models/t/two/compare", params={"a": 7}).status_code == 404


def test_models_are_listed_by_name(server):
    for name in ("l/b", "l/a", "l/c"):
        save(server, name)
    first = server.requests.get("/v1/models", params={"prefix": "l/", "limit": 2}).json()
    assert [item["name"] for item in first["items"]] == ["l/a", "l/b"] and first["next"]
    second = server.requests.get("/v1/models", params={"prefix": "l/", "limit": 2, "cursor": first["next"]}).json()
    assert [item["name"] for item in second["items"]] == ["l/c"] and second["next"] is None
    for _ in range(3):
        save(server, "l/a")
    page = server.requests.get("/v1/models/l/a/versions", params={"limit": 3}).json()
    assert [item["version"] for item in page["items"]] == [4, 3, 2]
    rest = server.requests.get("/v1/models/l/a/versions", params={"limit": 3, "cursor": page["next"]}).json()
    assert [item["version"] for item in rest["items"]] == [1] and rest["next"] is None


def test_a_models_content_goes_only_with_the_model(server):
    save(server, "t/gone")
    server.requests.put("/v1/objects/models/t/gone", data=b"not a version of the model")
    assert server.requests.delete("/v1/objects/models/t/gone", params={"version": 2}).status_code == 204
    refused = server.requests.delete("/v1/objects/models/t/gone", params={"version": 1})
    assert refused.status_code == 409 and "DELETE /v1/models/t/gone" in refused.json()["hint"]
    assert server.requests.delete("/v1/objects/models/t/gone").status_code == 409
    assert server.requests.delete("/v1/models/t/gone").status_code == 204
    assert server.requests.get("/v1/models/t/gone").status_code == 404
    assert server.requests.get("/v1/objects/models/t/gone").status_code == 404
    assert save(server, "t/gone")["version"] == 3, "a version's number is never given twice"


def test_bytes_can_be_streamed(server):
    answer = server.requests.put("/v1/models/t/bytes/content", data=b"\0" * 5_000_000, params={"kind": "onnx", "metrics": '{"auc": 0.5}'})
    assert answer.status_code == 201, answer.text
    assert (answer.json()["format"], answer.json()["kind"], answer.json()["bytes"]) == ("bytes", "onnx", 5_000_000)
    got = server.requests.get("/v1/models/t/bytes/content")
    assert len(got.content) == 5_000_000 and got.headers["X-Suricate-Version"] == "1" and got.headers["X-Suricate-Model-Format"] == "bytes"
    assert server.requests.put("/v1/models/t/bytes/content", data=b"{", params={"format": "json"}).status_code == 400
    assert server.requests.put("/v1/models/t/bytes/content", data=b"{}", params={"metrics": "[1]"}).status_code == 400


# -- what is refused ------------------------------------------------------------------------------------------------


def test_pickles_need_an_owners_word(server):
    hostile = base64.b64encode(pickle.dumps({"a": 1})).decode()
    refused = server.requests.put("/v1/models/t/pickle", json={"content": hostile, "format": "pickle"})
    assert refused.status_code == 403 and "PUT /v1/model-settings" in refused.json()["hint"]
    for disguise in ("json", "skops"):
        refused = server.requests.put("/v1/models/t/pickle", json={"content": hostile, "format": disguise})
        assert refused.status_code == 400 and refused.json()["field"] == "/content"
    assert server.requests.get("/v1/models/t/pickle").status_code == 404
    assert server.requests.put("/v1/model-settings", json={"pickle": True}).json() == {"pickle": True}
    assert server.requests.put("/v1/models/t/pickle", json={"content": hostile, "format": "pickle"}).status_code == 201
    assert server.requests.get("/v1/models/t/pickle/content").status_code == 200
    assert server.requests.put("/v1/model-settings", json={"pickle": False}).json() == {"pickle": False}
    assert server.requests.get("/v1/models/t/pickle/content").status_code == 403
    member = server.requests.put("/v1/model-settings", json={"pickle": "yes"})
    assert member.status_code == 400


@pytest.mark.parametrize(("body", "word"), [
    ({}, "exactly one"), ({"value": 1, "content": "aGk="}, "exactly one"), ({"content": "*"}, "base64"), ({"content": ""}, "empty"),
    ({"value": 1, "format": "toml"}, "json, skops, pickle or bytes"), ({"value": 1, "kind": "a b"}, "letters, digits"),
    ({"value": 1, "kind": "k" * 65}, "1..64"), ({"value": 1, "metrics": {"a": "high"}}, "must be a number"),
    ({"value": 1, "metrics": {f"m{n}": n for n in range(65)}}, "at most 64"), ({"value": 1, "metrics": {"n" * 65: 1}}, "1..64"),
    ({"value": 1, "sources": [1]}, "an object or a text"), ({"value": 1, "sources": ["x"] * 65}, "at most 64"),
    ({"value": 1, "stage": "best"}, "live or candidate"), ({"value": 1, "colour": "red"}, "colour")])
def test_a_wrong_version_says_what_was_expected(server, body, word):
    refused = server.requests.put("/v1/models/t/wrong", json=body)
    assert refused.status_code in (400, 413) and word in refused.json()["detail"], refused.text
    assert server.requests.get("/v1/models/t/wrong").status_code == 404


@pytest.mark.parametrize("name", ["n" * 201, "a,b", "a/%2E%2E/b", "models/"])
def test_names_have_limits(server, name):
    assert server.requests.put(f"/v1/models/{name}", json={"value": 1}).status_code in (400, 404, 405)


# -- models of iterations ---------------------------------------------------------------------------------------------


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver) -> Server:  # noqa: F811
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}")
    make_stream(server)
    put(server, "/v1/actions/hook", {"webhook": receiver.url})
    return server


def given(name: str, value: Any, **rest: Any) -> dict[str, Any]:
    return {"name": name, "content": base64.b64encode(json.dumps(value).encode()).decode(), "format": "json", **rest}


def test_an_iteration_makes_versions_once_and_by_the_policy(acting):
    policy(acting, "level", metric="error", better="lower")
    follower = Follower(acting)
    say(acting, 1, 2, 12, 23)
    window = follower.window()
    answer = follower.commit(window, models=[given("models/level", {"mean": 1}, metrics={"error": 2.0})]).json()
    assert answer["models"] == [{"name": "models/level", "model": "level", "version": 1, "stage": "live"}]
    assert follower.commit(window, models=[given("level", {"mean": 9})]).json() == answer, "the same commit again makes nothing"
    answer = follower.commit(follower.window(), models=[given("level", {"mean": 2}, metrics={"error": 3.0})]).json()
    assert answer["models"][0]["version"] == 2 and answer["models"][0]["stage"] == "candidate"
    first = model(acting, "level")["versions"][-1]
    made = first["iteration"]
    assert (made["stream"], made["consumer"], made["number"], made["epoch"]) == ("s", "c", 1, follower.epoch)
    assert made["window"]["messages"] == 2 and made["window"]["start_us"] == BASE * 1_000_000 and made["window"]["from"] == 0
    assert model(acting, "level")["live"] == 1


def test_a_commit_that_is_fenced_or_refused_changes_no_model(acting):
    save(acting, "level", {"mean": 0})
    first = Follower(acting)
    say(acting, 1, 12)
    window = first.window()
    Follower(acting)
    fenced = first.commit(window, models=[given("level", {"mean": 1}, stage="live")])
    assert fenced.status_code == 409 and model(acting, "level")["live"] == 1 and stages(acting, "level") == {1: "live"}
    second = Follower(acting)
    for bad, word in ((given("level", 1, stage="best"), "/models/1/stage"), (given("a,b", 1), "/models/1"), ({"name": "x", "content": "*"}, "/models/1/content"),
                      (given("level", 1, metrics={"a": "b"}), "/models/1/metrics"), (given("level", 1, format="pickle"), "/models/1/format")):
        refused = second.commit(window, models=[given("other", 1), bad])
        assert refused.status_code in (400, 403) and refused.json()["field"].startswith(word), refused.text
    unknown = second.commit(window, models=[given("level", {"mean": 1}, stage="live")], decisions=[{"action": "nobody"}])
    assert unknown.status_code == 404 and stages(acting, "level") == {1: "live"}
    assert acting.requests.get("/v1/models/other").status_code == 404


def test_the_next_window_says_which_versions_are_live_and_decisions_name_what_they_used(acting):
    save(acting, "level", {"mean": 1})
    follower = Follower(acting)
    say(acting, 1, 12, 23)
    answer = acting.requests.get(f"{follower.where}/next", params={"epoch": follower.epoch, "models": "level,models/none"}).json()
    assert answer["models"] == {"level": 1, "none": None}
    save(acting, "level", {"mean": 2}, stage="live")
    answer = acting.requests.get(f"{follower.where}/next", params={"epoch": follower.epoch, "models": "level"}).json()
    assert answer["models"] == {"level": 2}
    follower.commit(answer["window"], decisions=[{"action": "hook"}], used=[{"name": "level", "version": 2}])
    decision = decisions(acting)[0]
    assert decision["models"] == [{"name": "level", "version": 2}] and decision["code"] is None
    assert [item["decisions"] for item in model(acting, "level")["versions"]] == [1, 0]
    refused = follower.commit(follower.window(), used=[{"name": "level"}])
    assert refused.status_code == 400 and refused.json()["field"].startswith("/used/0")


# -- scoring ----------------------------------------------------------------------------------------------------------


CENTRES = {"kind": "kmeans", "format": 1, "centres": [[0.0, 0.0], [4.0, 4.0]], "mean": [0.0, 0.0], "scale": [1.0, 1.0], "lags": 1,
           "distances": [n / 100 for n in range(100)]}


def test_a_native_model_scores_rows_and_streams(acting):
    save(acting, "load", CENTRES, kind="kmeans")
    named = post(acting, "load/score", rows=[{"x": 0.1, "y": 0}, {"x": 4, "y": 4.2}, {"x": 40, "y": -3}, {"x": None, "y": 1}])
    assert named["version"] == 1 and named["kind"] == "kmeans" and named["code"].startswith("kmeans/")
    assert named["scores"][2] > 0.9 > named["scores"][0] and len(named["scores"]) == 4 and named["values"][2] > named["values"][1]
    listed = post(acting, "load/score", rows=[[0.1, 0], [4, 4.2], [40, -3], [None, 1]])
    assert listed["scores"] == named["scores"]
    turned = post(acting, "load/score", rows=[{"y": 0, "x": 0.1, "z": 9}], fields=["x", "y"])
    assert turned["scores"] == named["scores"][:1]
    acting.requests.post("/v1/streams/s/messages", json=[{"ts": BASE, "x": 0.1, "y": 0}, {"ts": BASE + 1, "x": 4, "y": 4.2}, {"ts": BASE + 2, "x": 40, "y": -3}])
    streamed = post(acting, "load/score", stream="s", fields=["x", "y"])
    assert streamed["scores"] == named["scores"][:3] and streamed["times"][1] == (BASE + 1) * 1_000_000
    assert len(post(acting, "load/score", stream="s", fields=["x", "y"], **{"from": 1, "to": 2})["scores"]) == 1
    assert post(acting, "load/score", rows=[])["scores"] == []


@pytest.mark.parametrize(("body", "word"), [
    ({}, "exactly one"), ({"rows": [], "stream": "s"}, "exactly one"), ({"rows": [[1]]}, "version 1 of the model"), ({"rows": [[1, 2], [1]]}, "as many"),
    ({"rows": [{"x": 1, "y": 2}, {"x": 1}]}, "no field y"), ({"rows": [["a", 1]]}, "numbers and nulls"), ({"stream": "s"}, "fields"),
    ({"rows": [[0] * 33]}, "1 to 32"), ({"rows": [[1, 2]], "times": [1, 2]}, "one for each"), ({"rows": [[1, 2]], "last": "5m"}, "with stream"),
    ({"rows": [[1, 2]], "version": 7}, "no version 7"), ({"stream": "none", "fields": ["x", "y"]}, "none")])
def test_rows_that_do_not_fit_the_model_are_refused_with_what_it_expects(server, body, word):
    save(server, "load", CENTRES, kind="kmeans")
    refused = server.requests.post("/v1/models/load/score", json=body)
    assert refused.status_code in (400, 404) and word in refused.json()["detail"], refused.text


def test_a_model_that_cannot_score_says_which_can(server):
    save(server, "plain", {"mean": 1})
    refused = post(server, "plain/score", status=400, rows=[[1]])
    assert "of kind plain in format json" in refused["detail"] and "/v1/detectors" in refused["hint"]
    save(server, "broken", {"kind": "kmeans", "format": 1, "centres": "none"}, kind="kmeans")
    refused = post(server, "broken/score", status=400, rows=[[1]])
    assert "version 1 of the model" in refused["detail"] and refused["field"].startswith("/model/")
    save(server, "other", {"kind": "pca", "format": 1}, kind="kmeans")
    assert 'the model is for "pca", the detector is kmeans' in post(server, "other/score", status=400, rows=[[1]])["detail"]


ESTIMATORS = """
import numpy as np, pandas as pd, suricate as s
from sklearn.ensemble import IsolationForest
from sklearn.linear_model import LogisticRegression
frame = pd.DataFrame({"x": np.arange(40.0), "y": np.zeros(40)})
s.save_model("long", LogisticRegression().fit(frame, frame.x > 20), metrics={"auc": 1.0})
s.save_model("rare", IsolationForest(n_estimators=10, random_state=0).fit(frame.to_numpy()))
s.result({"own": s.score("long", frame.head(2))["scores"], "method": s.score("rare", [[1, 2]])["method"]})
"""


def test_an_estimator_scores_in_a_kernel(acting):
    record = acting.run(ESTIMATORS)
    assert record["state"] == "succeeded" and record["result"]["method"] == "score_samples", record
    wait = {"wait": "60s"}
    answer = acting.requests.post("/v1/models/long/score", params=wait, json={"rows": [{"y": 0, "x": 0}, {"y": 0, "x": 39}, {"y": 0, "x": 1}]})
    assert answer.status_code == 200, answer.text
    scored = answer.json()
    assert scored["method"] == "predict_proba" and scored["predictions"] == [False, True, False] and scored["version"] == 1
    assert scored["scores"][::2] == pytest.approx(record["result"]["own"])
    say(acting, 1, 2)
    for body, word in (({"rows": [[1, 2, 3]]}, "expects 2 values a row (x, y), these have 3"), ({"stream": "s"}, "no field 'x'")):
        refused = acting.requests.post("/v1/models/long/score", params=wait, json=body)
        assert refused.status_code == 400 and word in refused.json()["detail"], refused.text
    later = acting.requests.post("/v1/models/rare/score", json={"rows": [[1, 2]]})
    assert later.status_code == 202 and later.headers["Location"] == f"/v1/runs/{later.json()['run']}"
    assert acting.wait_run(later.json()["run"])["result"]["method"] == "score_samples"


# -- in a kernel --------------------------------------------------------------------------------------------------------


FOLLOW = """
import suricate as s
level = s.load_model("level")
for window in s.follow("s", every="10s", from_="earliest", name="f"):
    window.act("hook", limit=level["limit"], start=int(window.start.timestamp()))
    window.save_model("seen", {"windows": window.iteration}, metrics={"messages": len(window)})
"""


def test_a_following_notebook_uses_a_promoted_version_from_its_next_window_on(acting):
    save(acting, "level", {"limit": 10})
    acting.put_notebook("follow", FOLLOW)
    run = acting.start_run("follow", follow=True)
    say(acting, 1, 11)
    wait_until(lambda: len(decisions(acting)) == 1, "the first window was decided")
    save(acting, "level", {"limit": 20})
    say(acting, 21)
    wait_until(lambda: len(decisions(acting)) == 2, "the second window was decided")
    post(acting, "level/promote", version=2)
    say(acting, 31)
    wait_until(lambda: len(decisions(acting)) == 3, "the third window was decided")
    post(acting, "level/rollback")
    say(acting, 41)
    made = wait_until(lambda: len(found := decisions(acting)) == 4 and found, "the fourth window was decided")
    assert [item["parameters"]["limit"] for item in reversed(made)] == [10, 10, 20, 10]
    assert [item["models"] for item in reversed(made)] == [[{"name": "level", "version": version}] for version in (1, 1, 2, 1)]
    assert {item["code"] for item in made} == {"notebook follow@1"} and {item["run"] for item in made} == {run["id"]}
    assert acting.requests.get(f"/v1/runs/{run['id']}").json()["restarts"] == 0
    seen = wait_until(lambda: (found := model(acting, "seen"))["versions_total"] == 4 and found, "each window made a version")
    assert seen["live"] == 1 and seen["versions"][0]["code"] == "notebook follow@1" and seen["versions"][0]["run"] == run["id"]
    assert seen["versions"][0]["iteration"]["number"] == 4 and seen["versions"][0]["metrics"] == {"messages": 1}
    assert [item["decisions"] for item in model(acting, "level")["versions"]] == [1, 3]
    models = acting.requests.get(f"/v1/runs/{run['id']}/lineage").json()["models"]
    assert sorted((one["name"], one["version"]) for one in models["used"]) == [("level", 1), ("level", 2)]
    assert sorted(one["version"] for one in models["made"]) == [1, 2, 3, 4]
    acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"})


def test_a_version_that_the_loaded_one_cannot_become_begins_the_run_again(acting):
    save(acting, "level", {"limit": 10})
    acting.put_notebook("follow", FOLLOW.replace('level["limit"]', 'level["limit"] if isinstance(level, dict) else level[0]'))
    run = acting.start_run("follow", follow=True)
    say(acting, 1, 11)
    wait_until(lambda: len(decisions(acting)) == 1, "the first window was decided")
    save(acting, "level", [20], stage="live")
    say(acting, 21)
    made = wait_until(lambda: len(found := decisions(acting)) == 2 and found, "the second window was decided")
    assert made[0]["parameters"]["limit"] == 20 and made[0]["models"] == [{"name": "level", "version": 2}]
    now = acting.requests.get(f"/v1/runs/{run['id']}").json()
    assert now["restarts"] == 1 and "load it anew" in now["last_error"]
    acting.requests.post(f"/v1/runs/{run['id']}/cancel", params={"wait": "60s"})


def test_an_open_notebook_saves_and_loads_models_and_follows(acting):
    say(acting, 1, 12)
    live = Live(acting, "open", """import suricate as s
s.save_model("tried", {"mean": 1})
tried = s.load_model("tried")
for window in s.follow("s", every="10s", from_="earliest", name="open", wait=False):
    window.act("hook", mean=tried["mean"])
    window.save_model("tried", {"mean": 2}, stage="live")
print(s.load_model("tried"))""")
    live.run("a")
    live.idle()
    assert "{'mean': 2}" in json.dumps(live.outputs("a")), live.outputs("a")
    assert decisions(acting)[0]["code"] == "open notebook open" and decisions(acting)[0]["models"] == [{"name": "tried", "version": 1}]
    assert [(item["stage"], item["code"]) for item in model(acting, "tried")["versions"]] == [("live", "open notebook open"), ("retired", "open notebook open")]


CHAIN = """
import suricate as s
rows = s.read("rows.json", as_="json")
base = s.load_model("base")
s.save_model("chained", {"mean": sum(rows) / len(rows) + base["plus"]}, sources=[{"object": "rows.json"}])
"""


def test_a_version_says_what_made_it_and_a_run_which_models_it_used_and_made(server):
    save(server, "base", {"plus": 1})
    server.requests.put("/v1/objects/rows.json", data=b"[1, 2, 3]")
    server.put_notebook("chain", CHAIN)
    run = server.start_run("chain")
    assert server.wait_run(run["id"])["state"] == "succeeded"
    version = server.requests.get("/v1/models/chained/versions/live").json()
    assert (version["run"], version["code"], version["sources"]) == (run["id"], "notebook chain@1", [{"object": "rows.json"}])
    assert version["lineage"]["notebook"]["name"] == "chain" and version["lineage"]["notebook"]["version"] == 1
    assert {(read["object"], read["version"]) for read in version["lineage"]["reads"]} == {("rows.json", 1), ("models/base", 1)}
    models = server.requests.get(f"/v1/runs/{run['id']}/lineage").json()["models"]
    assert models == {"used": [{"name": "base", "version": 1, "kind": "plain", "stage": "live"}],
                      "made": [{"name": "chained", "version": 1, "kind": "plain", "stage": "live"}]}
    save(server, "base", {"plus": 5}, stage="live")
    replay = server.requests.post(f"/v1/runs/{run['id']}/replay", params={"wait": "60s"}).json()
    assert replay["state"] == "succeeded"
    again = server.requests.get("/v1/models/chained/versions/2/content").json()
    assert again == {"mean": 3.0}, "a replay uses the version that the original used"


HOSTILE = """
import os, pathlib, pickle, suricate as s
class Bomb:
    def __reduce__(self):
        return (pathlib.Path.touch, (pathlib.Path("exploded"),))
said = []
def refused(what):
    try:
        what()
    except s.Denied as error:
        said.append(str(error))
refused(lambda: s.save_model("bomb", Bomb(), allow_pickle=True))
s.write("models/smuggled", pickle.dumps(Bomb()), type="application/vnd.suricate.model+pickle")
refused(lambda: s.load_model("smuggled"))
refused(lambda: s.load_model("models/smuggled"))
import skops.io
from sklearn.preprocessing import FunctionTransformer
s.save_model("function", FunctionTransformer(os.system))
refused(lambda: s.load_model("function"))
s.result({"said": said, "exploded": os.path.exists("exploded")})
"""


def test_a_hostile_model_is_not_run_by_loading_it(server):
    record = server.run(HOSTILE)
    assert record["state"] == "succeeded", record
    said = record["result"]["said"]
    assert not record["result"]["exploded"] and len(said) == 4, said
    assert "none is allowed here" in said[0] and "allow_pickle=True" in said[1] and "not trusted" in said[3]
