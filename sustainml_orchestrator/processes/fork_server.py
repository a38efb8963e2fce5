"""Starts nodes without loading Python and ROS anew for each: `sustainml up` does so.

A zygote, as Android and Chrome call theirs, is a process that has loaded what all nodes need and
forks them. Nothing of ROS lives in it: no context, no node, no thread of ours; each child makes
its own and is a process like any other, with a session, a command line, an environment, an output
and an exit code of its own. What a child alone needs, like a module its code, it loads itself.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from typing import Any

from sustainml_orchestrator.processes import child_process

try:
    import setproctitle
except ImportError:  # children then show as what they were forked from
    setproctitle = None

#: What is loaded before the first fork: what every node of the framework needs.
_COMMON = ("sustainml_orchestrator.sdk.main", "sustainml_orchestrator.reference_modules.catalog")
#: Longest time to load that and to fork, in s.
_PATIENCE = 20.0
#: How soon after a death it tells of it, in s.
_WORD = 1.0
_LONGEST = 1 << 16
#: Makes room for the command lines of the children, which take the place of the zygote's.
_ROOM = " " * 2000


def is_possible() -> bool:
    """Whether this system has what it takes: Linux 5.3 or newer."""
    return hasattr(os, "pidfd_open") and hasattr(signal, "pidfd_send_signal")


class Forked:
    """A child of the zygote, for its grandparent: the part of `subprocess.Popen` that is used.

    Attributes:
        returncode: None while it runs; negative when a signal ended it.
        pidfd: readable when it has ended; whoever asked for the child closes it.
    """

    def __init__(self, zygote: ForkServer, pid: int, pidfd: int) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._zygote = zygote
        self.pidfd = pidfd

    def poll(self) -> int | None:
        """Its `returncode`."""
        has_ended = select.select([self.pidfd], [], [], 0.0)[0]
        if self.returncode is None:
            self._zygote.listen(_WORD if has_ended else 0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Until it has ended.

        Raises:
            subprocess.TimeoutExpired: it has not after so many s.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.returncode is None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left < 0:
                raise subprocess.TimeoutExpired(str(self.pid), timeout or 0.0)
            self._zygote.listen(left)
        return self.returncode

    def terminate(self) -> None:
        """Send SIGTERM; no effect on one that has ended."""
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGTERM)


class ForkServer:
    """The grandparent's end. Not thread-safe; the zygote and all that it forked end with it.

    Attributes:
        is_alive: False once it can fork no more; its children are dead then.
    """

    def __init__(self) -> None:
        """Start one; it loads what is needed while the caller goes on.

        Raises:
            OSError: no process can be had.
        """
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._children: dict[int, Forked] = {}
        self.is_alive = True
        with theirs:
            self._process = subprocess.Popen(
                (sys.executable, "-m", __name__, str(theirs.fileno()), _ROOM),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                preexec_fn=partial(child_process.die_with, os.getpid()),
            )
        self._environment = dict(os.environ)

    def spawn(
        self,
        name: str,
        module: str,
        command: tuple[str, ...],
        environment: dict[str, str],
        output: int,
    ) -> Forked:
        """Fork a child that does what `python -m module` would.

        Args:
            name: what it is called in `top`.
            module: to be run as `__main__`.
            command: what it shows as; what follows `-m module` is its arguments.
            environment: all of it.
            output: descriptor of a file for what it writes.

        Raises:
            OSError: it cannot be done.
        """
        request = {
            "name": name,
            "module": module,
            "command": command,
            "environment": _difference(self._environment, environment),
        }
        socket.send_fds(self._control, [json.dumps(request).encode()], [output])
        deadline = time.monotonic() + _PATIENCE
        while self.is_alive and time.monotonic() < deadline:
            born = self.listen(deadline - time.monotonic())
            if born is not None:
                return born
        self.close()
        raise OSError("the process that forks nodes ended or hangs; look above for the reason")

    def listen(self, timeout: float | None) -> Forked | None:
        """Take in what it says, waiting for so many s (None: for ever); a child that was born."""
        while self.is_alive and select.select([self._control], [], [], timeout)[0]:
            try:
                message, fds, _, _ = socket.recv_fds(self._control, 64, 1)
            except ConnectionError:
                message = b""
            if not message:
                self._lose_all()
                return None
            word, *numbers = message.split()
            if word == b"born":
                pid = int(numbers[0])
                self._children[pid] = Forked(self, pid, fds[0])
                return self._children[pid]
            pid, status = map(int, numbers)
            self._children.pop(pid).returncode = os.waitstatus_to_exitcode(status)
            timeout = 0.0
        return None

    def close(self) -> None:
        """End it, and whatever it has forked."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._lose_all()

    def _lose_all(self) -> None:
        if not self.is_alive:
            return
        self.is_alive = False
        self._process.kill()
        self._process.wait()
        self._control.close()
        for child in self._children.values():
            child.returncode = -signal.SIGKILL  # the kernel has seen to that
        self._children.clear()


_foreseen: ForkServer | None = None


def foresee() -> None:
    """Start a zygote that will be taken soon, where that is possible."""
    global _foreseen
    if is_possible():
        with suppress(OSError):
            _foreseen = ForkServer()


def take() -> ForkServer | None:
    """The zygote that was foreseen, if one was."""
    global _foreseen
    taken, _foreseen = _foreseen, None
    return taken


def _difference(old: dict[str, str], new: dict[str, str]) -> dict[str, str | None]:
    """What makes `new` of `old`; None = to be taken away."""
    gone: dict[str, str | None] = dict.fromkeys(old.keys() - new.keys())
    return gone | {name: value for name, value in new.items() if old.get(name) != value}


class _Server:
    """The zygote itself."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._children: dict[int, int] = {}  # pidfd → pid
        self._poll = select.poll()
        self._poll.register(control, select.POLLIN)

    def serve(self) -> None:
        """Fork as told, and tell of deaths, until the other end is closed."""
        try:
            while True:
                for descriptor, _ in self._poll.poll():
                    if descriptor in self._children:
                        self._bury(descriptor)
                    elif not self._obey():
                        return
        finally:
            for pid in self._children.values():
                child_process.kill_group(pid)

    def _obey(self) -> bool:
        try:
            message, fds, _, _ = socket.recv_fds(self._control, _LONGEST, 1)
        except ConnectionError:
            return False
        if not message:
            return False
        me = os.getpid()
        pid = child_process.fork()
        if not pid:
            child_process.run(lambda: self._become(json.loads(message), fds[0], me))
        os.close(fds[0])
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        socket.send_fds(self._control, [b"born %d" % pid], [pidfd])
        return True

    def _bury(self, pidfd: int) -> None:
        pid = self._children.pop(pidfd)
        child_process.kill_group(
            pid
        )  # before it is reaped: until then its id is not taken by others
        _, status = os.waitpid(pid, 0)
        self._poll.unregister(pidfd)
        os.close(pidfd)
        self._control.send(b"died %d %d" % (pid, status))

    def _become(self, request: dict[str, Any], output: int, parent: int) -> None:
        """In the child: be what was asked for."""
        # A session of its own: Ctrl-C in the terminal does not reach it.
        os.setsid()
        child_process.die_with(parent)
        self._control.close()
        for pidfd in self._children:
            os.close(pidfd)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        for name, value in request["environment"].items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        for stream in (sys.stdout, sys.stderr):
            stream.reconfigure(write_through="PYTHONUNBUFFERED" in os.environ)
        gc.enable()
        command, module = request["command"], request["module"]
        _entitle(request["name"], command)
        sys.argv = [module, *command[command.index(module) + 1 :]]
        runpy.run_module(module, run_name="__main__", alter_sys=True)


def _entitle(name: str, command: list[str]) -> None:
    """Show a command line in `ps`, and a name in `top`."""
    if setproctitle is None:
        return
    os.environ["SPT_NOENV"] = "1"  # a long one is cut, and the environment in /proc left alone
    setproctitle.setproctitle(" ".join(command))
    setproctitle.setthreadtitle(name)
    del os.environ["SPT_NOENV"]


def main() -> None:
    """Be a zygote: `python -m sustainml_orchestrator.processes.fork_server DESCRIPTOR`."""
    control = socket.socket(fileno=int(sys.argv[1]))
    _entitle("zygote", [*sys.orig_argv[:-1]])
    gc.disable()  # nothing of what is loaded is garbage
    for name in _COMMON:
        importlib.import_module(name)
    importlib.import_module("sustainml_orchestrator.contract.type_supports").load()
    gc.freeze()  # what is there stays: no collection in a child shall touch, and copy, its memory
    _Server(control).serve()


if __name__ == "__main__":
    main()
