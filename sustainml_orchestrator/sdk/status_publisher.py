"""Publishes reports of the state machine as NodeStatus messages."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks, UnsupportedEventTypeError
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.serialization import serialize_message
from sustainml_msgs.msg import NodeStatus

from sustainml_orchestrator.contract import names
from sustainml_orchestrator.core.ids import NO_TASK
from sustainml_orchestrator.sdk.actions import Report

#: task_id, attempt, session, token, stamp; behind the encapsulation.
_HEAD, _HEAD_OFFSET = struct.Struct("<5IiI"), 4
#: last_command, node_status, task_status, try_number, error_code; behind the incarnation.
_TAIL = struct.Struct("<I2B2xIB")

_Values = tuple[int, ...]


class StatusPublisher:
    """Publishes NodeStatus messages. Not thread-safe: one message is reused.

    Two are published per task, which differ in numbers only. These are written into the serialized
    message: that takes 5 µs, converting a message takes 25 µs.
    """

    def __init__(
        self, node: Node, *, module: str, incarnation: int, matched: Callable[[], None]
    ) -> None:
        """`matched` is called by the executor when a subscription has matched."""
        self._clock = node.get_clock()
        self._publisher = _publisher(node, matched)
        instance = node.get_fully_qualified_name()
        self._message = NodeStatus(node_name=module, instance=instance, incarnation=incarnation)
        self._message.header.frame_id = instance
        self._serialized = bytearray(serialize_message(self._message))
        self._tail_offset = self._serialized.find(struct.pack("<Q", incarnation)) + 8
        self._can_patch = self._check()

    def publish(self, report: Report, *, last_command: int, session: int) -> None:
        """Publish a report; `session` is set in those about the node alone."""
        ticket = report.ticket
        problem_id, iteration_id = ticket.task_id if ticket else NO_TASK
        seconds, nanoseconds = divmod(self._clock.now().nanoseconds, 1_000_000_000)
        values = (
            problem_id,
            iteration_id,
            ticket.attempt if ticket else 0,
            ticket.session if ticket else session,
            ticket.token if ticket else 0,
            seconds,
            nanoseconds,
            last_command,
            int(report.node_status),
            int(report.task_status),
            report.try_number,
            int(report.error_code),
        )
        if self._can_patch and not report.text:
            self._publisher.publish(self._patched(values))
        else:
            self._publisher.publish(self._filled(values, report.text))

    def flush(self, timeout: float) -> None:
        """Wait `timeout` s at most until all subscriptions have acknowledged all messages."""
        self._publisher.wait_for_all_acked(Duration(seconds=timeout))

    def _patched(self, values: _Values) -> bytes:
        _HEAD.pack_into(self._serialized, _HEAD_OFFSET, *values[:7])
        _TAIL.pack_into(self._serialized, self._tail_offset, *values[7:])
        return bytes(self._serialized)

    def _filled(self, values: _Values, text: str) -> NodeStatus:
        message = self._message
        message.task_id.problem_id, message.task_id.iteration_id = values[:2]
        message.attempt, message.session, message.token = values[2:5]
        message.header.stamp.sec, message.header.stamp.nanosec = values[5:7]
        message.last_command, message.node_status, message.task_status = values[7:10]
        message.try_number, message.error_code = values[10:]
        message.error_description = text
        return message

    def _check(self) -> bool:
        """Whether patching gives what the middleware serializes; if not, messages are converted."""
        values = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
        try:
            return self._patched(values) == serialize_message(self._filled(values, ""))
        except struct.error:
            return False


def _publisher(node: Node, matched: Callable[[], None]) -> Publisher:
    def changed(info: Any) -> None:
        if info.current_count_change > 0:
            matched()

    parts = NodeStatus, names.STATUS, names.STATUS_QOS
    try:
        return node.create_publisher(
            *parts, event_callbacks=PublisherEventCallbacks(matched=changed)
        )
    except UnsupportedEventTypeError:  # a new subscription has to wait for the next heartbeat
        return node.create_publisher(*parts)
