"""The interfaces of lifecycle_msgs, by which `ros2 lifecycle` and others see and move a node."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable
from typing import Any

from lifecycle_msgs import msg, srv
from rclpy.node import Node
from rclpy.qos import QoSProfile

from sustainml_orchestrator.core.managed_lifecycle import GOALS, PrimaryState, Transition

_QOS = QoSProfile(depth=10)
#: Labels as rcl gives them; a transition may be asked for by its label alone.
_LABELS = {
    Transition.CONFIGURE: "configure",
    Transition.CLEANUP: "cleanup",
    Transition.ACTIVATE: "activate",
    Transition.DEACTIVATE: "deactivate",
    Transition.UNCONFIGURED_SHUTDOWN: "shutdown",
    Transition.INACTIVE_SHUTDOWN: "shutdown",
    Transition.ACTIVE_SHUTDOWN: "shutdown",
}

Handler = Callable[[Any, Any], Awaitable[Any]]
#: Offers a service: its type, its name, its QoS and what answers.
Serve = Callable[[type, str, QoSProfile, Handler], None]


class LifecycleServices:
    """The lifecycle of a node as others see it.

    Args:
        serve: offers a service of the node.
        state: the present state.
        change: carries out a transition that the state permits; whether it succeeded.
    """

    def __init__(
        self,
        node: Node,
        serve: Serve,
        state: Callable[[], PrimaryState],
        change: Callable[[Transition], Awaitable[bool]],
    ) -> None:
        self._node, self._state, self._change = node, state, change
        self._shown, self._lock = state(), threading.Lock()
        self._events = node.create_publisher(msg.TransitionEvent, "~/transition_event", _QOS)
        handlers: dict[str, tuple[type, Handler]] = {
            "get_state": (srv.GetState, self._get_state),
            "change_state": (srv.ChangeState, self._change_state),
            "get_available_states": (srv.GetAvailableStates, self._get_states),
            "get_available_transitions": (srv.GetAvailableTransitions, self._get_transitions),
            "get_transition_graph": (srv.GetAvailableTransitions, self._get_graph),
        }
        for name, (kind, handler) in handlers.items():
            serve(kind, f"~/{name}", _QOS, self._guarded(name, handler))

    def update(self) -> None:
        """Publish a transition_event if the state has changed."""
        with self._lock:  # several threads of a module may have changed it
            before, self._shown = self._shown, self._state()
        if before is self._shown:
            return
        way = [t for (start, t), goal in GOALS.items() if (start, goal) == (before, self._shown)]
        event = msg.TransitionEvent(
            timestamp=time.time_ns(), start_state=_state(before), goal_state=_state(self._shown)
        )
        if way:
            event.transition = _transition(way[0])
        self._events.publish(event)

    def _guarded(self, name: str, handler: Handler) -> Handler:
        """Answer every request: an exception would end the node."""

        async def guard(request: Any, response: Any) -> Any:
            try:
                return await handler(request, response)
            except Exception as error:
                self._node.get_logger().warning(f"{name} failed: {error!r}")
                return type(response)()

        return guard

    async def _get_state(self, request: Any, response: Any) -> Any:
        response.current_state = _state(self._state())
        return response

    async def _change_state(self, request: Any, response: Any) -> Any:
        wanted = request.transition
        permitted = {t: _LABELS[t] for start, t in GOALS if start is self._state()}
        found = [t for t, label in permitted.items() if wanted.id == t or
                 (not wanted.id and wanted.label == label)]  # fmt: skip
        response.success = bool(found) and await self._change(found[0])
        self.update()
        return response

    async def _get_states(self, request: Any, response: Any) -> Any:
        response.available_states = [_state(state) for state in PrimaryState]
        return response

    async def _get_transitions(self, request: Any, response: Any) -> Any:
        state = self._state()
        response.available_transitions = [
            _description(start, t) for start, t in GOALS if start is state
        ]
        return response

    async def _get_graph(self, request: Any, response: Any) -> Any:
        response.available_transitions = [_description(start, t) for start, t in GOALS]
        return response


def _state(state: PrimaryState) -> msg.State:
    return msg.State(id=int(state), label=state.name.lower())


def _transition(transition: Transition) -> msg.Transition:
    return msg.Transition(id=int(transition), label=_LABELS[transition])


def _description(start: PrimaryState, transition: Transition) -> msg.TransitionDescription:
    return msg.TransitionDescription(
        transition=_transition(transition),
        start_state=_state(start),
        goal_state=_state(GOALS[start, transition]),
    )
