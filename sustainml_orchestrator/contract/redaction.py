"""Serialized messages without the credentials in their extra_data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.core import credentials

_FIELD = "extra_data"


class Redaction:
    """Takes credentials out of payloads.

    Args:
        types: message type by name of the module; ``user_input`` is one of them.
    """

    def __init__(self, types: Mapping[str, type]) -> None:
        self._types = types

    def __call__(self, module: str, payload: bytes) -> bytes:
        """The payload without credentials; the same object where there are none."""
        message_type = self._types.get(module)
        return payload if message_type is None else redacted(payload, message_type)


def redacted(payload: bytes, message_type: type) -> bytes:
    """A payload without credentials; the same object where there are none."""
    if not _has_extra_data(message_type):
        return payload
    try:
        begin, end = cdr.spans(payload, message_type)[_FIELD]
    except cdr.BadPayload:  # it will be dropped, or has been
        return payload
    data = bytes(cdr.octets(payload, (begin, end)))
    plain = without_credentials(data)
    if plain is data:
        return payload
    if end == len(payload):  # as in every message of ours
        return payload[:begin] + len(plain).to_bytes(4, "little") + plain
    message: Any = deserialize_message(payload, message_type)
    message.extra_data = plain
    return serialize_message(message)


def without_credentials(extra_data: bytes) -> bytes:
    """A JSON object without its credentials; the same bytes where there are none.

    What may hold some but is no JSON is left out as a whole.
    """
    if not credentials.may_hold(extra_data):
        return extra_data
    try:
        plain, removed = credentials.strip(json.loads(extra_data))
        return json.dumps(plain, ensure_ascii=False).encode() if removed else extra_data
    except (ValueError, RecursionError):
        return b""


@lru_cache(maxsize=256)
def _has_extra_data(message_type: Any) -> bool:
    return message_type.get_fields_and_field_types().get(_FIELD) == "sequence<uint8>"
