"""A node that is announced but not received: it is noticed, and the others are not disturbed."""

from __future__ import annotations

from pathlib import Path

import rclpy
from rclpy.context import Context
from rclpy.qos import QoSProfile, ReliabilityPolicy
from support.puppet import Framework
from support.system import wait_for
from sustainml_msgs.msg import NodeStatus


def test_the_subscription_is_renewed_and_goes_on_receiving(tmp_path: Path) -> None:
    context = Context()
    rclpy.init(context=context, args=[])
    with Framework(tmp_path, "reception") as framework:
        node = rclpy.create_node("second", namespace="/elsewhere", context=context)
        unreliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)
        # It matches no reliable subscription.
        node.create_publisher(NodeStatus, f"{framework.namespace}/status", unreliable)
        renewed = "no status of /elsewhere/second arrives"
        try:
            for count in (1, 2):
                wait_for(lambda n=count: framework.log.count(renewed) >= n, 60.0)
                task = framework.puppet.start()
                framework.puppet.finish(task)
                framework.puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
        finally:
            node.destroy_node()
            rclpy.shutdown(context=context)
        assert "the endpoint, time 2" in framework.log and "puppet arrives" not in framework.log
