"""What comes from the modules: status and outputs, taken raw and turned into events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial

from rclpy.node import Node
from rclpy.qos import QoSProfile
from sustainml_msgs.msg import NodeStatus

from sustainml_orchestrator.contract import cdr, names
from sustainml_orchestrator.contract.module_graph import figure_sources, output_type
from sustainml_orchestrator.core.events import (
    Event,
    OutputReceived,
    StatusReceived,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.pipeline import ModuleSpec, Pipeline
from sustainml_orchestrator.node import outputs
from sustainml_orchestrator.node.loop import Loop


class Subscriptions:
    """Subscribes to status and outputs; hands on all that is queued at each wake-up.

    Statuses come first: what a module says of its work is heard before the work ends.

    Args:
        dispatch: takes the events of one wake-up.
        dropped: counts what could not be read, by reason.
    """

    def __init__(
        self,
        node: Node,
        loop: Loop,
        pipeline: Pipeline,
        dispatch: Callable[[list[Event]], None],
        dropped: Counter[str],
    ) -> None:
        self._node = node
        self._loop = loop
        self._dispatch = dispatch
        self._dropped = dropped
        self._subscribe(names.STATUS, NodeStatus, names.STATUS_QOS, self._status)
        self._figure_sources = figure_sources(pipeline)
        for spec in pipeline.modules:
            message_type = output_type(spec)
            cdr.spans(_default(message_type), message_type)  # compile the walk
            self._subscribe(
                names.output_topic(spec.name),
                message_type,
                names.DATA_QOS,
                partial(self._output, spec, message_type),
            )

    def _subscribe(
        self, topic: str, message_type: type, qos: QoSProfile, read: Callable[[bytes], Event | None]
    ) -> None:
        def take(messages: list[bytes]) -> None:
            events = [event for data in messages if (event := read(data)) is not None]
            if events:
                self._dispatch(events)

        self._loop.subscribe(self._node, message_type, topic, qos, take)

    def _status(self, data: bytes) -> StatusReceived | None:
        try:
            return cdr.read_status(data)
        except cdr.BadPayload:
            self._dropped["status that cannot be read"] += 1
            return None

    def _output(self, spec: ModuleSpec, message_type: type, data: bytes) -> Event | None:
        try:
            ids = cdr.read_ids(data)
        except cdr.BadPayload:
            self._dropped["output that cannot be read"] += 1
            return None
        try:
            facts = outputs.facts(data, message_type)
        except outputs.BadFigure as error:
            return UnreadableOutputReceived(spec.index, *ids, str(error))
        except cdr.BadPayload as error:
            self._node.get_logger().warning(
                f"output of {spec.name} for {ids.task_id}: {error}", throttle_duration_sec=1.0
            )
            return UnreadableOutputReceived(spec.index, *ids)
        if spec.index not in self._figure_sources:
            facts = {}
        return OutputReceived(spec.index, *ids, data, facts)


def _default(message_type: type) -> bytes:
    from rclpy.serialization import serialize_message

    return serialize_message(message_type())
