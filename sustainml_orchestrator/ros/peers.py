"""Is there another orchestrator in this namespace? Two would command the same modules."""

from __future__ import annotations

import time

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from sustainml_msgs.msg import SystemState

from sustainml_orchestrator.ros import names

#: Discovery on one machine takes some 0.1 s; a live peer then sends its latched state at once.
_LOOK = 0.5
#: A peer that is announced but silent is one that was killed: DDS keeps its name for a while.
_LISTEN = 1.5


def find_peer(node: Node) -> str:
    """Who else orchestrates here: a sentence, or "" when nobody does."""
    heard: list[SystemState] = []
    subscription = node.create_subscription(
        SystemState, names.SYSTEM_STATE, heard.append, names.SYSTEM_STATE_QOS
    )
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    began = time.monotonic()
    try:
        while not heard:
            waited = time.monotonic() - began
            announced = bool(node.get_publishers_info_by_topic(subscription.topic_name))
            if waited >= (_LISTEN if announced else _LOOK):
                return ""
            executor.spin_once(timeout_sec=0.05)
    finally:
        executor.remove_node(node)
        executor.shutdown()
        node.destroy_subscription(subscription)
    state = heard[0]
    return (
        f"another orchestrator (session {state.session}, version {state.version}) is at work in "
        f"namespace {node.get_namespace()}; stop it, or give this one another namespace "
        "(-r __ns:=/other) or ROS_DOMAIN_ID"
    )
