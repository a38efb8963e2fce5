"""The tasks that have not ended: submission, admission, commands, outputs, and how they end."""

from __future__ import annotations

from collections.abc import Callable

from sustainml_orchestrator.core.commands import (
    AnnounceTask,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SaveTask,
)
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.errors import IllegalTransition, OrchestratorError
from sustainml_orchestrator.core.events import (
    TaskCommanded,
    TaskSubmitted,
)
from sustainml_orchestrator.core.happenings import OF_TASK_MOVES, TASK_SUBMITTED
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.optimiser import Optimiser
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.core.retention import Retention
from sustainml_orchestrator.core.states import (
    TASK_COMMANDS,
    TASK_MOVES,
    StepState,
    TaskMove,
    move,
    permitted_commands,
)
from sustainml_orchestrator.core.steps import Steps
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_store import TaskStore
from sustainml_orchestrator.core.waiting import describe_success
from sustainml_orchestrator.core.waiting_queue import WaitingQueue

#: Longest wait (s) until a node that became active is matched with the publisher of user_input.
_MATCHING = 1.0

#: The command to modules that hold a task which leaves RUNNING.
_ABANDON = {
    TaskMove.STOP: TaskCommand.STOP,
    TaskMove.RESET: TaskCommand.STOP,
    TaskMove.FAIL: TaskCommand.STOP,
    TaskMove.PREEMPT: TaskCommand.PREEMPT,
    TaskMove.TERMINATE: TaskCommand.TERMINATE,
}


class TaskManager:
    """The open tasks.

    Attributes:
        matched: subscriptions matched with the publisher of user_input; None = unknown.
    """

    def __init__(
        self,
        context: Context,
        lifecycle: Lifecycle,
        store: TaskStore,
        optimiser: Optimiser,
        draw_token: Callable[[], int],
    ) -> None:
        self._context, self._settings = context, context.settings
        self._lifecycle = lifecycle
        self._store = store
        self._optimiser = optimiser
        self._draw_token = draw_token
        self.waiting = WaitingQueue()
        self.matched: int | None = None
        self.retention = Retention(context, store)
        self.steps = Steps(context, lifecycle, store, self._fail, self.settle)
        self.running = self.steps.running

    # Requests #

    def submit(self, event: TaskSubmitted) -> None:
        """Create a task and queue it; a known `request_id` returns its task.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED, NOT_FOUND (the base).
        """
        known = self._store.by_request(event.request_id)
        if known is not None:
            self._context.do(Reply(event.call, known))
            return
        base_task = NO_TASK
        if event.base_task.problem_id:
            base_task = self._store.get(event.base_task).task_id
        task = self.create(event, base_task)
        self._context.do(Reply(event.call, task.task_id))

    def create(self, event: TaskSubmitted, base_task: TaskId) -> Task:
        """Create a task in the queue, of the problem of `base_task` where that is set.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED.
        """
        self._check_queue("try again later, or raise max_waiting_tasks")
        task = self._store.add(base_task, event.request_id, event.user_input)
        task.description, task.priority, task.goal = event.description, event.priority, event.goal
        task.created = self._context.stamp
        task.token = self._draw_token()
        self.waiting.add(task)
        self._changed(task)
        self._context.history.task(task, TASK_SUBMITTED, event.describe(base_task))
        self.retention.note(task.task_id.problem_id)
        return task

    def ensure_token(self, task: Task) -> None:
        """Draw a token for an open task of an old journal, which has no tokens."""
        if not task.token:
            task.token = self._draw_token()
            self._context.do(SaveTask(task.task_id))

    def withdraw(self, task: Task, reason: str) -> None:
        """Undo a submission that could not be saved and was not announced."""
        if self._store.problem(task.task_id.problem_id)[-1] is not task:  # it must keep its place
            if (task.status, TaskMove.TERMINATE) in TASK_MOVES:
                self._end(task, TaskMove.TERMINATE, reason)
            return
        self.waiting.remove(task)
        self.running.pop(task.task_id, None)
        self._store.withdraw(task)
        self._context.history.withdraw(task.task_id)

    def command(self, event: TaskCommanded) -> None:
        """Execute a command of a front-end on a task.

        Raises:
            OrchestratorError: NOT_FOUND, REJECTED (see `TASK_MOVES`), RESOURCE_EXHAUSTED.
        """
        task = self._store.get(event.task_id)
        how = TASK_COMMANDS[event.command]
        if (task.status, how) not in TASK_MOVES:
            raise OrchestratorError(
                ErrorCode.REJECTED,
                f"task {task.task_id} is {task.status.name}, which does not permit "
                f"{event.command.name}_TASK; {permitted_commands(task.status)}",
            )
        if how is TaskMove.RESET:
            self._check_queue(f"reset task {task.task_id} later")
        self._end(task, how, f"{event.command.name}_TASK on request")
        if how in (TaskMove.STOP, TaskMove.TERMINATE):
            self._optimiser.ended(task)
        self._context.do(Reply(event.call, task.status))

    def _check_queue(self, remedy: str) -> None:
        if len(self.waiting) >= self._settings.max_waiting_tasks:
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED, f"{len(self.waiting)} tasks wait already; {remedy}"
            )

    # Moves of a task #

    def _move(self, task: Task, how: TaskMove, reason: str = "") -> None:
        status = move(TASK_MOVES, task.status, how)
        if task.status is TaskStatus.RUNNING:
            del self.running[task.task_id]
        elif task.status is TaskStatus.WAITING:
            self.waiting.remove(task)
        self._store.set_status(task, status)
        if status is TaskStatus.RUNNING:
            self.running[task.task_id] = task
        elif status is TaskStatus.WAITING:
            self.waiting.add(task)
        if not task.open:
            self.retention.note(task.task_id.problem_id)
        code = task.error_code if how is TaskMove.FAIL else ErrorCode.NO_ERROR
        self._context.history.task(task, OF_TASK_MOVES[how], reason, code)
        self._changed(task)

    def _changed(self, task: Task) -> None:
        self._context.do(SaveTask(task.task_id))
        self._context.do(AnnounceTask(task.task_id))

    def _end(self, task: Task, how: TaskMove, reason: str) -> None:
        if (task.status, how) not in TASK_MOVES:
            raise IllegalTransition(f"{self._context.history.story(task.task_id)}")
        if task.status is TaskStatus.RUNNING:
            self._abandon(task, _ABANDON.get(how))
        if how is TaskMove.RESET:
            self._store.clear_outputs(task)
            task.attempt += 1
            task.token = self._draw_token()
        elif how is not TaskMove.PREEMPT:
            task.finished = task.finished or self._context.stamp  # a failed one may be terminated
            task.outcome_reason = reason
        self._move(task, how, reason)
        if how is TaskMove.RESET:
            self._context.do(SaveTask(task.task_id, new_attempt=True))
        if not task.open and task.steps:
            task.close(task.status if how is not TaskMove.FAIL else TaskStatus.STOPPED)

    def _abandon(self, task: Task, command: TaskCommand | None) -> None:
        """Command the modules that hold a task, or inputs of it, to abandon it."""
        if command is None:
            return
        for step in task.steps:
            node = self._lifecycle.nodes[step.index]
            # A lost node may still hold the task when it is back.
            if step.state is not StepState.DONE and (node.active or not node.responsive):
                node.abandon(command, task, step.try_number)
            else:
                node.outbox.forget(task.task_id)

    def _fail(self, task: Task, code: ErrorCode, reason: str) -> None:
        task.error_code, task.error_description = code, reason
        self._end(task, TaskMove.FAIL, reason)
        self._optimiser.ended(task)

    def settle(self, task: Task) -> None:
        """End a RUNNING task if none of its steps is open."""
        running = task.status is TaskStatus.RUNNING
        if running and all(step.state >= StepState.DONE for step in task.steps):
            self._succeed(task)

    def _succeed(self, task: Task) -> None:
        task.finished = self._context.stamp
        task.outcome_reason = describe_success(task, self._context.pipeline)
        self._move(task, TaskMove.SUCCEED)
        task.close(TaskStatus.SUCCEEDED)
        following = self._optimiser.succeeded(task)
        if following is None:
            return
        try:
            self._store.link(task, self.create(following, following.base_task))
        except OrchestratorError as refusal:
            task.outcome_reason += f"; no further iteration was started: {refusal.message}"

    # Admission #

    def admit(self) -> None:
        """Start waiting tasks within `max_active_tasks`, as the parameter `admission` permits."""
        while (
            self.waiting
            and len(self.running) < self._settings.max_active_tasks
            and (self._lifecycle.ready or self._settings.admission == "always")
            and self._consumers_matched()
        ):
            self._admit(self.waiting.pop())

    def _consumers_matched(self) -> bool:
        """Whether user_input reaches every live consumer; True after `_MATCHING` in any case."""
        consumers = [n for n in self._lifecycle.nodes if USER_INPUT in n.spec.inputs]
        fresh = any(self._context.now - node.active_since < _MATCHING for node in consumers)
        if self.matched is None or not fresh:
            return True
        return self.matched >= sum(
            instance.responsive for node in consumers for instance in node.instances.values()
        )

    def _admit(self, task: Task) -> None:
        task.started = task.started or self._context.stamp
        self._move(task, TaskMove.ADMIT)
        redeliver = task.published
        if redeliver:
            for node in self._lifecycle.nodes:
                node.outbox.forget(task.task_id)
        else:
            task.published = True
            ids = task.task_id, task.attempt, task.token
            self._context.do(PublishUserInput(*ids, task.user_input))
            for spec in self._context.pipeline.baselines if task.task_id.iteration_id > 1 else ():
                payload = self.baseline(task, spec.index)
                self._context.do(PublishBaseline(spec.index, *ids, payload))
        self.steps.begin(task, redeliver)
        self.settle(task)  # the last output may have been received while the task waited

    def baseline(self, task: Task, module: int) -> bytes | None:
        """The output of a module for the base of a task; None where there is none."""
        base = self._store.find(task.base_task)
        return base.outputs[module] if base is not None else None
