"""Loads the libraries of message types, which their first use would: 0.1 s in every node."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

from rclpy.serialization import deserialize_message, serialize_message
from rclpy.type_support import check_for_type_support

#: What every node uses, and then what is ours.
_PACKAGES = (
    "rcl_interfaces.msg", "rcl_interfaces.srv", "type_description_interfaces.srv",
    "sustainml_msgs.msg", "sustainml_msgs.srv",
)  # fmt: skip


def load() -> None:
    """Load all that nodes of the framework may use."""
    for type_ in _types():
        check_for_type_support(type_)
        if hasattr(type_, "get_fields_and_field_types"):
            deserialize_message(serialize_message(type_()), type_)


def _types() -> Iterator[type]:
    for name in _PACKAGES:
        package = importlib.import_module(name)
        yield from (t for t in vars(package).values() if isinstance(t, type))
