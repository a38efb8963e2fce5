"""The queue: who is admitted, and in which order."""

from __future__ import annotations

from collections.abc import Container, Sequence

from sustainml_orchestrator.core.commands import AnnounceTask, Command, SendControl
from sustainml_orchestrator.core.events import Event, PersistFailed, TaskCommanded
from sustainml_orchestrator.core.ids import TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.task import Task


class QueueInvariants:
    """Remembers who came when.

    Attributes:
        places: of the tasks that wait; the lower came first.
    """

    def __init__(self) -> None:
        self.places: dict[TaskId, int] = {}
        self._came = 0

    def after_restart(self, core: Orchestrator, kept: Container[TaskId]) -> None:
        """A crash may have come between a save and the announcement of it: the state decides."""
        waiting = {task.task_id for problem in core.store.problems.values() for task in problem
                   if task.status is TaskStatus.WAITING}  # fmt: skip
        self.places = {t: n for t, n in self.places.items() if t in kept and t in waiting}

    def check(self, core: Orchestrator, event: Event, commands: Sequence[Command]) -> None:
        """By priority, then by age, behind its equals when it was preempted."""
        admitted = []
        if isinstance(event, PersistFailed):  # it withdraws what was submitted
            self.places = {t: n for t, n in self.places.items() if core.store.find(t)}
        for task_id in dict.fromkeys(c.task_id for c in commands if isinstance(c, AnnounceTask)):
            task = core.store.find(task_id)
            if task is None or task.status is not TaskStatus.WAITING:
                if self.places.pop(task_id, None) is not None and task is not None:
                    admitted += [task] if task.status is TaskStatus.RUNNING else []
            elif task_id not in self.places:
                self._came += 1
                self.places[task_id] = self._came
        commanded = isinstance(event, TaskCommanded) and core.store.find(event.task_id)
        if commanded and event.command is TaskCommand.PREEMPT and not admitted:
            admitted = [commanded] if commanded.status is TaskStatus.RUNNING else []
            admitted = admitted if self._was_preempted(commands, commanded) else []
        if not admitted:
            return
        assert core.lifecycle.ready, "admitted while a module is missing"
        last = min(task.priority for task in admitted)
        for task_id in self.places:
            waiting = core.store.get(task_id)
            assert waiting.priority <= last, f"{task_id} waits, one of less priority runs"
        for task in admitted:
            assert task.started, "what runs has a beginning"

    @staticmethod
    def _was_preempted(commands: Sequence[Command], task: Task) -> bool:
        told = (c for c in commands if isinstance(c, SendControl) and c.task_id == task.task_id)
        return any(c.cmd_task is TaskCommand.PREEMPT for c in told)
