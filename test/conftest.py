"""For all tests: a domain for each process, children find `support`, the run ends with its tests.

`make test` chooses the domain before; `colcon test` and a plain `pytest` leave it to this file.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from free_domain import DOMAINS, choose, is_free

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
if not os.environ.get("ROS_DOMAIN_ID"):
    os.environ["ROS_DOMAIN_ID"] = str(choose())
os.environ["PYTHONPATH"] = os.pathsep.join(
    filter(None, (str(Path(__file__).parent), os.environ.get("PYTHONPATH")))
)


def _own_domain(worker: str) -> str:
    """A free domain for each of pytest-xdist's processes, which are called gw0, gw1 …."""
    first, number = int(os.environ.get("ROS_DOMAIN_ID", "0")), int(worker.removeprefix("gw"))
    start = first + 20 * number
    candidates = [DOMAINS[(start + step) % len(DOMAINS)] for step in range(20)]
    return str(next(filter(is_free, candidates)))


if worker := os.environ.get("PYTEST_XDIST_WORKER"):
    os.environ["ROS_DOMAIN_ID"] = _own_domain(worker)
# A shell that runs the tests in the background has them ignore SIGINT, and all their processes.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:  # the same with nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def _left() -> list[str]:
    """Threads for which the interpreter would wait for ever."""
    threads = (t for t in threading.enumerate() if t is not threading.main_thread())
    return [thread.name for thread in threads if not thread.daemon]


@pytest.fixture(scope="session", autouse=True)
def _no_threads_are_left() -> Iterator[None]:
    yield
    assert not (left := _left()), f"tests left threads that run on: {', '.join(left)}"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """End with an error, in place of never, when a test has left a thread."""
    if left := _left():
        print("ERROR: tests left threads that run on:", ", ".join(left), flush=True)
        sys.stderr.flush()
        os._exit(1)
