"""Servers that misbehave in the orchestrator's place, as a process that can be killed.

python scripted_orchestrator.py NAMESPACE: `get_task` is never answered, `delete_problem` is refused
with a code that no client knows, `list_tasks` is well. Goals of run_task never end; that of a
problem called "late" is accepted after 2 s. `start_task` and `control_task` do not answer the first
request; the responses to others name all that came.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator

import rclpy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException
from rclpy.node import Node
from rclpy.task import Future
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import TaskSummary
from sustainml_msgs.srv import ControlTask, DeleteProblem, GetTask, ListTasks, StartTask

from sustainml_orchestrator.contract import names


class ScriptedOrchestrator(Node):
    """Speaks like one, but badly."""

    def __init__(self, namespace: str) -> None:
        super().__init__(names.ORCHESTRATOR, namespace=namespace)
        group = ReentrantCallbackGroup()
        for kind, name, answer in (
            (GetTask, "get_task", self._never),
            (DeleteProblem, "delete_problem", self._refuse),
            (ListTasks, "list_tasks", self._list),
            (StartTask, "start_task", self._start),
            (ControlTask, "control_task", self._control),
        ):
            self.create_service(
                kind, names.service(name), answer, qos_profile=names.SERVICE_QOS,
                callback_group=group,
            )  # fmt: skip
        self._starts: list[str] = []
        self._controls = 0
        self._cancelled = 0
        ActionServer(
            self, RunTask, names.RUN_TASK, self._run, callback_group=group,
            goal_callback=self._admit, cancel_callback=self._cancel,
            goal_service_qos_profile=names.SERVICE_QOS,
            result_service_qos_profile=names.SERVICE_QOS,
            cancel_service_qos_profile=names.SERVICE_QOS,
            feedback_pub_qos_profile=names.SERVICE_QOS,
        )  # fmt: skip

    async def _never(self, request, response):
        await Future(executor=self.executor)
        return response

    def _refuse(self, request, response):
        response.error_code, response.message = 200, "not today"
        return response

    def _list(self, request, response):
        """`total` tells how many goals were cancelled, `message` which requests have come."""
        response.success, response.total = True, self._cancelled
        response.message = f"{len(self._starts)} {self._controls}"
        return response

    async def _start(self, request, response):
        self._starts.append(request.request_id)
        if len(self._starts) == 1:
            await Future(executor=self.executor)
        response.success, response.message = True, " ".join(self._starts)
        return response

    async def _control(self, request, response):
        self._controls += 1
        if self._controls == 1:
            await Future(executor=self.executor)
        response.success, response.message = True, str(self._controls)
        return response

    async def _run(self, goal):
        feedback = RunTask.Feedback(summary=TaskSummary(model="m"))
        # Again and again: at first this server may not know the reader of a new client.
        self.create_timer(0.2, lambda: goal.publish_feedback(feedback))
        await Future(executor=self.executor)

    async def _admit(self, request):
        if request.user_input.problem_definition == "late":
            due = Future(executor=self.executor)
            timer = self.create_timer(2.0, lambda: due.set_result(None))
            await due
            self.destroy_timer(timer)
        return GoalResponse.ACCEPT

    def _cancel(self, goal):
        self._cancelled += 1
        return CancelResponse.ACCEPT


@contextlib.contextmanager
def serving(namespace: str) -> Iterator[subprocess.Popen[bytes]]:
    """Such a process, until the end of the `with`."""
    command = [sys.executable, "-m", "support.scripted_orchestrator", namespace]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            # Before a client looks for it; Fast DDS may print lines of its own.
            assert b"ready\n" in process.stdout
            yield process
        finally:
            process.kill()


def main() -> None:
    rclpy.init()
    with contextlib.suppress(KeyboardInterrupt, ExternalShutdownException):
        node = ScriptedOrchestrator(sys.argv[1])
        print("ready", flush=True)
        rclpy.spin(node)


if __name__ == "__main__":
    main()
