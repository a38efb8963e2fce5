"""Tasks per second with so many in flight, beside a bare rclpy relay; none lost, no stall."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from statistics import median, quantiles

from bench import systems
from bench.client import Client, Load
from bench.figure import Figure, Run

LOADS = (1, 10, 100, 1_000)
_WARM_UP_AT = 10
#: Share of a window for one run at one load.
_SHARE = 0.3
_GOAL, _LEAST, _LEAST_AT = 0.8, 300.0, 100
_STALL = 10.0
_MANY = 10_000


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Tasks that end within a window; then 10,000 at one load, or at each with `full`."""
    window *= _SHARE
    # New systems each time: the relay never recovers from a thousand tasks in flight, and what it
    # then repeats without end would slow ours down.
    rounds = [(_run(systems.ours, window), _run(systems.relay, window)) for _ in range(runs)]
    for number, load in enumerate(LOADS):
        yield from _figures(load, [(ours[number], bare[number]) for ours, bare in rounds])
    long = [_long_run(load) for load in (LOADS if full else (_LEAST_AT,))]
    yield _lost(f"tasks lost of {_MANY:,}", long)
    yield _lost("tasks lost in the other runs", [load for ours, _ in rounds for load in ours])


def _run(system: Callable[[], AbstractContextManager[Client]], window: float) -> list[Load]:
    """A new system at all loads."""
    with system() as client:
        client.run(_WARM_UP_AT, window)
        return [client.run(load, window) for load in LOADS]


def _long_run(load: int) -> Load:
    with systems.ours() as client:
        return client.run(load, math.inf, _MANY)


def _lost(name: str, loads: list[Load]) -> Figure:
    return Figure(name, "tasks", 0.0, "lower", [Run(sum(load.lost for load in loads))], "value")


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
