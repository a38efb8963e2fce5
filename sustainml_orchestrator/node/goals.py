"""The action run_task: one goal is one task (or chain of them), from submission to its end."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

from rclpy.action import CancelResponse, GoalResponse
from rclpy.action.server import ServerGoalHandle
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.node import Node
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import TaskSummary

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.wait_set import ClientId, GoalServer
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import TaskCommanded
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.states import FINAL_TASKS
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.text import exception_text
from sustainml_orchestrator.node import conversions
from sustainml_orchestrator.node.clients import Clients
from sustainml_orchestrator.node.pending_calls import PendingCalls

#: How a task that did not succeed reads as an error of its goal.
_CODES = {TaskStatus.STOPPED: ErrorCode.CANCELLED, TaskStatus.TERMINATED: ErrorCode.CANCELLED}

#: Fields of a summary whose change is worth a feedback.
_NEWS = ("task_id", "task_status", "progress", "attempt", "model", "hw_description",
         "error_code", "error_description")  # fmt: skip


class _Goal:
    """A goal under way and the task that it follows now; NO_TASK until it has one."""

    def __init__(self, handle: ServerGoalHandle, client: ClientId | None) -> None:
        self.handle = handle
        self.client = client
        self.key = bytes(handle.goal_id.uuid)
        self.task_id = NO_TASK
        self.cancelled = False
        self._told = TaskSummary()

    def news(self, summary: TaskSummary) -> RunTask.Feedback | None:
        """Feedback with the modules that changed since the last; None where the task did not.

        That a module accepted or began its step is no news of the task.
        """
        told = self._told
        if all(getattr(told, field) == getattr(summary, field) for field in _NEWS):
            return None
        self._told = summary
        short = copy.copy(summary)
        short.modules = [progress for progress in summary.modules if progress not in told.modules]
        return RunTask.Feedback(summary=short)


class Goals:
    """Serves the action. A goal that waits costs nothing but its memory.

    Args:
        submission: checks a goal; gives what makes the event for a call number.
        most: how many goals may be under way.
    """

    def __init__(
        self,
        node: Node,
        core: Orchestrator,
        calls: PendingCalls,
        clients: Clients,
        submission: Callable[..., Callable[[int], Any]],
        most: Callable[[], int],
    ) -> None:
        self._node = node
        self._core = core
        self._calls = calls
        self._clients = clients
        self._submission = submission
        self._most = most
        self._goals: dict[bytes, _Goal] = {}
        self._by_task: dict[TaskId, dict[bytes, _Goal]] = {}
        self._service = f"{node.resolve_service_name(names.RUN_TASK)}/_action/send_goal"
        self._server = GoalServer(
            node,
            RunTask,
            names.RUN_TASK,
            lambda handle: None,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=lambda request: GoalResponse.ACCEPT,
            handle_accepted_callback=self._accepted,
            cancel_callback=self._cancel,
            goal_service_qos_profile=names.SERVICE_QOS,
            result_service_qos_profile=names.SERVICE_QOS,
            cancel_service_qos_profile=names.SERVICE_QOS,
            feedback_pub_qos_profile=names.SERVICE_QOS,
        )

    @property
    def followed(self) -> bool:
        """Whether any goal is under way."""
        return bool(self._goals)

    async def _accepted(self, handle: ServerGoalHandle) -> None:
        goal = _Goal(handle, self._server.clients.get(bytes(handle.goal_id.uuid)))
        handle.execute()
        code: int = ErrorCode.INTERNAL_ERROR
        text = "run_task failed; see the orchestrator's log"
        try:
            await self._begin(goal)
            return
        except OrchestratorError as refusal:
            code, text = refusal.code, refusal.message
        except Exception:
            self._node.get_logger().error(f"run_task failed:\n{exception_text()}")
        self._forget(goal)
        self._server.finish(handle, partial(_refuse, code, text))

    async def _begin(self, goal: _Goal) -> None:
        """Submit the task of a goal, and follow it."""
        if len(self._goals) >= self._most():
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED,
                f"{len(self._goals)} goals are under way; try again later, "
                "or raise max_waiting_tasks",
            )
        self._goals[goal.key] = goal
        self._clients.watch(self._service, goal.client, goal.key, partial(self._drop, goal))
        request = goal.handle.request
        make = self._submission(request.user_input, request, base_task=NO_TASK)
        task_id = await self._calls.ask(make)
        if goal.key in self._goals:  # else its client is gone
            self._follow(goal, task_id)
            self._advance(goal)
            if goal.cancelled:
                await self._terminate(goal)

    def _follow(self, goal: _Goal, task_id: TaskId) -> None:
        self._leave(goal)
        goal.task_id = task_id
        self._by_task.setdefault(task_id, {})[goal.key] = goal

    def _leave(self, goal: _Goal) -> None:
        followers = self._by_task.get(goal.task_id)
        if followers is not None:
            followers.pop(goal.key, None)
            if not followers:
                del self._by_task[goal.task_id]

    def _forget(self, goal: _Goal) -> None:
        self._leave(goal)
        self._goals.pop(goal.key, None)
        self._clients.forget(self._service, goal.client, goal.key)

    def _drop(self, goal: _Goal) -> None:
        """End the goal of a client that is gone; its task goes on."""
        if self._goals.get(goal.key) is not goal:
            return
        self._node.get_logger().info(f"the client of run_task {goal.task_id} is gone")
        self._forget(goal)
        text = "the client of this goal is gone"
        self._server.finish(goal.handle, partial(_refuse, ErrorCode.CANCELLED, text))

    def _advance(self, goal: _Goal) -> None:
        """Go on to the tasks that follow, one by one, or finish the goal when all is over."""
        iteration = self._core.store.find(goal.task_id)
        while iteration is not None and iteration.status is TaskStatus.SUCCEEDED:
            if iteration.next_task == NO_TASK:
                break
            self._follow(goal, iteration.next_task)
            iteration = self._core.store.find(goal.task_id)
            if self._core.persistence.shows_unsaved(goal.task_id):
                return  # it is announced once it is saved
            if iteration is not None:
                self._feed_back(goal, iteration)
        if iteration is None:
            self._forget(goal)
            text = f"task {goal.task_id} was deleted"
            self._server.finish(goal.handle, partial(_refuse, ErrorCode.NOT_FOUND, text))
        elif iteration.status in FINAL_TASKS:
            self._forget(goal)
            self._server.finish(goal.handle, partial(self._result, iteration))

    def update(self, iteration: Task) -> None:
        """A task changed: feedback for whoever follows it."""
        for goal in list(self._by_task.get(iteration.task_id, {}).values()):
            self._feed_back(goal, iteration)
            self._advance(goal)

    def _feed_back(self, goal: _Goal, iteration: Task) -> None:
        if goal.handle.is_active:
            feedback = goal.news(conversions.summary_to_msg(self._core, iteration))
            if feedback is not None:
                goal.handle.publish_feedback(feedback)

    def _cancel(self, handle: ServerGoalHandle) -> CancelResponse:
        goal = self._goals.get(bytes(handle.goal_id.uuid))
        if goal is not None:
            goal.cancelled = True
            if goal.task_id != NO_TASK:
                self._node.executor.create_task(self._terminate, goal)
        return CancelResponse.ACCEPT

    async def _terminate(self, goal: _Goal) -> None:
        if goal.key in self._goals:
            self._advance(goal)  # what has followed meanwhile is meant, too
        try:
            await self._calls.ask(
                lambda call: TaskCommanded(call, goal.task_id, TaskCommand.TERMINATE), exempt=True
            )
        except OrchestratorError:
            return  # it is over already: its end answers the goal

    def _result(self, last: Task, handle: ServerGoalHandle) -> RunTask.Result:
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


def _refuse(code: int, text: str, handle: ServerGoalHandle) -> RunTask.Result:
    if handle.is_cancel_requested:
        handle.canceled()
    elif handle.is_active:
        handle.abort()
    return RunTask.Result(success=False, error_code=int(code), message=text)
