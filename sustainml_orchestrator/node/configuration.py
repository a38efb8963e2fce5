"""Calls to the modules' configure services: every one ends, whatever the module does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.task import Future
from sustainml_msgs.srv import Configure

from sustainml_orchestrator.contract import introspection, names
from sustainml_orchestrator.contract.payloads import without_credentials
from sustainml_orchestrator.core.commands import ConfigureNode
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import ConfigurationAnswered, Event, NodeConfigured
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.text import printable
from sustainml_orchestrator.node.pending_calls import Answer

#: How long a new process may take to answer, try by try, in s: it may not receive the first one.
_TRIES = (0.5, 1.0, 3.5, 10.0)


class Configuration:
    """Clients of the configure services, made when first needed.

    Args:
        dispatch: gives events to the core.
    """

    def __init__(self, node: Node, dispatch: Callable[[list[Event]], None]) -> None:
        self._node, self._dispatch = node, dispatch
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
            introspection.include_new(self._node)
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

    def remember(self, module: str, configuration: Mapping[str, Any]) -> None:
        """A module has accepted this; what asks it something (`query`) sets nothing."""
        if configuration and "query" not in configuration:
            settings = {name: json.dumps(value) for name, value in configuration.items()}
            self._dispatch([NodeConfigured(module, settings)])

    def apply(self, command: ConfigureNode) -> None:
        """Have a new process take the settings of the one before it."""
        self._node.executor.create_task(self._apply, command)

    async def _apply(self, command: ConfigureNode) -> None:
        texts = (f"{json.dumps(name)}: {text}" for name, text in command.settings.items())
        configuration, code, reason = "{" + ", ".join(texts) + "}", ErrorCode.NO_ERROR, ""
        for timeout in _TRIES:
            try:
                await self.ask(command.node_name, configuration, timeout)
            except OrchestratorError as error:
                code, reason = error.code, error.message
            else:
                code, reason = ErrorCode.NO_ERROR, ""
            if code is not ErrorCode.TIMEOUT:
                break
        answer = ConfigurationAnswered(
            command.node_name, command.instance, command.incarnation, code, reason
        )
        self._dispatch([answer])

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
