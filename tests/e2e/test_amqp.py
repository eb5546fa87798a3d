"""AMQP sources against a real RabbitMQ: acknowledged only when on disk, through restarts, cuts, refusals and poison."""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import IS_SANITIZED, Server, wait_until
from rabbit import Broker, Proxy, broker, certificates

PATIENCE_S = 120.0 if IS_SANITIZED else 60.0


@pytest.fixture(scope="session")
def _rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = certificates(tmp_path_factory.mktemp("certificates"))
    folder.parent.parent.chmod(0o755)
    with broker(folder) as running:
        running.certificates = folder  # type: ignore[attr-defined]
        yield running


@pytest.fixture
def rabbit(_rabbit: Broker) -> Broker:
    """One broker for the session; it is started again when a test left it dead. Name queues after your test."""
    if _rabbit.process.poll() is not None:
        _rabbit.start()
    return _rabbit


@pytest.fixture
def name() -> str:
    return f"q-{secrets.token_hex(4)}"


# -- helpers ------------------------------------------------------------------------------------------------------


def define(server: Server, stream: str, source: dict[str, Any], **definition: Any) -> None:
    answer = server.requests.put(f"/v1/streams/{stream}", json={"source": {"kind": "amqp", **source}, **definition})
    assert answer.status_code in (200, 201), answer.text


def source(rabbit: Broker, queue: str, **more: Any) -> dict[str, Any]:
    return {"url": rabbit.url(), "queue": queue, **more}


def status(server: Server, stream: str) -> dict[str, Any]:
    return server.requests.get(f"/v1/streams/{stream}").json().get("source") or {}


def wait_state(server: Server, stream: str, state: str, words: str = "", timeout_s: float = PATIENCE_S) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        now = status(server, stream)
        return now if now.get("state") == state and words in (now.get("message") or "") else None
    try:
        return wait_until(there, f"{stream} is {state} and says {words!r}", timeout_s)
    except AssertionError as error:
        raise AssertionError(f"{error}: {status(server, stream)}") from None


def messages(server: Server, stream: str) -> list[dict[str, Any]]:
    answer = server.requests.get(f"/v1/streams/{stream}/messages", params={"from": "earliest", "format": "ndjson"})
    assert answer.status_code == 200, answer.text
    return [json.loads(line) for line in answer.content.decode().split("\n") if line]


def dead(server: Server, stream: str) -> list[dict[str, Any]]:
    return server.requests.get(f"/v1/streams/{stream}/dead-letters").json()["items"]


def wait_count(server: Server, stream: str, count: int) -> None:
    wait_until(lambda: server.requests.get(f"/v1/streams/{stream}").json()["offsets"]["next"] >= count, f"{stream} has {count} messages",
               PATIENCE_S)


def wait_messages(server: Server, stream: str, count: int) -> list[dict[str, Any]]:
    wait_count(server, stream, count)
    return messages(server, stream)


def wait_acknowledged(rabbit: Broker, queue: str) -> None:
    wait_until(lambda: rabbit.unacknowledged(queue) == 0, f"all of {queue} is acknowledged", PATIENCE_S)


def bodies(count: int, first: int = 0) -> list[str]:
    return [json.dumps({"n": number, "comm": f"c{number % 7}", "lat": number / 8}) for number in range(first, first + count)]


def numbers(items: list[dict[str, Any]]) -> list[int]:
    return [item["body"]["n"] for item in items]


# -- the happy path -----------------------------------------------------------------------------------------------


def test_messages_of_a_queue_become_the_streams_in_order_and_are_acknowledged(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, bodies(500))
    define(server, "s", source(rabbit, name))
    assert numbers(wait_messages(server, "s", 500)) == list(range(500))
    wait_acknowledged(rabbit, name)
    now = wait_state(server, "s", "running")
    assert now["server"]["product"] == "RabbitMQ" and now["server"]["version"].startswith("3.")
    rabbit.publish(name, bodies(10, 500))
    assert numbers(wait_messages(server, "s", 510)) == list(range(510))


def test_a_queue_is_declared_and_bound_to_an_exchange(server: Server, rabbit: Broker, name: str) -> None:
    with rabbit.channel() as channel:
        channel.exchange_declare(f"x-{name}", "topic")
    define(server, "s", source(rabbit, name, declare={"type": "classic", "arguments": {"x-max-length": 1000}},
                               bind=[{"exchange": f"x-{name}", "routing_key": "cpu.*"}, {"exchange": f"x-{name}", "routing_key": "disk.#"}]))
    wait_state(server, "s", "running")
    for key in ("cpu.load", "net.bytes", "disk.a.b"):
        rabbit.publish(key, ['{"n": 1}'], exchange=f"x-{name}", headers={"host": "a", "cores": 8}, content_type="application/json")
    items = wait_messages(server, "s", 2)
    assert [item["headers"]["amqp.routing_key"] for item in items] == ["cpu.load", "disk.a.b"]
    assert items[0]["headers"] == {"host": "a", "cores": 8, "amqp.exchange": f"x-{name}", "amqp.routing_key": "cpu.load",
                                   "amqp.content_type": "application/json"}


def test_header_bindings_choose_messages_by_their_headers(server: Server, rabbit: Broker, name: str) -> None:
    with rabbit.channel() as channel:
        channel.exchange_declare(f"h-{name}", "headers")
    define(server, "s", source(rabbit, name, declare={}, bind=[{"exchange": f"h-{name}", "headers": {"x-match": "all", "host": "a", "cores": 8}}]))
    wait_state(server, "s", "running")
    rabbit.publish("", ['{"n": 1}'], exchange=f"h-{name}", headers={"host": "b", "cores": 8})
    rabbit.publish("", ['{"n": 2}'], exchange=f"h-{name}", headers={"host": "a", "cores": 8})
    assert numbers(wait_messages(server, "s", 1)) == [2]


def test_a_messages_time_and_id_go_along(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    define(server, "s", source(rabbit, name))
    rabbit.publish(name, bodies(1), ids=["id-1"], timestamp=1_700_000_000)
    item = wait_messages(server, "s", 1)[0]
    assert item["id"] == "id-1" and item["time"].startswith("2023-11-14T22:13:20")


@pytest.mark.parametrize("kind", ["classic", "quorum"])
def test_every_kind_of_queue_is_declared_and_consumed(server: Server, rabbit: Broker, name: str, kind: str) -> None:
    define(server, "s", source(rabbit, name, declare={"type": kind}))
    wait_state(server, "s", "running")
    rabbit.publish(name, bodies(300))
    assert numbers(wait_messages(server, "s", 300)) == list(range(300))
    assert kind in rabbit.ctl("--quiet", "list_queues", "name", "type").split(name)[1].splitlines()[0]


def test_a_stream_queue_is_read_from_its_beginning_and_after_a_restart_from_where_it_was(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name, **{"x-queue-type": "stream"})
    rabbit.publish(name, bodies(100))
    define(server, "s", source(rabbit, name, prefetch=50))
    assert numbers(wait_messages(server, "s", 100)) == list(range(100))
    server.restart(kill=True)
    rabbit.publish(name, bodies(100, 100))
    assert numbers(wait_messages(server, "s", 200)) == list(range(200))


def test_records_of_one_message_are_rows_of_their_own(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, ["[" + ",".join(bodies(10)) + "]", bodies(1, 10)[0]])
    define(server, "s", source(rabbit, name))
    assert numbers(wait_messages(server, "s", 11)) == list(range(11))
    lines = f"{name}-lines"
    rabbit.queue(lines)
    rabbit.publish(lines, ["\n".join(bodies(100)) + "\n"])
    define(server, "lines", source(rabbit, lines), format="ndjson")
    assert numbers(wait_messages(server, "lines", 100)) == list(range(100))


# -- acknowledged only when on disk -------------------------------------------------------------------------------


def test_nothing_is_lost_or_doubled_when_the_server_is_killed_in_mid_batch(server: Server, rabbit: Broker, name: str) -> None:
    total, ids = 6000, [f"m-{number}" for number in range(6000)]
    rabbit.queue(name)
    define(server, "s", source(rabbit, name, prefetch=200))
    wait_state(server, "s", "running")
    for round_ in range(4):
        first = round_ * total // 4
        rabbit.publish(name, bodies(total // 4, first), ids=ids[first:first + total // 4])
        wait_count(server, "s", first + 1)
        server.restart(kill=True)
    items = wait_messages(server, "s", total)
    wait_acknowledged(rabbit, name)
    assert [item["id"] for item in messages(server, "s")] == ids
    assert numbers(items) == list(range(total))


def test_messages_stay_with_the_broker_until_they_are_on_disk(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, bodies(5000), ids=[f"id-{number}" for number in range(5000)])
    define(server, "s", source(rabbit, name, prefetch=500))
    wait_count(server, "s", 1)
    server.kill()
    wait_until(lambda: rabbit.messages(name)[1] == 0, "the broker has seen the connection end")
    left = rabbit.unacknowledged(name)
    server.start()
    stored = server.requests.get("/v1/streams/s").json()["offsets"]["next"]
    assert stored + left >= 5000
    assert sorted(numbers(wait_messages(server, "s", 5000))) == list(range(5000))  # stored but not acknowledged: known by id


def test_pause_cancels_the_consumer_and_resume_goes_on(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    define(server, "s", source(rabbit, name))
    wait_state(server, "s", "running")
    define(server, "s", source(rabbit, name), paused=True)
    wait_state(server, "s", "paused")
    wait_until(lambda: rabbit.messages(name)[1] == 0, "there is no consumer")
    rabbit.publish(name, bodies(20))
    assert rabbit.messages(name) == (20, 0) and messages(server, "s") == []
    define(server, "s", source(rabbit, name), paused=False)
    assert numbers(wait_messages(server, "s", 20)) == list(range(20))


def test_a_small_prefetch_never_stops_the_flow(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, bodies(300))
    define(server, "s", source(rabbit, name, prefetch=1))
    assert numbers(wait_messages(server, "s", 300)) == list(range(300))
    define(server, "s", source(rabbit, name, prefetch=2))
    rabbit.publish(name, bodies(300, 300))
    assert numbers(wait_messages(server, "s", 600)) == list(range(600))


def test_a_stopped_server_has_acknowledged_what_it_stored(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, bodies(3000))
    define(server, "s", source(rabbit, name, prefetch=300))
    wait_count(server, "s", 1)
    server.restart()
    assert numbers(wait_messages(server, "s", 3000)) == list(range(3000)), "without ids nothing is doubled by an orderly stop"


# -- what goes wrong ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kill", [False, True], ids=["restarted", "killed"])
def test_the_source_comes_back_when_the_broker_does(server: Server, rabbit: Broker, name: str, kill: bool) -> None:
    total, ids = 4000, [f"{name}-{number}" for number in range(4000)]
    rabbit.queue(name)
    define(server, "s", source(rabbit, name, prefetch=100))
    wait_state(server, "s", "running")
    rabbit.publish(name, bodies(total), ids=ids)
    wait_count(server, "s", 1)
    rabbit.restart(kill=kill)
    items = wait_messages(server, "s", total)
    wait_acknowledged(rabbit, name)
    assert [item["id"] for item in items] == ids
    assert wait_state(server, "s", "running")["connections"] >= 2


def test_a_broker_that_is_away_is_shown_and_found_again(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.stop()
    define(server, "s", source(rabbit, name))
    shown = wait_state(server, "s", "waiting")
    assert shown["step"] == "connect" and "127.0.0.1" in shown["message"] and shown["next_try_at"]
    rabbit.start()
    wait_state(server, "s", "running")


def test_a_deleted_queue_is_shown_and_its_return_is_noticed(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    define(server, "s", source(rabbit, name))
    wait_state(server, "s", "running")
    rabbit.delete(name)
    wait_state(server, "s", "waiting", f"NOT_FOUND - no queue '{name}'")
    rabbit.queue(name)
    rabbit.publish(name, bodies(3))
    assert numbers(wait_messages(server, "s", 3)) == [0, 1, 2]


def test_a_deleted_queue_that_the_definition_declares_is_made_again(server: Server, rabbit: Broker, name: str) -> None:
    define(server, "s", source(rabbit, name, declare={}))
    wait_state(server, "s", "running")
    rabbit.delete(name)
    wait_until(lambda: status(server, "s")["connections"] == 2, "it is connected again")
    rabbit.publish(name, bodies(3))
    assert numbers(wait_messages(server, "s", 3)) == [0, 1, 2]


def test_a_queue_of_other_arguments_is_refused_in_the_brokers_words(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name, **{"x-max-length": 10})
    define(server, "s", source(rabbit, name, declare={"arguments": {"x-max-length": 20}}))
    shown = wait_state(server, "s", "waiting", "PRECONDITION_FAILED - inequivalent arg 'x-max-length'")
    assert shown["step"] == "declare" and "other arguments" in shown["hint"]
    define(server, "s", source(rabbit, name, declare={"arguments": {"x-max-length": 10}}))
    wait_state(server, "s", "running")


def test_a_missing_exchange_is_refused_in_the_brokers_words(server: Server, rabbit: Broker, name: str) -> None:
    define(server, "s", source(rabbit, name, declare={}, bind=[{"exchange": f"none-{name}", "routing_key": "a"}]))
    wait_state(server, "s", "waiting", f"NOT_FOUND - no exchange 'none-{name}'")


def test_a_wrong_password_is_shown_and_the_right_one_noticed_at_once(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.ctl("add_user", name, "right")
    rabbit.ctl("set_permissions", name, ".*", ".*", ".*")
    rabbit.queue(name)
    define(server, "s", source(rabbit, name, user=name, secret="broker"))
    wait_state(server, "s", "waiting", "there is no secret")
    server.requests.put("/v1/secrets/broker", json={"value": "wrong-pass"})
    shown = wait_state(server, "s", "waiting", "ACCESS_REFUSED")
    assert shown["step"] == "connect" and "wrong-pass" not in json.dumps(shown)
    server.requests.put("/v1/secrets/broker", json={"value": "right"})
    wait_state(server, "s", "running")
    assert "wrong-pass" not in server.log.read_text()


def test_a_missing_vhost_is_refused_in_the_brokers_words(server: Server, rabbit: Broker, name: str) -> None:
    define(server, "s", {"url": f"{rabbit.url()}/none", "queue": name})
    wait_state(server, "s", "waiting", "vhost none not found")


def test_a_cut_network_loses_and_doubles_nothing(server: Server, rabbit: Broker, name: str) -> None:
    total, ids = 6000, [f"{name}-{number}" for number in range(6000)]
    proxy = Proxy(rabbit.port)
    try:
        rabbit.queue(name)
        define(server, "s", {"url": rabbit.url(port=proxy.port), "queue": name, "prefetch": 100})
        wait_state(server, "s", "running")
        for round_ in range(3):
            first = round_ * total // 3
            rabbit.publish(name, bodies(total // 3, first), ids=ids[first:first + total // 3])
            wait_count(server, "s", first + 1)
            assert proxy.cut() >= 1
        items = wait_messages(server, "s", total)
        wait_acknowledged(rabbit, name)
        assert [item["id"] for item in items] == ids
    finally:
        proxy.close()


def test_a_network_that_goes_silent_is_noticed_by_missing_heartbeats(server: Server, rabbit: Broker, name: str) -> None:
    proxy = Proxy(rabbit.port)
    try:
        rabbit.queue(name)
        define(server, "s", {"url": rabbit.url(port=proxy.port), "queue": name, "heartbeat_s": 2})
        wait_state(server, "s", "running")
        proxy.is_silent = True
        wait_state(server, "s", "waiting", "eartbeat")
        proxy.is_silent = False
        wait_state(server, "s", "running")
    finally:
        proxy.close()


def test_an_idle_connection_outlives_its_heartbeats(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    define(server, "s", source(rabbit, name, heartbeat_s=2))
    wait_state(server, "s", "running")
    began = time.monotonic()
    wait_until(lambda: time.monotonic() - began > 7, "several heartbeats have passed")
    assert status(server, "s")["connections"] == 1 and status(server, "s")["state"] == "running"


def test_back_pressure_is_held_by_the_broker_and_the_connection_lives_through_it(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, bodies(600))
    define(server, "s", source(rabbit, name, heartbeat_s=2, prefetch=100), limits={"messages_per_s": 50})
    shown = wait_state(server, "s", "stalled", "messages_per_s")
    assert shown["step"] == "commit"
    assert rabbit.messages(name)[0] >= 100, "what has not been taken is the broker's to keep"
    assert numbers(wait_messages(server, "s", 600)) == list(range(600))
    wait_acknowledged(rabbit, name)
    assert status(server, "s")["connections"] == 1


# -- poison -------------------------------------------------------------------------------------------------------


def test_poison_goes_to_the_dead_letters_with_its_reason_and_blocks_nothing(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    good = bodies(6)
    rabbit.publish(name, [good[0], "not json", good[1], b"\xff\xfe\x00", good[2], '{"a":' * 1000, good[3], "", good[4],
                          '{"big": "' + "x" * 20_000 + '"}', good[5]])
    define(server, "s", source(rabbit, name), limits={"message_bytes": 10_000})
    assert numbers(wait_messages(server, "s", 6)) == list(range(6))
    wait_acknowledged(rabbit, name)
    letters = dead(server, "s")
    assert len(letters) == 5 and all(letter["reason"] for letter in letters)
    assert "message_bytes" in letters[4]["reason"]
    wait_until(lambda: status(server, "s")["dead"] == 5, "the five are counted")


def test_a_body_of_many_frames_is_whole_and_one_past_all_limits_is_cut(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    large = json.dumps({"n": 1, "text": "é" * 200_000}, ensure_ascii=False)
    rabbit.publish(name, [large, '{"n": 2, "text": "' + "x" * 5_000_000 + '"}', '{"n": 3}'])
    define(server, "s", source(rabbit, name))
    items = wait_messages(server, "s", 2)
    assert numbers(items) == [1, 3] and items[0]["body"]["text"] == "é" * 200_000
    assert "too large" in dead(server, "s")[0]["reason"]


def test_headers_of_every_type_and_any_depth_do_no_harm(server: Server, rabbit: Broker, name: str) -> None:
    nested: Any = "core"
    for _ in range(200):
        nested = {"k": nested}
    rabbit.queue(name)
    rabbit.publish(name, bodies(1), headers={"text": "a\"b", "many": [1, "two", None, {"three": 3}], "yes": True, "deep": nested,
                                             "raw": b"\xff\x00", "amqp.exchange": "forged"})
    define(server, "s", source(rabbit, name))
    headers = wait_messages(server, "s", 1)[0]["headers"]
    assert headers["text"] == 'a"b' and headers["yes"] is True and headers["many"] == [1, "two", None, {"three": 3}]
    assert "amqp.exchange" not in headers


def test_headers_as_large_and_as_deep_as_a_frame_do_no_harm(server: Server, rabbit: Broker, name: str) -> None:
    nested: Any = "core"
    for _ in range(15_000):
        nested = {"k": nested}
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(200_000)
    try:
        rabbit.queue(name)
        rabbit.publish(name, bodies(1), headers={"deep": nested})
        rabbit.publish(name, bodies(1, 1), headers={"large": "x" * 100_000})
        rabbit.publish(name, bodies(1, 2))
    finally:
        sys.setrecursionlimit(limit)
    define(server, "s", source(rabbit, name))
    assert numbers(wait_messages(server, "s", 2)) == [0, 2]
    assert "headers" in dead(server, "s")[0]["reason"]
    assert status(server, "s")["connections"] == 1


def test_a_message_of_a_known_id_is_taken_once_unless_ids_are_ignored(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    define(server, "s", source(rabbit, name))
    rabbit.publish(name, bodies(3), ids=["a", "b", "a"])
    rabbit.publish(name, bodies(1, 3), ids=["c"])
    assert numbers(wait_messages(server, "s", 3)) == [0, 1, 3]
    wait_until(lambda: status(server, "s")["repeated"] == 1, "the repetition is counted")
    define(server, "s", source(rabbit, name, ids="ignore"))
    rabbit.publish(name, bodies(2, 4), ids=["a", "a"])
    assert numbers(wait_messages(server, "s", 5)) == [0, 1, 3, 4, 5]


# -- TLS ----------------------------------------------------------------------------------------------------------


def tls(rabbit: Broker, host: str = "localhost") -> str:
    return f"amqps://{host}:{rabbit.tls_port}"


def test_tls_is_used_with_the_right_authority(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    rabbit.publish(name, bodies(100))
    define(server, "s", {"url": tls(rabbit), "queue": name, "tls": {"ca": (rabbit.certificates / "ca.pem").read_text()}})  # type: ignore[attr-defined]
    assert numbers(wait_messages(server, "s", 100)) == list(range(100))
    assert "true" in rabbit.ctl("--quiet", "list_connections", "ssl")


def test_tls_refuses_another_authority_and_never_falls_back(server: Server, rabbit: Broker, name: str, tmp_path: Path) -> None:
    rabbit.queue(name)
    other = certificates(tmp_path / "other")
    for number, ca in enumerate([{"ca": (other / "ca.pem").read_text()}, {}]):
        define(server, f"s{number}", {"url": tls(rabbit), "queue": name, "tls": ca})
        shown = wait_state(server, f"s{number}", "waiting", "SSL")
        assert shown["step"] == "connect"
    assert rabbit.messages(name)[1] == 0
    define(server, "s0", {"url": tls(rabbit), "queue": name, "tls": {"verify": False}})
    wait_state(server, "s0", "running")


def test_tls_refuses_a_certificate_of_another_host(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(name)
    ca = (rabbit.certificates / "ca.pem").read_text()  # type: ignore[attr-defined]
    define(server, "s", {"url": tls(rabbit, "127.0.0.1"), "queue": name, "tls": {"ca": ca}})
    wait_state(server, "s", "waiting", "ostname")


def test_a_plain_port_is_not_taken_for_tls(server: Server, rabbit: Broker, name: str) -> None:
    define(server, "s", {"url": f"amqps://localhost:{rabbit.port}", "queue": name, "tls": {"verify": False}})
    wait_state(server, "s", "waiting")
    define(server, "t", {"url": f"amqp://localhost:{rabbit.tls_port}", "queue": name})
    wait_state(server, "t", "waiting")


# -- trying a connection ------------------------------------------------------------------------------------------


def test_a_connection_can_be_tried_before_a_stream_is_defined(server: Server, rabbit: Broker, name: str) -> None:
    def attempt(**more: Any) -> Any:
        return server.requests.post("/v1/connections/amqp/test", json={"source": {"kind": "amqp", **source(rabbit, name), **more}})

    missing = attempt()
    assert missing.status_code == 404 and f"no queue '{name}'" in missing.json()["detail"]
    assert attempt(declare={}).json()["queue"] is None
    rabbit.queue(name)
    rabbit.publish(name, bodies(3))
    good = attempt().json()
    assert good["ok"] and good["server"]["product"] == "RabbitMQ" and good["queue"] == {"messages": 3, "consumers": 0}
    server.requests.put("/v1/secrets/wrong", json={"value": "no"})
    refused = attempt(secret="wrong")
    assert refused.status_code == 403 and "ACCESS_REFUSED" in refused.json()["detail"]
    assert attempt(url="amqp://127.0.0.1:9").status_code == 503
    assert attempt(prefetch=0).status_code == 400
    assert rabbit.messages(name) == (3, 0)


def test_a_wrong_definition_is_refused_with_its_field(server: Server, rabbit: Broker) -> None:
    answer = server.requests.put("/v1/streams/s", json={"source": {"kind": "amqp", "url": "http://x", "queue": "q"}})
    assert answer.status_code == 400 and "source/url" in answer.text
    with_password = server.requests.put("/v1/streams/s", json={"source": {"kind": "amqp", "url": "amqp://u:hunter2@h", "queue": "q"}})
    assert with_password.status_code == 400 and "hunter2" not in with_password.text


def test_a_secret_is_sent_only_where_somebody_says_who_may_set_secrets(server: Server, rabbit: Broker, name: str) -> None:
    token = server.requests.post("/v1/tokens", json={"name": "w", "scopes": ["streams:read", "streams:write"]}).json()["token"]
    client = server.client(token)
    server.requests.put("/v1/secrets/broker", json={"value": "hidden"})
    named = {"kind": "amqp", **source(rabbit, name, secret="broker")}
    refused = client.put("/v1/streams/s", json={"source": named})
    assert refused.status_code == 403 and "secrets:write" in refused.text
    assert client.post("/v1/connections/amqp/test", json={"source": named}).status_code == 403
    assert client.put("/v1/streams/s", json={"source": {"kind": "amqp", **source(rabbit, name)}}).status_code == 201


# -- the whole of it ----------------------------------------------------------------------------------------------


def test_two_streams_of_two_queues_do_not_disturb_each_other(server: Server, rabbit: Broker, name: str) -> None:
    rabbit.queue(f"{name}-a")
    define(server, "a", source(rabbit, f"{name}-a"))
    define(server, "b", source(rabbit, f"{name}-b"))
    wait_state(server, "b", "waiting")
    rabbit.publish(f"{name}-a", bodies(50))
    assert numbers(wait_messages(server, "a", 50)) == list(range(50))
    assert server.requests.delete("/v1/streams/a", params={"force": "true"}).status_code == 204
    wait_until(lambda: rabbit.messages(f"{name}-a")[1] == 0, "the deleted stream's consumer has gone")
