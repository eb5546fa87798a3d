"""A mail server for tests: SMTP on a free loopback port with STARTTLS and AUTH PLAIN, which keeps what it is given.

It does as little as a client needs, and answers one command or another as it is told in `answers`.
"""

from __future__ import annotations

import base64
import contextlib
import email
import email.policy
import socket
import ssl
import threading
from email.message import EmailMessage
from pathlib import Path


class MailServer:
    """`taken` holds (sender, recipients, message, was it over TLS, user) of each mail."""

    def __init__(self, certificates: Path | None, password: str | None = None):
        self.taken: list[tuple[str, list[str], EmailMessage, bool, str | None]] = []
        self.answers: dict[str, list[str]] = {}
        self.password = password
        self.context: ssl.SSLContext | None = None
        if certificates:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(certificates / "server.pem", certificates / "server.key")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"smtp://localhost:{self.port}"
        self.allow = ("--allow-fetch", f"localhost:{self.port}")
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection:
            _Session(self, connection).run()

    def close(self) -> None:
        self._listener.close()


class _Session:
    def __init__(self, server: MailServer, connection: socket.socket):
        self.server, self.connection = server, connection
        self.lines = connection.makefile("rb")
        self.sender, self.recipients, self.user, self.is_tls = "", [], None, False  # type: ignore[var-annotated]

    def say(self, text: str) -> None:
        self.connection.sendall(text.encode() + b"\r\n")

    def run(self) -> None:
        self.say("220 test")
        while line := self.lines.readline():
            verb, _, rest = line.decode().strip().partition(" ")
            told = self.server.answers.get(verb.upper(), [])
            if told:
                self.say(told.pop(0))
            elif verb.upper() == "QUIT":
                self.say("221 bye")
                return
            else:
                getattr(self, f"on_{verb.lower()}", self.on_other)(rest)

    def on_other(self, _: str) -> None:
        self.say("250 ok")

    def on_ehlo(self, _: str) -> None:
        offers = (["STARTTLS"] if self.server.context and not self.is_tls else []) + (["AUTH PLAIN"] if self.server.password and self.is_tls else [])
        for offer in ["test", *offers]:
            self.say(f"250-{offer}")
        self.say("250 8BITMIME")

    def on_starttls(self, _: str) -> None:
        assert self.server.context
        self.say("220 go on")
        self.connection = self.server.context.wrap_socket(self.connection, server_side=True)
        self.lines = self.connection.makefile("rb")
        self.is_tls = True

    def on_auth(self, rest: str) -> None:
        word = rest.split()[1] if len(rest.split()) > 1 else None
        if word is None:
            self.say("334 ")
            word = self.lines.readline().decode()
        _, user, password = base64.b64decode(word).decode().split("\0")
        self.user = user if password == self.server.password else None
        self.say("235 welcome" if self.user else "535 who are you")

    def on_mail(self, rest: str) -> None:
        self.sender = rest[rest.index("<") + 1:rest.index(">")]
        self.say("530 log in first" if self.server.password and not self.user else "250 ok")

    def on_rcpt(self, rest: str) -> None:
        self.recipients.append(rest[rest.index("<") + 1:rest.index(">")])
        self.say("250 ok")

    def on_data(self, _: str) -> None:
        self.say("354 go on")
        raw = b""
        while (line := self.lines.readline()) != b".\r\n":
            raw += line.removeprefix(b".")
        message = email.message_from_bytes(raw, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.server.taken.append((self.sender, self.recipients, message, self.is_tls, self.user))
        self.recipients = []
        self.say("250 kept")
