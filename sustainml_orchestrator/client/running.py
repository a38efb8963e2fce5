"""The action run_task: one call runs a task from its submission to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any
from uuid import uuid4

from rclpy.action.client import ActionClient, ClientGoalHandle
from rclpy.subscription import Subscription
from rclpy.task import Future
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import Task, TaskSummary
from unique_identifier_msgs.msg import UUID

from sustainml_orchestrator.client.connection import Connection, succeeded
from sustainml_orchestrator.client.errors import ClientError, RequestRefused
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.states import FINAL_TASKS

_CANCEL_WAIT = 1.0  # s
#: How long feedback may come after the result that has overtaken it, in s.
_LATE = 1.0
_QOS = (
    "goal_service_qos_profile", "result_service_qos_profile", "cancel_service_qos_profile",
    "feedback_sub_qos_profile",
)  # fmt: skip

Tell = Callable[[TaskSummary], None]


def run_task(
    connection: Connection, goal: RunTask.Goal, feedback: Tell | None, timeout: float
) -> Task:
    """Send the goal, wait for its result; whatever ends the wait early cancels the goal.

    Raises:
        ClientError: the task failed, or is not over in time.
    """
    deadline = time.monotonic() + timeout
    qos = dict.fromkeys(_QOS, names.SERVICE_QOS)
    node = connection.node
    action = connection.run(lambda: ActionClient(node, RunTask, names.RUN_TASK, **qos))
    run = _Run(connection, action, deadline)
    try:
        find_until = min(deadline, time.monotonic() + connection.timeout)
        connection.find(action.server_is_ready, find_until)
        result = run.follow(goal, feedback)
    finally:
        run.close()
    return succeeded(result).task


class _Run:
    """A goal from its submission to its result.

    Args:
        deadline: by the clock of `time.monotonic()`.
    """

    def __init__(self, connection: Connection, action: ActionClient, deadline: float) -> None:
        self._connection = connection
        self._action = action
        self._deadline = deadline
        # One queue for all, so that `feedback` runs in the caller's thread and may use the client.
        self._news: SimpleQueue[Any] = SimpleQueue()
        self._heard: Subscription | None = None
        self._sent: Future | None = None
        self._over: Future | None = None

    def follow(self, goal: RunTask.Goal, feedback: Tell | None) -> RunTask.Result:
        """Send the goal; returns the result, when the feedback before it was told."""
        key = UUID(uuid=list(uuid4().bytes))
        if feedback is not None:
            self._heard = self._connection.run(partial(self._subscribe, key))
        self._sent = self._connection.run(
            partial(self._action.send_goal_async, goal, goal_uuid=key)
        )
        self._sent.add_done_callback(self._news.put)
        last = TaskSummary()
        while (item := self._next()) is not self._over:
            if item is self._sent:
                self._over = self._connection.run(_accepted(self._sent).get_result_async)
                self._over.add_done_callback(self._news.put)
            elif feedback is not None:
                feedback(last := item)
        over: Any = item
        result: RunTask.Result = over.result().result
        if feedback is not None:
            self._tell_rest(result, last, feedback)
        return result

    def _next(self) -> Any:
        return self._connection.take(
            self._news, self._deadline, self._action.server_is_ready, "run_task"
        )

    def _subscribe(self, key: UUID) -> Subscription:
        """Hear the feedback. rclpy drops what it reads after the result, or in one go with it."""

        def tell(message: Any) -> None:
            if message.goal_id == key:
                self._news.put(message.feedback.summary)

        topic = f"{names.RUN_TASK}/_action/feedback"
        kind = RunTask.Impl.FeedbackMessage
        return self._connection.node.create_subscription(kind, topic, tell, names.SERVICE_QOS)

    def _tell_rest(self, result: RunTask.Result, last: TaskSummary, feedback: Tell) -> None:
        """Tell the feedback that the result has overtaken, up to that on the end of it all."""
        has_task = bool(result.task.summary.task_id.problem_id)  # else the goal was refused
        until = time.monotonic() + _LATE
        with suppress(Empty):
            while has_task and not _ends(last):
                feedback(last := self._connection.wait(self._news, until - time.monotonic()))

    def close(self) -> None:
        """Destroy what was made; cancel a goal that is not over."""
        with suppress(ClientError):  # what ended the wait is raised, not this
            if self._heard is not None:
                self._connection.run(
                    partial(self._connection.node.destroy_subscription, self._heard)
                )
            if self._sent is None or (self._over is not None and self._over.done()):
                self._connection.run(self._action.destroy)
            else:
                self._cancel(self._sent)

    def _cancel(self, sent: Future) -> None:
        """Cancel the goal once it is accepted; wait for the confirmation for a moment.

        A goal that is accepted later is cancelled then.
        """
        done = threading.Event()

        def end(_: Future) -> None:
            self._action.destroy()
            done.set()

        def answered(_: Future) -> None:
            if sent.exception() is None and sent.result().accepted:
                sent.result().cancel_goal_async().add_done_callback(end)
            else:
                end(sent)

        self._connection.run(partial(sent.add_done_callback, answered))
        done.wait(_CANCEL_WAIT)


def _ends(summary: TaskSummary) -> bool:
    """Whether a task is over, and none follows."""
    return summary.task_status in FINAL_TASKS and not summary.next_task.problem_id


def _accepted(sent: Future) -> ClientGoalHandle:
    handle: ClientGoalHandle = sent.result()
    if not handle.accepted:
        text = "the orchestrator did not accept the goal; see its log"
        raise RequestRefused(ErrorCode.REJECTED, text)
    return handle
