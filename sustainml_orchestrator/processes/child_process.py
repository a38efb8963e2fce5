"""Functions for processes that are forked and do not execute another program."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from sustainml_orchestrator.contract.complaint import complain

#: Looked up before any fork: a forked child must not load libraries. Linux only.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


def fork() -> int:
    """`os.fork`, without the warning about threads: ours are started after all forks."""
    with warnings.catch_warnings():
        # Libraries start idle threads when they are loaded (tracing, linear algebra). These hold
        # no lock, and children do not need them.
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def run(main: Callable[[], None]) -> NoReturn:
    """Run `main` in a forked process, then exit without the parent's exit handlers."""
    code = 1
    try:
        main()
        code = 0
    except SystemExit as error:
        if error.code is None or isinstance(error.code, int):
            code = error.code or 0
        else:
            complain(error.code)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def signal_at_end_of(parent: int, number: int) -> None:
    """Have the kernel send this process a signal when its parent ends, even by SIGKILL.

    The kernel sends it also when only the thread that forked this process ends. Linux only.
    """
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it has ended already
            os.kill(os.getpid(), number)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends. Linux only."""
    signal_at_end_of(parent, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent ends, instead of init. Linux only."""
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """Process ids of the children, zombies included; empty where there is no /proc."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(pid) for pid in text.split()]


def kill_group(pid: int) -> None:
    """Kill a process and the process group that it leads."""
    for kill in (os.killpg, os.kill):  # the group may not exist yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """How a process ended: "ended with 3", "was killed by SIGSEGV"."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-code}"
