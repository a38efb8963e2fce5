"""The process from which workers are forked.

It is forked off before ROS is initialized and stays single-threaded, so its children are safe to
fork, know the author's class wherever that was defined, share its memory, start within
milliseconds, and take no part in DDS. All of them end when the node process ends, however it ends.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable

from sustainml_orchestrator.processes import child_process

#: What a worker runs: given its two sockets (calls, side), returns when the node closes them.
WorkerMain = Callable[[socket.socket, socket.socket], None]


class WorkerForkServer:
    """The node's end: asks for workers by number, and hears when they die.

    Must be made before any thread of ours is started, and before ``rclpy.init``.
    """

    def __init__(self, worker_main: WorkerMain) -> None:
        """Fork the nursery off; ``worker_main`` is what each of its workers runs."""
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        sys.stdout.flush()
        sys.stderr.flush()
        node = os.getpid()
        self._pid = child_process.fork()
        if not self._pid:
            self._control.close()
            child_process.run(lambda: _Forker(theirs, worker_main, parent=node).serve())
        theirs.close()
        self._lock = threading.Lock()
        self._born = 0
        self._watchers: dict[int, Callable[[str], None]] = {}

    def watch(self) -> None:
        """Begin to hear of deaths, on a thread of its own."""
        threading.Thread(target=self._listen, name="nursery", daemon=True).start()

    def spawn(self, calls: socket.socket, side: socket.socket, died: Callable[[str], None]) -> int:
        """Fork a worker that talks through these two sockets; ``died`` is told how it ended.

        Raises:
            OSError: the nursery is gone, and no worker can be made any more.
        """
        with self._lock:
            self._born += 1
            number = self._born
            self._watchers[number] = died
            message = b"fork %d" % number
            socket.send_fds(self._control, [message], [calls.fileno(), side.fileno()])
        return number

    def kill(self, number: int) -> None:
        """Kill a worker and the processes that it started; no effect on a dead one."""
        with contextlib.suppress(OSError):  # the nursery is gone, and its workers with it
            self._control.send(b"kill %d" % number)

    def close(self) -> None:
        """Kill all workers and end the nursery; returns when they are gone."""
        with contextlib.suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)

    def _listen(self) -> None:
        while message := self._hear():
            number, status = map(int, message.split())
            if died := self._watchers.pop(number, None):
                died(describe_exit(status))
        for died in list(self._watchers.values()):
            died("the process that starts workers ended; restart this node")

    def _hear(self) -> bytes:
        try:
            return self._control.recv(64)
        except OSError:
            return b""


class _Forker:
    """The nursery process itself."""

    def __init__(self, control: socket.socket, worker_main: WorkerMain, *, parent: int) -> None:
        self._control = control
        self._worker_main = worker_main
        self._parent = parent
        self._children: dict[int, int] = {}  # pid → number

    def serve(self) -> None:
        """Fork and kill as told until the node is gone."""
        child_process.die_with(self._parent)
        # In a group of its own, so that Ctrl-C in a terminal reaches the node alone.
        os.setpgid(0, 0)
        signal.signal(signal.SIGINT, _ignore)
        signal.signal(signal.SIGTERM, _ignore)
        signal.signal(signal.SIGCHLD, _ignore)
        wake, woken = socket.socketpair()
        woken.setblocking(False)
        signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
        try:
            while True:
                ready, _, _ = select.select([self._control, wake], [], [])
                if wake in ready:
                    wake.recv(4096)
                if self._control in ready and not self._obey(wake, woken):
                    return
                self._reap()
        finally:
            for pid in self._children:
                child_process.kill_group(pid)

    def _obey(self, *inherited: socket.socket) -> bool:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, 64, 2)
        except ConnectionError:
            return False
        if not message:
            return False
        verb, number = message.split()
        if verb == b"fork":
            self._fork(int(number), fds, inherited)
            return True
        for pid in [pid for pid, known in self._children.items() if known == int(number)]:
            child_process.kill_group(pid)
        return True

    def _fork(self, number: int, fds: list[int], inherited: tuple[socket.socket, ...]) -> None:
        calls, side = (socket.socket(fileno=fd) for fd in fds)
        nursery = os.getpid()
        pid = child_process.fork()
        if not pid:
            signal.set_wakeup_fd(-1)
            for sock in (self._control, *inherited):
                sock.close()
            child_process.run(lambda: self._work(calls, side, nursery))
        self._children[pid] = number
        calls.close()
        side.close()

    def _work(self, calls: socket.socket, side: socket.socket, nursery: int) -> None:
        # A group of its own, so that a kill reaches what user code started as well.
        os.setpgid(0, 0)
        child_process.die_with(nursery)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self._worker_main(calls, side)

    def _reap(self) -> None:
        for pid in list(self._children):
            # Looked at before it is reaped: until then its id, and its group's, stay taken.
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            child_process.kill_group(pid)
            _, status = os.waitpid(pid, 0)
            self._control.send(b"%d %d" % (self._children.pop(pid), status))


def describe_exit(status: int) -> str:
    """Say how a process ended, from its wait status."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"the worker process exited with code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"the worker process was ended by {name}"


def _ignore(signum: int, frame: object) -> None:
    """A handler that does nothing; unlike SIG_IGN it is not inherited by programs started."""
