"""The history: complete, in order, saved with the changes that it tells of."""

from __future__ import annotations

from sustainml_orchestrator.core.commands import HistoryEvent
from sustainml_orchestrator.core.happenings import HAPPENINGS, NODE_LOST
from sustainml_orchestrator.core.ids import NO_TASK, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator

_LEADS_TO = {
    "task.submitted": TaskStatus.WAITING,
    "task.admitted": TaskStatus.RUNNING,
    "task.succeeded": TaskStatus.SUCCEEDED,
    "task.failed": TaskStatus.ERROR,
    "task.stopped": TaskStatus.STOPPED,
    "task.reset": TaskStatus.WAITING,
    "task.preempted": TaskStatus.WAITING,
    "task.terminated": TaskStatus.TERMINATED,
    "task.deleted": None,
}


class HistoryInvariants:
    """Follows the events and derives from them what the tasks must be."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._last = 0
        self._statuses: dict[TaskId, tuple[TaskStatus | None, int]] = {}
        self._finished: set[tuple[TaskId, int, str]] = set()

    def after_restart(self, core: Orchestrator) -> None:
        """What was saved of the history fits what was saved of the tasks."""
        self._begin()
        self.after_event(core)

    def after_event(self, core: Orchestrator, *, withdrawn: bool = False) -> list[HistoryEvent]:
        """Every move since the last call is there; returns the new events.

        Args:
            withdrawn: whether the submission of a task may have been undone.
        """
        if withdrawn:
            self._begin()
        new = core.context.history.since(self._last)
        for event in new:
            assert event.event in HAPPENINGS, f"{event.event} is no name"
            assert self._last < event.revision <= core.store.revision, f"{event}: its revision"
            self._last = event.revision
            if event.task_id != NO_TASK:
                self._follow(event)
        if new:
            self._compare(core)
        return new

    def _follow(self, event: HistoryEvent) -> None:
        task_id, attempt = event.task_id, event.attempt
        status, before = self._statuses.get(task_id, (None, 0))
        if event.event in _LEADS_TO:
            expected = before + 1 if event.event in ("task.submitted", "task.reset") else before
            assert attempt == expected, f"{event}: attempt {before} before"
            self._statuses[task_id] = _LEADS_TO[event.event], attempt
            return
        assert attempt == before and status is not None, f"{event}: of a task that is {status}"
        if event.event == "step.finished":
            key = task_id, attempt, event.node_name
            assert key not in self._finished, f"{event}: a second time"
            self._finished.add(key)

    def _compare(self, core: Orchestrator) -> None:
        """The tasks are what their events say."""
        there = {
            task.task_id: (task.status, task.attempt)
            for problem in core.store.problems.values()
            for task in problem
        }
        told = {task_id: fate for task_id, fate in self._statuses.items() if fate[0] is not None}
        assert told == there, f"history and tasks differ: {set(told.items()) ^ set(there.items())}"
        names = [spec.name for spec in core.pipeline.modules]
        for problem in core.store.problems.values():
            for task in problem:
                for name, output in zip(names, task.outputs, strict=True):
                    said = (task.task_id, task.attempt, name) in self._finished
                    assert said == (output is not None), f"{task.task_id}: output of {name}"


def losses(events: list[HistoryEvent]) -> list[HistoryEvent]:
    """Those of nodes that were lost."""
    return [event for event in events if event.event == NODE_LOST]
