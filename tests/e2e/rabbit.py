"""A real RabbitMQ for tests and benchmarks: Debian's, started as a child with everything of its own.

`Broker` has its own folder (data, log, cookie, configuration), node name, port mapper and ports, all on loopback, so it meets
no other broker of this machine; it is ended by its pid.  Queues are managed through pika, the broker through rabbitmqctl.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pika

PATIENCE_S = 120.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def installed() -> Path | None:
    """The folder of RabbitMQ's own scripts (those in /usr/sbin change the user and the folder)."""
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    return found[-1].parent if found else None


def _wait(condition: Any, what: str, process: subprocess.Popen[bytes]) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = condition()
        if answer:
            return answer
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"RabbitMQ: waited in vain until {what} (exit code {process.poll()})")
        select.select([], [], [], 0.05)


class Broker:
    """One running RabbitMQ.

    Attributes
    ----------
    port, tls_port : where it listens on 127.0.0.1; tls_port is 0 without `certificates`
    process : the Erlang virtual machine itself
    """

    def __init__(self, folder: Path, certificates: Path | None = None, schedulers: int = 0):
        self.folder = folder
        self.port, self.tls_port = free_port(), free_port() if certificates else 0
        self._distribution, self._mapper_port = free_port(), free_port()
        self.node = f"suricate-{secrets.token_hex(4)}@localhost"
        sbin = installed()
        if sbin is None:
            raise RuntimeError("RabbitMQ is not installed (packaging/packages/test: rabbitmq-server)")
        self.sbin = sbin
        folder.mkdir(parents=True, exist_ok=True)
        cookie = folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(20))
        cookie.chmod(0o400)
        lines = [f"listeners.tcp.1 = 127.0.0.1:{self.port}", "log.console = false", "log.file = broker.log",
                 "loopback_users = none", "disk_free_limit.absolute = 10MB", "vm_memory_high_watermark.absolute = 1GB",
                 "queue_index_embed_msgs_below = 4096"]
        if certificates:
            lines += [f"listeners.ssl.1 = 127.0.0.1:{self.tls_port}", f"ssl_options.cacertfile = {certificates / 'ca.pem'}",
                      f"ssl_options.certfile = {certificates / 'server.pem'}", f"ssl_options.keyfile = {certificates / 'server.key'}"]
        (folder / "rabbitmq.conf").write_text("\n".join(lines) + "\n")
        (folder / "enabled_plugins").write_text("[].\n")
        (folder / "env.conf").write_text("")
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RABBITMQ_", "ERL_"))},
            "HOME": str(folder), "RABBITMQ_NODENAME": self.node, "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder), "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"), "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_PID_FILE": str(folder / "pid"), "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}"
                                                   + (f" +S {schedulers}:{schedulers}" if schedulers else ""),
            "RABBITMQ_CTL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RUNNING_UNDER_SYSTEMD": "1",  # the script becomes the virtual machine, so its pid is the broker's
            "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(self._mapper_port), "ERL_CRASH_DUMP_BYTES": "0",
        }
        self._mapper = subprocess.Popen(["epmd", "-address", "127.0.0.1", "-port", str(self._mapper_port)], env=self.env,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.process: subprocess.Popen[bytes] = None  # type: ignore[assignment]
        self.start()

    # -- life -----------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it and wait until a client can log in."""
        with (self.folder / "console.log").open("ab") as log:
            self.process = subprocess.Popen([self.sbin / "rabbitmq-server"], env=self.env, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, cwd=self.folder)
        _wait(self._answers, "it answers", self.process)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", self.port)) != 0:
                return False
        try:
            self.connect().close()
        except (pika.exceptions.AMQPError, OSError):
            return False
        return True

    def stop(self) -> None:
        """SIGTERM: it closes its connections and ends."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def kill(self) -> None:
        """SIGKILL, as a crash would end it."""
        self.process.kill()
        self.process.wait()

    def restart(self, kill: bool = False) -> None:
        if kill:
            self.kill()
        else:
            self.stop()
        self.start()

    def close(self) -> None:
        self.stop()
        self._mapper.kill()
        self._mapper.wait()

    # -- use ------------------------------------------------------------------------------------------------------

    def url(self, host: str = "127.0.0.1", port: int | None = None) -> str:
        return f"amqp://{host}:{port or self.port}"

    def connect(self, user: str = "guest", password: str = "guest") -> pika.BlockingConnection:
        return pika.BlockingConnection(pika.ConnectionParameters(
            "127.0.0.1", self.port, credentials=pika.PlainCredentials(user, password), heartbeat=0, connection_attempts=1))

    @contextlib.contextmanager
    def channel(self) -> Iterator[Any]:
        connection = self.connect()
        try:
            yield connection.channel()
        finally:
            with contextlib.suppress(pika.exceptions.AMQPError):
                connection.close()

    def queue(self, name: str, **arguments: Any) -> None:
        """Declare a durable queue: `queue("q", **{"x-queue-type": "quorum"})`."""
        with self.channel() as channel:
            channel.queue_declare(name, durable=True, arguments=arguments or None)

    def delete(self, name: str) -> None:
        with self.channel() as channel:
            channel.queue_delete(name)

    def publish(self, queue: str, bodies: Sequence[bytes | str], ids: Sequence[str] | None = None, exchange: str = "",
                **properties: Any) -> None:
        """Publish in one transaction: all are on the broker's disk when this returns."""
        with self.channel() as channel:
            channel.tx_select()
            for number, body in enumerate(bodies):
                about = pika.BasicProperties(delivery_mode=2, message_id=ids[number] if ids else None, **properties)
                channel.basic_publish(exchange, queue, body if isinstance(body, bytes) else body.encode(), about)
            channel.tx_commit()

    def messages(self, queue: str) -> tuple[int, int]:
        """(ready messages, consumers) of a queue."""
        with self.channel() as channel:
            answer = channel.queue_declare(queue, passive=True).method
            return answer.message_count, answer.consumer_count

    def ctl(self, *arguments: str) -> str:
        done = subprocess.run([self.sbin / "rabbitmqctl", *arguments], env=self.env, capture_output=True, text=True, timeout=120,
                              cwd=self.folder)
        if done.returncode:
            raise AssertionError(f"rabbitmqctl {' '.join(arguments)}: {done.stdout}{done.stderr}")
        return done.stdout

    def unacknowledged(self, queue: str) -> int:
        for line in self.ctl("--quiet", "list_queues", "name", "messages").splitlines()[1:]:
            name, count = line.split("\t")
            if name == queue:
                return int(count)
        return 0


@contextlib.contextmanager
def broker(certificates: Path | None = None, schedulers: int = 0) -> Iterator[Broker]:
    """A broker for the length of the block."""
    folder = Path(tempfile.mkdtemp(prefix="suricate-rabbit-"))
    made = None
    try:
        made = Broker(folder, certificates, schedulers)
        yield made
    finally:
        if made:
            made.close()
        shutil.rmtree(folder, ignore_errors=True)


class Proxy:
    """A TCP proxy on loopback that can cut its connections, or go silent without closing them."""

    def __init__(self, to_port: int):
        self.to_port = to_port
        self.is_silent = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._lock = threading.Lock()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.to_port), 5)
            except OSError:
                client.close()
                continue
            with self._lock:
                self._pairs.append((client, server))
            for pair in ((client, server), (server, client)):
                threading.Thread(target=self._copy, args=pair, daemon=True).start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.is_silent:
                    select.select([], [], [], 0.05)
                target.sendall(data)
        for end in (source, target):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def cut(self) -> int:
        """Close every connection at once; returns how many there were."""
        with self._lock:
            pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        return len(pairs)

    def close(self) -> None:
        self.is_silent = False
        self._listener.close()
        self.cut()


def certificates(folder: Path, host: str = "localhost") -> Path:
    """A CA and a server certificate for `host`, made by openssl: ca.pem, server.pem, server.key."""
    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    folder.mkdir(parents=True, exist_ok=True)
    openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.pem", "-days", "2", "-subj", "/CN=Test CA",
            "-addext", "basicConstraints=critical,CA:TRUE")
    openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "server.key", "-out", "server.csr", "-subj", f"/CN={host}")
    (folder / "extensions").write_text(f"subjectAltName=DNS:{host}\nbasicConstraints=CA:FALSE\n")
    openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-out", "server.pem", "-days", "2",
            "-extfile", "extensions")
    for path in folder.iterdir():
        path.chmod(0o644)
    return folder
