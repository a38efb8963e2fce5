"""Takes the inputs of a module as they arrive, past the executor.

An executor of rclpy builds its wait set in Python, over all entities of the node (services of the
parameters, events of each publisher, …), and does so twice for each message that wakes it: half of
a module's CPU time. Here stand the inputs alone, in one wait set that is filled again (10 µs).
"""

from __future__ import annotations

from collections.abc import Callable

from rclpy.guard_condition import GuardCondition
from rclpy.impl.implementation_singleton import rclpy_implementation as _rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from sustainml_orchestrator.contract.wait_set import NullCallbackGroup

#: Messages taken from one subscription before the others have their turn.
_DRAIN = 100

Take = Callable[[bytes], None]


class InputSubscriber:
    """Subscriptions to serialized messages, and the wait for them. One thread at a time waits."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._apart = NullCallbackGroup()
        self._inputs: list[tuple[Subscription, Take]] = []
        self._guard = GuardCondition(None, None, context=node.context)
        self._wait_set: _rclpy.WaitSet | None = None

    def subscribe(self, type_: type, topic: str, qos: QoSProfile, take: Take) -> None:
        """Have ``take`` called with each message; not after the first turn."""
        subscription = self._node.create_subscription(
            type_, topic, take, qos, raw=True, callback_group=self._apart
        )
        self._inputs.append((subscription, take))

    def turn(self) -> None:
        """Wait for messages, or a nudge, and hand on what has arrived."""
        wait_set = self._wait_set
        if wait_set is None:
            context = self._node.context.handle
            wait_set = _rclpy.WaitSet(len(self._inputs), 1, 0, 0, 0, 0, context)
            self._wait_set = wait_set
        wait_set.clear_entities()
        wait_set.add_guard_condition(self._guard.handle)
        for subscription, _ in self._inputs:
            wait_set.add_subscription(subscription.handle)
        wait_set.wait(-1)
        for subscription, take in self._inputs:
            for _ in range(_DRAIN):
                taken = subscription.handle.take_message(subscription.msg_type, True)
                if taken is None:
                    break
                take(taken[0])

    def nudge(self) -> None:
        """Make ``turn`` return, from any thread."""
        self._guard.trigger()
