"""/diagnostics for rqt and monitoring tools: one line per node, one for the tasks."""

from __future__ import annotations

from collections import Counter

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node as RosNode

from sustainml_orchestrator.core.ids import NodeStatus, TaskStatus
from sustainml_orchestrator.core.node import Node
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.node import conversions

_TOPIC = "/diagnostics"


class Diagnostics:
    """Publishes the health of the system.

    Args:
        dropped: messages dropped so far, by reason.
    """

    def __init__(self, node: RosNode, core: Orchestrator, dropped: Counter[str]) -> None:
        self._core = core
        self._dropped = dropped
        self._prefix = node.get_fully_qualified_name()
        self._publisher = node.create_publisher(DiagnosticArray, _TOPIC, 10)

    def publish(self, trouble: str) -> None:
        """Publish all, if anyone listens.

        Args:
            trouble: what is wrong with the orchestrator itself; "" when nothing is.
        """
        if not self._publisher.get_subscription_count():
            return
        message = DiagnosticArray(
            status=[self._tasks(trouble), *map(self._node, self._core.lifecycle.nodes)]
        )
        message.header.stamp = conversions.time_to_msg(self._core.context.stamp)
        self._publisher.publish(message)

    def _tasks(self, trouble: str) -> DiagnosticStatus:
        store = self._core.store
        values = {status.name.lower(): store.count(status) for status in TaskStatus}
        del values["returned"]
        values["problems"] = len(store.problems)
        values["payload bytes"] = store.payload_bytes
        dropped = self._dropped + self._core.tasks.dropped
        values |= {f"dropped: {reason}": number for reason, number in sorted(dropped.items())}
        reason = trouble or self._core.lifecycle.reason()
        level = DiagnosticStatus.OK
        if reason:
            level = DiagnosticStatus.ERROR if trouble else DiagnosticStatus.WARN
        return DiagnosticStatus(
            level=level,
            name=f"{self._prefix}: tasks",
            message=reason or f"ready; {values['running']} run, {values['waiting']} wait",
            hardware_id="orchestrator",
            values=[KeyValue(key=key, value=str(value)) for key, value in values.items()],
        )

    def _node(self, node: Node) -> DiagnosticStatus:
        _, text = node.error(self._core.context.now)
        instances = [i.name for i in node.instances.values() if i.responsive]
        level, message = DiagnosticStatus.OK, node.status.name
        if not node.active:
            message = node.describe(self._core.context.now)
            level = DiagnosticStatus.WARN
            if node.status is NodeStatus.ERROR:
                level = DiagnosticStatus.ERROR
            elif not node.responsive:
                level = DiagnosticStatus.STALE
        elif len(instances) > 1:
            level = DiagnosticStatus.WARN
            message = f"{len(instances)} instances; the first output of a step wins"
        return DiagnosticStatus(
            level=level,
            name=f"{self._prefix}: {node.name}",
            message=message,
            hardware_id=node.name,
            values=[
                KeyValue(key="instances", value=", ".join(instances)),
                KeyValue(key="desired", value="active" if node.desired_active else "inactive"),
                KeyValue(key="resets", value=str(node.recovery.resets)),
                KeyValue(key="error", value=text),
            ],
        )
