"""A task in words and tables: how far it is, for how long, and what it waits for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from rich.text import Text

from sustainml_orchestrator.cli.console import Table, line
from sustainml_orchestrator.cli.figures import UNKNOWN, age, seconds_of, si
from sustainml_orchestrator.client.remarks import told
from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.core.text import duration

if TYPE_CHECKING:
    from sustainml_msgs.msg import HistoryEvent

#: The states of a step by the last event of it in the history.
_STATES = {
    "step.delivered": "delivered",
    "step.undelivered": "to be delivered again",
    "step.queued": "queued",
    "step.started": "running",
    "step.reported": "output awaited",
    "step.returned": "returned",
    "step.retried": "to be tried again",
    "step.finished": "done",
    "step.failed": "failed",
    "step.left_out": "left out",
}
_OVER = ("step.finished", "step.failed", "step.left_out")
_FINAL = (
    TaskStatus.SUCCEEDED, TaskStatus.ERROR, TaskStatus.STOPPED, TaskStatus.TERMINATED,
)  # fmt: skip


def ages(summary: Any) -> str:
    """When a task was created, and how long it has waited and run."""
    parts = [f"created {age(summary.created)} ago"]
    if summary.started.sec:
        waited = age(summary.created, seconds_of(summary.started))
        over = summary.task_status in _FINAL and summary.finished.sec
        until = seconds_of(summary.finished) if over else time.time()
        parts += [f"waited {waited}", f"{'ran' if over else 'running for'} "
                  f"{age(summary.started, until)}"]  # fmt: skip
    if summary.attempt > 1:
        parts.append(f"attempt {summary.attempt}")
    return ", ".join(parts)


def figures(task: Any) -> Iterable[str]:
    """The figures of a result with prefixes, and per what they count."""
    item, hardware = task.summary, task.hw_resource
    power, latency = hardware.power_consumption, hardware.latency
    yield f"model: {item.model or UNKNOWN}, quality {_plain(item.quality)}"
    yield f"hardware: {item.hw_description or UNKNOWN}"
    yield (
        f"per inference: latency {si(latency, 's', zero_is_unknown=True)}, power "
        f"{si(power, 'W', zero_is_unknown=True)}"
    )
    samples = task.user_input.maximum_samples
    read = told(task.carbon_footprint, "inferences")
    counted = samples or (read if isinstance(read, int) and read > 1 else 0)
    for_all = f"for {counted} samples" if counted else "for one inference"
    is_known = item.energy_consumption > 0
    emissions = si(item.carbon_footprint * 1e3, "gCO2e", zero_is_unknown=not is_known)
    energy = si(item.energy_consumption, "Wh", zero_is_unknown=True)
    yield f"{for_all}: energy {energy}, carbon {emissions}"


def _plain(value: float) -> str:
    return f"{value:.3g}" if value == value else UNKNOWN


def step_table(summary: Any, events: Iterable[HistoryEvent]) -> Table:
    """One line per module: its state, since when, its tries and its instance.

    Args:
        events: of the task, the newest first.
    """
    latest: dict[str, HistoryEvent] = {}
    for event in events:
        if event.node_name and event.attempt == summary.attempt:
            latest.setdefault(event.node_name, event)
    table = Table(("module", "state", "for", "try", "taken", "instance", "remark"))
    for module in summary.modules:
        event = latest.get(module.node_name)
        table.add(
            module.node_name, *_state(module, event), str(module.tries) if event else UNKNOWN,
            _taken(module), module.instance.rpartition("/")[2] or UNKNOWN,
            module.error_description,
        )  # fmt: skip
    return table


def _state(module: Any, event: HistoryEvent | None) -> tuple[str | Text, str]:
    """The state of a step, and for how long it has been in it."""
    shown = TaskStatus(module.task_status)
    if event is None:
        known = shown is not TaskStatus.WAITING
        return (shown.name.lower() if known else "inputs missing", UNKNOWN)
    if shown in (TaskStatus.STOPPED, TaskStatus.TERMINATED):
        return shown.name.lower(), UNKNOWN
    state = _STATES.get(event.event, event.event)
    colour = {"step.started": "blue", "step.finished": "green", "step.failed": "red"}
    name = line((state, colour.get(event.event, "")))
    return name, UNKNOWN if event.event in _OVER else age(event.stamp)


def _taken(module: Any) -> str:
    """How long a finished step took; of all its tries."""
    begin, end = seconds_of(module.started), seconds_of(module.finished)
    return duration(end - begin) if end >= begin else UNKNOWN
