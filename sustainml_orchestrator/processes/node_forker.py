"""The fork server of `sustainml up`, which has loaded ROS and forks the nodes.

Each node has a session, command line, environment, output and exit code of its own.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import os
import runpy
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress

from sustainml_orchestrator.contract import middleware, shared_memory
from sustainml_orchestrator.contract.complaint import complain
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.signals import ENDING
from sustainml_orchestrator.processes import child_process
from sustainml_orchestrator.processes.fork_server import Child, ForkServer, serve

try:
    import setproctitle
except ImportError:  # `ps` then shows the command line of the fork server
    setproctitle = None  # type: ignore[assignment]

#: Modules that are imported before the first fork, as every node needs them.
_PRELOAD = ("sustainml_orchestrator.sdk.main", "sustainml_orchestrator.reference_modules.catalog")
#: Reserves space for the command lines of the children, which overwrite this one.
_ROOM = " " * 2000
#: Texts that the C library points to.
_kept: list[bytes] = []


class NodeForker:
    """Starts programs as children of a fork server; starts another one if that has ended."""

    def __init__(self, *, preload: bool = True) -> None:
        """Start the fork server; with `preload` it loads ROS in the background.

        Raises:
            OSError: no process can be started.
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
            name: title of the process in `top`.
            command: command line.
            environment: the whole environment.
            output: descriptor for stdout and stderr.
            module: for a command `… -m module …`, the module, which is run in a forked process.

        Raises:
            OSError: the process cannot be started.
        """
        request: dict[str, object] = {"name": name, "module": module, "command": list(command)}
        with suppress(OSError):  # the fork server has ended; try another one
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
        """End all processes that were started."""
        server, self._server = self._server, None
        if server is not None:
            server.close()


_foreseen: NodeForker | None = None


def foresee() -> None:
    """Start one in advance, so that it loads ROS in the background; see `take`."""
    global _foreseen
    with suppress(OSError):
        _foreseen = NodeForker()


def take() -> NodeForker | None:
    """The one that `foresee` has started, if any."""
    global _foreseen
    taken, _foreseen = _foreseen, None
    return taken


def _difference(old: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str | None]:
    """The variables that differ in `new`; None for those to be removed."""
    gone: dict[str, str | None] = dict.fromkeys(old.keys() - new.keys())
    return gone | {name: value for name, value in new.items() if old.get(name) != value}


def _become(message: bytes, descriptors: list[int]) -> None:
    """The main function of a child: run the requested program."""
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
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    except ImportError as error:
        complain(middleware.explain(error))
        sys.exit(ExitCode.CONFIGURATION)


def _entitle(name: str, command: Sequence[str]) -> None:
    """Set the command line that `ps` shows, the name that `top` shows and that of the log file."""
    with suppress(ValueError):  # the C library is not glibc
        # rcl takes the text after the last slash of the command line, which has other slashes.
        at = ctypes.c_char_p.in_dll(ctypes.CDLL(None), "program_invocation_name")
        _kept.append(name.encode())
        at.value = _kept[-1]
    if setproctitle is None:
        return
    os.environ["SPT_NOENV"] = "1"  # do not use the memory of the environment: /proc shows it
    setproctitle.setproctitle(" ".join(command))
    setproctitle.setthreadtitle(name)
    del os.environ["SPT_NOENV"]


def main() -> None:
    """The main function of the fork server."""
    child_process.die_with(int(sys.argv[2]))  # also while it loads ROS
    _entitle("fork-server", [*sys.orig_argv[:-1]])
    gc.disable()  # nothing of what is loaded is garbage
    if sys.argv[3]:
        with suppress(ImportError):  # each node says so, and why
            for name in _PRELOAD:
                importlib.import_module(name)
            importlib.import_module("sustainml_orchestrator.contract.type_supports").load()
    serve(_become)
    shared_memory.remove_leftovers()  # of what had to be killed


if __name__ == "__main__":
    main()
