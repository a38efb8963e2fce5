"""Calls to the modules' configure services: every one ends, whatever the module does."""

from __future__ import annotations

import itertools
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from sustainml_msgs.srv import Configure

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.payloads import without_credentials
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.text import printable
from sustainml_orchestrator.node.pending_calls import Answer


class Configuration:
    """Clients of the configure services, made when first needed."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._group = ReentrantCallbackGroup()
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._clients: dict[str, Client] = {}
        self._transactions = itertools.count(1)

    async def ask(self, module: str, configuration: str, timeout: float) -> tuple[int, str]:
        """Send a configuration, return the transaction id and the module's answer.

        Args:
            timeout: longest wait, in s.

        Raises:
            OrchestratorError: TIMEOUT, or the module's own refusal.
        """
        client = self._clients.get(module)
        if client is None:
            client = self._clients[module] = self._node.create_client(
                Configure,
                names.configure_service(module),
                qos_profile=names.SERVICE_QOS,
                callback_group=self._group,
            )
        transaction = next(self._transactions) % 2**32
        request = Configure.Request(transaction_id=transaction, configuration=configuration)
        answer = await self._call(client, request, timeout)
        if answer is None:
            raise OrchestratorError(
                ErrorCode.TIMEOUT,
                f"{module} did not answer within {timeout:g} s; look at its log, or give it longer",
            )
        if not answer.success:
            code = ErrorCode(answer.error_code) if answer.error_code in set(ErrorCode) else None
            text = f"{module}: {printable(answer.message) or 'refused without a reason'}"
            raise OrchestratorError(code or ErrorCode.INTERNAL_ERROR, text)
        return transaction, without_credentials(
            answer.configuration.encode("utf-8", "replace")
        ).decode()

    async def _call(self, client: Client, request: Any, timeout: float) -> Any | None:
        """The response, or None when the time is over: no future of rclpy ends by itself."""
        done = Answer(self._node.executor.wake)
        sent: list[Future[Any]] = []
        deadline = self._clock.now().nanoseconds + int(timeout * 1e9)

        def attempt() -> None:
            if not sent and client.service_is_ready():
                future = client.call_async(request)
                sent.append(future)
                future.add_done_callback(lambda f: done.give(f.result()))
            elif self._clock.now().nanoseconds >= deadline:
                done.give(None)

        attempt()
        timer = self._node.create_timer(0.05, attempt, self._group, self._clock)
        try:
            return await done
        finally:
            self._node.destroy_timer(timer)
            if sent and not sent[0].done():
                client.remove_pending_request(sent[0])
