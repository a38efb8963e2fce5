"""Finds other orchestrators in this namespace: two would command the same modules.

A node that only publishes system_state is not an orchestrator: those also publish control and serve
start_task. Which of two stays is decided in `core.duplicate_check`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription
from sustainml_msgs.msg import SystemState

from sustainml_orchestrator.contract import names

#: Discovery on one machine takes about 0.1 s, but seconds on one that starts many processes at
#: once, such as two launch files: where another process holds the claim there is one to be found.
_DISCOVERY = 1.0
_DISCOVERY_OF_THE_CLAIMANT = 5.0
#: Maximum wait for the state of an orchestrator in the graph, which also holds killed ones.
_STATE = 1.5


def orchestrators(node: Node) -> int:
    """Orchestrators in the namespace of a node, by the endpoints in the graph."""
    return min(
        node.count_publishers(names.SYSTEM_STATE),
        node.count_publishers(names.CONTROL),
        node.count_services(names.service("start_task")),
    )


def find_peer(node: Node, *, claimed: bool = False) -> str:
    """A sentence about an orchestrator that is active here; "" when there is none.

    To be called before the node makes endpoints of its own.

    Args:
        claimed: whether another process of this machine holds the place of the orchestrator.
    """
    received: list[SystemState] = []
    subscription = node.create_subscription(
        SystemState, names.SYSTEM_STATE, received.append, names.SYSTEM_STATE_QOS
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    began = time.monotonic()
    discovery = _DISCOVERY_OF_THE_CLAIMANT if claimed else _DISCOVERY
    try:
        while not (received and orchestrators(node)):
            waited = time.monotonic() - began
            announced = node.count_publishers(names.SYSTEM_STATE) > 0
            if waited >= (max(_STATE, discovery) if announced else discovery):
                return ""
            executor.spin_once(timeout_sec=0.05)
    finally:
        executor.remove_node(node)
        executor.shutdown()
        node.destroy_subscription(subscription)
    peer = received[-1]
    return (
        f"another orchestrator (session {peer.session}, version {peer.version}) is active in "
        f"namespace {node.get_namespace()}; stop it, or give this one another namespace "
        "(-r __ns:=/other) or ROS_DOMAIN_ID"
    )


class DuplicateCheck:
    """Subscribes to system_state while there are several orchestrators in the graph.

    Args:
        received: called with each system_state, our own included.
    """

    def __init__(self, node: Node, received: Callable[[SystemState], None]) -> None:
        self._node = node
        self._received = received
        self._subscription: Subscription | None = None
        self._false = 0

    def update(self) -> bool:
        """Whether the graph holds several orchestrators; to be called once a second."""
        count = orchestrators(self._node)
        self._warn(self._node.count_publishers(names.SYSTEM_STATE) - max(count, 1))
        if count > 1 and self._subscription is None:
            self._subscription = self._node.create_subscription(
                SystemState, names.SYSTEM_STATE, self._received, names.SYSTEM_STATE_QOS
            )
        elif count <= 1 and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        return count > 1

    def _warn(self, false: int) -> None:
        if false > self._false:
            self._node.get_logger().warning(
                f"{false} publishers of {names.SYSTEM_STATE} are not orchestrators; their "
                "messages are ignored"
            )
        self._false = false
