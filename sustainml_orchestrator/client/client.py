"""`OrchestratorClient`: a method for each service, topic and action of the orchestrator."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from sustainml_msgs import msg
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import NodeState, SystemState, Task, TaskSummary, UserInput

from sustainml_orchestrator.client.connection import Connection, checked
from sustainml_orchestrator.client.dataframe import to_dataframe
from sustainml_orchestrator.client.errors import RequestRefused, RequestTimeout, unavailable
from sustainml_orchestrator.client.feed import Feed, is_state, is_update
from sustainml_orchestrator.client.following import Follower
from sustainml_orchestrator.client.node_parameters import get_parameters
from sustainml_orchestrator.client.running import run_task
from sustainml_orchestrator.client.watching import LOOK_WAIT, Watch
from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core import ids
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId, TaskStatus

if TYPE_CHECKING:
    import pandas

_PAGE = 500


class OrchestratorClient(Connection):
    """Everything that a front-end can ask of the orchestrator."""

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
        extra = _json(extra_data)
        response = self.call("start_task", user_input=user_input, extra_data_json=extra,
                             priority=priority, request_id=request_id)  # fmt: skip
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
        """Start another iteration of a problem.

        Args:
            base_task: whose outputs are its baselines; iteration 0 is the latest.
            user_input: None = that of the base.
            overrides: fields taken from `user_input`, the rest is the base's; none = all are.
            extra_data: replaces the extra_data, whatever else is given.
            priority: higher first.
            request_id: when not empty, a repeated request is the same task.

        Raises:
            RequestRefused: the orchestrator refuses it, or `overrides` come without `user_input`.
        """
        if user_input is None and overrides:
            text = "overrides names fields of user_input; give user_input, too"
            raise RequestRefused(ErrorCode.INVALID_REQUEST, text)
        if user_input is None:
            # An override that changes nothing: the orchestrator then copies all else, with
            # the credentials, which `get_task` leaves out.
            user_input = self.get_task(base_task).user_input
            overrides = ["modality" if extra_data is None else "extra_data"]
        response = self.call(
            "start_iteration", base_task=_msg(base_task), user_input=user_input,
            overrides=list(overrides), extra_data_json=_json(extra_data), priority=priority,
            request_id=request_id,
        )  # fmt: skip
        return _id(response.task_id)

    def get_task(
        self,
        task_id: TaskId = NO_TASK,
        *,
        modules: Sequence[str] = (),
        include_binary: bool = False,
    ) -> Task:
        """All data of a task; (0, 0) is the newest, (p, 0) the latest of problem p."""
        fields = {"modules": list(modules), "include_binary": include_binary}
        return self.call("get_task", task_id=_msg(task_id), **fields).task

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
        numbers = [int(status) for status in statuses]
        response = self.call("list_tasks", problem_id=problem_id, task_statuses=numbers,
                             newest_first=newest_first, offset=offset, limit=limit)  # fmt: skip
        return list(response.tasks), response.total

    def all_tasks(self, problem_id: int = 0) -> Iterator[TaskSummary]:
        """Every summary, page by page."""
        offset, total = 0, 1
        while offset < total:
            page, total = self.list_tasks(problem_id, offset=offset, limit=_PAGE)
            yield from page
            offset += len(page) or total

    def control_task(self, task_id: TaskId, command: ids.TaskCommand) -> TaskStatus:
        """Stop, reset, preempt or terminate a task."""
        response = self.call("control_task", task_id=_msg(task_id), cmd_task=int(command))
        return TaskStatus(response.task_status)

    def delete_problem(self, problem_id: int) -> int:
        """Delete a problem; returns how many iterations it had."""
        return int(self.call("delete_problem", problem_id=problem_id).deleted_iterations)

    def compare_iterations(
        self, problem_id: int, iteration_ids: Sequence[int] = ()
    ) -> list[msg.IterationComparison]:
        """Iterations of a problem (0 = the latest) side by side; all of them unless named.

        Raises:
            RequestRefused: there is no such problem, or it has no iteration of such a number.
        """
        rows = self.call("compare_iterations", problem_id=problem_id).iterations
        found = {row.task_id.iteration_id: row for row in rows}
        wanted = set(iteration_ids)
        if missing := sorted(wanted - set(found)):
            text = f"problem {rows[0].task_id.problem_id} has no iteration {missing[0]}"
            raise RequestRefused(
                ErrorCode.NOT_FOUND, f"{text}; its iterations are {', '.join(map(str, found))}"
            )
        return [row for number, row in found.items() if not wanted or number in wanted]

    def to_dataframe(self, problem_id: int = 0) -> pandas.DataFrame:
        """The tasks of a problem (0 = of all) as a pandas DataFrame, the oldest first.

        The names of columns end in their units: latency_s, power_W, energy_Wh, carbon_kgCO2e.
        Power and the Pareto front are those of one problem; they are not known with 0.

        Raises:
            ImportError: there is no pandas.
            ClientError: there is no such problem, or no orchestrator.
        """
        comparisons = self.compare_iterations(problem_id) if problem_id else []
        return to_dataframe(self.all_tasks(problem_id), comparisons)

    def get_history(
        self,
        task_id: TaskId = NO_TASK,
        node_name: str = "",
        *,
        after_revision: int = 0,
        limit: int = 100,
        newest_first: bool = False,
    ) -> list[msg.HistoryEvent]:
        """Events of a task, or of a module, or of all.

        Args:
            task_id: (0, 0) = any; (p, 0) = all iterations of problem p.
            node_name: of a module; "" = any.
            after_revision: only events with a greater revision.
            limit: most events, at most 1000.
            newest_first: the order; with False the oldest of those that match are returned.
        """
        response = self.call(
            "get_history", task_id=_msg(task_id), node_name=node_name,
            after_revision=after_revision, limit=limit, newest_first=newest_first,
        )  # fmt: skip
        return list(response.events)

    def follow_history(
        self, task_id: TaskId = NO_TASK, node_name: str = "", *, after_revision: int = 0
    ) -> Iterator[msg.HistoryEvent]:
        """Events as they happen, the oldest first, without end; also over a restart.

        An event `journal.changed` tells that the orchestrator goes on with another journal, or an
        older copy of its own: what was told before may be undone.
        """
        get = partial(self.get_history, task_id, node_name)

        def newest() -> int:
            events = self.get_history(limit=1, newest_first=True)
            return int(events[0].revision) if events else 0

        return Follower(get, newest, after_revision, self.has_answered).events()

    # Live updates #

    def updates(self) -> Feed[TaskSummary]:
        """Every update of any task from now on; close it, or use it in a `with`."""
        return Feed(self, TaskSummary, names.TASK_UPDATES, names.TASK_UPDATES_QOS, is_update)

    def states(self) -> Feed[SystemState]:
        """The state of the system: the latest, then each that follows."""
        return Feed(self, SystemState, names.SYSTEM_STATE, names.SYSTEM_STATE_QOS, is_state)

    def watch(
        self, task_ids: Sequence[TaskId], *, timeout: float, follow: bool = True
    ) -> Iterator[TaskSummary]:
        """The state of each of these tasks, then every change, until all are over.

        No final state is missed: it subscribes first and also asks for the state every second.
        It goes on when an orchestrator is restarted with its journal.

        Args:
            task_ids: iteration 0 is the latest of a problem.
            timeout: longest time, in s.
            follow: whether to go on with tasks that start by themselves from these.

        Raises:
            RequestTimeout: they are not over in time.
        """
        exact = [t if all(t) else _id(self.get_task(t).summary.task_id) for t in task_ids]

        def look(task_id: TaskId) -> TaskSummary:
            wait = min(self.timeout, LOOK_WAIT)
            return self.call("get_task", wait, task_id=_msg(task_id)).task.summary

        with self.updates() as updates:
            watch = Watch(exact, look, follow, self.has_answered)
            yield from watch.until_over(updates, timeout)

    def wait_for_task(self, task_id: TaskId, timeout: float, *, follow: bool = False) -> Task:
        """All data of a task once it is over; with `follow`, of the last that starts from it.

        Args:
            task_id: iteration 0 is the latest of a problem.
            timeout: longest wait, in s.
            follow: whether to wait for the tasks that start by themselves from it, too.
        """
        for summary in self.watch([task_id], timeout=timeout, follow=follow):
            task_id = _id(summary.task_id)
        return self.get_task(task_id)

    def system_state(self, timeout: float | None = None) -> SystemState:
        """The latest state of the system.

        Raises:
            OrchestratorUnavailable: none came in time.
        """
        with self.states() as states:
            state = states.get(self.timeout if timeout is None else timeout)
        if state is None:
            raise unavailable(self.namespace, self._domain)
        return state

    def wait_until_ready(self, timeout: float) -> SystemState:
        """The state of the system once it is ready.

        Raises:
            RequestTimeout: with the reason why it is not.
        """
        deadline = time.monotonic() + timeout
        reason = "no orchestrator answers"
        with self.states() as states:
            while (left := deadline - time.monotonic()) > 0:
                state = states.get(left)
                if state is not None and state.ready:
                    return state
                reason = state.reason if state is not None else reason
        raise RequestTimeout(ErrorCode.TIMEOUT, f"not ready after {timeout:g} s: {reason}")

    # Nodes #

    def get_node_status(self, node_name: str = "") -> list[NodeState]:
        """State of one node, or of all."""
        return list(self.call("get_node_status", node_name=node_name).nodes)

    def control_node(
        self, node_name: str, command: ids.NodeCommand, timeout: float = 30.0
    ) -> list[NodeState]:
        """Command a node ("" = all), return when it is confirmed."""
        fields = {"node_name": node_name, "cmd_node": int(command), "timeout": timeout}
        return list(self.call("control_node", timeout + self.timeout, **fields).nodes)

    def configure_node(
        self, node_name: str, configuration: dict[str, Any] | None = None, timeout: float = 10.0
    ) -> dict[str, Any]:
        """Change a module's configuration where given; returns the one in force."""
        fields = {"configuration": _json(configuration), "timeout": timeout}
        wait = timeout + self.timeout
        response = self.call("configure_node", wait, node_name=node_name, **fields)
        value: dict[str, Any] = json.loads(response.configuration or "{}")
        return value

    def get_parameters(
        self, node: str = names.ORCHESTRATOR, wanted: Sequence[str] = (), timeout: float = 2.0
    ) -> dict[str, Any]:
        """The ROS parameters of a node by name; all that it has unless some are wanted.

        Args:
            node: its name, within the namespace of the client unless it begins with a slash.
            wanted: names of parameters.
            timeout: longest wait, in s.

        Raises:
            ClientError: the node does not answer.
        """
        full = node if node.startswith("/") else f"{self.namespace}/{node}"
        return get_parameters(self, full, wanted, timeout)

    # The action #

    def run_task(
        self,
        user_input: UserInput,
        *,
        extra_data: dict[str, Any] | None = None,
        priority: int = 0,
        request_id: str = "",
        feedback: Callable[[TaskSummary], None] | None = None,
        timeout: float = 300.0,
    ) -> Task:
        """Run a task to its end by the action; returns the best iteration.

        Args:
            user_input: the problem.
            extra_data: replaces that of `user_input`.
            priority: higher first.
            request_id: when not empty, a repeated request is the same task.
            feedback: called with every change, in the caller's thread.
            timeout: longest time, in s. What ends the wait before the result (the timeout,
                Ctrl-C, an exception of `feedback`) cancels the goal, which terminates the task.

        Raises:
            RequestRefused: the task failed; the message says why.
        """
        extra = _json(extra_data)
        goal = checked(RunTask.Goal, user_input=user_input, extra_data_json=extra,
                       priority=priority, request_id=request_id)  # fmt: skip
        return run_task(self, goal, feedback, timeout)


def _json(value: Any) -> str:
    try:
        return "" if value is None else json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        text = f"this is no JSON: {error}; give numbers, texts, lists and mappings that JSON knows"
        raise RequestRefused(ErrorCode.INVALID_REQUEST, text) from error


def _id(message: msg.TaskId) -> TaskId:
    return TaskId(message.problem_id, message.iteration_id)


def _msg(task_id: TaskId) -> msg.TaskId:
    return checked(msg.TaskId, problem_id=task_id[0], iteration_id=task_id[1])
