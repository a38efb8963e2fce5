"""What processes need that are forked and run on without being replaced by another program."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable
from typing import NoReturn

#: Found before any fork: the child of a fork must not look up anything. Linux only.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)
_PR_SET_PDEATHSIG = 1


def fork() -> int:
    """As `os.fork`, in a process whose other threads are those of libraries, and idle."""
    with warnings.catch_warnings():
        # Libraries start idle threads when they are loaded, and Python warns of them. They hold
        # no lock, and their work (tracing, parallel algebra) is not continued in children.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def run(main: Callable[[], None]) -> NoReturn:
    """Run `main` in a forked process and leave it without the parent's exit handlers."""
    code = 1
    try:
        main()
        code = 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            code = error.code or 0
        else:
            sys.stderr.write(f"{error.code}\n")
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL (Linux only)."""
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it has ended already
            os._exit(1)


def kill_group(pid: int) -> None:
    """Kill a process that leads its group, and whatever it left behind there."""
    for kill in (os.killpg, os.kill):  # the group may not exist yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)
