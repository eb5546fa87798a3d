"""Becomes a Suricate kernel: confines itself, then runs ipykernel under its keeper.

Run as a program inside the sandbox (a cold start), or imported by the zygote, whose
forked children call `become_kernel`. Not part of the public interface.

The keeper listens on ``keeper`` in the kernel's own folder. This process connects, is put
into its control group, and gets one message: settings as JSON, with two descriptors, a pipe for
standard output and error and the small program that stays behind as process 1.
Then it confines itself for good and forks: the parent turns into that program, the
child into the kernel.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import resource
import signal
import socket
import sys
import threading
from typing import Any

LIB = os.environ.get("SURICATE_LIB", "/opt/suricate/lib")
KERNEL_DIR = os.environ.get("SURICATE_KERNEL_DIR", "/run/kernel")

PR_SET_DUMPABLE = 4
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
PR_CAP_AMBIENT = 47
PR_CAP_AMBIENT_CLEAR_ALL = 4
SECCOMP_MODE_FILTER = 2
SYS_CAPSET = 126
CAP_LAST = 40
MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
CLONE_NEWNS = 0x00020000
CLONE_NEWUSER = 0x10000000

STACKS_BYTES = 256 << 20  # address space of ipykernel's threads, hardly touched
STREAM_CHUNK = 128 * 1024
PIP_ADVICE = (
    "Packages come with the kernel's environment, which a run cannot change: add the package to packaging/requirements.in, "
    "run packaging/lock and packaging/environment, and restart the server."
)

libc = ctypes.CDLL(None, use_errno=True)


def check(result: int, what: str) -> None:
    """Raise OSError for a libc call that answered below zero."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


class _SockFprog(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def load_filter(path: str) -> None:
    """Load a compiled seccomp program for this process and all its children, for good."""
    with open(path, "rb") as file:
        program = file.read()
    memory = ctypes.create_string_buffer(program, len(program))
    fprog = _SockFprog(len(program) // 8, ctypes.cast(memory, ctypes.c_void_p))
    check(libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(fprog), 0, 0), "seccomp")


def drop_capabilities() -> None:
    """Give up every capability, in this and every namespace below it."""
    for capability in range(CAP_LAST + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)
    libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    check(libc.syscall(SYS_CAPSET, header, (ctypes.c_uint32 * 6)()), "capset")


def mapped_bytes() -> int:
    """Private writable memory this process has now, as RLIMIT_DATA counts it: mapped, touched or not."""
    with open("/proc/self/status") as file:
        return sum(int(line.split()[1]) * 1024 for line in file if line.startswith("VmData:"))


def set_limits(limits: dict[str, int]) -> None:
    """Set rlimits by name, e.g. {"NPROC": 64}."""
    for name, value in limits.items():
        kind = getattr(resource, "RLIMIT_" + name)
        if name == "DATA":
            value += mapped_bytes() + STACKS_BYTES
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """mount(2)."""
    check(libc.mount(source.encode(), target.encode(), kind.encode(), flags, data.encode()), f"mount {target}")


def unshare(flags: int) -> None:
    """New namespaces, with the same uid inside and nothing mounted here seen outside."""
    uid, gid = os.getuid(), os.getgid()
    check(libc.unshare(CLONE_NEWUSER | CLONE_NEWNS | flags), "unshare")
    for path, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open("/proc/self/" + path, "w") as file:
            file.write(text)
    mount("none", "/", "", MS_REC | MS_PRIVATE)


def furnish_scratch(scratch_bytes: int) -> None:
    """Home, /tmp and /dev/shm as parts of one file system of limited size, hidden under an empty folder."""
    inodes = max(1024, min(scratch_bytes // 4096, 200_000))
    mount("scratch", "/run/kernels", "tmpfs", MS_NOSUID | MS_NODEV, f"size={scratch_bytes},nr_inodes={inodes},mode=700")
    for part, target in (("home", "/home/kernel"), ("tmp", "/tmp"), ("shm", "/dev/shm")):
        os.mkdir("/run/kernels/" + part)
        os.chmod("/run/kernels/" + part, 0o700 if part == "home" else 0o1777)
        mount("/run/kernels/" + part, target, "", MS_BIND)
    mount("none", "/run/kernels", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4096,nr_inodes=1,mode=555")


def mask() -> None:
    """Cover what /proc tells about the whole machine and no notebook needs."""
    for path in ("/proc/keys", "/proc/key-users", "/proc/timer_list"):
        if os.path.exists(path):
            mount("/dev/null", path, "", MS_BIND)


def settle(settings: dict[str, Any]) -> None:
    """Have a home, whoever made the walls around it."""
    if settings.get("scratch_bytes"):
        unshare(0)
        mask()
        furnish_scratch(settings["scratch_bytes"])
    home = os.environ.get("HOME", "/home/kernel")
    os.makedirs(home, exist_ok=True)
    os.chdir(home)


def confine(settings: dict[str, Any]) -> None:
    """Limits, no capabilities, no new privileges, the system call filter."""
    set_limits(settings["rlimits"])
    if settings["sandbox"]:
        drop_capabilities()
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
        for path in settings["filters"]:
            load_filter(os.path.join(LIB, path))


def meet_keeper() -> tuple[socket.socket, dict[str, Any], int, int]:
    """Connect to the keeper; return its socket, settings, the output pipe and the init program."""
    keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    keeper.connect(os.path.join(KERNEL_DIR, "keeper"))
    message, descriptors, _, _ = socket.recv_fds(keeper, 65536, 2)
    if len(descriptors) != 2:
        raise ConnectionError("the keeper went away")
    return keeper, json.loads(message), descriptors[0], descriptors[1]


def become_kernel() -> None:
    """Never returns: this process becomes process 1, its child the kernel."""
    keeper, settings, output, init = meet_keeper()
    null = os.open("/dev/null", os.O_RDONLY)
    for source, target in ((null, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    os.close(null)
    os.close(output)
    settle(settings)
    confine(settings)
    child = os.fork()
    if child:
        os.set_inheritable(keeper.fileno(), True)
        path = f"/proc/self/fd/{init}"
        os.execve(path, ["suricate-init", str(keeper.fileno()), str(child)], {})
    os.close(init)
    os.setsid()
    try:
        run_kernel(keeper, settings)
    except SystemExit as end:
        leave(end.code if isinstance(end.code, int) else 1 if end.code else 0)
    except BaseException:
        import traceback

        traceback.print_exc(file=sys.__stderr__)
        leave(1)
    leave(0)


def leave(status: int) -> None:
    """End as the interpreter would, exit handlers included, without unwinding into the zygote's frames."""
    try:
        atexit._run_exitfuncs()
        sys.__stdout__.flush()
        sys.__stderr__.flush()
    finally:
        os._exit(status)


def import_ipykernel() -> None:
    """Import ipykernel without its debugger, which costs a third of a start and 8 MB and has no user in a run."""
    absent = "debugpy" not in sys.modules
    if absent:
        sys.modules["debugpy"] = None  # type: ignore[assignment]
    try:
        import ipykernel.debugger
        import ipykernel.kernelapp  # noqa: F401
    finally:
        if absent:
            del sys.modules["debugpy"]


def run_kernel(keeper: socket.socket, settings: dict[str, Any]) -> None:
    """Start ipykernel on the keeper's connection file and serve until shut down."""
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    import_ipykernel()
    from ipykernel.kernelapp import IPKernelApp

    class Kernel(IPKernelApp):
        """ipykernel whose output waits for the keeper instead of being dropped."""

        outstream_class = __name__ + ".BoundedStream" if __name__ != "__main__" else _stream_class()

        def init_iopub(self, context: Any) -> None:
            import zmq

            context.setsockopt(zmq.SNDHWM, 64)
            context.setsockopt(zmq.XPUB_NODROP, 1)
            super().init_iopub(context)
            context.sockopts.clear()

        def stop_listening(self) -> None:
            """Stop the threads that take requests while the one for output still lives, or they may wait for it for ever."""
            for thread in (self.control_thread, self.shell_channel_thread):
                if thread and thread.is_alive():
                    thread.stop()
                    thread.join(timeout=2)

        def init_signal(self) -> None:
            super().init_signal()
            signal.signal(signal.SIGTERM, signal.SIG_DFL)

    from traitlets.config import Config

    config = Config()
    config.HistoryManager.enabled = False
    config.InlineBackend.figure_formats = {"png", "svg"}
    config.IPKernelApp.parent_handle = 0
    config.IPKernelApp.log_level = 50
    app = Kernel.instance(config=config)
    app.initialize(["-f", os.path.join(KERNEL_DIR, "connection.json")])
    _register_pip(app.shell)
    if "matplotlib.pyplot" in sys.modules:
        app.shell.enable_matplotlib("inline")
    keeper.send(b"bound")
    keeper.close()
    atexit.register(app.stop_listening)  # last registered, so before ipykernel's own, after those of user code
    app.start()


def _stream_class() -> str:
    """Name under which traitlets can import `BoundedStream` when this file is the program."""
    sys.modules.setdefault("_suricate_kernel", sys.modules["__main__"])
    return "_suricate_kernel.BoundedStream"


def __getattr__(name: str) -> Any:
    """Make `BoundedStream` when first asked for: ipykernel must not be imported before the fork of a cold start."""
    if name != "BoundedStream":
        raise AttributeError(name)
    from ipykernel.iostream import OutStream

    class BoundedStream(OutStream):
        """A stream that sends at most `STREAM_CHUNK` characters a message and waits for each to be taken.

        A printing loop thus runs at the pace of its reader and needs no memory.
        """

        _unsent = 0

        def flush(self) -> None:
            """Wait until what was written is sent, however long the reader takes."""
            publisher = self.pub_thread
            if publisher is None or not publisher.thread.is_alive() or publisher.thread is threading.current_thread():
                self._flush()
                return
            sent = threading.Event()
            publisher.schedule(self._flush)
            publisher.schedule(sent.set)
            while not sent.wait(0.05):
                if publisher._stopped or not publisher.thread.is_alive():
                    return  # the kernel is shutting down: nobody will answer

        def write(self, string: str) -> int | None:
            if isinstance(string, str) and not string.isascii():
                string = string.encode("utf-8", "replace").decode()  # a lone surrogate would stop the sender
            if not isinstance(string, str) or (self._unsent + len(string) < STREAM_CHUNK):
                self._unsent += len(string) if isinstance(string, str) else 0
                return super().write(string)
            for start in range(0, len(string), STREAM_CHUNK):
                super().write(string[start : start + STREAM_CHUNK])
                self.flush()
            return len(string)

        def _flush(self) -> None:
            self._unsent = 0
            super()._flush()

    globals()[name] = BoundedStream
    return BoundedStream


def _asks_to_install(line: str) -> bool:
    words = line.split()
    if words[:1] and os.path.basename(words[0]).startswith("python"):
        words = words[2:] if words[1:2] == ["-m"] else []
    return bool(words) and os.path.basename(words[0]) in ("pip", "pip3", "uv", "conda", "mamba") and bool(
        {"install", "uninstall", "download"} & set(words[1:4])
    )


def _register_pip(shell: Any) -> None:
    """Let `%pip install` and `!pip install` say how an environment gets a package."""
    original_system, original_getoutput = shell.system, shell.getoutput

    def shell_in_background(command: str) -> None:
        """As a terminal would: go on at once; what it prints comes with the cell, it ends with the kernel at the latest."""
        import subprocess

        subprocess.Popen(["/bin/sh", "-c", shell.var_expand(command, depth=2)], stdin=subprocess.DEVNULL)

    def pip(line: str) -> None:
        """Say how an environment gets a package; everything but installing is pip's own."""
        if _asks_to_install("pip " + line):
            print(PIP_ADVICE)
        else:
            original_system(f"{sys.executable} -m pip {line}")

    def system(command: str) -> Any:
        if _asks_to_install(command):
            print(PIP_ADVICE)
            return None
        if command.rstrip().endswith("&"):
            return shell_in_background(command)
        return original_system(command)

    def getoutput(command: str, *args: Any, **named: Any) -> Any:
        if _asks_to_install(command):
            print(PIP_ADVICE)
            command = "true"
        return original_getoutput(command, *args, **named)

    def other(line: str) -> None:
        """Say how an environment gets a package."""
        print(PIP_ADVICE)

    shell.register_magic_function(pip, "line", "pip")
    for name in ("conda", "mamba", "micromamba", "uv"):
        shell.register_magic_function(other, "line", name)
    shell.system, shell.getoutput = system, getoutput


if __name__ == "__main__":
    become_kernel()
