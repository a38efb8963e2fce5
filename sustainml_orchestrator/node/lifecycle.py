"""The standard lifecycle of the orchestrator: active while it commands its modules.

To deactivate it stops all modules, to activate it starts them, to shut it down ends its process.
"""

from __future__ import annotations

from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from sustainml_orchestrator.contract.lifecycle_services import Handler, LifecycleServices
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import NodeCommanded
from sustainml_orchestrator.core.ids import NodeCommand
from sustainml_orchestrator.core.managed_lifecycle import GOALS, PrimaryState, Transition
from sustainml_orchestrator.node.loop import Loop
from sustainml_orchestrator.node.pending_calls import PendingCalls

_COMMANDS = {Transition.ACTIVATE: NodeCommand.START, Transition.DEACTIVATE: NodeCommand.STOP}


class OrchestratorLifecycle:
    """The services of lifecycle_msgs of the orchestrator."""

    def __init__(self, node: Node, loop: Loop, calls: PendingCalls) -> None:
        self._node, self._loop, self._calls = node, loop, calls
        self._state = PrimaryState.ACTIVE
        LifecycleServices(node, self._serve, lambda: self._state, self._change)

    def _serve(self, kind: type, name: str, qos: QoSProfile, handler: Handler) -> None:
        async def serve(request: Any, response: Any, client: object) -> Any:
            return await handler(request, response)

        self._loop.serve(self._node, kind, name, qos, serve)

    async def _change(self, transition: Transition) -> bool:
        goal = GOALS[self._state, transition]
        command = _COMMANDS.get(transition)
        if command is not None:
            timeout = float(self._node.get_parameter("control_timeout").value)
            try:
                await self._calls.ask(
                    lambda call: NodeCommanded(call, "", command, timeout), exempt=True
                )
            except OrchestratorError as error:
                self._node.get_logger().warning(f"{transition.name.lower()}: {error.message}")
                return False
        self._state = goal
        if goal is PrimaryState.FINALIZED:
            self._loop.ended = True  # the response is sent before
        return True
