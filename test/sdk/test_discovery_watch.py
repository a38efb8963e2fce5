"""A participant that discovers no orchestrator, beside others that do."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import rclpy
from rclpy.context import Context
from rclpy.node import Node
from sustainml_msgs.msg import NodeControl

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.sdk.discovery_watch import DiscoveryWatch

_SPACE = "/discovery_watch"


@contextmanager
def participant(name: str, reach: str = "LOCALHOST") -> Iterator[Node]:
    """A node of a participant of its own, that discovers others as far as `reach`."""
    context = Context()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", reach)
        rclpy.init(context=context, args=[])
    try:
        yield rclpy.create_node(name, namespace=_SPACE, context=context)
    finally:
        context.try_shutdown()


def told(node: Node, seconds: float) -> bool:
    """Whether the watch of a node calls it stale within that time."""
    stale = threading.Event()
    watch = DiscoveryWatch(node, [], stale.set, patience=1.0, look=4.0)
    watch.start()
    found = stale.wait(seconds)
    watch.end()
    return found


def test_one_that_discovers_nobody_is_stale_when_another_discovers_an_orchestrator() -> None:
    with participant("orchestrator") as orchestrator, participant("module", "OFF") as module:
        assert not told(module, 6.0), "there is no orchestrator"
        orchestrator.create_publisher(NodeControl, names.CONTROL, names.CONTROL_QOS)
        assert told(module, 30.0)


def test_one_that_discovers_the_orchestrator_is_not_stale() -> None:
    with participant("orchestrator") as orchestrator, participant("module") as module:
        orchestrator.create_publisher(NodeControl, names.CONTROL, names.CONTROL_QOS)
        assert not told(module, 3.0)
