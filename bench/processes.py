"""Processes that a benchmark starts: watched while it runs, ended with it."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from sustainml_orchestrator.processes.programs import Program
from sustainml_orchestrator.processes.supervisor import Supervisor

#: The checkout.
ROOT = Path(__file__).resolve().parents[1]
_CPU_CLOCK = 2  # of a process, in the clock ids of Linux


def python(*arguments: str) -> tuple[str, ...]:
    """A command line for a module of this checkout: `python("bench.bare_node", "name")`."""
    code = f"import sys, runpy; sys.path.insert(0, {str(ROOT)!r}); sys.argv.pop(0); "
    return (sys.executable, "-c", f"{code}runpy.run_module(sys.argv[0], None, '__main__', True)",
            *arguments)  # fmt: skip


class Processes:
    """Some processes, from entering to leaving the context.

    Args:
        programs: what to start, as `sustainml up` does.
        environment: added to ours.
    """

    def __init__(
        self, programs: Sequence[Program], environment: dict[str, str] | None = None
    ) -> None:
        self.lines: list[tuple[str, str]] = []
        self._said: Counter[str] = Counter()
        self._supervisor = Supervisor(programs, self._on_message, environment)

    def __enter__(self) -> Processes:
        self._supervisor.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.__exit__(None, None, None)

    @property
    def pids(self) -> dict[str, int]:
        """Of each process, by name."""
        return self._supervisor.pids

    def cpu_seconds(self) -> float:
        """CPU time that all of them, and what they started, have used, in s."""
        everyone = {process.pid for pid in self.pids.values() for process in tree(pid)}
        return sum(map(cpu_seconds, everyone))

    def _on_message(self, name: str, text: str) -> None:
        self.lines.append((name, text))

    def wait_for_line(self, what: str, count: int = 1, timeout: float = 60.0) -> None:
        """Until so many lines with these words were written.

        Raises:
            RuntimeError: a process ended, or it took too long; with what they wrote.
        """
        self.wait_until(lambda: sum(what in text for _, text in self.lines) >= count, timeout)

    def wait_until(self, condition: Callable[[], bool], timeout: float = 60.0) -> None:
        """Until it is true; looked at every 2 ms.

        Raises:
            RuntimeError: a process ended, or it took too long; with what they wrote.
        """
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline or any(name == "up" for name, _ in self.lines):
                lines = "\n".join(f"[{name}] {text}" for name, text in self.lines[-30:])
                raise RuntimeError(f"the processes of the benchmark fail:\n{lines}")
            time.sleep(0.002)


def tree(pid: int) -> list[psutil.Process]:
    """A process and all that it started."""
    process = psutil.Process(pid)
    return [process, *process.children(recursive=True)]


def cpu_seconds(pid: int) -> float:
    """CPU time that one process has used, in s, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | _CPU_CLOCK)


def resident_bytes(pid: int, settle: float = 0.5, timeout: float = 30.0) -> int:
    """Resident memory of one process, once it has stopped changing.

    Raises:
        RuntimeError: it goes on changing.
    """
    process = psutil.Process(pid)
    deadline = time.monotonic() + timeout
    before = -1
    while time.monotonic() < deadline:
        now = process.memory_info().rss
        if abs(now - before) < 2**16:
            return now
        before = now
        time.sleep(settle)
    raise RuntimeError(f"memory of process {pid} does not settle")
