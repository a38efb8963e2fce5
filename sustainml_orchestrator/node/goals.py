"""The action run_task: one goal is one task (or chain of them), from submission to its end."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sustainml_msgs.action import RunTask

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import TaskCommanded
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.states import FINAL_TASKS
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.node import conversions
from sustainml_orchestrator.node.pending_calls import Answer, PendingCalls

#: How a task that did not succeed reads as an error of its goal.
_CODES = {
    TaskStatus.STOPPED: ErrorCode.CANCELLED,
    TaskStatus.TERMINATED: ErrorCode.CANCELLED,
}


class _Goal:
    """A goal under way and the task that it follows now."""

    def __init__(self, handle: ServerGoalHandle, task_id: TaskId, ended: Answer) -> None:
        self.handle = handle
        self.task_id = task_id
        self.ended = ended


class Goals:
    """Serves the action.

    Args:
        submission: checks a goal; gives what makes the event for a call number.
    """

    def __init__(
        self,
        node: Node,
        core: Orchestrator,
        calls: PendingCalls,
        submission: Callable[..., Callable[[int], Any]],
    ) -> None:
        self._node = node
        self._core = core
        self._calls = calls
        self._submission = submission
        self._goals: list[_Goal] = []
        self._server = ActionServer(
            node,
            RunTask,
            names.RUN_TASK,
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=lambda request: GoalResponse.ACCEPT,
            cancel_callback=lambda handle: self._cancel(handle),
            goal_service_qos_profile=names.SERVICE_QOS,
            result_service_qos_profile=names.SERVICE_QOS,
            cancel_service_qos_profile=names.SERVICE_QOS,
            feedback_pub_qos_profile=names.SERVICE_QOS,
        )

    @property
    def followed(self) -> bool:
        """Whether any goal is under way."""
        return bool(self._goals)

    async def _execute(self, handle: ServerGoalHandle) -> RunTask.Result:
        try:
            task_id = await self._submit(handle)
            iteration = await self._follow(handle, task_id)
            return self._result(handle, iteration)
        except OrchestratorError as refusal:
            code, text = refusal.code, refusal.message
        except Exception:
            self._node.get_logger().error(f"run_task failed:\n{traceback.format_exc()}")
            code, text = ErrorCode.INTERNAL_ERROR, "run_task failed; see the orchestrator's log"
        if handle.is_active:
            handle.abort()
        return RunTask.Result(success=False, error_code=int(code), message=text)

    async def _submit(self, handle: ServerGoalHandle) -> TaskId:
        goal = handle.request
        make = self._submission(goal.user_input, goal, base_task=NO_TASK)
        return await self._calls.ask(make)

    async def _follow(self, handle: ServerGoalHandle, task_id: TaskId) -> Task:
        """Wait until the task, and those that follow it by themselves, are over."""
        goal = _Goal(handle, task_id, Answer(self._node.executor.wake))
        self._goals.append(goal)
        self._calls.occupy(1)
        try:
            self._advance(goal)
            if handle.is_cancel_requested:
                self._terminate(goal)
            await goal.ended
        finally:
            self._calls.occupy(-1)
            self._goals.remove(goal)
        return self._core.store.get(goal.task_id)

    def _advance(self, goal: _Goal) -> None:
        """Go on to the task that follows, or see that all is over."""
        while True:
            iteration = self._core.store.find(goal.task_id)
            if iteration is None:
                goal.ended.give(None)
                return
            if iteration.next_task == NO_TASK or iteration.status is not TaskStatus.SUCCEEDED:
                break
            goal.task_id = iteration.next_task
        if iteration.status in FINAL_TASKS:
            goal.ended.give(None)

    def tell(self, iteration: Task) -> None:
        """A task changed: feedback for whoever follows it."""
        for goal in self._goals:
            if goal.task_id == iteration.task_id:
                if goal.handle.is_active:
                    summary = conversions.summary_to_msg(self._core, iteration)
                    goal.handle.publish_feedback(RunTask.Feedback(summary=summary))
                self._advance(goal)

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        for goal in self._goals:
            if goal.handle.goal_id.uuid.tobytes() == handle.goal_id.uuid.tobytes():
                self._node.executor.create_task(self._terminate_now, goal)
        return CancelResponse.ACCEPT

    def _terminate(self, goal: _Goal) -> None:
        self._node.executor.create_task(self._terminate_now, goal)

    async def _terminate_now(self, goal: _Goal) -> None:
        self._advance(goal)  # what has followed meanwhile is meant, too
        try:
            await self._calls.ask(
                lambda call: TaskCommanded(call, goal.task_id, TaskCommand.TERMINATE)
            )
        except OrchestratorError:
            return  # it is over already: its end answers the goal

    def _result(self, handle: ServerGoalHandle, last: Task) -> RunTask.Result:
        """The best iteration: a search has succeeded when any has, whatever ended it."""
        best = self._core.optimiser.best(last)
        cancelled = handle.is_cancel_requested and last.status is not TaskStatus.SUCCEEDED
        succeeded = best.status is TaskStatus.SUCCEEDED and not cancelled
        if cancelled:
            handle.canceled()
        elif succeeded:
            handle.succeed()
        else:
            handle.abort()
        code: int = ErrorCode.NO_ERROR
        if not succeeded:
            code = _CODES.get(last.status, last.error_code or ErrorCode.INTERNAL_ERROR)
        whole = last.status is TaskStatus.SUCCEEDED
        return RunTask.Result(
            success=succeeded,
            error_code=int(code),
            message="" if whole else f"task {last.task_id}: {last.outcome_reason}",
            task=conversions.task_to_msg(self._core, best),
        )
