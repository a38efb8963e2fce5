"""The action run_task: one call runs a task from its submission to its end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import Any

from rclpy.action.client import ActionClient, ClientGoalHandle
from rclpy.task import Future
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import Task, TaskSummary

from sustainml_orchestrator.client.connection import Connection
from sustainml_orchestrator.client.errors import ClientError, RequestRefused, refused
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import ErrorCode

_CANCEL_WAIT = 1.0  # s
_QOS = (
    "goal_service_qos_profile", "result_service_qos_profile", "cancel_service_qos_profile",
    "feedback_sub_qos_profile",
)  # fmt: skip


def run_task(
    connection: Connection,
    goal: RunTask.Goal,
    feedback: Callable[[TaskSummary], None] | None,
    timeout: float,
) -> Task:
    """Send the goal, wait for its result; whatever ends the wait early cancels the goal.

    Raises:
        ClientError: the task failed, or is not over in time.
    """
    deadline = time.monotonic() + timeout
    qos = dict.fromkeys(_QOS, names.SERVICE_QOS)
    node = connection.node
    action = connection.run(lambda: ActionClient(node, RunTask, names.RUN_TASK, **qos))
    try:
        find_until = min(deadline, time.monotonic() + connection.timeout)
        connection.find(action.server_is_ready, find_until)
        return _follow(connection, action, goal, feedback, deadline)
    finally:
        with suppress(ClientError):
            connection.run(action.destroy)


def _follow(
    connection: Connection,
    action: ActionClient,
    goal: RunTask.Goal,
    feedback: Callable[[TaskSummary], None] | None,
    deadline: float,
) -> Task:
    # One queue for all, so that `feedback` runs in the caller's thread and may use the client.
    news: SimpleQueue[Any] = SimpleQueue()
    sent = connection.run(partial(action.send_goal_async, goal, feedback_callback=news.put))
    sent.add_done_callback(news.put)
    over = None
    try:
        while True:
            item = connection.take(news, deadline, action.server_is_ready, "run_task")
            if item is sent:
                over = connection.run(_accepted(sent).get_result_async)
                over.add_done_callback(news.put)
            elif item is over:
                break
            elif feedback is not None:
                feedback(item.feedback.summary)
    except BaseException:
        _cancel(connection, sent)
        raise
    result = over.result().result
    if not result.success:
        raise refused(result)
    return result.task


def _accepted(sent: Future) -> ClientGoalHandle:
    handle: ClientGoalHandle = sent.result()
    if not handle.accepted:
        text = "the orchestrator did not accept the goal; see its log"
        raise RequestRefused(ErrorCode.REJECTED, text)
    return handle


def _cancel(connection: Connection, sent: Future) -> None:
    """Cancel a goal once it is accepted, and wait for the confirmation for a moment."""
    done = threading.Event()

    def answered(_: Future) -> None:
        if sent.exception() is None and sent.result().accepted:
            sent.result().cancel_goal_async().add_done_callback(lambda _: done.set())
        else:
            done.set()

    with suppress(ClientError):  # what ended the wait is raised, not this
        connection.run(partial(sent.add_done_callback, answered))
        done.wait(_CANCEL_WAIT)
