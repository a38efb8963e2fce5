"""The steps of running tasks: what modules report of them, deadlines, tries and redeliveries.

Delivery is at least once, results exactly once. A step without reports of its module is delivered
again (RESET_TASK with the same try: a module that holds it repeats its report); one that fails or
takes too long gets another try. Every state has a deadline.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable

from sustainml_orchestrator.core import deadlines
from sustainml_orchestrator.core.commands import AnnounceTask, Log, SaveTask
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.delivery import Delivery, holder_of
from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.happenings import STEP_LEFT_OUT, STEP_RETRIED
from sustainml_orchestrator.core.ids import ErrorCode, NodeStatus, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.core.states import (
    OPEN_STEPS,
    PENDING_STEPS,
    STEP_MOVES,
    RecoveryLevel,
    StepMove,
    StepState,
    move,
)
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_store import TaskStore

#: How long (s) a node may report IDLE although it holds a step: its output is published on another
#: topic than its status and may be received later.
_IDLE_GRACE = 1.0
#: For so long (s) after its start, the orchestrator may not have received a status of every module.
_BEGINNING = 3.0
#: Processes remembered per step, so that forged statuses cannot fill the memory.
_MAX_PROCESSES = 16

_REPORTS = {TaskStatus.WAITING: StepMove.ACCEPT, TaskStatus.RUNNING: StepMove.RUN}
_REPORTS[TaskStatus.SUCCEEDED] = StepMove.REPORT


class Steps:
    """The steps of all running tasks.

    Args:
        fail_task: called with the task, code and reason when a step has no try left.
        settle: called with a task when a step was left out; the task may have ended by that.
    """

    def __init__(
        self,
        context: Context,
        lifecycle: Lifecycle,
        store: TaskStore,
        fail_task: Callable[[Task, ErrorCode, str], None],
        settle: Callable[[Task], None],
    ) -> None:
        self._pipeline = context.pipeline
        self._settings = context.settings
        self._context = context
        self._lifecycle = lifecycle
        self._store = store
        self._fail_task, self._settle = fail_task, settle
        self.running: dict[TaskId, Task] = {}
        self.delivery = Delivery(context, lifecycle, self.running, self.retry)
        self._has_optional = not all(spec.required for spec in context.pipeline.modules)
        self._begun = self._ticked = math.nan

    @property
    def _now(self) -> float:
        return self._context.now

    @property
    def _begins(self) -> bool:
        """Whether statuses of some modules may not have been received yet."""
        return not self._now - self._begun >= _BEGINNING  # it is NaN before the first tick

    # Moving #

    def _move(self, task: Task, step: Step, how: StepMove, detail: str = "", code: int = 0) -> None:
        step.state = move(STEP_MOVES, step.state, how)
        step.since = self._context.now
        self._context.history.step(task, step, how, detail, code)
        self._context.do(AnnounceTask(task.task_id))

    def begin(self, task: Task, redeliver: bool) -> None:
        """Begin the steps of a task that was just admitted.

        Args:
            redeliver: its user input was published before, so modules must fetch it (RESET_TASK).
        """
        for step in task.steps:
            step.begin_try()
        self.resume(task, redeliver)

    def resume(self, task: Task, redeliver: bool = True) -> None:
        """Continue the steps of a task: those that are not done are delivered again."""
        unfinished = [step for step in task.steps if step.state is not StepState.DONE]
        for step in unfinished:
            step.fed_at = self._context.now
            self._rewind(step, redeliver)
        for step in unfinished:
            if step.state in PENDING_STEPS:
                self._complete_inputs(task, step)

    def finish(self, task: Task, step: Step) -> None:
        """The output of a step was stored."""
        self._move(task, step, StepMove.FINISH)
        step.clear_error()
        step.started = step.started or self._context.stamp
        step.finished = self._context.stamp

    def feed_consumers(self, task: Task, module: int) -> None:
        """The output of a module was stored: the inputs of others may be complete now."""
        for step in [task.steps[index] for index in self._pipeline.consumers[module]]:
            if step.state in PENDING_STEPS:
                self._complete_inputs(task, step)

    def _rewind(self, step: Step, redeliver: bool) -> None:
        """Begin a step anew: its inputs are to be completed."""
        step.state = move(STEP_MOVES, step.state, StepMove.REWIND)
        step.clear_error()
        if redeliver:
            step.state = move(STEP_MOVES, step.state, StepMove.MISS_INPUTS)
        step.release()

    def _complete_inputs(self, task: Task, step: Step) -> None:
        """Move a step on if all its inputs are stored, or left out."""
        if not self._complete(task, step):
            return
        node = self._lifecycle.nodes[step.index]
        if self._leaves_out(task, step, node):
            return
        fed = [task.steps[i].since for i in self._pipeline.sources[step.index]]
        if USER_INPUT in self._pipeline.modules[step.index].inputs:
            fed.append(step.fed_at)
        step.fed_at = min(fed)
        # A module that became active after the first of its inputs was published has missed it.
        missed = node.active_since > step.fed_at or node.addressed
        if missed or any(task.outputs[i] is None for i in self._pipeline.sources[step.index]):
            step.state = move(STEP_MOVES, step.state, StepMove.MISS_INPUTS)
        self._move(task, step, StepMove.COMPLETE_INPUTS)

    # Reports of modules #

    def on_report(self, task: Task, step: Step, event: StatusReceived) -> None:
        """Apply a status about a step of a running task."""
        if event.try_number < step.try_number or step.state >= StepState.DONE:
            return
        if self.delivery.is_misplaced(task, step, event):
            return
        step.instance = event.instance
        if event.task_status is TaskStatus.ERROR:
            self._on_error(task, step, event)
        elif event.task_status in _REPORTS:
            self._on_progress(task, step, event)
        elif step.state in OPEN_STEPS:
            self._on_returned(task, step, event)

    def _on_progress(self, task: Task, step: Step, event: StatusReceived) -> None:
        how = _REPORTS[event.task_status]
        if how is not StepMove.REPORT and event.process not in step.processes:
            step.processes = (*step.processes, event.process)[-_MAX_PROCESSES:]
        if (step.state, how) not in STEP_MOVES:
            return  # a repeated report
        if how is StepMove.RUN:
            step.started = step.started or self._context.stamp
        elif how is StepMove.ACCEPT:
            step.stop_work()
        self._move(task, step, how)

    def _on_returned(self, task: Task, step: Step, event: StatusReceived) -> None:
        """The module returned the step: it is delivered again after `ack_timeout`.

        Not at once, since a module without room would return it again; within `queue_timeout`.
        """
        node = self._lifecycle.nodes[step.index]
        if not step.is_left_by(event.process, node):
            return
        limit = self._settings.queue_timeout
        if node.desired_active and node.recovery.level is RecoveryLevel.NONE:  # else on command
            step.stop_work()
        step.worked = 0.0
        if node.desired_active and step.waited >= limit:
            why = event.error_description or "no reason given"
            text = f"returned the task for {limit:g} s (queue_timeout): {why}"
            self.retry(task, step, ErrorCode.TIMEOUT, text)
        elif self._complete(task, step):
            self._move(task, step, StepMove.GIVE_BACK, event.error_description)
            step.release()
        else:
            self._rewind(step, redeliver=True)

    def _on_error(self, task: Task, step: Step, event: StatusReceived) -> None:
        code = ErrorCode.of(event.error_code)
        text = event.error_description or "no reason given"
        if code is ErrorCode.INVALID_REQUEST:
            self.fail(task, step, code, text)
        else:
            self.retry(task, step, code, text)

    # Tries #

    def retry(self, task: Task, step: Step, code: ErrorCode, text: str) -> None:
        """Begin another try if one is left, else fail the task."""
        spec = self._pipeline.modules[step.index]
        if step.try_number >= spec.max_tries:
            self.fail(task, step, code, text)
            return
        step.try_number += 1
        self._lifecycle.nodes[step.index].outbox.delivered(task.task_id)
        step.begin_try()
        failed = f"try {step.try_number - 1} failed: {text}"
        self._context.history.step_event(
            task, step.index, step.try_number, STEP_RETRIED, failed, code, step.instance
        )
        self._context.do(SaveTask(task.task_id))
        self.redeliver_later(task, step, "for another try")

    def fail(self, task: Task, step: Step, code: ErrorCode, text: str) -> None:
        """Fail a step, and its task where the module is required."""
        spec = self._pipeline.modules[step.index]
        tries = f" after {step.try_number} tries" if step.try_number > 1 else ""
        if not spec.required:
            self._leave_out(task, step, code, text)
            return
        step.fail(code, text, self._context.stamp)
        self._move(task, step, StepMove.FAIL, text, code)
        self._fail_task(task, code, f"{spec.name}{tries}: {text}")

    # Modules that are not required #

    def _leaves_out(self, task: Task, step: Step, node: Node) -> bool:
        """Leave a step out if its module is neither required nor there."""
        if self._begins or not deadlines.is_dispensable(step, node, self._settings, self._now):
            return False
        self._leave_out(task, step, ErrorCode.NODE_UNAVAILABLE, node.describe(self._now))
        return True

    def _leave_out(self, task: Task, step: Step, code: ErrorCode, text: str) -> None:
        """Go on without the output of a module that is not required."""
        node = self._lifecycle.nodes[step.index]
        if node.active:
            node.abandon(TaskCommand.STOP, task, step.try_number)
        else:
            node.outbox.forget(task.task_id)
        step.fail(code, text, self._context.stamp)
        self._move(task, step, StepMove.FAIL, text, code)
        self._context.history.step_event(
            task, step.index, step.try_number, STEP_LEFT_OUT, text, code, step.instance
        )
        self.feed_consumers(task, step.index)
        self._settle(task)

    def redeliver_later(self, task: Task, step: Step, why: str) -> None:
        """Deliver a step again as soon as its module can take it."""
        if self._complete(task, step):
            self._move(task, step, StepMove.REDELIVER, why)
            step.release()
        else:  # a report arrived before the inputs
            self._rewind(step, redeliver=True)

    def _complete(self, task: Task, step: Step) -> bool:
        """Whether all inputs of a step are stored, or left out."""
        sources = self._pipeline.sources[step.index]
        return all(task.steps[i].state >= StepState.DONE for i in sources)

    # Time #

    def shift(self, tasks: Iterable[Task], missed: float) -> None:
        """Move all times on by a pause of this process (s), see `Context.begin`."""
        self._begun += missed
        self._ticked += missed
        for task in tasks:
            for step in task.steps:
                step.since += missed
                step.fed_at += missed

    def tick(self, tasks: list[Task]) -> None:
        """Check the deadlines of the open steps of these tasks."""
        now = self._context.now
        if math.isnan(self._ticked):
            self._begun = self._ticked = now
        elapsed = now - self._ticked
        self._ticked = now
        for task in tasks:
            for step in task.steps:
                if step.state in OPEN_STEPS:
                    self._watch(task, step, min(elapsed, now - step.since))
                    if task.status is not TaskStatus.RUNNING:
                        break  # the step failed, and so did its task

    def _watch(self, task: Task, step: Step, elapsed: float) -> None:
        """Check the deadlines of an open step after another `elapsed` s."""
        node = self._lifecycle.nodes[step.index]
        if step.count(node, elapsed):
            self._context.do(SaveTask(task.task_id))
        if text := node.desired_active and deadlines.overdue(step, node, self._settings):
            if step.state is StepState.ACCEPTED and node.active:
                self.delivery.check_queue(task, step, node)
            self.retry(task, step, ErrorCode.TIMEOUT, text)
            return
        if text := self._has_optional and deadlines.holds_up(task, step, self._pipeline, self._now):
            self._leave_out(task, step, ErrorCode.TIMEOUT, text)
            return
        if not node.active:
            self._wait_for(task, step, node)
        elif step.state is StepState.UNDELIVERED:
            self.delivery.deliver(task, step, node)
        elif step.state is StepState.READY:
            again = node.outbox.deliveries(task.task_id) > 0
            patience = deadlines.patience(node, again, self._settings, self._now)
            if step.assigned and holder_of(step, node) is None:
                node.outbox.delivered(task.task_id)  # the delivery could not have an effect
                self.redeliver_later(task, step, "the instance that it was assigned to is gone")
            elif self._now - step.since >= patience:
                self.delivery.deliver(task, step, node)
        else:
            self._watch_held(task, step, node)

    def _watch_held(self, task: Task, step: Step, node: Node) -> None:
        """Check whether the module still holds a step that it reported."""
        age = self._context.now - step.since
        holder = holder_of(step, node)
        is_idle = (holder or node).status is NodeStatus.IDLE
        idle = self._now - max(holder.since if holder else node.idle_since, step.since)
        if step.state is StepState.REPORTED and age >= self._settings.ack_timeout:
            text = "reported success, but its output was not received; requesting it again"
            self._context.do(Log("warning", f"task {task.task_id}: {node.name} {text}", "tasks"))
            self.redeliver_later(task, step, text)
        elif step.processes and not any(map(node.hosts, step.processes)):
            self.lose(task, step, node)
        elif is_idle and idle >= _IDLE_GRACE + self._settings.resend_period:
            # It may work all the same: its clocks go on.
            self.redeliver_later(task, step, "the module is idle")

    def lose(self, task: Task, step: Step, node: Node) -> None:
        """The process that held the step is gone; if it worked on it, that costs a try.

        Not if it reported success and its output is overdue: it was lost before, on its way or as
        the node was stopped.
        """
        late = self._now - step.since >= self._settings.ack_timeout
        overdue = step.state is StepState.REPORTED and late
        if step.state in (StepState.RUNNING, StepState.REPORTED) and not overdue:
            text = f"the process of {node.name} was lost while it worked on the task"
            self.retry(task, step, ErrorCode.NODE_UNAVAILABLE, text)
        else:
            self.redeliver_later(task, step, "the process that held it is gone")

    def _wait_for(self, task: Task, step: Step, node: Node) -> None:
        if self._leaves_out(task, step, node):
            return
        if not node.desired_active or node.status is NodeStatus.INITIALIZING:
            return  # stopped on request: no limit; initialising: start_timeout applies
        if node.recovery.given_up:
            text = node.describe(self._now)
            self.fail(task, step, ErrorCode.NODE_UNAVAILABLE, text)
            return
        if step.absent >= self._settings.node_lost_timeout and not self._begins:
            text = f"{node.describe(self._context.now)}, or raise node_lost_timeout"
            self.fail(task, step, ErrorCode.NODE_UNAVAILABLE, text)
