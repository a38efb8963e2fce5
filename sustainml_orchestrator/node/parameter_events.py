"""Changes of parameters, as ROS 2 nodes announce them: those of modules become events."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection

from rcl_interfaces.msg import ParameterEvent, ParameterType, ParameterValue
from rclpy.serialization import deserialize_message

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.core.events import ParametersChanged

#: Names of the field with the value, by type: settings are scalars.
_FIELDS = {
    ParameterType.PARAMETER_BOOL: "bool_value",
    ParameterType.PARAMETER_INTEGER: "integer_value",
    ParameterType.PARAMETER_DOUBLE: "double_value",
    ParameterType.PARAMETER_STRING: "string_value",
}
#: Parameters that ROS 2 gives to every node.
_OF_ROS = frozenset({"use_sim_time", "start_type_description_service"})
#: Longest message in bytes, and most changes in one, that are looked at.
_MAX_BYTES, _MAX_CHANGES = 1 << 18, 100


def read(
    data: bytes, instances: Collection[str], dropped: Counter[str]
) -> ParametersChanged | None:
    """The scalar parameters that a process has changed; None if there are none.

    Args:
        data: a serialized ParameterEvent; every node of the domain publishes them.
        instances: names of the processes of modules; others are ignored.
        dropped: counts what cannot be read, by reason.
    """
    try:
        author = cdr.read_changed_node(data)
        if author not in instances:
            return None
        if len(data) > _MAX_BYTES:
            raise cdr.BadPayload(f"{len(data)} bytes")
        cdr.spans(data, ParameterEvent)
        changed = deserialize_message(data, ParameterEvent).changed_parameters
    except (cdr.BadPayload, ValueError, RuntimeError):
        dropped["parameter event that cannot be read"] += 1
        return None
    settings = {}
    for parameter in changed[:_MAX_CHANGES]:
        text = _json(parameter.value)
        if text and not _is_of_ros(parameter.name):
            settings[parameter.name] = text
    return ParametersChanged(author, settings) if settings else None


def _is_of_ros(name: str) -> bool:
    return name in _OF_ROS or name.startswith("qos_overrides.")


def _json(value: ParameterValue) -> str:
    """A scalar as JSON; "" for what is none, and for infinite numbers and NaN."""
    field = _FIELDS.get(value.type)
    scalar = getattr(value, field) if field else math.nan
    return "" if isinstance(scalar, float) and not math.isfinite(scalar) else json.dumps(scalar)
