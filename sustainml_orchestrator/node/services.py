"""The services of the orchestrator: one callback each, all wrapped by one error handler."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from typing import Any

import sustainml_msgs.srv
from rclpy.node import Node

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.cdr import Ids
from sustainml_orchestrator.contract.wait_set import ClientId
from sustainml_orchestrator.core import comparison
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import (
    DeletionRequested,
    HistoryRead,
    NodeCommanded,
    TaskCommanded,
    TaskSubmitted,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.text import exception_text, printable
from sustainml_orchestrator.node import conversions, history, outputs, requests
from sustainml_orchestrator.node.clients import Clients
from sustainml_orchestrator.node.configuration import Configuration
from sustainml_orchestrator.node.loop import Loop
from sustainml_orchestrator.node.pending_calls import CLIENT_IS_GONE, Answer, PendingCalls
from sustainml_orchestrator.node.requests import Limits, invalid

_DEFAULT_PAGE = 100
_MAX_PAGE = 1000
#: Characters of a problem's description in summaries: a page has up to 1,000 of them.
_MAX_SHOWN = 1000
_LISTED = frozenset(TaskStatus) - {TaskStatus.RETURNED}

#: These show the store: they are answered when what they show is saved.
_READS = frozenset({"get_task", "list_tasks", "compare_iterations", "get_inputs"})

#: Services whose calls may wait for long; their callbacks get the client as well.
_WAITING = frozenset({"control_node", "configure_node"})

Callback = Callable[..., Awaitable[None]]


class Services:
    """Serves front-ends, and modules that fetch their inputs."""

    def __init__(
        self,
        node: Node,
        loop: Loop,
        core: Orchestrator,
        calls: PendingCalls,
        clients: Clients,
        limits: Limits,
        configuration: Configuration,
        saved: Callable[[], Awaitable[bool]],
    ) -> None:
        self._node = node
        self._core = core
        self._calls = calls
        self._clients = clients
        self._limits = limits
        self._configuration = configuration
        self._saved = saved
        self._author = node.get_fully_qualified_name()
        self._full_names = {
            name: node.resolve_service_name(names.service(name)) for name in names.SERVICES
        }
        for name, kind in names.SERVICES.items():
            loop.serve(
                node,
                getattr(sustainml_msgs.srv, kind),
                names.service(name),
                names.SERVICE_QOS,
                self._guarded(name, getattr(self, name)),
            )

    def _guarded(
        self, name: str, callback: Callback
    ) -> Callable[[Any, Any, ClientId | None], Coroutine[Answer, None, Any]]:
        """Wrap a callback so that every request is answered and no error ends the node."""

        async def guard(request: Any, response: Any, client: ClientId | None) -> Any:
            try:
                if superior := self._core.duplicate_check.reason:
                    raise OrchestratorError(ErrorCode.REJECTED, superior)
                await callback(request, response, *((client,) if name in _WAITING else ()))
                if name in _READS and self._core.persistence.unsaved:
                    response = await self._durable(callback, request, response)
                response.success = True
                return response
            except OrchestratorError as refusal:
                code, text = refusal.code, refusal.message
            except Exception:
                self._node.get_logger().error(f"{name} failed:\n{exception_text()}")
                code, text = ErrorCode.INTERNAL_ERROR, f"{name} failed; see the orchestrator's log"
            answer = type(response)()
            answer.success, answer.error_code, answer.message = False, int(code), text
            self._tell_state(name, request, answer)
            return answer

        return guard

    async def _durable(self, callback: Callback, request: Any, response: Any) -> Any:
        """The response, after a commit of all that it shows."""
        if not await self._saved():  # it may show a task that was refused meanwhile
            response = type(response)()
            await callback(request, response)
        return response

    # TaskManager #

    async def start_task(self, request: Any, response: Any) -> None:
        """Start a task on a new problem."""
        task_id = await self._calls.ask(
            self.submission(request.user_input, request, base_task=NO_TASK)
        )
        response.task_id = conversions.id_to_msg(task_id)

    def submission(
        self, user_input: Any, request: Any, base_task: TaskId
    ) -> Callable[[int], TaskSubmitted]:
        """Check a request for a task; gives what makes the event for a call number.

        Raises:
            OrchestratorError: INVALID_REQUEST.
        """
        requests.check_text("request_id", request.request_id, requests.MAX_REQUEST_ID)
        goal = requests.check_user_input(user_input, request.extra_data_json, self._limits)
        payload = requests.to_payload(
            user_input, self._author, base_task.iteration_id, self._limits
        )
        self._check_repeated(request, payload, base_task)
        text = user_input.problem_short_description or user_input.problem_definition[:120]
        description = printable(text, _MAX_SHOWN)

        def make(call: int) -> TaskSubmitted:
            return TaskSubmitted(
                call, payload, description, request.priority, request.request_id, base_task, goal
            )

        return make

    def _check_repeated(self, request: Any, payload: bytes, base_task: TaskId) -> None:
        """A repeated request_id must come with the same request.

        Raises:
            OrchestratorError: INVALID_REQUEST.
        """
        known = self._core.store.by_request(request.request_id)
        task = self._core.store.find(known) if known is not None else None
        if task is None:
            return
        same = requests.is_same(task.user_input, payload) and task.priority == request.priority
        if not same or task.base_task != base_task:
            raise invalid(
                f"request_id '{requests.shorten(request.request_id)}' named another request, "
                f"which started task {known}; choose another request_id"
            )

    async def start_iteration(self, request: Any, response: Any) -> None:
        """Start another iteration of a problem, from any earlier one."""
        store = self._core.store
        base_id = conversions.id_from_msg(request.base_task)
        if not base_id.problem_id:
            raise invalid("base_task.problem_id is 0; name the problem to iterate on")
        named = requests.named_base(base_id, request.user_input)
        known = store.by_request(request.request_id)
        earlier = store.find(known) if known is not None else None
        if earlier is not None and named == (earlier.base_task.problem_id, 0):
            named = earlier.base_task  # it was the latest then
        base = store.get(named)
        user_input = requests.merge_overrides(
            base.user_input, request.user_input, request.overrides, request.extra_data_json
        )
        task_id = await self._calls.ask(self.submission(user_input, request, base.task_id))
        response.task_id = conversions.id_to_msg(task_id)

    async def get_task(self, request: Any, response: Any) -> None:
        """All data of one task."""
        modules = set(request.modules)
        unknown = modules - set(self._core.pipeline.by_name)
        if unknown:
            known = ", ".join(self._core.pipeline.by_name)
            name = requests.shorten(min(unknown))
            raise OrchestratorError(ErrorCode.NOT_FOUND, f"no module '{name}'; use: {known}")
        iteration = self._core.store.get(conversions.id_from_msg(request.task_id))
        response.task = conversions.task_to_msg(
            self._core, iteration, modules=modules, include_binary=request.include_binary
        )

    async def list_tasks(self, request: Any, response: Any) -> None:
        """A page of summaries."""
        if request.limit > _MAX_PAGE:
            raise invalid(f"limit is {request.limit}; at most {_MAX_PAGE}, then use offset")
        unknown = set(request.task_statuses) - set(map(int, _LISTED))
        if unknown:
            raise invalid(f"task_statuses holds {min(unknown)}; use the TASK_* of NodeStatus, 0..5")
        page, response.total = self._core.store.page(
            request.problem_id,
            [TaskStatus(status) for status in request.task_statuses],
            request.newest_first,
            request.offset,
            request.limit or _DEFAULT_PAGE,
        )
        response.tasks = [conversions.summary_to_msg(self._core, item) for item in page]

    async def control_task(self, request: Any, response: Any) -> None:
        """Stop, reset, preempt or terminate a task."""
        task_id = conversions.id_from_msg(request.task_id)
        try:
            command = TaskCommand(request.cmd_task)
        except ValueError:
            command = TaskCommand.NONE
        if command is TaskCommand.NONE:
            raise invalid(f"cmd_task is {request.cmd_task}; use STOP_TASK=1 to TERMINATE_TASK=4")
        if not task_id.problem_id:
            raise invalid("task_id.problem_id is 0; name the task to command")
        status = await self._calls.ask(
            lambda call: TaskCommanded(call, task_id, command), exempt=True
        )
        response.task_status = int(status)

    def _tell_state(self, name: str, request: Any, answer: Any) -> None:
        """Add the state of what a refused command names, where there is such a thing."""
        if name == "control_task":
            answer.task_status = self._status_of(request.task_id)
        elif name == "control_node" and request.node_name in ("", *self._core.pipeline.by_name):
            answer.nodes = self._states(request.node_name)

    def _status_of(self, named: Any) -> int:
        """The state of the task that a refused command names; 0 where there is no such task."""
        task_id = conversions.id_from_msg(named)
        try:
            return int(self._core.store.get(task_id).status) if task_id.problem_id else 0
        except OrchestratorError:
            return 0

    async def delete_problem(self, request: Any, response: Any) -> None:
        """Delete a problem and its iterations."""
        if not request.problem_id:
            raise invalid("problem_id is 0; name the problem to delete")
        response.deleted_iterations = await self._calls.ask(
            lambda call: DeletionRequested(call, request.problem_id), exempt=True
        )

    async def compare_iterations(self, request: Any, response: Any) -> None:
        """Iterations of a problem side by side."""
        rows = comparison.compare(self._core.store, request.problem_id)
        response.iterations = [conversions.comparison_to_msg(row) for row in rows]

    async def get_history(self, request: Any, response: Any) -> None:
        """Events of tasks and nodes; answered when they are saved."""
        events = history.find(self._core, request)
        await self._calls.ask(HistoryRead, exempt=True)
        response.events = [history.event_to_msg(event) for event in events]

    # Nodes #

    async def get_node_status(self, request: Any, response: Any) -> None:
        """State of one node, or of all."""
        response.nodes = self._states(request.node_name)

    async def control_node(self, request: Any, response: Any, client: ClientId | None) -> None:
        """Start, stop, reset or terminate nodes; answered when confirmed."""
        try:
            command = NodeCommand(request.cmd_node)
        except ValueError:
            command = NodeCommand.NONE
        if command is NodeCommand.NONE:
            raise invalid(f"cmd_node is {request.cmd_node}; use START_NODE=1 to TERMINATE_NODE=4")
        default = float(self._node.get_parameter("control_timeout").value)
        timeout = requests.check_seconds("timeout", request.timeout, default)
        service, key = self._full_names["control_node"], object()

        def watch(answer: Answer) -> None:
            self._clients.watch(service, client, key, lambda: answer.give(CLIENT_IS_GONE))

        try:
            await self._calls.ask(
                lambda call: NodeCommanded(call, request.node_name, command, timeout),
                exempt=True,
                waits=watch,
            )
        finally:
            self._clients.forget(service, client, key)
        response.nodes = self._states(request.node_name)

    async def configure_node(self, request: Any, response: Any, client: ClientId | None) -> None:
        """Ask a module for its configuration, or change it."""
        if not request.node_name:
            known = ", ".join(self._core.pipeline.by_name)
            text = f"node_name is empty; name the node to configure: {known}"
            raise OrchestratorError(ErrorCode.NOT_FOUND, text)
        (target,) = self._core.operations.targets(request.node_name)
        default = float(self._node.get_parameter("configure_timeout").value)
        timeout = requests.check_seconds("timeout", request.timeout, default)
        limit = self._limits.max_text_bytes
        requests.check_text("configuration", request.configuration, limit)
        wanted: dict[str, Any] = {}
        if request.configuration:
            data = request.configuration.encode("utf-8", "replace")
            wanted = requests.read_extra_data(data, self._limits, "configuration")
        if not target.responsive:
            text = target.describe(self._core.context.now)
            raise OrchestratorError(ErrorCode.NODE_UNAVAILABLE, text)
        service, call = self._full_names["configure_node"], object()
        self._calls.enter(call)
        self._clients.watch(service, client, call, partial(self._calls.leave, call))
        try:
            answer = await self._configuration.ask(target.name, request.configuration, timeout)
            self._configuration.remember(target.name, wanted)
        finally:
            self._clients.forget(service, client, call)
            self._calls.leave(call)
        response.transaction_id, response.configuration = answer

    def _states(self, node_name: str) -> list[Any]:
        targets = self._core.operations.targets(node_name)
        return [conversions.node_to_msg(self._core, node) for node in targets]

    # Modules #

    async def get_inputs(self, request: Any, response: Any) -> None:
        """The inputs of a step that a module has not finished."""
        core = self._core
        iteration, step = core.inputs_owed(
            conversions.id_from_msg(request.task_id),
            request.attempt,
            request.session,
            request.token,
            request.node_name,
        )
        response.try_number = step.try_number
        response.user_input = conversions.user_input_to_msg(
            iteration, core.session, include_binary=True, with_credentials=True
        )
        ids = Ids(iteration.task_id, iteration.attempt, core.session, iteration.token)
        modules = core.pipeline.modules
        for index in core.pipeline.sources[step.index]:
            whole = outputs.whole_output(modules[index], iteration.outputs[index], ids)
            response.inputs.append(whole)
        if iteration.task_id.iteration_id > 1:
            response.baselines = [
                outputs.whole_output(spec, core.tasks.baseline(iteration, spec.index), ids)
                for spec in core.pipeline.baselines
            ]
