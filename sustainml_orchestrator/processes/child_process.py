"""What a process needs that is forked and runs on without becoming another program."""

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

#: Found before any fork: the child of a fork must not look up anything. Linux only.
_prctl = getattr(ctypes.CDLL(None), "prctl", None)
_PR_SET_PDEATHSIG, _PR_SET_CHILD_SUBREAPER = 1, 36


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


def signal_at_end_of(parent: int, number: int) -> None:
    """Have the kernel send a signal when the parent ends, even by SIGKILL (Linux only).

    Also when only the thread of the parent ends that forked this process: look who is there.
    """
    if _prctl is not None:
        _prctl(_PR_SET_PDEATHSIG, number)
        if os.getppid() != parent:  # it has ended already
            os.kill(os.getpid(), number)


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent ends, even by SIGKILL (Linux only)."""
    signal_at_end_of(parent, signal.SIGKILL)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends (Linux only).

    Without it they become children of init, where nobody knows any more who started them.
    """
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def children() -> list[int]:
    """The children of this process that have not been waited for (none where /proc lacks)."""
    try:
        text = Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii")
    except OSError:
        return []
    return [int(pid) for pid in text.split()]


def kill_group(pid: int) -> None:
    """Kill a process that leads its group, and whatever it left behind there."""
    for kill in (os.killpg, os.kill):  # the group may not exist yet
        with contextlib.suppress(ProcessLookupError, PermissionError):
            kill(pid, signal.SIGKILL)


def describe_exit(code: int) -> str:
    """How a process ended, by its return code: "ended with 3", "was killed by SIGSEGV"."""
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-code}"
