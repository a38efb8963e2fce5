"""Subscriptions to the modules: what they publish, taken serialized, becomes events."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable
from functools import partial

from rcl_interfaces.msg import ParameterEvent
from rclpy.node import Node
from rclpy.qos import QoSProfile, qos_profile_parameter_events
from sustainml_msgs.msg import NodeStatus

from sustainml_orchestrator.contract import cdr, names
from sustainml_orchestrator.contract.module_graph import figure_sources, output_type
from sustainml_orchestrator.core.events import (
    Event,
    OutputReceived,
    ParametersChanged,
    StatusReceived,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import ModuleSpec
from sustainml_orchestrator.core.text import printable
from sustainml_orchestrator.node import outputs, parameter_events
from sustainml_orchestrator.node.loop import Loop

#: Longest age of what is known of the graph, in s.
_GRAPH_PERIOD = 1.0


class Subscriptions:
    """Subscribes to statuses, outputs, changes of parameters; dispatches all at each wake-up.

    Statuses come first: a module reports that it works before it delivers.

    Args:
        dispatch: takes the events of one wake-up.
        dropped: counts dropped messages, by reason.
        adopt: what a status counts for; None = nothing.
    """

    def __init__(
        self,
        node: Node,
        loop: Loop,
        core: Orchestrator,
        dispatch: Callable[[list[Event]], None],
        dropped: Counter[str],
        adopt: Callable[[StatusReceived], StatusReceived | None],
    ) -> None:
        self._adopt = adopt
        self._node = node
        self._loop = loop
        self._core = core
        pipeline = core.pipeline
        self._authors: dict[str, tuple[float, set[str]]] = {}
        self._dispatch = dispatch
        self._dropped = dropped
        self._subscribe(names.STATUS, NodeStatus, names.STATUS_QOS, self._status)
        self._subscribe(
            names.PARAMETER_EVENTS, ParameterEvent, qos_profile_parameter_events, self._parameters
        )
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

    def renew_status(self) -> None:
        """Replace the subscription to status by a new one."""
        self._loop.renew(self._node, names.STATUS)

    def _status(self, data: bytes) -> StatusReceived | None:
        try:
            return self._adopt(cdr.read_status(data))
        except cdr.BadPayload:
            self._dropped["status that cannot be read"] += 1
            return None

    def _parameters(self, data: bytes) -> ParametersChanged | None:
        nodes = self._core.lifecycle.nodes
        instances = {name for node in nodes for name, _ in node.instances}
        return parameter_events.read(data, instances, self._dropped)

    def _output(self, spec: ModuleSpec, message_type: type, data: bytes) -> Event | None:
        try:
            ids, author = cdr.read_ids(data), cdr.read_author(data)
        except cdr.BadPayload:
            self._dropped["output that cannot be read"] += 1
            return None
        if not self._is_author(spec, author):
            self._dropped["output whose header.frame_id names no node of its module"] += 1
            self._node.get_logger().warning(
                f"an output of {spec.name} for task {ids.task_id} is dropped: its header.frame_id "
                f"'{printable(author, 80)}' names no node of that module; set the fully qualified "
                "name of the node that publishes it",
                throttle_duration_sec=1.0,
            )
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

    def _is_author(self, spec: ModuleSpec, author: str) -> bool:
        """Whether a name is that of a module's instance, or of a node that publishes its output.

        Before the first status of a module its instances are not known.
        """
        instances = self._core.lifecycle.nodes[spec.index].instances.values()
        if not author or any(author == instance.name for instance in instances):
            return bool(author)
        return not instances or author in self._publishing(names.output_topic(spec.name))

    def _publishing(self, topic: str) -> set[str]:
        """Fully qualified names of the nodes that publish a topic, as of the last second."""
        looked, found = self._authors.get(topic, (-math.inf, set()))
        if time.monotonic() - looked > _GRAPH_PERIOD:
            found = {
                f"{info.node_namespace.rstrip('/')}/{info.node_name}"
                for info in self._node.get_publishers_info_by_topic(topic)
            }
            self._authors[topic] = time.monotonic(), found
        return found


def _default(message_type: type) -> bytes:
    from rclpy.serialization import serialize_message

    return serialize_message(message_type())
