"""How cost grows, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

#: Latency, memory and throughput of a task: (median ms, p99 ms, tasks/s, MiB).
Points = Mapping[int, Sequence[float]]
_MEDIAN, _P99, _RATE, _MEMORY = range(4)
_OURS, _PALE, _BARE = "#1f6f50", "#8fc7ad", "#999999"


def growth(stored: Points, in_flight: Points, relay: Points, path: Path) -> None:
    """Draw two rows: against what is stored, and against what is in flight; write a PNG."""
    figure = Figure(figsize=(12, 6.5), layout="constrained")
    rows: Any = figure.subplots(2, 3)
    for axes, points, bare, label in (
        (rows[0], stored, {}, "iterations stored"),
        (rows[1], in_flight, relay, "tasks in flight"),
    ):
        _row(axes, points, bare)
        for ax in axes:
            ax.set_xlabel(label)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _row(axes: Sequence[Axes], points: Points, bare: Points) -> None:
    latency, memory, rate = axes
    _draw(latency, points, _P99, _PALE, "p99")
    _draw(latency, points, _MEDIAN, _OURS, "median")
    _draw(latency, bare, _MEDIAN, _BARE, "bare relay, median")
    latency.set(title="latency of a task", ylabel="ms", yscale="log")
    latency.set_ylim(1, max(100, 2 * max(point[_P99] for point in points.values())))
    _draw(memory, points, _MEMORY, _OURS, "")
    memory.set(title="resident memory of the orchestrator", ylabel="MiB", yscale="log")
    memory.set_ylim(10, max(1000, 2 * max(point[_MEMORY] for point in points.values())))
    _draw(rate, points, _RATE, _OURS, "ours")
    _draw(rate, bare, _RATE, _BARE, "bare relay")
    rate.set(title="throughput", ylabel="tasks/s")
    rate.set_ylim(bottom=0)
    for ax in axes:
        ax.set_xscale("log")
        ax.grid(alpha=0.3)
        ax.yaxis.set_major_formatter("{x:,g}")
        ax.yaxis.set_minor_formatter(NullFormatter())
    for ax in (latency, rate) if bare else (latency,):
        ax.legend(frameon=False)


def _draw(ax: Axes, points: Points, what: int, colour: str, label: str) -> None:
    if points:
        values = [point[what] for point in points.values()]
        ax.plot(list(points), values, marker="o", color=colour, label=label or None)
