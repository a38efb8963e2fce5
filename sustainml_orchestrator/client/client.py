"""The client itself; see the package."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rclpy.action import ActionClient
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import (
    IterationComparison,
    NodeState,
    SystemState,
    Task,
    TaskSummary,
    UserInput,
)
from sustainml_msgs.msg import TaskId as TaskIdMsg

from sustainml_orchestrator.client.connection import DEFAULT_TIMEOUT, Connection
from sustainml_orchestrator.client.errors import (
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
    unavailable,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.states import FINAL_TASKS
from sustainml_orchestrator.ros import names

_PAGE = 500


class OrchestratorClient(Connection):
    """Everything that a front-end can ask of the orchestrator.

    Args:
        namespace: of the framework.
        timeout: default longest wait of a call, in s.
    """

    def __init__(
        self, namespace: str = names.DEFAULT_NAMESPACE, *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        self._changed = threading.Condition()
        self._updates: list[list[TaskSummary]] = []
        self._subscription: Any = None
        super().__init__(namespace, timeout=timeout)

    # Tasks #

    def start_task(
        self,
        user_input: UserInput,
        *,
        extra_data: dict[str, Any] | None = None,
        priority: int = 0,
        request_id: str = "",
    ) -> TaskId:
        """Start a task on a new problem."""
        response = self.call(
            "start_task",
            user_input=user_input,
            extra_data_json=json.dumps(extra_data) if extra_data else "",
            priority=priority,
            request_id=request_id,
        )
        return _id(response.task_id)

    def start_iteration(
        self,
        base_task: TaskId,
        user_input: UserInput | None = None,
        *,
        overrides: Sequence[str] = (),
        extra_data: dict[str, Any] | None = None,
        priority: int = 0,
        request_id: str = "",
    ) -> TaskId:
        """Start another iteration; `overrides` names the fields taken from `user_input`.

        Without any, all of `user_input` is taken; without a user input, the base's.
        """
        if user_input is None:
            user_input = self.get_task(base_task, include_binary=True).user_input
        response = self.call(
            "start_iteration",
            base_task=_msg(base_task),
            user_input=user_input,
            overrides=list(overrides),
            extra_data_json=json.dumps(extra_data) if extra_data else "",
            priority=priority,
            request_id=request_id,
        )
        return _id(response.task_id)

    def get_task(
        self,
        task_id: TaskId = NO_TASK,
        *,
        modules: Sequence[str] = (),
        include_binary: bool = False,
    ) -> Task:
        """All data of a task; (0, 0) is the newest, (p, 0) the latest of problem p."""
        return self.call(
            "get_task", task_id=_msg(task_id), modules=list(modules), include_binary=include_binary
        ).task

    def list_tasks(
        self,
        problem_id: int = 0,
        statuses: Sequence[TaskStatus] = (),
        *,
        newest_first: bool = False,
        offset: int = 0,
        limit: int = 100,
    ) -> tuple[list[TaskSummary], int]:
        """A page of summaries, and how many match in all."""
        response = self.call(
            "list_tasks",
            problem_id=problem_id,
            task_statuses=[int(status) for status in statuses],
            newest_first=newest_first,
            offset=offset,
            limit=limit,
        )
        return list(response.tasks), response.total

    def all_tasks(self, problem_id: int = 0) -> Iterator[TaskSummary]:
        """Every summary, page by page."""
        offset = 0
        while True:
            page, total = self.list_tasks(problem_id, offset=offset, limit=_PAGE)
            yield from page
            offset += len(page)
            if not page or offset >= total:
                return

    def control_task(self, task_id: TaskId, command: TaskCommand) -> TaskStatus:
        """Stop, reset, preempt or terminate a task."""
        response = self.call("control_task", task_id=_msg(task_id), cmd_task=int(command))
        return TaskStatus(response.task_status)

    def delete_problem(self, problem_id: int) -> int:
        """Delete a problem; returns how many iterations it had."""
        return int(self.call("delete_problem", problem_id=problem_id).deleted_iterations)

    def compare_iterations(
        self, problem_id: int, iteration_ids: Sequence[int] = ()
    ) -> list[IterationComparison]:
        """Iterations of a problem side by side; all of them unless named."""
        response = self.call(
            "compare_iterations", problem_id=problem_id, iteration_ids=list(iteration_ids)
        )
        return list(response.rows)

    # Following #

    def updates(self, timeout: float | None = None) -> Iterator[TaskSummary | None]:
        """Every update of any task from now on; None after 0.2 s without one.

        Args:
            timeout: ends after so many s; None = until the generator is closed.
        """
        queue: list[TaskSummary] = []
        with self._changed:
            self._updates.append(queue)
            if self._subscription is None:
                self._subscription = self.node.create_subscription(
                    TaskSummary, names.TASK_UPDATES, self._on_update, names.TASK_UPDATES_QOS
                )
        deadline = None if timeout is None else time.monotonic() + timeout
        try:
            while deadline is None or time.monotonic() < deadline:
                with self._changed:
                    if not queue:
                        self._changed.wait(0.2)
                    news, queue[:] = list(queue), []
                if news:
                    yield from news
                else:
                    yield None
        finally:
            with self._changed:
                self._updates.remove(queue)

    def _on_update(self, summary: TaskSummary) -> None:
        with self._changed:
            for queue in self._updates:
                queue.append(summary)
            self._changed.notify_all()

    def watch(
        self, task_ids: Sequence[TaskId], *, timeout: float, follow: bool = True
    ) -> Iterator[TaskSummary]:
        """Updates of these tasks until all are over; none is lost between call and subscription.

        Args:
            timeout: longest time, in s.
            follow: whether to go on with tasks that start by themselves from these.

        Raises:
            RequestTimeout: they are not over in time.
        """
        open_tasks = dict.fromkeys(task_ids, 0)
        news = self.updates(timeout)
        looked = -1e9
        for update in news:
            found = [update] if update is not None else []
            if update is None and time.monotonic() - looked > 1.0:  # whatever was missed
                looked = time.monotonic()
                found = [self.get_task(task_id).summary for task_id in list(open_tasks)]
            for summary in found:
                task_id = _id(summary.task_id)
                if summary.revision <= open_tasks.get(task_id, 2**64):
                    continue
                open_tasks[task_id] = summary.revision
                yield summary
                if TaskStatus(summary.task_status) in FINAL_TASKS:
                    del open_tasks[task_id]
                    following = _id(summary.next_task)
                    if follow and following != NO_TASK:
                        open_tasks[following] = 0
            if not open_tasks:
                news.close()
                return
        unfinished = ", ".join(map(str, open_tasks))
        raise RequestTimeout(ErrorCode.TIMEOUT, f"not over after {timeout:g} s: {unfinished}")

    def wait_for_task(self, task_id: TaskId, timeout: float, *, follow: bool = False) -> Task:
        """All data of a task once it is over."""
        for summary in self.watch([task_id], timeout=timeout, follow=follow):
            task_id = _id(summary.task_id)
        return self.get_task(task_id)

    def system_state(self, timeout: float | None = None) -> SystemState:
        """The latest state of the system."""
        states: list[SystemState] = []
        came = threading.Event()

        def on_state(state: SystemState) -> None:
            states.append(state)
            came.set()

        subscription = self.node.create_subscription(
            SystemState, names.SYSTEM_STATE, on_state, names.SYSTEM_STATE_QOS
        )
        try:
            if not came.wait(self.timeout if timeout is None else timeout):
                raise unavailable(self.namespace)
            return states[-1]
        finally:
            self.node.destroy_subscription(subscription)

    def wait_until_ready(self, timeout: float) -> SystemState:
        """The state of the system once it is ready.

        Raises:
            RequestTimeout: with the reason why it is not.
        """
        deadline = time.monotonic() + timeout
        reason = "no orchestrator answers"
        while (left := deadline - time.monotonic()) > 0:
            try:
                state = self.system_state(min(left, 0.5))
            except OrchestratorUnavailable:
                continue
            if state.ready:
                return state
            reason = state.reason
            time.sleep(0.05)
        raise RequestTimeout(ErrorCode.TIMEOUT, f"not ready after {timeout:g} s: {reason}")

    # Nodes #

    def get_node_status(self, node_name: str = "") -> list[NodeState]:
        """State of one node, or of all."""
        return list(self.call("get_node_status", node_name=node_name).nodes)

    def control_node(
        self, node_name: str, command: NodeCommand, timeout: float = 30.0
    ) -> list[NodeState]:
        """Command a node ("" = all), return when it is confirmed."""
        response = self.call(
            "control_node",
            timeout + self.timeout,
            node_name=node_name,
            cmd_node=int(command),
            timeout=timeout,
        )
        return list(response.nodes)

    def configure_node(
        self, node_name: str, configuration: dict[str, Any] | None = None, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Change a module's configuration where given; returns the one in force."""
        response = self.call(
            "configure_node",
            timeout + self.timeout,
            node_name=node_name,
            configuration=json.dumps(configuration) if configuration else "",
            timeout=timeout,
        )
        value: dict[str, Any] = json.loads(response.configuration or "{}")
        return value

    # The action #

    def run_task(
        self,
        user_input: UserInput,
        *,
        extra_data: dict[str, Any] | None = None,
        feedback: Callable[[TaskSummary], None] | None = None,
        timeout: float = 300.0,
    ) -> Task:
        """Run a task to its end by the action; returns the best iteration."""
        deadline = time.monotonic() + timeout
        action = ActionClient(
            self.node,
            RunTask,
            names.RUN_TASK,
            goal_service_qos_profile=names.SERVICE_QOS,
            result_service_qos_profile=names.SERVICE_QOS,
            cancel_service_qos_profile=names.SERVICE_QOS,
            feedback_sub_qos_profile=names.TASK_UPDATES_QOS,
        )
        try:
            if not action.wait_for_server(timeout_sec=min(timeout, self.timeout)):
                raise unavailable(self.namespace)
            goal = RunTask.Goal(
                user_input=user_input,
                extra_data_json=json.dumps(extra_data) if extra_data else "",
            )
            tell = (lambda message: feedback(message.feedback.summary)) if feedback else None
            handle = self.wait(action.send_goal_async(goal, feedback_callback=tell), deadline)
            answer = self.wait(handle.get_result_async(), deadline) if handle else None
            if answer is None:
                raise RequestTimeout(ErrorCode.TIMEOUT, f"run_task: no result in {timeout:g} s")
            if not answer.result.success:
                raise RequestRefused(ErrorCode(answer.result.error_code), answer.result.message)
            return answer.result.task
        finally:
            action.destroy()


def _id(message: TaskIdMsg) -> TaskId:
    return TaskId(message.problem_id, message.iteration_id)


def _msg(task_id: TaskId) -> TaskIdMsg:
    return TaskIdMsg(problem_id=task_id[0], iteration_id=task_id[1])
