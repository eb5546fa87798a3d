"""Models: what is sent and what is refused. What skops does is tested where it is: in a kernel, end to end."""

from __future__ import annotations

import base64
import gc
import json
import pickle
from typing import Any

import numpy as np
import pytest
import suricate as s
from conftest import PlayedServer
from suricate import _loaded

PICKLE = "application/vnd.suricate.model+pickle"


class Odd:
    """Neither plain nor an estimator."""

    def __init__(self, weight: float = 1.0):
        self.weight = weight

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Odd) and other.weight == self.weight


class Other:
    """Another such."""

    def __init__(self) -> None:
        self.bias = 2.0


class Slotted:
    """One that can't become another."""

    __slots__ = ("__weakref__", "weight")


@pytest.fixture(autouse=True)
def nothing_loaded() -> None:
    _loaded._loaded.clear()
    _loaded._recent.clear()


def saved(played: PlayedServer) -> dict[str, Any]:
    return json.loads(played.bodies[-1])


def test_plain_models_are_sent_as_json_with_their_metrics(played: PlayedServer) -> None:
    played.answers["PUT", "/v1/models/m"] = [(201, {"version": 1, "stage": "live"})]
    answer = s.save_model("m", {"mean": np.float64(2.5), "names": ("a", "b")}, metrics={"auc": np.float32(0.5)}, tags=["football"])
    assert answer["stage"] == "live"
    sent = saved(played)
    assert json.loads(base64.b64decode(sent.pop("content"))) == {"mean": 2.5, "names": ["a", "b"]}
    assert sent == {"format": "json", "type": "application/vnd.suricate.model+json", "metrics": {"auc": 0.5}, "tags": ["football"],
                    "metadata": {"class": "builtins.dict"}}


def test_an_objects_name_stands_for_its_model(played: PlayedServer) -> None:
    played.answers["PUT", "/v1/models/m"] = [(201, {"version": 1})]
    s.save_model("models/m", [1], stage="candidate", kind="means", sources=["week 1"], metadata={"note": "x"})
    sent = saved(played)
    assert (sent["stage"], sent["kind"], sent["sources"], sent["metadata"]) == (
        "candidate", "means", ["week 1"], {"class": "builtins.list", "note": "x"})


def test_large_models_are_sent_as_they_are(played: PlayedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suricate._models._STREAMED_BYTES", 10)
    played.answers["PUT", "/v1/models/m/content"] = [(201, {"version": 1})]
    s.save_model("m", {"w": [1.5, 2.5]}, metrics={"auc": 1}, tags="football", stage="live")
    method, where, headers = played.calls[-1]
    assert played.bodies[-1] == b'{"w": [1.5, 2.5]}' and "stage=live" in where and "metrics=%7B%22auc%22%3A+1%7D" in where
    assert headers["X-Suricate-Tags"] == "football" and "builtins.dict" in headers["X-Suricate-Metadata"]


def test_pickles_are_made_and_loaded_only_when_asked_for(played: PlayedServer) -> None:
    with pytest.raises(TypeError, match="allow_pickle=True"):
        s.save_model("m", Odd())
    played.answers["PUT", "/v1/models/m"] = [(201, {"version": 1})]
    s.save_model("m", Odd(), allow_pickle=True)
    assert saved(played)["format"] == "pickle"
    played.put("m", pickle.dumps(Odd()), PICKLE)
    with pytest.raises(s.Denied, match="allow_pickle=True"):
        s.load_model("m")
    assert s.load_model("m", allow_pickle=True) == Odd()


def test_a_pickle_under_another_name_is_not_loaded(played: PlayedServer) -> None:
    played.put("m", b"\x80\x04N.", "application/octet-stream")
    with pytest.raises(s.Invalid, match="not a model"):
        s.load_model("m", allow_pickle=True)


def test_a_model_kept_as_a_plain_object_is_loaded_too(played: PlayedServer) -> None:
    played.put("old", b'{"mean": 2.5}', "application/json")
    assert s.load_model("old") == {"mean": 2.5} and _loaded.used() == []
    with pytest.raises(s.NotFound):
        s.load_model("older")


def test_stages_are_moved_by_name(played: PlayedServer) -> None:
    played.answers["GET", "/v1/models/m/versions/candidate"] = [(200, {"version": 4})]
    for verb in ("promote", "rollback", "retire"):
        played.answers["POST", f"/v1/models/m/{verb}"] = [(200, {"live": 4})]
    played.answers["PUT", "/v1/models/m/promotion"] = [(200, {})]
    assert s.promote("m")["live"] == 4 and saved(played) == {"version": 4}
    s.retire("models/m", 2)
    assert saved(played) == {"version": 2}
    s.rollback("m")
    s.promotion("m", "auc", at_least=0.5)
    assert saved(played) == {"metric": "auc", "better": "higher", "at_least": 0.5}


# -- models that follow what is live -----------------------------------------------------------------------------------


def hold(model: Any, newer: Any, name: str = "m") -> Any:
    return _loaded.note(name, 1, model, lambda version: newer)


def test_a_dictionary_becomes_the_version_that_is_live() -> None:
    model = hold({"mean": 1}, {"mean": 2, "n": 3})
    assert model == {"mean": 1} and json.dumps(model) == '{"mean": 1}' and _loaded.changing() == ["m"]
    _loaded.begin({"m": 1})
    assert model == {"mean": 1}
    _loaded.begin({"m": 2})
    assert model == {"mean": 2, "n": 3} and _loaded.used() == [{"name": "m", "version": 2}]
    _loaded.begin({"m": None})
    assert model == {"mean": 2, "n": 3}, "without a live version the loaded one stays"


def test_lists_and_objects_become_it_too() -> None:
    words, odd = hold([1, 2], [3]), hold(Odd(), Other(), "o")
    predict = odd
    _loaded.begin({"m": 2, "o": 5})
    assert words == [3] and isinstance(predict, Other) and predict.bias == 2.0 and not hasattr(predict, "weight")
    assert _loaded.used() == [{"name": "m", "version": 2}, {"name": "o", "version": 5}]


def test_what_cannot_become_it_says_so() -> None:
    for number, (old, new) in enumerate([({"a": 1}, Odd()), (Odd(), [1]), (Slotted(), Odd())]):
        _loaded._loaded.clear()
        model = hold(old, new)
        with pytest.raises(s.Conflict, match="load it anew"):
            _loaded.begin({"m": 2})
        assert model is not None and number < 3


def test_what_nobody_holds_is_in_use_until_the_next_window() -> None:
    hold({"mean": 1}, {})
    gc.collect()
    assert _loaded.used() == [{"name": "m", "version": 1}] and _loaded.changing() == []
    _loaded.begin({})
    assert _loaded.used() == []


def test_a_number_stays_what_it_is_and_a_given_version_too() -> None:
    assert hold(2.5, 3.5, "number") == 2.5
    fixed = _loaded.note("fixed", 3, {"a": 1}, None)
    _loaded.begin({"number": 2, "fixed": 4})
    assert fixed == {"a": 1} and _loaded.changing() == []
    assert _loaded.used() == [{"name": "fixed", "version": 3}, {"name": "number", "version": 1}]
