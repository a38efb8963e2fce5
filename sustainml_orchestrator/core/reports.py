"""What modules report of tasks: the state of their work, and outputs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    AnnounceTask,
    Log,
    SaveOutput,
    SaveSession,
)
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import (
    OutputReceived,
    StatusReceived,
    TaskReport,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.happenings import STEP_FINISHED
from sustainml_orchestrator.core.ids import ErrorCode, TaskCommand, TaskStatus
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.rollback_check import RollbackCheck
from sustainml_orchestrator.core.states import OPEN_STEPS
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_manager import TaskManager
from sustainml_orchestrator.core.task_store import TaskStore

_LATE = "its output was received after the task had ended"
#: The command to a module that works on a task which does not run; STOP_TASK for the others.
_RECALL = {
    TaskStatus.WAITING: TaskCommand.PREEMPT,
    TaskStatus.TERMINATED: TaskCommand.TERMINATE,
}


class Reports:
    """Applies the reports of modules to tasks; drops what is about another task or attempt.

    Attributes:
        dropped: number of messages dropped, by reason; shown in diagnostics.
    """

    def __init__(
        self,
        context: Context,
        lifecycle: Lifecycle,
        store: TaskStore,
        tasks: TaskManager,
        draw_token: Callable[[], int],
    ) -> None:
        self._context = context
        self._lifecycle = lifecycle
        self._store = store
        self._tasks, self._steps = tasks, tasks.steps
        self._draw_token = draw_token
        self.rollback_check = RollbackCheck(store)
        self.dropped: Counter[str] = Counter()

    def _current(self, event: TaskReport, what: str) -> Task | None:
        """The task that a message is about; None when the message is stale."""
        if event.session != self._store.session:
            self.dropped[f"{what} of another session"] += 1
            return None
        task = self._store.find(event.task_id)
        if self.rollback_check.shown_by(event):
            self._begin_session(event)
        if task is None:
            self.dropped[f"{what} of an unknown task"] += 1
            return None
        if (event.attempt, event.token) != (task.attempt, task.token):
            which = "attempt" if event.attempt != task.attempt else "token"
            self.dropped[f"{what} of another {which}"] += 1
            return None
        return task

    def _begin_session(self, event: TaskReport) -> None:
        """Draw a session after a rollback, so that no task id in it was used before."""
        self._store.session = self._draw_token()
        self._context.do(Log("error", self.rollback_check.describe(event), "store"))
        self._context.do(SaveSession())
        self._context.do(AnnounceSystem())
        for task in self._tasks.running.values():
            self._steps.resume(task)

    def on_report(self, event: StatusReceived) -> None:
        """A module reported its work on a task."""
        task = self._current(event, "status")
        node = self._lifecycle.by_name[event.node_name]
        works = event.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING)
        if task is None:
            deleted = self._store.find(event.task_id) is None
            if works and deleted and event.session == self._store.session:
                node.abandon(TaskCommand.TERMINATE, event, event.try_number)
            return
        done = task.outputs[node.spec.index] is not None
        if task.status is TaskStatus.RUNNING and not done:
            self._steps.on_report(task, task.steps[node.spec.index], event)
        elif works and (not done or len(node.instances) > 1):
            # The task does not run, or another instance of the module has delivered.
            self.recall(task, node, event.try_number)

    def recall(self, task: Task, node: Node, try_number: int) -> None:
        """Command a module to abandon a task that does not run."""
        node.abandon(_RECALL.get(task.status, TaskCommand.STOP), task, try_number)

    def take_output(self, event: OutputReceived) -> None:
        """Store an output: it ends the step, whatever the last status was."""
        task = self._current(event, "output")
        if task is None:
            return
        if task.outputs[event.module] is not None:
            self.dropped["output that was there already"] += 1
            return
        self._store.set_output(task, event.module, event.payload)
        task.take_facts(event.facts)
        self._context.do(SaveOutput(task.task_id, event.module))
        node = self._lifecycle.nodes[event.module]
        node.recovery.did_well()
        node.outbox.delivered(task.task_id)
        if task.steps:
            step = task.steps[event.module]
            step.instance = step.instance or node.only_instance()  # it may publish no statuses
            self._steps.finish(task, step)
            node.count_finished(step.instance)
            if len(node.instances) > 1 and step.may_be_held_elsewhere:
                node.abandon(TaskCommand.STOP, task, step.try_number)
        else:
            tries = task.records()[event.module].tries
            self._context.history.step_event(task, event.module, tries, STEP_FINISHED, _LATE)
            self._context.do(AnnounceTask(task.task_id))
        if task.status is TaskStatus.RUNNING:
            self._steps.feed_consumers(task, event.module)
            self._tasks.settle(task)

    def refuse_output(self, event: UnreadableOutputReceived) -> None:
        """An output cannot be read: the step gets another try."""
        self.dropped["output that cannot be read"] += 1
        task = self._current(event, "output")
        if task is not None and task.status is TaskStatus.RUNNING:
            step = task.steps[event.module]
            if step.state in OPEN_STEPS:
                self._steps.retry(task, step, ErrorCode.INTERNAL_ERROR, event.reason)
