"""The tasks that have not ended: submission, admission, commands, outputs, and how they end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    AnnounceTask,
    Log,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SaveOutput,
    SaveSession,
    SaveTask,
)
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.errors import IllegalTransition, OrchestratorError
from sustainml_orchestrator.core.events import (
    OutputReceived,
    StatusReceived,
    TaskCommanded,
    TaskReport,
    TaskSubmitted,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.happenings import OF_TASK_MOVES, STEP_FINISHED, TASK_SUBMITTED
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.lifecycle import Change, Lifecycle, NodeChange
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.optimiser import Optimiser
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.core.retention import Retention
from sustainml_orchestrator.core.rollback_check import RollbackCheck
from sustainml_orchestrator.core.states import (
    OPEN_STEPS,
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

_LATE = "its output was received after the task had ended"
#: The command to modules that hold a task which leaves RUNNING.
_ABANDON = {
    TaskMove.STOP: TaskCommand.STOP,
    TaskMove.RESET: TaskCommand.STOP,
    TaskMove.FAIL: TaskCommand.STOP,
    TaskMove.PREEMPT: TaskCommand.PREEMPT,
    TaskMove.TERMINATE: TaskCommand.TERMINATE,
}

#: The command to a module that works on a task which does not run; STOP_TASK for the others.
_RECALL = {
    TaskStatus.WAITING: TaskCommand.PREEMPT,
    TaskStatus.TERMINATED: TaskCommand.TERMINATE,
}


class TaskManager:
    """The open tasks.

    Attributes:
        matched: subscriptions matched with the publisher of user_input; None = unknown.
        dropped: number of messages dropped, by reason; shown in diagnostics.
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
        self.rollback_check = RollbackCheck(store)
        self.retention = Retention(context, store)
        self.dropped: Counter[str] = Counter()
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
            task.finished = self._context.stamp
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

    # Reports of modules #

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
        for task in self.running.values():
            self.steps.resume(task)

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
            self.steps.on_report(task, task.steps[node.spec.index], event)
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
            self.steps.finish(task, step)
            node.count_finished(step.instance)
            if len(node.instances) > 1 and step.may_be_held_elsewhere:
                node.abandon(TaskCommand.STOP, task, step.try_number)
        else:
            tries = task.records()[event.module].tries
            self._context.history.step_event(task, event.module, tries, STEP_FINISHED, _LATE)
            self._context.do(AnnounceTask(task.task_id))
        if task.status is TaskStatus.RUNNING:
            self.steps.feed_consumers(task, event.module)
            self.settle(task)

    def refuse_output(self, event: UnreadableOutputReceived) -> None:
        """An output cannot be read: the step gets another try."""
        self.dropped["output that cannot be read"] += 1
        task = self._current(event, "output")
        if task is not None and task.status is TaskStatus.RUNNING:
            step = task.steps[event.module]
            if step.state in OPEN_STEPS:
                self.steps.retry(task, step, ErrorCode.INTERNAL_ERROR, event.reason)

    def react(self, change: Change) -> None:
        """Apply the change of a node to the steps of its module."""
        acts = {
            NodeChange.ACTIVATED: self.steps.node_activated,
            NodeChange.INITIALIZED: self.steps.node_initialized,
            NodeChange.RESPAWNED: self.steps.node_respawned,
            NodeChange.GIVEN_UP: self.steps.node_given_up,
        }
        for task in list(self.running.values()):
            step, node = task.steps[change.node.spec.index], change.node
            if act := acts.get(change.what):
                act(task, step, node)
            else:
                self.steps.process_dropped(task, step, node, change.process)
