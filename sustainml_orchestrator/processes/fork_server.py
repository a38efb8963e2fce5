"""A fork server: a process that has loaded what its children need, and forks them on request.

`sustainml up` has one that has loaded ROS and forks the nodes. Each module node has one, forked
before ROS is initialized, which forks the worker processes. A fork server

- reports the pid and the exit code of each child over a socket, and forwards signals to it;
- kills the processes that a child leaves behind when it ends, daemons included: it inherits them,
  as it is their subreaper (PR_SET_CHILD_SUBREAPER);
- kills all its descendants and ends when its owner ends, even by SIGKILL.

The forkserver of `multiprocessing` does none of this. It also gives all children one environment
and output, runs a script again in each child to find its classes, and has to load ROS anew (0.3 s
of CPU per module; a worker forked here starts after 3 ms). A fork server holds no ROS context, no
node, and no thread of ours.
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

from sustainml_orchestrator.contract.signals import on_end
from sustainml_orchestrator.processes import child_process, process_mark

#: The main function of a child: its arguments are the request and the descriptors sent with it.
Become = Callable[[bytes, list[int]], None]

#: Maximum time to load the preloaded modules and to fork, in s.
_FORK_TIMEOUT = 20.0
#: Maximum time for processes to disappear after SIGKILL, in s.
_KILL_TIMEOUT = 2.0
_LONGEST_REQUEST = 1 << 16
_MOST_DESCRIPTORS = 8


class Child:
    """A process that a fork server has forked; the interface follows `subprocess.Popen`.

    Attributes:
        pid: its process id.
        returncode: None while it runs; the negative number of the signal that ended it.
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
        """Update and return `returncode`."""
        with self._lock:
            if self.returncode is None and readable([self], 0.0):
                code = _receive(self._channel)
                # No code: the fork server has ended, and the kernel has killed its children.
                self.returncode = int(code) if code else -signal.SIGKILL
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end.

        Raises:
            subprocess.TimeoutExpired: it has not ended within `timeout` s.
        """
        if self.returncode is None:
            readable([self], timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal, unless it has ended; SIGKILL kills its descendants, too."""
        with suppress(OSError):
            self._channel.send(b"%d" % number)

    def close(self) -> None:
        """Release its descriptor; the process is killed unless it has ended."""
        with self._lock:
            if self.returncode is None:
                self.returncode = -signal.SIGKILL
            self._channel.close()


class ForkServer:
    """The owner's handle of a fork server. Thread-safe."""

    def __init__(self, control: socket.socket, pid: int) -> None:
        self._control = control
        self.pid = pid

    @classmethod
    def forked(cls, become: Become) -> ForkServer:
        """Fork one off this process, before threads are started and ROS is initialized."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        parent = os.getpid()
        mark = process_mark.draw()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = child_process.fork()
        if not pid:
            ours.close()
            child_process.run(_Server(theirs, become, parent, mark).serve)
        theirs.close()
        process_mark.put(mark)  # for what user code starts in threads of this process
        return cls(ours, pid)

    @classmethod
    def started(cls, module: str, arguments: Sequence[str] = ()) -> ForkServer:
        """Start one as a new Python process that runs `module`, which calls `serve`.

        Raises:
            OSError: no process can be started.
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
        process.returncode = 0  # `close` waits for it, not Popen
        return cls(ours, process.pid)

    def spawn(self, request: bytes, descriptors: Sequence[int] = ()) -> Child:
        """Fork a child and wait until it exists.

        Args:
            request: passed to the main function of the child; 64 KiB at most.
            descriptors: duplicated into the child.

        Raises:
            OSError: the fork server does not answer; `close` it and start another.
        """
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            socket.send_fds(self._control, [request], [theirs.fileno(), *descriptors])
        pid = _receive(ours) if readable([ours], _FORK_TIMEOUT) else b""
        if not pid:
            ours.close()
            raise OSError("the fork server has ended or hangs; see its output")
        return Child(ours, int(pid))

    def close(self) -> None:
        """End the fork server and all its descendants, and wait for that."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._control.close()
        with suppress(ChildProcessError):
            os.waitpid(self.pid, 0)


def python_command(module: str) -> tuple[str, ...]:
    """The command line of `python -m module`, without the current folder on `sys.path`."""
    if sys.version_info >= (3, 11):
        return (sys.executable, "-P", "-m", module)
    code = "import sys; sys.path[:1] = []; import runpy; sys.argv.pop(0); "
    run = "runpy.run_module(sys.argv[0], None, '__main__', True)"
    return (sys.executable, "-c", code + run, module)


def serve(become: Become) -> None:
    """The main function of the process of `ForkServer.started`."""
    control, parent = socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2])
    gc.freeze()  # a collection in a child would touch, and so copy, the shared pages
    _Server(control, become, parent).serve()


class _Server:
    """The fork server itself: one thread that waits for requests and for the end of children."""

    def __init__(self, control: socket.socket, become: Become, parent: int, mark: int = 0) -> None:
        self._control = control
        self._become = become
        self._parent = parent
        self._mark = mark
        self._channels: dict[int, socket.socket] = {}  # by pid
        self._ignores = signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN
        self._wake, self._woken = socket.socketpair()

    def serve(self) -> None:
        """Serve until the owner closes the connection or ends."""
        for sock in (self._wake, self._woken):
            sock.setblocking(False)
        on_end(_ignore)  # on Ctrl-C in a terminal, the owner closes the connection
        for number in (signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(self._woken.fileno(), warn_on_full_buffer=False)
        child_process.signal_at_end_of(self._parent, signal.SIGUSR1)
        child_process.adopt_orphans()
        with suppress(PermissionError):  # it is a session leader
            os.setpgid(0, 0)
        try:
            while os.getppid() == self._parent and self._serve_once():
                pass
        finally:
            self._kill_all()
            signal.set_wakeup_fd(-1)  # signals may come after our sockets are closed

    def _serve_once(self) -> bool:
        """Wait for events and handle them; returns False when the owner closed the connection."""
        by_descriptor = {channel.fileno(): pid for pid, channel in self._channels.items()}
        ready = readable([self._control, self._wake, *by_descriptor], None)
        if self._wake in ready:
            self._wake.recv(4096)
        for descriptor in ready:
            if descriptor in by_descriptor:
                self._forward_signal(by_descriptor[descriptor])
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
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # ignored, it would hide exit codes
        signal.signal(signal.SIGUSR1, signal.SIG_IGN if self._ignores else signal.SIG_DFL)
        for sock in (self._control, self._wake, self._woken, *self._channels.values()):
            sock.close()
        os.close(fds[0])
        self._become(request, fds[1:])

    def _forward_signal(self, pid: int) -> None:
        number = int(_receive(self._channels[pid]) or signal.SIGKILL)  # b"": closed by the owner
        if number == signal.SIGKILL:
            child_process.kill_group(pid)
        else:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _reap(self) -> None:
        """Report the children that have ended, and kill the processes that they left behind."""
        with suppress(ChildProcessError):  # there is none
            # Kill the group before the child is reaped: until then its id is not reused.
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
        """Kill all descendants, those included that are inherited meanwhile."""
        for pid in self._channels:
            child_process.kill_group(pid)
        deadline = time.monotonic() + _KILL_TIMEOUT
        with suppress(ChildProcessError):
            while time.monotonic() < deadline:
                for pid in child_process.children():
                    child_process.kill_group(pid)
                if not os.waitpid(-1, os.WNOHANG)[0]:
                    time.sleep(0.002)
        process_mark.kill_marked(self._mark, self._parent)


def readable(sources: Sequence[object], timeout: float | None) -> list[object]:
    """Wait `timeout` s at most; returns the sockets and descriptors that are readable.

    Unlike `select.select` it permits more than 1024 open files.
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
    """The next message; b"" if the other end is closed."""
    try:
        return channel.recv(64)
    except OSError:
        return b""


def _ignore(*_: object) -> None:
    """A handler that does nothing; unlike SIG_IGN it is not inherited by programs started."""
