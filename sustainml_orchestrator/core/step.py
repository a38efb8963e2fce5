"""A step: the work of one module on an open task, and what summaries show of it."""

from __future__ import annotations

from typing import NamedTuple

from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus
from sustainml_orchestrator.core.states import StepState


class StepRecord(NamedTuple):
    """What a summary shows of the work of one module. Times in ns of ROS time, 0 = not yet."""

    task_status: TaskStatus
    tries: int
    error_code: int
    error_description: str
    instance: str
    started: int
    finished: int


class Step:
    """The work of one module on an open task.

    Attributes:
        index: of the module in the pipeline.
        try_number: 1-based; grows with every try on the same inputs.
        since: when it came into its state, or was last delivered (s, steady).
        fed_at: when the oldest of its inputs was published (s, steady).
        waited, worked: s of this try before work on it began, and since then.
        absent: s for which its module has been lost, although wanted active.
        counted: s counted by this process of the orchestrator; saved next at `keep_at`.
        processes: those that reported holding it since it was last delivered.
        started, finished: ns of ROS time, 0 = not yet.
    """

    __slots__ = (
        "absent", "counted", "error_code", "error_description", "fed_at", "finished", "index",
        "instance", "keep_at", "processes", "since", "started", "state", "try_number", "waited",
        "worked",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.state = StepState.PENDING
        self.try_number = 1
        self.since = self.fed_at = 0.0
        self.waited = self.worked = self.absent = 0.0
        self.counted, self.keep_at = 0.0, 1.0
        self.processes: tuple[tuple[str, int], ...] = ()
        self.started = self.finished = 0
        self.instance = ""
        self.error_code: int = ErrorCode.NO_ERROR
        self.error_description = ""


#: How a step of an open task is shown in a summary.
SHOWN_AS = dict.fromkeys(StepState, TaskStatus.WAITING) | {
    StepState.RUNNING: TaskStatus.RUNNING,
    StepState.REPORTED: TaskStatus.RUNNING,
    StepState.DONE: TaskStatus.SUCCEEDED,
    StepState.FAILED: TaskStatus.ERROR,
}
