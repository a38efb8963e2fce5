"""The fork server of `sustainml up`: a process that has loaded ROS and forks nodes.

What it forks is a process like any other, with a session, a command line, an environment, an
output and an exit code of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sustainml_orchestrator.contract import shared_memory
from sustainml_orchestrator.contract.signals import ENDING
from sustainml_orchestrator.processes.fork_server import Child, ForkServer, serve

try:
    import setproctitle
except ImportError:  # children then show as what they were forked from
    setproctitle = None  # type: ignore[assignment]

#: What is loaded before the first fork: what every node of the framework needs.
_PRELOAD = ("sustainml_orchestrator.sdk.main", "sustainml_orchestrator.reference_modules.catalog")
#: Makes room for the command lines of the children, which take the place of its own.
_ROOM = " " * 2000


class NodeForker:
    """Starts programs as children of one fork server; made anew by `start` when that has died."""

    def __init__(self, *, preload: bool = True) -> None:
        """Start it; where `preload` it loads ROS while the caller goes on.

        Raises:
            OSError: no process can be had.
        """
        self._preload = preload
        self._environment: dict[str, str] = {}
        self._server: ForkServer | None = None
        self._renew()

    def _renew(self) -> ForkServer:
        self._environment = dict(os.environ)
        self._server = ForkServer.started(__name__, ["preload" * self._preload, _ROOM])
        return self._server

    def start(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        output: int,
        module: str = "",
    ) -> Child:
        """Start a program.

        Args:
            name: what it is called in `top`.
            command: its command line.
            environment: all of it.
            output: descriptor of a file for what it writes.
            module: where the command is `… -m module …`, what is run without a new Python.

        Raises:
            OSError: it cannot be done.
        """
        request: dict[str, object] = {"name": name, "module": module, "command": list(command)}
        with suppress(OSError):  # it has died; another one can do it
            return self._spawn(request, environment, output)
        self.close()
        return self._spawn(request, environment, output)

    def _spawn(
        self, request: dict[str, object], environment: Mapping[str, str], output: int
    ) -> Child:
        server = self._server or self._renew()
        request["environment"] = _difference(self._environment, environment)
        return server.spawn(json.dumps(request).encode(), [output])

    def close(self) -> None:
        """End all that it has started."""
        server, self._server = self._server, None
        if server is not None:
            server.close()


_foreseen: NodeForker | None = None


def foresee() -> None:
    """Start one that will be taken soon: it loads ROS meanwhile."""
    global _foreseen
    with suppress(OSError):
        _foreseen = NodeForker()


def take() -> NodeForker | None:
    """The one that was foreseen, if one was."""
    global _foreseen
    taken, _foreseen = _foreseen, None
    return taken


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str | None]:
    """What makes `new` of `old`; None = to be taken away."""
    gone: dict[str, str | None] = dict.fromkeys(old.keys() - new.keys())
    return gone | {name: value for name, value in new.items() if old.get(name) != value}


def _become(message: bytes, descriptors: list[int]) -> None:
    """In the child: be what was asked for."""
    request = json.loads(message)
    # A session of its own: Ctrl-C in the terminal does not reach it.
    os.setsid()
    for number in ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)
    for stream in (1, 2):
        os.dup2(descriptors[0], stream)
    os.close(descriptors[0])
    for name, value in request["environment"].items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    name, command, module = request["name"], request["command"], request["module"]
    if not module:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.execvp(command[0], command)
    for text in (sys.stdout, sys.stderr):
        text.reconfigure(write_through="PYTHONUNBUFFERED" in os.environ)  # type: ignore[union-attr]
    gc.enable()
    _entitle(name, command)
    sys.argv = [module, *command[command.index(module) + 1 :]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _entitle(name: str, command: Sequence[str]) -> None:
    """Show a command line in `ps`, and a name in `top`."""
    if setproctitle is None:
        return
    os.environ["SPT_NOENV"] = "1"  # a long one is cut, and the environment in /proc left alone
    setproctitle.setproctitle(" ".join(command))
    setproctitle.setthreadtitle(name)
    del os.environ["SPT_NOENV"]


def main() -> None:
    """Be the fork server."""
    _entitle("fork-server", [*sys.orig_argv[:-1]])
    gc.disable()  # nothing of what is loaded is garbage
    if sys.argv[3]:
        for name in _PRELOAD:
            importlib.import_module(name)
        importlib.import_module("sustainml_orchestrator.contract.type_supports").load()
    serve(_become)
    shared_memory.remove_leftovers()  # of what had to be killed


if __name__ == "__main__":
    main()
