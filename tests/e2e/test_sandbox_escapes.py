"""Attempts to get out of a kernel: the first fourteen classes of the project's list.

Each attempt is a cell that prints ``GOT …`` for whatever it got hold of and ``DENIED …`` for what was refused.
It runs in a kernel forked from the zygote, in one that bubblewrap started, and with isolation off, where the
same attempt must get something: that proves that it bites. (Where plain Unix permissions or the control group
refuse it without any sandbox too, the attempt says so.) All that is attacked belongs to the test: processes, files,
sockets on loopback, and a network namespace.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import pytest
from conftest import wait_until
from kernels import MIB, Compute, fresh_folder

LIMITS = {"memory_bytes": 300 * MIB, "scratch_bytes": 32 * MIB, "output_bytes": 20 * MIB, "processes": 48, "time_s": 60}
KERNEL_UID = 64123 if os.geteuid() == 0 else os.geteuid()

PRELUDE = '''
import ctypes, glob, os, socket, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
def attempt(what, action):
    """Run the action; it gets something (true), or is refused."""
    try:
        got = action()
    except BaseException as error:
        print("DENIED", what + ":", type(error).__name__, str(error)[:90])
        return None
    print("GOT" if got else "DENIED", what + ":", repr(got)[:90])
    return got
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *[ctypes.c_long(a) if isinstance(a, int) else a for a in arguments])
    if result < 0: raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result
'''


@dataclass
class Attempt:
    """`bites`: without isolation it must get something on this machine."""

    name: str
    code: str
    bites: bool = True
    why_not: str = ""
    may_die: bool = False


ATTEMPTS = [
    Attempt("1 other processes' memory and environment", '''
def environments():
    return [p for p in glob.glob("/proc/[0-9]*/environ") if SECRET.encode() in open(p, "rb").read() and str(os.getpid()) not in p]
def readable():
    found = []
    for path in glob.glob("/proc/[0-9]*/environ"):
        try:
            if SECRET.encode() in open(path, "rb").read(): found.append(path)
        except OSError: pass
    return found
attempt("a secret in an environment", readable)
attempt("the victim's memory", lambda: open(f"/proc/{VICTIM}/mem", "rb"))
attempt("init's environment", lambda: SECRET.encode() in open("/proc/1/environ", "rb").read())
attempt("init's memory", lambda: open("/proc/1/mem", "r+b"))
attempt("more processes than our own", lambda: len(glob.glob("/proc/[0-9]*")) > 8)
'''),
    Attempt("2 ptrace, process_vm_readv, pidfd_getfd", '''
attempt("ptrace", lambda: call(101, 16, VICTIM, 0, 0) == 0 and call(101, 17, VICTIM, 0, 0) == 0)
def vm_read():
    buffer = ctypes.create_string_buffer(8)
    address = int(open(f"/proc/{VICTIM}/maps").readline().split("-")[0], 16)
    local = struct.pack("PN", ctypes.addressof(buffer), 8); remote = struct.pack("PN", address, 8)
    return call(310, VICTIM, ctypes.c_char_p(local), 1, ctypes.c_char_p(remote), 1, 0) == 8
attempt("process_vm_readv", vm_read)
attempt("pidfd_getfd", lambda: call(438, os.pidfd_open(VICTIM), 0, 0) >= 0)
attempt("ptrace of our own init", lambda: call(101, 16, 1, 0, 0) == 0)
'''),
    Attempt("3 another kernel's home and folder", '''
attempt("its token by path", lambda: open(OTHER + "/token").read())
attempt("its folder listed", lambda: os.listdir(OTHER))
attempt("any neighbour's folder", lambda: [p for p in glob.glob("/run/kernels/*") + glob.glob("/run/suricate/*/kernels/*") if os.path.exists(p)])
def by_descriptors():
    return [d for d in os.listdir("/proc/self/fd") if os.path.isdir(f"/proc/self/fd/{d}") and "kernels" in os.readlink(f"/proc/self/fd/{d}")]
attempt("by an inherited descriptor", by_descriptors)
attempt("by another's root", lambda: [p for p in glob.glob("/proc/[0-9]*/root/etc/shadow") + glob.glob("/proc/[0-9]*/cwd/secret") if os.path.exists(p)])
def by_handle():
    handle = ctypes.create_string_buffer(struct.pack("Ii", 8, 1) + struct.pack("II", 2, 0) + bytes(64))
    root = os.open("/", os.O_RDONLY)
    return call(304, root, handle, os.O_RDONLY)
attempt("open_by_handle_at", by_handle)
'''),
    Attempt("4 the server's folder, database and keys", '''
attempt("the data folder is there", lambda: os.path.exists(DATA_PARENT))
attempt("a file beside it", lambda: open(PLANTED + "/secret.txt").read())
attempt("the database", lambda: open(DATA + "/suricate.db", "rb").read(16))
attempt("the keeper's spool", lambda: glob.glob(DATA + "/run/kernels/*/spool"))
attempt("keepers' sockets", lambda: glob.glob(RUNTIME + "/keepers/*"))
attempt("the host's passwords", lambda: open("/etc/shadow").read())
attempt("the host's users", lambda: len(open("/etc/passwd").read().splitlines()) > 5)
attempt("root's and others' homes", lambda: os.listdir("/root") or os.listdir("/home") != ["kernel"])
'''),
    Attempt("5 fork bomb", '''
import time
children = []
def bomb():
    for _ in range(200):
        pid = os.fork()
        if pid == 0:
            time.sleep(20); os._exit(0)
        children.append(pid)
    return len(children)
attempt("200 processes with a limit of 48", bomb)
for pid in children: os.kill(pid, 9)
''', bites=False, why_not="the control group holds without a sandbox too"),
    Attempt("6 memory bomb", '''
import mmap
def bomb():
    held = [mmap.mmap(-1, 64 << 20) for _ in range(16)]
    for m in held:
        for i in range(0, len(m), 4096): m[i] = 1
    return len(held) * 64
attempt("1 GiB with a limit of 300 MiB", bomb)
''', bites=False, why_not="the control group holds without a sandbox too", may_die=True),
    Attempt("7 filling home, /tmp, /dev/shm and the inodes", '''
def fill(folder):
    def action():
        for i in range(6):
            with open(f"{folder}/fill-{i}", "wb") as f:
                for _ in range(12): f.write(bytes(1 << 20))
        return "72 MiB with a limit of 32"
    return action
def clear(folder):
    for path in glob.glob(folder + "/fill-*"): os.unlink(path)
for folder in (os.path.expanduser("~"), "/tmp", "/dev/shm"):
    attempt(folder, fill(folder)); clear(folder)
def together():
    for folder in (os.path.expanduser("~"), "/tmp", "/dev/shm"):
        with open(f"{folder}/fill-x", "wb") as f:
            for _ in range(20): f.write(bytes(1 << 20))
    return "60 MiB in three places"
attempt("all three together", together)
for folder in (os.path.expanduser("~"), "/tmp", "/dev/shm"): clear(folder)
def inodes():
    os.makedirs(os.path.expanduser("~/many"), exist_ok=True)
    for i in range(40000): open(os.path.expanduser(f"~/many/{i}"), "w").close()
    return 40000
attempt("40,000 empty files", inodes)
import shutil; shutil.rmtree(os.path.expanduser("~/many"), ignore_errors=True)
attempt("the system's folders", lambda: [open(p + "/fill-0", "w") for p in ("/usr", "/etc", "/dev", "/run", "/opt", "/")])
'''),
    Attempt("8 descriptor exhaustion", '''
import resource
held = []
def bomb():
    for _ in range(30000): held.append(os.open("/dev/null", os.O_RDONLY))
    return len(held)
attempt("30,000 descriptors", bomb)
for fd in held: os.close(fd)
attempt("a higher limit", lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (30000, 30000)) or True)
''', bites=False, why_not="the rlimit holds without a sandbox too"),
    Attempt("9 an abstract socket of the host", '''
def connect():
    s = socket.socket(socket.AF_UNIX); s.connect("\\0" + ABSTRACT); return s.recv(16)
attempt("connect", connect)
attempt("see its name", lambda: ABSTRACT in open("/proc/net/unix").read())
'''),
    Attempt("10 docker.sock, D-Bus, X11", '''
def connect(path):
    s = socket.socket(socket.AF_UNIX); s.connect(path); return s.recv(16)
attempt("a daemon's socket", lambda: connect(PLANTED + "/docker.sock"))
for path in ("/var/run/docker.sock", "/run/dbus/system_bus_socket", "/tmp/.X11-unix/X0", RUNTIME + "/zygotes", "/run/zygote/socket"):
    attempt(path, lambda: os.path.exists(path) and (os.path.isdir(path) and os.listdir(path) or connect(path)))
'''),
    Attempt("11 the server's port, a private network", '''
def connect(address):
    s = socket.create_connection(address, timeout=3); return s.recv(16)
attempt("a port on the host's loopback", lambda: connect(("127.0.0.1", TCP)))
attempt("a host in a network of its own", lambda: HOST and connect((HOST, 8080)))
attempt("any other interface", lambda: [n for _, n in socket.if_nameindex() if n != "lo"])
def route():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect((HOST or "10.203.0.2", 9)); return s.getsockname()
attempt("a route out", route)
'''),
    Attempt("12 leaking by name look-ups", '''
def ask(address):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.sendto(b"\\x00\\x01\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x06secret\\x04test\\x00\\x00\\x01\\x00\\x01", address)
    return s.recv(64)
attempt("a resolver on loopback", lambda: ask(("127.0.0.1", UDP)))
attempt("a resolver in a network of its own", lambda: HOST and ask((HOST, 5353)))
'''),
    Attempt("13 a key left in the kernel's keyring", '''
def add():
    return call(248, ctypes.c_char_p(b"user"), ctypes.c_char_p(KEY.encode()), ctypes.c_char_p(b"secret"), 6, -4)
attempt("add_key to the user's keyring", add)
attempt("find it", lambda: call(250, 10, -4, ctypes.c_char_p(b"user"), ctypes.c_char_p(KEY.encode()), 0))
attempt("read /proc/keys", lambda: KEY in open("/proc/keys").read())
'''),
    Attempt("14 links swapped under the server and the neighbour", '''
own = os.environ.get("SURICATE_KERNEL_DIR", "/run/kernel")
def swap_neighbour():
    os.rename(OTHER + "/token", OTHER + "/token.old"); os.symlink(PLANTED + "/secret.txt", OTHER + "/token"); os.unlink(OTHER + "/token"); os.rename(OTHER + "/token.old", OTHER + "/token")
    return True
attempt("a link in another kernel's folder", swap_neighbour)
# our own folder is ours; what the keeper does there later must not follow us out (checked outside)
for name in ("k-1", "token", "keeper", "connection.json", "folder"):
    with_name = os.path.join(own, name)
    try: os.unlink(with_name)
    except OSError: pass
    os.symlink(PLANTED + ("/precious" if name == "folder" else "/secret.txt"), with_name)
attempt("a hard link to a planted file", lambda: os.link(PLANTED + "/secret.txt", own + "/hard") or True)
'''),
]


class Outside:
    """What there is to get: a victim process, files, sockets, a host in its own network namespace."""

    def __init__(self) -> None:
        self.closing = contextlib.ExitStack()
        self.secret = "secret-" + uuid.uuid4().hex
        self.planted = Path(tempfile.mkdtemp(prefix="planted-"))
        self.closing.callback(shutil.rmtree, self.planted, True)
        self.planted.chmod(0o755)
        (self.planted / "secret.txt").write_text(self.secret)
        (self.planted / "precious").mkdir()
        (self.planted / "precious" / "file").write_text(self.secret)
        self.abstract = "escape-" + uuid.uuid4().hex
        self.tcp = self._serve(socket.AF_INET, ("127.0.0.1", 0)).getsockname()[1]
        self._serve(socket.AF_UNIX, "\0" + self.abstract)
        self._serve(socket.AF_UNIX, str(self.planted / "docker.sock"))
        (self.planted / "docker.sock").chmod(0o666)
        self.asked: list[bytes] = []
        self.udp = self._resolve()
        self.victim = self._victim()
        self.host = self._host()

    def _serve(self, family: int, address: Any) -> socket.socket:
        listener = socket.socket(family)
        listener.bind(address)
        listener.listen()
        self.closing.callback(listener.close)

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.sendall(b"hello")

        threading.Thread(target=answer, daemon=True).start()
        return listener

    def _resolve(self) -> int:
        resolver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        resolver.bind(("127.0.0.1", 0))
        self.closing.callback(resolver.close)

        def answer() -> None:
            while True:
                try:
                    message, peer = resolver.recvfrom(512)
                except OSError:
                    return
                self.asked.append(message)
                resolver.sendto(message, peer)

        threading.Thread(target=answer, daemon=True).start()
        return resolver.getsockname()[1]

    def _victim(self) -> int:
        as_user = {"user": KERNEL_UID, "group": KERNEL_UID, "extra_groups": []} if os.geteuid() == 0 else {}
        process = subprocess.Popen(["/usr/bin/sleep", "600"], env={"SECRET": self.secret}, cwd="/", **as_user)  # type: ignore[call-overload]
        self.closing.callback(process.wait)
        self.closing.callback(process.kill)
        return process.pid

    def _host(self) -> str | None:
        """A host of our own in a network namespace: plays the metadata service and the private network."""
        if os.geteuid() != 0 or not shutil.which("ip"):
            return None
        name, number = "esc" + uuid.uuid4().hex[:6], int(uuid.uuid4().hex[:2], 16)
        host, near = f"10.203.{number}.2", f"10.203.{number}.1"
        for command in (f"netns add {name}", f"link add {name}a type veth peer name {name}b netns {name}", f"addr add {near}/30 dev {name}a",
                        f"link set {name}a up", f"-n {name} addr add {host}/30 dev {name}b", f"-n {name} link set {name}b up"):
            if subprocess.run(["ip", *command.split()], capture_output=True).returncode != 0:
                subprocess.run(["ip", "netns", "del", name], capture_output=True)
                return None
        self.closing.callback(subprocess.run, ["ip", "netns", "del", name], capture_output=True)
        program = (
            "import socket, threading\n"
            f"u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.bind(('{host}', 5353))\n"
            "def f():\n    while True:\n        m, p = u.recvfrom(512); u.sendto(m, p)\n"
            "threading.Thread(target=f, daemon=True).start()\n"
            f"l = socket.create_server(('{host}', 8080)); print('up', flush=True)\n"
            "while True:\n    c, _ = l.accept(); c.sendall(b'metadata'); c.close()\n")
        process = subprocess.Popen(["ip", "netns", "exec", name, sys.executable, "-c", program], stdout=subprocess.PIPE)
        self.closing.callback(process.wait)
        self.closing.callback(process.kill)
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        return host


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    things = Outside()
    yield things
    things.closing.close()


@dataclass
class Prison:
    """A compute service and a second kernel in it, the neighbour."""

    service: Compute
    neighbour: str
    folder: Path
    is_isolated: bool


@pytest.fixture(scope="module", params=["forked", "cold", "off"])
def prison(request: pytest.FixtureRequest) -> Iterator[Prison]:
    service = Compute(fresh_folder(), warm=1 if request.param == "forked" else 0, unsafe=request.param == "off")
    neighbour = service.start(token="the neighbour's token", limits=LIMITS)
    folder = service.runtime / "kernels" / service.card(neighbour)["name"]
    yield Prison(service, neighbour, folder, request.param != "off")
    service.close()
    shutil.rmtree(service.data.parent)


@pytest.mark.parametrize("attempt", ATTEMPTS, ids=lambda attempt: attempt.name.replace(" ", "-"))
def test_escape_is_refused_inside_and_bites_outside(prison: Prison, outside: Outside, attempt: Attempt) -> None:
    service = prison.service
    values = {
        "SECRET": outside.secret, "VICTIM": outside.victim, "OTHER": str(prison.folder), "DATA": str(service.data),
        "DATA_PARENT": str(service.data.parent), "PLANTED": str(outside.planted), "RUNTIME": str(service.runtime), "ABSTRACT": outside.abstract,
        "TCP": outside.tcp, "UDP": outside.udp, "HOST": outside.host, "KEY": "key-" + uuid.uuid4().hex,
    }
    asked = len(outside.asked)
    constants = "".join(f"{name} = {value!r}\n" for name, value in values.items())
    outcome = service.run([constants + PRELUDE, attempt.code, "print('still here')"], LIMITS)
    lines = outcome.text("c1").splitlines()
    got = [line for line in lines if line.startswith("GOT")]
    report = f"{outcome.end}\n" + "\n".join(lines)
    if prison.is_isolated:
        assert not got, report
        assert lines or attempt.may_die, report
        assert outcome.cause == "finished" or (attempt.may_die and outcome.cause == "out_of_memory"), report
        assert len(outside.asked) == asked, "a name look-up left the sandbox"
    elif attempt.bites:
        assert got, f"without isolation this attempt must get something\n{report}"
    assert (outside.planted / "secret.txt").read_text() == outside.secret
    assert (outside.planted / "precious" / "file").exists(), "tidying up followed a kernel's link"


def test_hosts_stand_for_the_network_in_these_tests(outside: Outside) -> None:
    """The host in the namespace is reachable from here; else attempts 11 and 12 prove half of what they say."""
    if outside.host is None:
        pytest.skip("needs root and ip(8)")
    wait_until(lambda: socket.create_connection((outside.host, 8080), timeout=5).recv(16), "the host in the namespace answers")
