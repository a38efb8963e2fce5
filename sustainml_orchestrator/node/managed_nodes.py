"""Managed nodes: their state is read, and changed, by their services of lifecycle_msgs.

The core sees them as it sees other modules: by statuses, made here from the state that was read.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from lifecycle_msgs.srv import ChangeState, GetState
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.client import Client
from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from sustainml_orchestrator.core.commands import ChangeLifecycle
from sustainml_orchestrator.core.events import Event, StatusReceived
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, NodeCommand, NodeStatus
from sustainml_orchestrator.core.managed_lifecycle import (
    GOALS,
    SHOWN_AS,
    PrimaryState,
    Transition,
    next_transition,
)
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings

#: Period of reading the state, and longest time for an answer, in s.
_PERIOD, _TIMEOUT = 0.5, 1.0

Dispatch = Callable[[list[Event]], None]


class ManagedNodes:
    """All managed nodes of the pipeline."""

    def __init__(
        self, node: Node, pipeline: Pipeline, settings: Settings, dispatch: Dispatch
    ) -> None:
        group = ReentrantCallbackGroup()
        self._nodes = {
            spec.name: ManagedNode(node, spec.name, settings, dispatch, group)
            for spec in pipeline.modules
            if spec.lifecycle == "managed"
        }
        if self._nodes:
            clock = Clock(clock_type=ClockType.STEADY_TIME)
            self._timer = node.create_timer(_PERIOD, self._poll, group, clock)

    def change(self, command: ChangeLifecycle) -> None:
        """Command a managed node."""
        self._nodes[command.target].command(command.command)

    def adopt(self, event: StatusReceived) -> StatusReceived | None:
        """What a status that a node published itself counts for: its task, not its own state."""
        managed = self._nodes.get(event.node_name)
        return event if managed is None else managed.adopt(event)

    def _poll(self) -> None:
        for managed in self._nodes.values():
            managed.poll()


class ManagedNode:
    """One managed node.

    A command is worked off transition by transition; the state is read again after each. At most
    one call is under way. During a transition the state is read beside it: the request or the
    response may be lost, or the process may have been replaced.
    """

    def __init__(
        self,
        node: Node,
        module: str,
        settings: Settings,
        dispatch: Dispatch,
        group: ReentrantCallbackGroup,
    ) -> None:
        self._node, self._module, self._settings = node, module, settings
        self._dispatch = dispatch
        self._instance = f"{node.get_namespace().rstrip('/')}/{module}"
        self._get = node.create_client(GetState, f"{module}/get_state", callback_group=group)
        self._change = node.create_client(
            ChangeState, f"{module}/change_state", callback_group=group
        )
        self._call: tuple[Client, Any] | None = None
        self._deadline = 0.0
        #: The reading beside a transition, and its deadline.
        self._look: Any = None
        self._look_deadline = 0.0
        #: Whether one found the node where it was before the transition.
        self._unmoved = False
        self._incarnation = 0
        self._state: PrimaryState | None = None
        self._asked: Transition | None = None
        self._received = NodeCommand.NONE
        #: What is left of the command; RESET ends as START.
        self._command: NodeCommand | None = None
        self._failure = ""

    def command(self, command: NodeCommand) -> None:
        """Begin a command; one that is repeated while it is worked off changes nothing."""
        if self._command is None or self._received is not command:
            self._received = self._command = command
            self._asked, self._failure = None, ""
            if self._call is None:
                self._read()

    def adopt(self, event: StatusReceived) -> StatusReceived | None:
        """See `ManagedNodes.adopt`."""
        if event.task_id == NO_TASK or self._state is None:
            return None
        known = self._status()
        return replace(
            event,
            instance=known.instance,
            incarnation=known.incarnation,
            node_status=known.node_status,
            last_command=0,
        )

    def poll(self) -> None:
        """Read the state, unless a call is under way and may take longer."""
        if self._call is None:
            self._read()
        elif time.monotonic() >= self._deadline:
            self._give_up()
        elif self._call[0] is self._change and self._change.service_is_ready():
            self._report()  # a transition may take long; it lives
            self._look_on()

    def _read(self) -> None:
        if self._get.service_is_ready():
            self._begin(self._get, GetState.Request(), _TIMEOUT, self._on_state)

    def _look_on(self) -> None:
        """Read the state beside a transition."""
        if self._look is None or time.monotonic() >= self._look_deadline:
            self._stop_looking()
            self._look_deadline = time.monotonic() + _TIMEOUT
            self._look = self._get.call_async(GetState.Request())
            self._look.add_done_callback(self._on_look)

    def _stop_looking(self) -> None:
        if self._look is not None:
            self._get.remove_pending_request(self._look)
            self._look = None

    def _on_look(self, future: Any) -> None:
        if self._look is not future:
            return  # it was given up
        self._look = None
        state = None if future.exception() else future.result().current_state.id
        if state not in set(PrimaryState):
            return  # it is in the transition
        if state == self._state and not self._unmoved:
            self._unmoved = True  # the request may be under way still
            return
        self._drop_call()
        self._asked = None
        self._on_state(future.result())

    def _drop_call(self) -> None:
        """Wait no longer for the call, nor for the reading beside it."""
        assert self._call is not None
        self._stop_looking()
        client, future = self._call
        client.remove_pending_request(future)
        self._call = None

    def _begin(
        self, client: Client, request: Any, timeout: float, done: Callable[[Any], None]
    ) -> None:
        self._unmoved = False
        future = client.call_async(request)
        self._call, self._deadline = (client, future), time.monotonic() + timeout
        future.add_done_callback(partial(self._finish, done))

    def _finish(self, done: Callable[[Any], None], future: Any) -> None:
        if self._call is None or self._call[1] is not future:
            return  # it was given up
        self._drop_call()
        try:
            response = future.result()
        except Exception as error:  # rclpy raises whatever the middleware found
            self._node.get_logger().warning(f"{self._module}: {error!r}", throttle_duration_sec=1.0)
            return
        done(response)

    def _give_up(self) -> None:
        """No answer came in time."""
        assert self._call is not None
        client, _ = self._call
        self._drop_call()
        if client is self._change and self._asked is not None:
            self._fail(f"{self._asked.name.lower()} was not answered in time")

    def _on_state(self, response: Any) -> None:
        state = response.current_state.id
        if state not in set(PrimaryState):
            self._report()  # in a transition that somebody else asked for
            return
        before, self._state = self._state, PrimaryState(state)
        self._note_process()
        asked, self._asked = self._asked, None
        if asked is not None and before is not None and GOALS[before, asked] is not self._state:
            self._fail(f"{asked.name.lower()} failed; the node is {self._state.name.lower()}")
        self._advance()
        if self._state is not PrimaryState.FINALIZED:
            self._report()
        elif before is not self._state:
            self._report()  # once: no transition leads out of it, so it counts as gone from then on
            self._node.get_logger().warning(
                f"{self._module} is finalized; to have it back, end its process and start it again"
            )

    def _advance(self) -> None:
        """Ask for the next transition of the command."""
        if self._command is None or self._state is None:
            return
        transition = next_transition(self._command, self._state)
        if transition is None and self._command is NodeCommand.RESET:
            self._command = NodeCommand.START
            transition = next_transition(self._command, self._state)
        if transition is None:
            self._command = None
            return
        self._asked = transition
        starts = self._command in (NodeCommand.START, NodeCommand.RESET)
        timeout = self._settings.start_timeout if starts else self._settings.command_timeout
        request = ChangeState.Request()
        request.transition.id = int(transition)
        self._begin(self._change, request, timeout, self._on_changed)

    def _on_changed(self, response: Any) -> None:
        self._read()  # what it says counts less than what it is in

    def _fail(self, text: str) -> None:
        self._node.get_logger().warning(f"{self._module}: {text}")
        self._failure, self._command, self._asked = text, None, None

    def _note_process(self) -> None:
        """Tell processes apart by the identity of their publisher of transition_event."""
        infos = self._node.get_publishers_info_by_topic(f"{self._module}/transition_event")
        if infos:
            identity = bytes(infos[0].endpoint_gid)
            digest = hashlib.blake2b(identity, digest_size=8).digest()
            self._incarnation = int.from_bytes(digest, "little")

    def _report(self) -> None:
        if self._state is not None:
            self._dispatch([self._status()])

    def _status(self) -> StatusReceived:
        assert self._state is not None
        status = SHOWN_AS[self._state]
        if self._command in (NodeCommand.START, NodeCommand.RESET):
            status = NodeStatus.INITIALIZING
        elif self._failure and self._state is not PrimaryState.ACTIVE:
            status = NodeStatus.ERROR
        failed = status is NodeStatus.ERROR
        return StatusReceived(
            node_name=self._module,
            instance=self._instance,
            incarnation=self._incarnation,
            last_command=0,
            node_status=status,
            error_code=ErrorCode.INTERNAL_ERROR if failed else ErrorCode.NO_ERROR,
            error_description=self._failure if failed else "",
        )
