"""Comparison of the iterations of a problem by quality, latency and carbon footprint."""

from __future__ import annotations

import math
from typing import NamedTuple

from sustainml_orchestrator.core.ids import NO_TASK
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_store import TaskStore


class Comparison(NamedTuple):
    """One iteration among others.

    Attributes:
        pareto_optimal: none of the others is as good in quality, latency and carbon footprint
            and better in one of them. False while a figure is unknown.
        best: the one with the least carbon footprint; of equals, the better quality.
    """

    iteration: Task
    pareto_optimal: bool
    best: bool


def compare(store: TaskStore, problem_id: int) -> list[Comparison]:
    """Compare the iterations of a problem; 0 means the problem of the newest task.

    Raises:
        OrchestratorError: NOT_FOUND.
    """
    rows = store.problem(problem_id or store.get(NO_TASK).task_id.problem_id)
    known = [row for row in rows if not any(map(math.isnan, _costs(row)))]
    front = _front(known)
    best = min(known, key=lambda row: (row.carbon, -row.quality), default=None)
    return [Comparison(row, row in front, row is best) for row in rows]


def _costs(row: Task) -> tuple[float, float, float]:
    """What is to be minimised."""
    return (row.carbon, row.latency, -row.quality)


def _front(rows: list[Task]) -> set[Task]:
    """The rows that no other dominates; sorted by carbon, only earlier ones can."""
    front: list[Task] = []
    for row in sorted(rows, key=_costs):
        costs = _costs(row)
        if not any(
            all(a <= b for a, b in zip(_costs(other), costs, strict=True))
            and _costs(other) != costs
            for other in front
        ):
            front.append(row)
    return set(front)
