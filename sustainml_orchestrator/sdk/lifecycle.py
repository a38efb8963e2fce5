"""The standard lifecycle of a module: a transition is the command of the orchestrator.

It is asked of the orchestrator, so that it does not undo what it has not commanded; without one,
the module obeys by itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.task import Future
from sustainml_msgs.srv import ControlNode

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.contract.lifecycle_services import Handler, LifecycleServices
from sustainml_orchestrator.core.ids import NodeCommand
from sustainml_orchestrator.core.managed_lifecycle import PrimaryState, Transition
from sustainml_orchestrator.sdk.transitions import TRIGGERS, Mode, Trigger

#: Longest time of a transition, in s: models load slowly. The orchestrator answers before that.
_TIMEOUT = 300.0
_POLL_PERIOD = 0.05

_SHUTDOWNS = (
    Transition.UNCONFIGURED_SHUTDOWN,
    Transition.INACTIVE_SHUTDOWN,
    Transition.ACTIVE_SHUTDOWN,
)
#: What has to be reached for a command to have succeeded, and what ends the wait otherwise.
_GOALS = {
    NodeCommand.START: (Mode.ACTIVE, (Mode.ERROR, Mode.TERMINATING)),
    NodeCommand.RESET: (Mode.ACTIVE, (Mode.ERROR, Mode.TERMINATING)),
    NodeCommand.STOP: (Mode.INACTIVE, (Mode.TERMINATING,)),
    NodeCommand.TERMINATE: (Mode.TERMINATING, ()),
}


class ModuleLifecycle:
    """The services of lifecycle_msgs of a module.

    Args:
        module: whose node the orchestrator commands.
        mode: the present mode.
        trigger: has the module obey without the orchestrator.
    """

    def __init__(
        self, node: Node, module: str, mode: Callable[[], Mode], trigger: Callable[[Trigger], None]
    ) -> None:
        self._node, self._module = node, module
        self._mode, self._trigger = mode, trigger
        self._group = ReentrantCallbackGroup()
        self._clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._configured = False
        self._control = node.create_client(
            ControlNode, names.service("control_node"), qos_profile=names.SERVICE_QOS,
            callback_group=self._group,
        )  # fmt: skip
        self._services = LifecycleServices(node, self._serve, self._state, self._change)

    def update(self) -> None:
        """The mode may have changed."""
        mode = self._mode()
        if mode in (Mode.STARTING, Mode.RESETTING, Mode.ACTIVE):
            self._configured = True
        elif mode is Mode.ERROR:
            self._configured = False
        self._services.update()

    def _serve(self, kind: type, name: str, qos: QoSProfile, handler: Handler) -> None:
        self._node.create_service(kind, name, handler, qos_profile=qos, callback_group=self._group)

    def _state(self) -> PrimaryState:
        mode = self._mode()
        if mode is Mode.ACTIVE:
            return PrimaryState.ACTIVE
        if mode is Mode.TERMINATING:
            return PrimaryState.FINALIZED
        return PrimaryState.INACTIVE if self._configured else PrimaryState.UNCONFIGURED

    async def _change(self, transition: Transition) -> bool:
        if transition in (Transition.CONFIGURE, Transition.CLEANUP):
            self._configured = transition is Transition.CONFIGURE
            return True
        command = NodeCommand.STOP
        if transition is Transition.ACTIVATE:
            in_error = self._mode() is Mode.ERROR
            command = NodeCommand.RESET if in_error else NodeCommand.START
        elif transition in _SHUTDOWNS:
            command = NodeCommand.TERMINATE
        if self._control.service_is_ready():
            return await self._ask_orchestrator(command)
        goal, ends = _GOALS[command]
        self._trigger(TRIGGERS[command])
        await self._until(lambda: self._mode() is goal or self._mode() in ends)
        return self._mode() is goal

    async def _ask_orchestrator(self, command: NodeCommand) -> bool:
        request = ControlNode.Request(node_name=self._module, cmd_node=int(command))
        answer = self._control.call_async(request)
        # It ends by itself at the latest when the orchestrator has gone.
        await self._until(lambda: answer.done() or not self._control.service_is_ready())
        if not answer.done():
            self._control.remove_pending_request(answer)
            return False
        response: Any = answer.result()
        if not response.success:
            self._node.get_logger().warning(f"{command.name}_NODE: {response.message}")
        return bool(response.success)

    async def _until(self, condition: Callable[[], bool]) -> None:
        """Wait until it holds, `_TIMEOUT` s at most."""
        done: Future[None] = Future()
        deadline = time.monotonic() + _TIMEOUT

        def look() -> None:
            if not done.done() and (condition() or time.monotonic() >= deadline):
                done.set_result(None)

        timer = self._node.create_timer(_POLL_PERIOD, look, self._group, self._clock)
        try:
            await done
        finally:
            self._node.destroy_timer(timer)
