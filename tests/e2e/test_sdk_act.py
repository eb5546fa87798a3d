"""Acting from Python, against the real server: actions, decisions and why, watches and back-tests, triggers, silences."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from conftest import Server, wait_until
from test_cli_act import decide
from test_consumers import Receiver, make_stream, receiver  # noqa: F401
from test_streams_sdk import point_at, s


@pytest.fixture
def acting(start_server: Callable[..., Server], receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> Server:  # noqa: F811
    """A server with the stream `s` and the action `hook`, which the SDK talks to."""
    server = start_server("--allow-fetch", f"127.0.0.1:{receiver.port}")
    point_at(server, monkeypatch)
    make_stream(server)
    s.action("hook", webhook=receiver.url)
    return server


def test_actions_are_put_described_and_deleted(acting: Server, receiver: Receiver) -> None:  # noqa: F811
    assert s.action("hook")["webhook"] == receiver.url
    assert [item["name"] for item in s.actions()] == ["hook"]
    with pytest.raises(s.Invalid):
        s.action("hook", webhook="no address")
    s.delete_action("hook")
    assert s.actions() == []


def test_decisions_are_a_table_and_why_explains_one(acting: Server) -> None:
    assert s.decisions().empty and list(s.decisions()["id"]) == []
    with pytest.raises(s.NotFound, match="no such decision"):
        s.why()
    decision = decide(acting, by=1)
    wait_until(lambda: s.why()["state"] == "sent", "it was delivered")
    found = s.decisions(consumer="c")
    assert list(found.id) == [decision] and found.parameters[0] == {"by": 1} and found.action[0] == "hook"
    assert str(found.start[0]) == "2023-11-14 22:13:20+00:00" and str(found.score.dtype) == "float64"
    assert s.decisions(consumer="another").empty
    assert s.why(decision) == s.why(decision[:20]) == s.why("last", stream="s")
    assert s.why(decision)["window"]["messages"] == 2
    assert s.investigate(decision) == f"investigate/{decision}"
