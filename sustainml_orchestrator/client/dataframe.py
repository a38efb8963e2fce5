"""The tasks of a problem as a pandas DataFrame."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from sustainml_orchestrator.core.ids import TaskStatus

if TYPE_CHECKING:
    import pandas

_TIMES = ("created", "started", "finished")


def to_dataframe(summaries: Iterable[Any], comparisons: Sequence[Any]) -> pandas.DataFrame:
    """One row per task, in the order given.

    Args:
        summaries: of the tasks.
        comparisons: rows of `compare_iterations`, which add power and the Pareto front.

    Raises:
        ImportError: there is no pandas.
    """
    try:
        import pandas
    except ImportError as error:
        raise ImportError(
            "a DataFrame needs pandas, which is not installed: pip install pandas"
        ) from error
    compared = {_name(each.task_id): each for each in comparisons}
    rows = [_row(each, compared.get(_name(each.task_id))) for each in summaries]
    frame = pandas.DataFrame(rows, columns=list(_COLUMNS))
    for name in _TIMES:
        frame[name] = pandas.to_datetime(frame[name], unit="ns", utc=True)
    duration = (frame["finished"] - frame["started"]).dt.total_seconds()
    frame.insert(frame.columns.get_loc("finished") + 1, "duration_s", duration)
    return frame.astype(dict.fromkeys(("pareto_optimal", "best"), "boolean"))


_COLUMNS = (
    "task", "problem", "iteration", "base_task", "next_task", "attempt", "status", "priority",
    *_TIMES, "text", "model", "quality", "hardware", "latency_s", "power_W", "energy_Wh",
    "carbon_kgCO2e", "pareto_optimal", "best", "reason", "error_code", "error",
)  # fmt: skip


def _row(summary: Any, compared: Any) -> tuple[Any, ...]:
    return (
        _name(summary.task_id), summary.task_id.problem_id, summary.task_id.iteration_id,
        _name(summary.base_task), _name(summary.next_task), summary.attempt,
        TaskStatus(summary.task_status).name, summary.priority,
        *(_ns(getattr(summary, name)) for name in _TIMES),
        summary.problem_short_description, summary.model, summary.quality, summary.hw_description,
        summary.latency, compared.power_consumption if compared else math.nan,
        summary.energy_consumption, summary.carbon_footprint,
        compared.pareto_optimal if compared else None, compared.best if compared else None,
        summary.outcome_reason, summary.error_code, summary.error_description,
    )  # fmt: skip


def _name(task_id: Any) -> str:
    return f"{task_id.problem_id}/{task_id.iteration_id}" if task_id.problem_id else ""


def _ns(stamp: Any) -> int | None:
    """A ROS time in ns; None for a zero stamp."""
    return (stamp.sec * 10**9 + stamp.nanosec) or None
