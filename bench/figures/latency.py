"""One task at a time through six no-op modules in six processes, beside a bare rclpy relay."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from statistics import quantiles

from bench import systems
from bench.figure import Figure, Run

#: Share of a window for one run of one system; a task takes some ms.
_SHARE = 0.4
_GOAL = 1.25


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Time from the submission to the update that tells the end."""
    with ExitStack() as stack:
        bare = stack.enter_context(systems.relay())
        threads = stack.enter_context(systems.ours("thread"))
        processes = stack.enter_context(systems.ours("process"))
        rounds = [
            [client.run(1, window * _SHARE).latencies for client in (threads, bare, processes)]
            for _ in range(runs)
        ]
    for label, per_cent in (("median", 50), ("p99", 99)):
        ms = [[1e3 * _percentile(taken, per_cent) for taken in one] for one in rounds]
        pairs = [Run(ours, bare) for ours, bare, _ in ms]
        yield Figure(f"latency of a task, {label}", "ms", _GOAL, "lower", pairs)
        pairs = [Run(ours, bare) for _, bare, ours in ms]
        yield Figure(f"the same, modules in worker processes, {label}", "ms", None, "lower", pairs)


def _percentile(values: list[float], per_cent: int) -> float:
    return quantiles(values, n=100)[per_cent - 1]
