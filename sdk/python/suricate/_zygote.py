"""The zygote: a Python process with the libraries imported that forks into kernels on request.

Runs inside a sandbox of its own (one for each tenant and environment). Not part of the
public interface. It stays single-threaded: no event loop, ZeroMQ context or OpenMP
region exists before a fork.

Protocol, on the Unix socket /run/zygote/socket, one JSON message each way per fork:
``{"op": "fork", "kernel": NAME, "scratch": BYTES}`` is answered with ``{"ok": true}`` or
``{"ok": false, "error": TEXT}``; the new kernel then meets its keeper in /run/kernels/NAME.
``{"op": "claim"}`` marks the connection as a server's: while one is open, or a kernel lives,
the zygote lives; without either it ends after its lease.
"""

from __future__ import annotations

import gc
import importlib.util
import json
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from types import ModuleType

CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS = 0x8914
IFF_UP_RUNNING = 0x41
SOCKET_PATH = "/run/zygote/socket"

PRELOAD = (
    "IPython",
    "ipykernel.kernelapp",
    "ipykernel.ipkernel",
    "ipykernel.zmqshell",
    "ipykernel.iostream",
    "matplotlib_inline.backend_inline",
    "IPython.core.completer",
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.core.logger",
    "IPython.core.magic_arguments",
    "IPython.core.magics",
    "IPython.core.magics.ast_mod",
    "IPython.core.oinspect",
    "IPython.extensions.storemagic",
    "IPython.utils._process_posix",
    "IPython.utils.module_paths",
    "IPython.utils.wildcard",
    "code",
    "encodings.ascii",
    "encodings.idna",
    "encodings.latin_1",
    "pdb",
    "tornado.gen",
    "tornado.locks",
    "tornado.platform.asyncio",
    "tornado.queues",
    "joblib",
    "threadpoolctl",
    "numpy",
    "pandas",
    "pandas.io.formats.html",
    "pandas.io.formats.string",
    "pandas.io.formats.format",
    "pyarrow",
    "pyarrow.pandas_compat",
    "pyarrow.parquet",
    "matplotlib",
    "matplotlib.pyplot",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_svg",
    "sklearn.cluster",
    "sklearn.linear_model",
    "sklearn.preprocessing",
    "sklearn.decomposition",
    "sklearn.ensemble",
    "sklearn.pipeline",
    "sklearn.metrics",
    "sklearn.model_selection",
    "suricate",
)


def _load_kernel_module() -> ModuleType:
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_kernel.py")
    spec = importlib.util.spec_from_file_location("_suricate_kernel", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["_suricate_kernel"] = module
    spec.loader.exec_module(module)
    return module


kernel = _load_kernel_module()
libc = kernel.libc
check = kernel.check
mount = kernel.mount
SAFE = kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC


def preload() -> None:
    """Import what notebooks use most; an absent package is no fault."""
    kernel.import_ipykernel()
    for name in PRELOAD:
        try:
            __import__(name)
        except ImportError as error:
            print(f"zygote: {name} is not in this environment ({error})", file=sys.stderr)
        except Exception:
            traceback.print_exc()
    _ = kernel.BoundedStream
    _warm_up()
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        print(f"zygote: imports left {threads} threads, which a fork does not copy", file=sys.stderr)


def _warm_up() -> None:
    """Do once, here, what most kernels do first: load font tables, draw, show a table."""
    try:
        import io

        import pandas
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure()
        FigureCanvasAgg(figure)
        figure.subplots().plot([0, 1])
        figure.savefig(io.BytesIO(), format="png")
        figure.savefig(io.BytesIO(), format="svg")
        frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
        frame.describe()
        frame.groupby("b").sum().sort_values("a")._repr_html_()
        pandas.read_csv(io.StringIO(frame.to_csv()))
    except Exception:
        traceback.print_exc()


def raise_loopback() -> None:
    """Bring `lo` up in the new, otherwise empty network: ipykernel binds 127.0.0.1 in itself."""
    import fcntl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", IFF_UP_RUNNING))


def furnish(name: str, scratch_bytes: int) -> None:
    """Arrange the child's own view: its processes, its scratch, its sockets, nobody else's."""
    mount("/run/kernels/" + name, "/run/kernel", "", kernel.MS_BIND)
    mount("proc", "/proc", "proc", SAFE)
    kernel.mask()
    kernel.furnish_scratch(scratch_bytes)
    mount("none", "/run/zygote", "tmpfs", SAFE | kernel.MS_RDONLY, "size=4096,nr_inodes=1,mode=555")
    mount("devpts", "/dev/pts", "devpts", kernel.MS_NOSUID | kernel.MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620")


def reseed() -> None:
    """A forked generator repeats its siblings' numbers."""
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()


def child(name: str, scratch_bytes: int, answer: socket.socket) -> None:
    """In the forked child: never returns."""
    try:
        kernel.unshare(CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS)
        if os.fork():
            os._exit(0)
        furnish(name, scratch_bytes)
        raise_loopback()
        os.chdir("/home/kernel")
        reseed()
        answer.send(b'{"ok": true}')
        answer.close()
        kernel.become_kernel()
    except BaseException as error:
        traceback.print_exc()
        try:
            answer.send(json.dumps({"ok": False, "error": f"{type(error).__name__}: {error}"[:500]}).encode())
        except OSError:
            pass
    finally:
        os._exit(1)


class Zygote:
    """The listening loop."""

    def __init__(self, lease_s: float) -> None:
        self.lease_s = lease_s
        self.listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        temporary = SOCKET_PATH + ".new"
        for path in (temporary, SOCKET_PATH):
            if os.path.exists(path):
                os.unlink(path)
        self.listener.bind(temporary)
        os.chmod(temporary, 0o666)
        self.listener.listen(64)
        os.rename(temporary, SOCKET_PATH)
        self.connections: list[socket.socket] = []
        self.claims: set[socket.socket] = set()
        self.last_needed = time.monotonic()

    def is_needed(self) -> bool:
        """A server holds on to it, or a kernel still runs (they are processes of this namespace)."""
        if self.claims:
            return True
        return sum(entry.isdigit() for entry in os.listdir("/proc")) > 2

    def close_all(self) -> None:
        for connection in [self.listener, *self.connections]:
            connection.close()

    def fork(self, connection: socket.socket, name: str, scratch_bytes: int) -> None:
        """Fork one kernel; the child answers on the connection itself."""
        pid = os.fork()
        if pid == 0:
            answer = socket.socket(fileno=os.dup(connection.fileno()))
            self.close_all()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            child(name, scratch_bytes, answer)
        os.waitpid(pid, 0)

    def serve_one(self, connection: socket.socket) -> bool:
        """Read one request; False when the peer is gone."""
        try:
            message = connection.recv(4096)
        except OSError:
            return False
        if not message:
            return False
        request = json.loads(message)
        if request["op"] == "claim":
            self.claims.add(connection)
        elif request["op"] == "fork":
            name = str(request["kernel"])
            if "/" in name or name.startswith("."):
                raise ValueError("bad kernel name")
            self.fork(connection, name, int(request["scratch"]))
        return True

    def step(self) -> None:
        ready, _, _ = select.select([self.listener, *self.connections], [], [], 5)
        for one in ready:
            if one is self.listener:
                self.connections.append(self.listener.accept()[0])
                continue
            try:
                keep = self.serve_one(one)
            except Exception:
                traceback.print_exc()
                keep = False
            if not keep:
                self.connections.remove(one)
                self.claims.discard(one)
                one.close()

    def run(self) -> None:
        while True:
            self.step()
            if self.is_needed():
                self.last_needed = time.monotonic()
            elif time.monotonic() - self.last_needed > self.lease_s:
                return


def main() -> None:
    lease_s = float(sys.argv[1]) if len(sys.argv) > 1 else 60
    sys.argv = ["ipykernel"]
    preload()
    gc.collect()
    gc.freeze()
    Zygote(lease_s).run()


if __name__ == "__main__":
    main()
