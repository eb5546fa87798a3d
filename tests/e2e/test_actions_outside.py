"""Actions that go further than HTTP: mail with TLS, AMQP with confirms, commands in a sandbox."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable, Iterator

import pytest
from acting import Decider, action, decision, refused, settled, test_action, tried
from conftest import Server, wait_until
from mail import MailServer
from rabbit import certificates
from test_amqp import _rabbit, name, rabbit  # noqa: F401

# -- mail -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificates(tmp_path_factory.mktemp("keys"))


@pytest.fixture
def post(keys: Path) -> Iterator[MailServer]:
    one = MailServer(keys, "hunter2")
    yield one
    one.close()


@pytest.fixture
def mailing(start_server: Callable[..., Server], post: MailServer) -> Server:
    server = start_server(*post.allow)
    assert server.requests.put("/v1/secrets/mail", json={"value": "hunter2"}).status_code == 201
    return server


def mail_action(server: Server, post: MailServer, keys: Path, **more: Any) -> None:
    definition = {"kind": "email", "smtp": post.url, "from": "suricate@example.org", "to": ["ops@example.org", "dev@example.org"],
                  "user": "robot", "secret": "mail", "ca": (keys / "ca.pem").read_text(), "retry": {"first": "20ms"}, **more}
    action(server, "mail", **{key: value for key, value in definition.items() if value is not None})


def test_a_mail_goes_over_tls_with_a_login_and_says_what_was_decided(mailing, post, keys):
    mail_action(mailing, post, keys, subject="Grüße: {{ parameters.what }}", body="{{ reason }}\n.\n{{ parameters.what }} – Ende")
    id = Decider(mailing).one("mail", what="a\r\nBcc: evil@example.org")
    sent = settled(mailing, id, "sent")
    assert sent["log"][0]["status"] == 250
    [(sender, recipients, message, was_tls, user)] = post.taken
    assert was_tls and user == "robot" and sender == "suricate@example.org" and recipients == ["ops@example.org", "dev@example.org"]
    assert message["Subject"] == "Grüße: a  Bcc: evil@example.org" and message["Bcc"] is None
    assert message["X-Suricate-Decision"] == id and message["Message-ID"] == f"<{id}@suricate>"
    assert message.get_content().splitlines() == ["by hand", ".", "a", "Bcc: evil@example.org – Ende"]


def test_a_mail_has_a_subject_and_a_text_without_a_template(mailing, post, keys):
    mail_action(mailing, post, keys)
    result = test_action(mailing, "mail", reason="only a test")
    assert result["outcome"] == "sent", result
    message = post.taken[0][2]
    assert message["Subject"].startswith("Suricate: mail") and "only a test" in message.get_content()


def test_without_tls_nothing_is_sent(mailing, post, keys):
    post.context = None
    mail_action(mailing, post, keys)
    assert test_action(mailing, "mail")["outcome"] == "retry" and post.taken == []
    assert refused(mailing, "x", kind="email", smtp=post.url, tls="none", user="u", secret="mail", to=["a@b"], **{"from": "a@b"})["field"] == "/tls"
    post.password = None
    mail_action(mailing, post, keys, tls="none", user=None, secret=None, ca=None)
    assert test_action(mailing, "mail")["outcome"] == "sent" and not post.taken[0][3]


def test_a_certificate_that_nobody_vouches_for_is_not_trusted(mailing, post, keys):
    mail_action(mailing, post, keys, ca=None)
    result = test_action(mailing, "mail")
    assert result["outcome"] == "retry" and "certificate" in result["error"].lower() and post.taken == []


def test_a_mail_server_that_says_later_is_asked_again_and_one_that_says_no_is_not(mailing, post, keys):
    mail_action(mailing, post, keys)
    post.answers["RCPT"] = ["451 greylisted"]
    decider = Decider(mailing)
    sent = settled(mailing, decider.one("mail"), "sent")
    assert [one["status"] for one in sent["log"]] == [451, 250]
    post.answers["RCPT"] = ["550 nobody of that name"]
    failed = settled(mailing, decider.one("mail"), "failed")
    assert failed["attempts"] == 1 and failed["log"][0]["status"] == 550


def test_what_a_mail_must_not_hold_is_refused(mailing, post):
    def field(**more: Any) -> str:
        return refused(mailing, "x", **{"kind": "email", "smtp": post.url, "from": "a@example.org", "to": ["b@example.org"], **more})["field"]

    assert field(to=["b@example.org\r\nBcc: c@example.org"]) == "/to"
    assert field(**{"from": "nobody"}) == "/from"
    assert field(to=[]) == "/to"
    assert field(smtp="http://127.0.0.1/") == "/smtp"
    assert field(smtp="smtp://user:pw@127.0.0.1") == "/smtp"
    assert field(smtp="smtp://127.0.0.1:1") == "/smtp", "a private host that is not allowed"
    assert field(user="u") == "/secret"


# -- AMQP -------------------------------------------------------------------------------------------------------------


def received(rabbit: Any, queue: str) -> list[tuple[Any, bytes]]:  # noqa: F811
    with rabbit.channel() as channel:
        found = []
        while True:
            method, properties, body = channel.basic_get(queue, auto_ack=True)
            if method is None:
                return found
            found.append((properties, body))


def test_a_message_is_published_and_confirmed(server, rabbit, name):  # noqa: F811
    rabbit.queue(name)
    action(server, "publish", kind="amqp", url=rabbit.url(), routing_key="{{ parameters.queue }}", mandatory=True,
           headers={"level": "{{ level | none }}"}, body={"why": "{{ reason }}"})
    id = Decider(server).one("publish", queue=name)
    sent = settled(server, id, "sent")
    assert sent["log"][0]["detail"] == "confirmed"
    [(properties, body)] = received(rabbit, name)
    assert json.loads(body) == {"why": "by hand"} and properties.message_id == id and properties.delivery_mode == 2
    assert properties.headers == {"level": "none", "idempotency-key": id} and properties.content_type == "application/json"


def test_a_message_that_no_queue_takes_waits_until_one_does(server, rabbit, name):  # noqa: F811
    action(server, "publish", kind="amqp", url=rabbit.url(), routing_key=name, mandatory=True, retry={"first": "300ms"})
    id = Decider(server).one("publish")
    waiting = tried(server, id)
    assert waiting["state"] == "pending" and "no queue took it" in waiting["last_error"]
    rabbit.queue(name)
    settled(server, id, "sent")
    assert [properties.message_id for properties, _ in received(rabbit, name)] == [id]


def test_a_broker_that_refuses_the_login_is_not_asked_again(server, rabbit, name):  # noqa: F811
    server.requests.put("/v1/secrets/wrong", json={"value": "wrong"})
    action(server, "publish", kind="amqp", url=rabbit.url(), user="guest", secret="wrong", routing_key=name)
    failed = settled(server, Decider(server).one("publish"), "failed")
    assert failed["attempts"] == 1 and "403" in failed["last_error"]


def test_a_broker_that_is_gone_is_tried_again(server, rabbit, name):  # noqa: F811
    rabbit.queue(name)
    action(server, "publish", kind="amqp", url=rabbit.url(), routing_key=name, retry={"first": "200ms"})
    rabbit.stop()
    id = Decider(server).one("publish")
    assert "connecting" in tried(server, id)["last_error"]
    rabbit.start()
    wait_until(lambda: test_action(server, "publish")["outcome"] == "sent", "the broker is back")
    assert decision(server, id)["state"] in ("pending", "sent")


def test_what_an_amqp_action_must_not_hold_is_refused(server):
    def field(**more: Any) -> str:
        return refused(server, "x", **{"kind": "amqp", "url": "amqp://127.0.0.1", "routing_key": "q", **more})["field"]

    assert field(url="http://127.0.0.1") == "/url"
    assert field(routing_key="") == "/routing_key"
    assert field(routing_key="{{ open") == "/routing_key"
    assert field(user="bob") == "/secret"
    assert field(tls={"verify": False}) == "/tls"


# -- commands -----------------------------------------------------------------------------------------------------------

SCRIPT = """#!/bin/sh
case "$1" in
  echo) shift; printf '%s|' "$SURICATE_KEY" "$SURICATE_TEST" "$@"; cat ;;
  try) sh -c "$2" 2>&1; true ;;
  sleep) echo $$ ; sleep 1000 & sleep 1000 ;;
  exit) exit "$2" ;;
  flood) yes 2>/dev/null | head -c 100000000 ;;
  eat) tail /dev/zero ;;
esac
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    path = tmp_path / "tool.sh"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


@pytest.fixture
def commanding(start_server: Callable[..., Server], script: Path) -> Server:
    return start_server("--allow-command", f"tool={script}")


def command(server: Server, *arguments: str, **more: Any) -> None:
    action(server, "tool", kind="command", command="tool", arguments=list(arguments), **more)


def test_a_command_gets_arguments_the_key_and_the_decision(commanding):
    command(commanding, "echo", "{{ parameters.by }}", "a b; $(reboot) `x` {{ reason }}")
    id = Decider(commanding).one("tool", by={"n": 3})
    said = settled(commanding, id, "sent")["log"][0]["detail"]
    assert said.startswith(f'{id}|0|{{"n":3}}|a b; $(reboot) `x` by hand|{{')
    given = test_action(commanding, "tool", parameters={"by": 1})
    assert given["outcome"] == "sent" and given["answer"].startswith(given["id"] + "|1|1|")


def test_only_commands_that_the_server_was_started_with_are_run(commanding, start_server):
    wrong = refused(commanding, "x", kind="command", command="reboot")
    assert wrong["field"] == "/command" and "no command" in wrong["detail"]
    assert refused(commanding, "x", kind="command", command="/bin/sh")["field"] == "/command"
    command(commanding, "exit", "0")
    commanding.arguments = []
    commanding.restart()
    assert "no command" in test_action(commanding, "tool")["error"]


def test_a_command_sees_no_file_no_network_and_nothing_of_the_server(start_server, script):
    (script.parent / "secret").write_text("top secret")
    server = start_server("--allow-command", f"tool={script}")
    port = server.url.rsplit(":", 1)[1]
    command(server, "try", "{{ parameters.this }}")

    def said(this: str) -> str:
        result = test_action(server, "tool", parameters={"this": this})
        assert result["outcome"] == "sent", result
        return result["answer"]

    assert said("echo $((6 * 7))").strip() == "42"
    assert "No such file" in said(f"cat {script.parent / 'secret'}")
    assert "No such file" in said("ls /root /home /run/suricate; cat /etc/shadow")
    assert said("grep -c . /proc/net/dev").strip() == "3", "two lines of heading, and loopback"
    assert "42" not in said(f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {port})); print(42)'")
    assert "Read-only" in said("touch /usr/x")
    assert said("ls /proc | grep -c '^[0-9]'").strip() in "2345678"
    environment = said("env")
    assert server.token not in environment and "SURICATE_DATA" not in environment and "SURICATE_KEY" in environment


def test_a_command_that_does_not_end_is_ended_with_all_that_it_started(commanding):
    command(commanding, "sleep", timeout="500ms", retry={"first": "10ms", "deadline": "0s"})
    failed = settled(commanding, Decider(commanding).one("tool"), "failed")
    assert "did not end within 500 ms" in failed["last_error"]
    wait_until(lambda: not sleeping(), "nothing of it is left")


def sleeping() -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and (entry / "cmdline").read_bytes() == b"sleep\x001000\x00":
                found.append(entry.name)
        except OSError:
            continue
    return found


def test_how_a_command_ends_says_whether_it_is_tried_again(commanding):
    decider = Decider(commanding)
    command(commanding, "exit", "65", retry={"first": "10ms"})
    failed = settled(commanding, decider.one("tool"), "failed")
    assert failed["attempts"] == 1 and failed["log"][0]["status"] == 65
    command(commanding, "exit", "1", retry={"first": "10ms", "deadline": "50ms"})
    failed = settled(commanding, decider.one("tool"), "failed")
    assert failed["log"][0]["outcome"] in ("retry", "failed") and "ended with 1" in failed["last_error"]


def test_a_command_is_bounded_in_output_and_memory(commanding):
    command(commanding, "flood")
    assert len(test_action(commanding, "tool")["answer"]) < 1000
    command(commanding, "eat", memory_mb=64)
    ended = test_action(commanding, "tool")
    assert ended["outcome"] == "retry" and ended["status"] not in (0, None)


def test_a_server_does_not_start_with_a_command_that_is_not_there(start_server):
    with pytest.raises(AssertionError, match="allow-command"):
        start_server("--allow-command", "x=/does/not/exist")
