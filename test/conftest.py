"""For all tests: child processes find the package `support`; the run ends when its tests have."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

import pytest

os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))
)
# A shell that runs the tests in the background has them ignore SIGINT, and all their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def _left() -> list[str]:
    """Threads for which the interpreter would wait for ever."""
    threads = (t for t in threading.enumerate() if t is not threading.main_thread())
    return [thread.name for thread in threads if not thread.daemon]


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End with an error, in place of never, when a test has left a thread."""
    if left := _left():
        print("ERROR: tests left threads that run on:", ", ".join(left), flush=True)
        sys.stderr.flush()
        os._exit(1)
