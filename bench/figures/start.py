"""From calling `make up` until all is ready, beside as many processes that make a node."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator

from bench.figure import Figure, Run
from bench.processes import ROOT, Processes, python
from sustainml_orchestrator.processes.programs import MODULES, Program


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Time from exec to the word of the last one; with a new journal, as a user has it."""
    pairs = [Run(_ours(), _bare()) for _ in range(runs)]
    yield Figure("start until ready", "s", 1.5, "lower", pairs)


def _ours() -> float:
    with tempfile.TemporaryDirectory() as folder:
        command = ("make", "-C", str(ROOT), "up", f"ARGS=--journal {folder}/journal.db")
        return _time([Program("make up", command)], "[up] ready", 1)


def _bare() -> float:
    names = ("orchestrator", *MODULES)
    return _time([Program(n, python("bench.bare_node", n)) for n in names], "up", len(names))


def _time(programs: list[Program], word: str, count: int) -> float:
    began = time.perf_counter()
    with Processes(programs) as processes:
        processes.wait_for_line(word, count)
        return time.perf_counter() - began
