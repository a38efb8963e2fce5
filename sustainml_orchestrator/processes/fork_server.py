"""A process that forks others on request, with all that they need loaded already.

`sustainml up` has one that has loaded ROS and forks the nodes. Each module node has one, forked
off before ROS is initialized, which forks the workers that run user code. It

- reports the pid and the end of each child over a socket of that child, and passes on signals;
- kills, with each child that ends, all processes that the child started and left behind, also
  those that became daemons: they are inherited by it (PR_SET_CHILD_SUBREAPER), not by init;
- kills everything and ends when the process that it belongs to ends, however that ends.

Python's own forkserver (`multiprocessing`) does none of this, gives all children one environment
and output, knows a class of a script only by running that script again in each child, and has to
load ROS anew where a fork of the node has it: 0.3 s of CPU per module; a worker forked here begins
after 3 ms. Nothing of ROS lives in a fork server: no context, no node, no thread of ours.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from sustainml_orchestrator.contract.signals import on_end
from sustainml_orchestrator.processes import child_process

#: What a child does: given the request and the descriptors that came with it.
Become = Callable[[bytes, list[int]], None]

#: Longest time to load what is needed and to fork, in s.
_FORK_TIMEOUT = 20.0
#: How long processes may take to be gone after SIGKILL, in s.
_KILL_TIMEOUT = 2.0
_LONGEST_REQUEST = 1 << 16
_MOST_DESCRIPTORS = 8
#: Names, in the environment, the process on whose behalf others were started.
_MARK = "SUSTAINML_PROCESS_OWNER"


class Child:
    """A process that a fork server forked. `select` finds it readable when it has ended.

    Attributes:
        pid: its process id.
        returncode: None while it runs; negative when a signal ended it, as in `subprocess`.
    """

    def __init__(self, channel: socket.socket, pid: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._channel = channel
        self._lock = threading.Lock()

    def fileno(self) -> int:
        """Descriptor that becomes readable when the process has ended."""
        return self._channel.fileno()

    def poll(self) -> int | None:
        """Its `returncode`."""
        with self._lock:
            if self.returncode is None and readable([self], 0.0):
                code = _receive(self._channel)
                # No code: the fork server is gone, and the kernel has killed its children.
                self.returncode = int(code) if code else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it has not ended after so many s.
        """
        if self.returncode is None:
            readable([self], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal; SIGKILL kills all that it started, too. No effect on a dead one."""
        with suppress(OSError):
            self._channel.send(b"%d" % number)

    def close(self) -> None:
        """Forget it; it is killed unless it has ended."""
        with self._lock:
            if self.returncode is None:
                self.returncode = -signal.SIGKILL
            self._channel.close()


class ForkServer:
    """The end of whoever asks for children. Several threads may ask at the same time."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self._control = control
        self.pid = pid

    @classmethod
    def forked(cls, become: Become) -> ForkServer:
        """One that is a fork of this process: before any thread of ours, and before ROS."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        # Inherited by all that user code starts, also by threads of this process.
        mark = os.environ[_MARK] = f"{parent}.{time.monotonic_ns()}"
        sys.stdout.flush()
        sys.stderr.flush()
        pid = child_process.fork()
        if not pid:
            ours.close()
            child_process.run(_Server(theirs, become, parent, f"{_MARK}={mark}").serve)
        theirs.close()
        return cls(ours, pid)

    @classmethod
    def started(cls, module: str, arguments: Sequence[str] = ()) -> ForkServer:
        """One in a fresh Python that runs `module`, which calls `serve`.

        Raises:
            OSError: no process can be had.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [*python_command(module), str(theirs.fileno()), str(os.getpid()), *arguments],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                # What its children print is read as UTF-8, whatever the locale is.
                env={**os.environ, "PYTHONIOENCODING": "utf-8:backslashreplace"},
                start_new_session=True,
            )
        process.returncode = 0  # it is waited for in `close`, not by Popen
        return cls(ours, process.pid)

    def spawn(self, request: bytes, descriptors: Sequence[int] = ()) -> Child:
        """Fork a child, and wait until it is there.

        Args:
            request: what it is to do, 64 KiB at most.
            descriptors: open files for it; they stay open here.

        Raises:
            OSError: it cannot be done; `close` this server, and make another.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._control, [request], [theirs.fileno(), *descriptors])
        pid = _receive(ours) if readable([ours], _FORK_TIMEOUT) else b""
        if not pid:
            ours.close()
            raise OSError("the process that starts others has ended or hangs; see its output")
        return Child(ours, int(pid))

    def close(self) -> None:
        """End it, and all that it has forked; returns when they are gone."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def python_command(module: str) -> tuple[str, ...]:
    """The command for `python -m module` that does not import from the current folder."""
    if sys.version_info >= (3, 11):
        return (sys.executable, "-P", "-m", module)
    code = "import sys; sys.path[:1] = []; import runpy; sys.argv.pop(0); "
    run = "runpy.run_module(sys.argv[0], None, '__main__', True)"
    return (sys.executable, "-c", code + run, module)


def serve(become: Become) -> None:
    """Be what `ForkServer.started` starts: fork until the owner is gone."""
    control, parent = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    gc.freeze()  # no collection in a child shall touch, and so copy, what is there
    _Server(control, become, parent).serve()


class _Server:
    """The fork server itself: one thread, which waits for requests and for ends."""

    def __init__(self, control: socket.socket, become: Become, parent: int, mark: str = "") -> None:
        self._control = control
        self._become = become
        self._parent = parent
        self._mark = mark
        self._channels: dict[int, socket.socket] = {}  # by pid
        self._wake, self._woken = socket.socketpair()

    def serve(self) -> None:
        """Fork, and report ends, until the owner closes the connection or ends."""
        for sock in (self._wake, self._woken):
            sock.setblocking(False)
        on_end(_ignore)  # Ctrl-C in a terminal is for the owner, who then closes the connection
        for number in (signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        child_process.signal_at_end_of(self._parent, signal.SIGUSR1)
        child_process.adopt_orphans()
        with suppress(PermissionError):  # it leads a session already
            os.setpgid(0, 0)
        try:
            while os.getppid() == self._parent and self._turn():
                pass
        finally:
            self._kill_all()

    def _turn(self) -> bool:
        """Wait until something has happened; False when the owner wants no more."""
        by_descriptor = {channel.fileno(): pid for pid, channel in self._channels.items()}
        ready = readable([self._control, self._wake, *by_descriptor], None)
        if self._wake in ready:
            self._wake.recv(4096)
        for descriptor in ready:
            if descriptor in by_descriptor:
                self._pass_on_signal(by_descriptor[descriptor])
        self._reap()
        return self._control not in ready or self._serve_request()

    def _serve_request(self) -> bool:
        try:
            request, fds, _, _ = socket.recv_fds(
                self._control, _LONGEST_REQUEST, _MOST_DESCRIPTORS + 1
            )
        except ConnectionError:
            return False
        if not request:
            return False
        server = os.getpid()
        pid = child_process.fork()
        if not pid:
            child_process.run(lambda: self._be_child(request, fds, server))
        for descriptor in fds[1:]:
            os.close(descriptor)
        channel = socket.socket(fileno=fds[0])
        self._channels[pid] = channel
        with suppress(OSError):
            channel.send(b"%d" % pid)
        return True

    def _be_child(self, request: bytes, fds: list[int], server: int) -> None:
        child_process.die_with(server)
        child_process.adopt_orphans()
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, signal.SIG_DFL)
        for sock in (self._control, self._wake, self._woken, *self._channels.values()):
            sock.close()
        os.close(fds[0])
        self._become(request, fds[1:])

    def _pass_on_signal(self, pid: int) -> None:
        number = int(_receive(self._channels[pid]) or signal.SIGKILL)  # nothing: it was closed
        if number == signal.SIGKILL:
            child_process.kill_group(pid)
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _reap(self) -> None:
        """Report the children that have ended, and kill what they left behind."""
        with suppress(ChildProcessError):  # there is none
            # Looked at before it is reaped: until then its id, and its group's, stay taken.
            while ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT):
                pid = ended.si_pid
                channel = self._channels.pop(pid, None)
                if channel is not None:
                    child_process.kill_group(pid)
                _, status = os.waitpid(pid, 0)
                for orphan in child_process.children():
                    if orphan not in self._channels:
                        child_process.kill_group(orphan)
                if channel is not None:
                    with channel, suppress(OSError):
                        channel.send(b"%d" % os.waitstatus_to_exitcode(status))

    def _kill_all(self) -> None:
        """Kill all descendants: children, and those that these leave behind, until none is left."""
        for pid in self._channels:
            child_process.kill_group(pid)
        deadline = time.monotonic() + _KILL_TIMEOUT
        with suppress(ChildProcessError):
            while time.monotonic() < deadline:
                for pid in child_process.children():
                    child_process.kill_group(pid)
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    time.sleep(0.002)
        if self._mark:
            _kill_marked(self._mark.encode())


def readable(sources: Sequence[object], timeout: float | None) -> list[object]:
    """Those of the sockets and descriptors that can be read, after `timeout` s at most.

    Unlike `select.select` it works in processes with more than 1024 open files.
    """
    poll = select.poll()
    by_descriptor = {}
    for source in sources:
        descriptor = source if isinstance(source, int) else source.fileno()  # type: ignore[attr-defined]
        by_descriptor[descriptor] = source
        poll.register(descriptor, select.POLLIN)
    found = poll.poll(None if timeout is None else max(0.0, timeout) * 1000)
    return [by_descriptor[descriptor] for descriptor, _ in found]


def _receive(channel: socket.socket) -> bytes:
    """The next message; b"" when the other end is closed."""
    try:
        return channel.recv(64)
    except OSError:
        return b""


def _kill_marked(mark: bytes) -> None:
    """Kill all processes with that entry in their environment: orphans of user code in threads."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def _ignore(*_: object) -> None:
    """A handler that does nothing; unlike SIG_IGN it is not inherited by programs started."""
