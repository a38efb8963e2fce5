"""The benchmarks, one file each.

Every module here has `measure(runs, window, full)`, which yields figures: `runs` interleaved pairs
of ours and the reference, timed for `window` s each where there is something to repeat, and with
`full` also what takes too long for every day.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from importlib import import_module

from bench.figure import Figure

Measure = Callable[[int, float, bool], Iterable[Figure]]

#: In the order of the table.
NAMES = (
    "latency",
    "throughput",
    "replicas",
    "digest",
    "large",
    "queries",
    "memory",
    "rebuild",
    "start",
    "idle",
    "growth",
)


def load(name: str) -> Measure:
    """The `measure` of a benchmark.

    Raises:
        ModuleNotFoundError: no such benchmark.
    """
    measure: Measure = import_module(f"bench.figures.{name}").measure
    return measure
