"""Tasks per second with so many in flight, beside a bare rclpy relay; none lost, no stall."""

from __future__ import annotations

import math
from collections.abc import Iterator
from statistics import median, quantiles

from bench import systems
from bench.client import Client, Load
from bench.figure import Figure, Run

LOADS = (1, 10, 100, 1_000)
#: Share of a window for one run at one load.
_SHARE = 0.4
_GOAL, _LEAST, _LEAST_AT = 0.8, 300.0, 100
_STALL = 10.0
_MANY = 10_000


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Tasks that end within a window; the whole run of 10,000 at each load with `full`."""
    with systems.relay() as bare, systems.ours() as ours:
        taken: dict[int, list[tuple[Load, Load]]] = {load: [] for load in LOADS}
        for _ in range(runs):
            for load, pairs in taken.items():
                pairs.append((ours.run(load, window * _SHARE), bare.run(load, window * _SHARE)))
        long = [_long_run(ours, load) for load in LOADS] if full else []
    for load, pairs in taken.items():
        yield from _figures(load, pairs)
    every = [pair[0] for pairs in taken.values() for pair in pairs] + long
    lost = [Run(100 * run.lost / run.submitted) for run in every]
    yield Figure("tasks lost, worst run", "%", 0.0, "lower", [max(lost, key=_value)], "value")


def _value(run: Run) -> float:
    return run.value


def _long_run(client: Client, load: int) -> Load:
    return client.run(load, math.inf, _MANY)


def _figures(load: int, pairs: list[tuple[Load, Load]]) -> Iterator[Figure]:
    rates = [Run(ours.rate, bare.rate) for ours, bare in pairs]
    yield Figure(f"throughput, {load:,} in flight", "tasks/s", _GOAL, "higher", rates)
    if load == _LEAST_AT:
        name = f"throughput, {load:,} in flight, absolute"
        yield Figure(name, "tasks/s", _LEAST, "higher", rates, "value")
        cpu = [Run(1e3 * ours.cpu, 1e3 * bare.cpu) for ours, bare in pairs]
        yield Figure(f"CPU of a task, {load:,} in flight", "ms", None, "lower", cpu)
    # All runs together: one alone has too few tasks for the thousandth part.
    latencies = [1e3 * taken for ours, _ in pairs for taken in ours.latencies]
    slow = Run(quantiles(latencies, n=1000)[-1], median(latencies))
    yield Figure(f"p99.9 beside median, {load:,} in flight", "ms", _STALL, "lower", [slow])
