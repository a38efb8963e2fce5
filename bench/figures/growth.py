"""How the cost of a task grows with what is stored and with what is in flight, as a plot."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import NamedTuple

from bench import plot, results, systems
from bench.client import Client
from bench.figure import Figure, Run
from bench.filling import filled
from bench.processes import resident_bytes

STORED = tuple(10**power for power in range(7))
IN_FLIGHT = (1, 3, 10, 30, 100, 300, 1_000, 3_000, 10_000)
#: The relay keeps as many messages as its queues are deep.
_RELAY_IN_FLIGHT = tuple(number for number in IN_FLIGHT if number <= 1_000)
#: In flight while the throughput over many stored iterations is measured.
_LOAD = 100
_GOAL = 1.2


class Point(NamedTuple):
    """What a task costs at some load.

    Attributes:
        median, p99: latency, in ms.
        rate: tasks per s.
        memory: resident memory of the orchestrator, in MiB.
    """

    median: float
    p99: float
    rate: float
    memory: float


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """The plot, only with `full`; and figures of its two ends."""
    if not full:
        return
    stored = {number: _over(number, runs, window) for number in STORED}
    in_flight = {number: _in_flight(number, window) for number in IN_FLIGHT}
    with systems.relay() as client:
        relay = {number: _point(client, number, number, window) for number in _RELAY_IN_FLIGHT}
    path = results.FOLDER / f"{datetime.now():%Y-%m-%dT%H%M%S}-growth.png"
    plot.growth(
        {number: _middle(points) for number, points in stored.items()}, in_flight, relay, path
    )
    few, many = STORED[0], STORED[-1]
    both = list(zip(stored[many], stored[few], strict=True))
    name = f"{many:,} beside {few:,} stored"
    pairs = [Run(after.median, before.median) for after, before in both]
    yield Figure(f"latency of a task, {name}", "ms", _GOAL, "lower", pairs)
    pairs = [Run(after.rate, before.rate) for after, before in both]
    yield Figure(f"throughput, {name}", "tasks/s", 1 / _GOAL, "higher", pairs)


def _over(stored: int, runs: int, window: float) -> list[Point]:
    """Points with so many iterations stored; each task adds one."""
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.db"
        shutil.copy(filled(stored), journal)
        with systems.ours(journal_path=journal) as client:
            return [_point(client, 1, _LOAD, window) for _ in range(runs)]


def _in_flight(number: int, window: float) -> Point:
    with systems.ours() as client:
        return _point(client, number, number, window)


def _point(client: Client, for_latency: int, for_rate: int, window: float) -> Point:
    """Latency at one load, throughput at another."""
    load = client.run(for_latency, window)
    middle, p99 = median(load.latencies), quantiles(load.latencies, n=100)[-1]
    if for_rate != for_latency:
        load = client.run(for_rate, window)
    if load.lost:
        raise RuntimeError(f"{load.lost} tasks were lost with {for_rate} in flight")
    memory = resident_bytes(next(iter(client.processes.pids.values())))
    return Point(1e3 * middle, 1e3 * p99, load.rate, memory / 2**20)


def _middle(points: list[Point]) -> Point:
    return Point(*map(median, zip(*points, strict=True)))
