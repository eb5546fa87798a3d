"""Following a stream: from history to live without gap or duplicate, resuming, and readers that do not read."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from conftest import Server, wait_until
from streams import NDJSON, Tail, create, problem, push, take


def numbers(events: list[tuple[str, int, Any]]) -> list[int]:
    assert all(event == "message" for event, _, _ in events), events
    assert all(number == data["offset"] for _, number, data in events)
    return [data["body"]["n"] for _, _, data in events]


def test_a_tail_begins_with_what_comes_next(server: Server) -> None:
    create(server.requests, "s", key="k")
    push(server.requests, "s", {"n": 0})
    with Tail(server, "s") as tail:
        push(server.requests, "s", {"n": 1, "k": "a"}, {"n": 2})
        events = tail.events()
        first = next(events)
        assert first[:2] == ("message", 1) and first[2]["key"] == "a" and first[2]["body"] == {"n": 1, "k": "a"}
        push(server.requests, "s", {"n": 3})
        assert numbers(take(events, 2)) == [2, 3]


@pytest.mark.parametrize(("query", "first"), [("from=earliest", 0), ("from=5", 5), ("from=3s", 7), ("from=2026-01-01T00:00:04Z", 4), ("from=latest", 10)])
def test_a_tail_begins_where_it_is_told_to(server: Server, query: str, first: int) -> None:
    create(server.requests, "s", time={"field": "at"})
    push(server.requests, "s", *[{"n": n, "at": f"2026-01-01T00:00:{n:02}Z"} for n in range(10)])
    with Tail(server, "s", query) as tail:
        push(server.requests, "s", {"n": 10, "at": "2026-01-01T00:00:10Z"})
        assert numbers(take(tail.events(), 11 - first)) == list(range(first, 11))


def test_from_history_to_live_nothing_is_missing_or_twice(server: Server) -> None:
    create(server.requests, "s")
    total, batch = 30_000, 100

    def publish() -> None:
        client = server.client(server.token)
        for first in range(0, total, batch):
            push(client, "s", *[{"n": n} for n in range(first, first + batch)])

    publisher = threading.Thread(target=publish)
    publisher.start()
    wait_until(lambda: server.requests.get("/v1/streams/s").json()["offsets"]["next"] > 1000, "some messages are there")
    with Tail(server, "s", "from=earliest") as one, Tail(server, "s", "from=500") as two:
        assert numbers(take(one.events(), total)) == list(range(total))
        assert numbers(take(two.events(), total - 500)) == list(range(500, total))
    publisher.join()


def test_a_tail_goes_on_after_the_last_event_it_saw(server: Server) -> None:
    create(server.requests, "s")
    push(server.requests, "s", *[{"n": n} for n in range(10)])
    with Tail(server, "s", "from=earliest", last_id=6) as tail:
        assert numbers(take(tail.events(), 3)) == [7, 8, 9]
    server.restart(kill=True)
    with Tail(server, "s", last_id=8) as tail:
        push(server.requests, "s", {"n": 10})
        assert numbers(take(tail.events(), 2)) == [9, 10]


def test_an_event_id_of_another_stream_is_told_by_reset(server: Server) -> None:
    create(server.requests, "s")
    push(server.requests, "s", {"n": 0})
    with Tail(server, "s", last_id=1000) as tail:
        events = tail.events()
        assert next(events)[0] == "reset" and numbers(take(events, 1)) == [0]


def test_a_tail_of_a_deleted_stream_ends(server: Server) -> None:
    create(server.requests, "s")
    with Tail(server, "s") as tail:
        push(server.requests, "s", {"n": 0})
        events = tail.events()
        next(events)
        assert server.requests.delete("/v1/streams/s").status_code == 204
        assert [event for event, _, _ in events] == ["deleted"]


def test_a_wrong_place_or_stream_is_refused(server: Server) -> None:
    problem(server.requests.get("/v1/streams/none/tail"), 404)
    create(server.requests, "s")
    problem(server.requests.get("/v1/streams/s/tail?from=somewhere"), 400, "from")


def test_text_is_followed_as_text(server: Server) -> None:
    create(server.requests, "log", format="text")
    with Tail(server, "log") as tail:
        server.requests.post("/v1/streams/log/messages", data="a \"b\"\té\n".encode(), headers={"Content-Type": "text/plain"})
        assert next(tail.events())[2]["body"] == 'a "b"\té'


def open_tails(server: Server) -> int:
    """How many event streams the server counts."""
    metrics = server.client(None).get("/metrics").text
    return int(next(line for line in metrics.splitlines() if line.startswith("suricate_http_event_streams ")).split()[1])


@pytest.mark.server("--limit", "idle_s=2")
def test_a_reader_that_stops_reading_is_dropped_and_others_never_notice(server: Server) -> None:
    create(server.requests, "s")
    body = b'{"n":0,"text":"%s"}\n' % (b"x" * 1000) * 500
    with Tail(server, "s") as lazy, Tail(server, "s") as eager:
        assert lazy.status == 200
        seen: list[int] = []
        reader = threading.Thread(target=lambda: seen.extend(number for _, number, _ in take(eager.events(), 20_000)))
        reader.start()
        for _ in range(40):
            assert server.requests.post("/v1/streams/s/messages", data=body, headers=NDJSON).status_code == 200
        reader.join()
        assert seen == list(range(20_000))
        wait_until(lambda: open_tails(server) == 1, "the lazy reader is dropped")
        push(server.requests, "s", {"n": 1})
