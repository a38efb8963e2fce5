"""Is there another orchestrator in this namespace? Two would command the same modules."""

from __future__ import annotations

import time

from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.subscription import Subscription
from sustainml_msgs.msg import SystemState

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.task_store import TaskStore

#: Discovery on one machine takes some 0.1 s; a live peer then sends its latched state at once.
_LOOK = 0.5
#: A peer that is announced but silent is one that was killed: DDS keeps its name for a while.
_LISTEN = 1.5
#: Two that meet later: how long an orchestrator counts as newly started, and how soon it leaves
#: when it must, in s.
_YOUNG = 10.0
_PATIENCE = 3.0


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
    return _sentence(node, heard[0])


def _sentence(node: Node, state: SystemState) -> str:
    return (
        f"another orchestrator (session {state.session}, version {state.version}) is at work in "
        f"namespace {node.get_namespace()}; stop it, or give this one another namespace "
        "(-r __ns:=/other) or ROS_DOMAIN_ID"
    )


class DuplicateCheck:
    """Finds another orchestrator that the first look missed: discovery may take seconds.

    One that has been at work for `_YOUNG` stays. Of two that are younger, the one whose store
    has seen less leaves; the session settles a tie. A young one whose peer does not leave has met
    an old one, and leaves.
    """

    def __init__(self, node: Node, store: TaskStore, session: int) -> None:
        self._node = node
        self._store = store
        self._session = session
        self._born = time.monotonic()
        self._met = 0.0
        self._subscription: Subscription | None = None
        self._superior: SystemState | None = None

    def look(self) -> str:
        """Whether to give way to a peer: a sentence, or ""; to be called now and then."""
        others = self._node.count_publishers(names.SYSTEM_STATE) > 1
        if others and self._subscription is None:
            self._subscription = self._node.create_subscription(
                SystemState, names.SYSTEM_STATE, self._compare, names.SYSTEM_STATE_QOS
            )
        elif not others and self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription, self._met = None, 0.0
        return _sentence(self._node, self._superior) if self._superior else ""

    def _compare(self, state: SystemState) -> None:
        if state.session == self._session:
            return  # our own words
        now = time.monotonic()
        self._met = self._met or now
        if self._met - self._born > _YOUNG:
            return
        knows_more = (state.revision, state.session) > (self._store.revision, self._session)
        if knows_more or now - self._met > _PATIENCE:
            self._superior = state
