"""Fetches the inputs of a redelivered task from the orchestrator."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.serialization import serialize_message
from rclpy.task import Future
from sustainml_msgs.srv import GetInputs

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus
from sustainml_orchestrator.sdk.actions import Job
from sustainml_orchestrator.sdk.input_joiner import Parts
from sustainml_orchestrator.sdk.module_spec import USER_INPUT, ModuleSpec
from sustainml_orchestrator.sdk.task import BASELINE
from sustainml_orchestrator.sdk.wire_ids import Ticket, read_ticket

#: Maximum number of calls before a task is returned to the orchestrator.
MAX_CALLS = 4
_POLL_PERIOD = 0.1


@dataclass(slots=True, eq=False)
class _Pending:
    job: Job
    future: Any = None  #: of the present call; None while there is none
    deadline: float = 0.0
    calls: int = 0


class InputFetcher:
    """Calls `get_inputs`, repeatedly if it is not answered, for each job."""

    def __init__(
        self,
        node: Node,
        spec: ModuleSpec,
        timeout: float,
        *,
        fetched: Callable[[Job, int, Parts], None],
        failed: Callable[[Job, TaskStatus, ErrorCode, str], None],
    ) -> None:
        """A call is repeated after `timeout` s; `fetched` or `failed` is called at the end."""
        self._timeout = timeout
        self._spec = spec
        self._instance = node.get_fully_qualified_name()
        self._fetched = fetched
        self._failed = failed
        self._pending: list[_Pending] = []
        self._client = node.create_client(
            GetInputs, names.service("get_inputs"), qos_profile=names.SERVICE_QOS
        )
        # A steady clock, as ROS time may stand still.
        self._timer = node.create_timer(
            _POLL_PERIOD, self._poll, clock=Clock(clock_type=ClockType.STEADY_TIME)
        )
        self._timer.cancel()

    def fetch(self, job: Job) -> None:
        """Start to fetch; the executor calls one of the two callbacks later."""
        pending = _Pending(job)
        self._pending.append(pending)
        self._call(pending)
        self._timer.reset()

    def _call(self, pending: _Pending) -> None:
        pending.calls += 1
        pending.deadline = time.monotonic() + self._timeout
        if not self._client.service_is_ready():
            return
        ticket = pending.job.ticket
        request = GetInputs.Request(
            attempt=ticket.attempt,
            session=ticket.session,
            token=ticket.token,
            node_name=self._spec.module,
            instance=self._instance,
        )
        request.task_id.problem_id, request.task_id.iteration_id = ticket.task_id
        pending.future = future = self._client.call_async(request)
        future.add_done_callback(lambda future: self._answered(pending, future))

    def _poll(self) -> None:
        """Repeat calls that were not answered, and those made before the service existed."""
        for pending in list(self._pending):
            if time.monotonic() >= pending.deadline:
                self._retry(pending)
            elif pending.future is None and self._client.service_is_ready():
                pending.calls -= 1
                self._call(pending)
        if not self._pending:
            self._timer.cancel()

    def _retry(self, pending: _Pending) -> None:
        if pending.future is not None:
            self._client.remove_pending_request(pending.future)
            pending.future = None
        if pending.calls < MAX_CALLS:
            self._call(pending)
            return
        self._pending.remove(pending)
        self._failed(
            pending.job,
            TaskStatus.RETURNED,
            ErrorCode.TIMEOUT,
            f"no answer from {self._client.srv_name} within {MAX_CALLS * self._timeout:g} s",
        )

    def _answered(self, pending: _Pending, future: Future) -> None:
        if pending.future is not future or pending not in self._pending:
            return  # the call was repeated
        self._pending.remove(pending)
        try:
            self._finish(pending.job, future.result())
        except Exception as error:
            text = f"{self._client.srv_name} returned an invalid response: {error}"
            self._failed(pending.job, TaskStatus.RETURNED, ErrorCode.INTERNAL_ERROR, text)

    def _finish(self, job: Job, response: GetInputs.Response) -> None:
        if not response.success:
            code, text = ErrorCode(response.error_code), response.message
            owed = code not in (ErrorCode.REJECTED, ErrorCode.NOT_FOUND)
            status = TaskStatus.RETURNED if owed else TaskStatus.STOPPED
            self._failed(job, status, code, text)
            return
        parts = _parts(response, job.ticket)
        needed = self._spec.needed(job.ticket.task_id.iteration_id)
        if missing := ", ".join(sorted(needed - parts.keys())):
            text = f"{self._client.srv_name} did not return {missing}"
            self._failed(job, TaskStatus.RETURNED, ErrorCode.NOT_FOUND, text)
            return
        self._fetched(job, response.try_number or job.try_number, parts)


def _parts(response: GetInputs.Response, ticket: Ticket) -> Parts:
    """The serialized inputs and baselines of this attempt, by the name of their module."""
    parts = {
        USER_INPUT: serialize_message(response.user_input),
        **{output.node_name: bytes(output.serialized) for output in response.inputs},
        **{BASELINE + output.node_name: bytes(output.serialized) for output in response.baselines},
    }
    return {name: data for name, data in parts.items() if _is_of(data, ticket)}


def _is_of(data: bytes, ticket: Ticket) -> bool:
    try:
        return read_ticket(data) == ticket
    except ValueError:
        return False
