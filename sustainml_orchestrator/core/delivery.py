"""Delivers steps by RESET_TASK: to a module, or to one of its instances by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sustainml_orchestrator.core import replicas
from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import ErrorCode, NodeStatus, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.instance import Instance
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.states import STEP_MOVES, StepMove, StepState, move
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task

#: Redeliveries without a report before the module's node climbs the recovery ladder.
_MAX_DELIVERIES = 3


def holder_of(step: Step, node: Node) -> Instance | None:
    """The live instance to which a step was assigned by name."""
    instance = node.instances.get(step.assigned) if step.assigned else None
    return instance if instance is not None and instance.responsive else None


class Delivery:
    """Delivers the steps of running tasks.

    Args:
        running: all of these tasks.
        retry: called with a task, its step, a code and a reason when deliveries have no effect.
    """

    def __init__(
        self,
        context: Context,
        lifecycle: Lifecycle,
        running: Mapping[TaskId, Task],
        retry: Callable[[Task, Step, ErrorCode, str], None],
    ) -> None:
        self._context, self._lifecycle, self._running = context, lifecycle, running
        self._retry = retry

    def deliver(self, task: Task, step: Step, node: Node) -> None:
        """Send RESET_TASK for a step, within the pace; after too many, reset who ignores it.

        A step waits while every instance of several has one queued. A node that is being reset is
        sent it all the same: some nodes of third parties know RESET_TASK alone.
        """
        holder = holder_of(step, node)
        if holder is None and len(node.instances) > 1:
            holder = replicas.choose(node, self._running.values())
            if holder is None:
                return
        # What is assigned for the first time is as frequent as tasks are.
        assigns = holder is not None and step.assigned is None
        if not (assigns or self._context.pace.take()):
            return
        if node.outbox.deliveries(task.task_id) >= _MAX_DELIVERIES:
            why = f"reports nothing about task {task.task_id}, or its output was not received"
            self._recover(node, holder, why)
            self._retry(task, step, ErrorCode.NODE_UNAVAILABLE, f"{node.name} {why}")
            return
        step.assign(holder.process if holder is not None else None)
        step.state = move(STEP_MOVES, step.state, StepMove.DELIVER)
        step.since = self._context.now
        node.outbox.deliver(task, step.try_number, holder.name if holder is not None else "")

    def check_queue(self, task: Task, step: Step, node: Node) -> None:
        """Reset the process that does not begin a step, if no running task keeps it busy.

        It may hang in user code for a task that was terminated.
        """
        holder = holder_of(step, node)
        known = (other.steps[step.index] for other in self._running.values())
        works = any(each.state in (StepState.RUNNING, StepState.REPORTED) for each in known)
        if (holder or node).status is NodeStatus.RUNNING and not works:
            why = f"is busy, not with a task that runs, and does not begin task {task.task_id}"
            self._recover(node, holder, why)

    def _recover(self, node: Node, holder: Instance | None, why: str) -> None:
        if holder is None:
            self._lifecycle.climb(node, why)
        else:
            self._lifecycle.modes.reset(holder)

    def assign(self, node: Node, saved: Callable[[Task], bool]) -> None:
        """Hand steps that wait to the instances of a module that have nothing queued.

        Args:
            saved: whether modules may know a task.
        """
        for task in list(self._running.values()):
            step = task.steps[node.spec.index]
            if step.state is StepState.UNDELIVERED and saved(task):
                self.deliver(task, step, node)
                if step.state is StepState.UNDELIVERED:
                    return

    def is_misplaced(self, task: Task, step: Step, event: StatusReceived) -> bool:
        """Whether another instance reports than the one to which the step was assigned.

        If it works on the step, it is told to stop.
        """
        node = self._lifecycle.nodes[step.index]
        holder = holder_of(step, node)
        if holder is None or event.process == holder.process:
            return False
        if event.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING):
            stop = SendControl(
                event.instance,
                self._lifecycle.command_ids.next(),
                cmd_task=TaskCommand.STOP,
                task_id=task.task_id,
                attempt=task.attempt,
                token=task.token,
                try_number=event.try_number,
            )
            self._context.do(stop)
        return True
