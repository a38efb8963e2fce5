"""Reports of the state machine, as NodeStatus messages."""

from __future__ import annotations

from rclpy.duration import Duration
from rclpy.node import Node
from sustainml_msgs.msg import NodeStatus

from sustainml_orchestrator.core.ids import NO_TASK
from sustainml_orchestrator.module.actions import Report
from sustainml_orchestrator.ros import names


class StatusPublisher:
    """Publishes what a module says of itself. Not thread-safe: one message object is reused."""

    def __init__(self, node: Node, *, module: str, incarnation: int) -> None:
        """Sign all statuses with the name and incarnation of the node."""
        self._clock = node.get_clock()
        self._publisher = node.create_publisher(NodeStatus, names.STATUS, names.STATUS_QOS)
        instance = node.get_fully_qualified_name()
        self._message = NodeStatus(node_name=module, instance=instance, incarnation=incarnation)
        self._message.header.frame_id = instance

    def publish(self, report: Report, *, last_command: int, session: int) -> None:
        """Publish a report; ``session`` is for those about the node alone."""
        message = self._message
        ticket = report.ticket
        task_id = ticket.task_id if ticket else NO_TASK
        message.task_id.problem_id, message.task_id.iteration_id = task_id
        message.attempt = ticket.attempt if ticket else 0
        message.session = ticket.session if ticket else session
        stamp = message.header.stamp
        stamp.sec, stamp.nanosec = divmod(self._clock.now().nanoseconds, 1_000_000_000)
        message.last_command = last_command
        message.node_status = int(report.node_status)
        message.task_status = int(report.task_status)
        message.try_number = report.try_number
        message.error_code = int(report.error_code)
        message.error_description = report.text
        self._publisher.publish(message)

    def flush(self, timeout: float) -> None:
        """Wait until every reader has what was published, ``timeout`` s at most."""
        self._publisher.wait_for_all_acked(Duration(seconds=timeout))
