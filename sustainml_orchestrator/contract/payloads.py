"""Serialized outputs and user inputs: credentials left out, old layouts rewritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from sustainml_orchestrator.contract import cdr
from sustainml_orchestrator.core import credentials

_FIELD = "extra_data"
_NO_TOKEN = bytes(4)
#: Bytes up to which a search of a whole payload takes less time than finding extra_data in it.
_SHORT = 2000


class Payloads:
    """Rewrites the payloads of a pipeline for and from a journal.

    Args:
        types: message type by name of the module; ``user_input`` is one of them.
    """

    def __init__(self, types: Mapping[str, type]) -> None:
        self._types = types

    def redact(self, module: str, payload: bytes) -> bytes:
        """The payload without credentials; the same object where there are none."""
        message_type = self._types.get(module)
        return payload if message_type is None else redacted(payload, message_type)

    def upgrade(self, module: str, payload: bytes) -> bytes:
        """A payload from before messages had a token, as journals up to version 3 hold them.

        Unchanged where it cannot be read, or where the module is unknown.
        """
        message_type = self._types.get(module)
        try:
            if message_type is not None:
                return cdr.with_field(payload, message_type, "token", _NO_TOKEN, present=False)
        except cdr.BadPayload:
            pass
        return payload


def redacted(payload: bytes, message_type: type) -> bytes:
    """A payload without credentials; the same object where there are none."""
    if not _has_extra_data(message_type):
        return payload
    if len(payload) <= _SHORT and not credentials.may_hold(payload):
        return payload
    try:
        data = bytes(cdr.octets(payload, cdr.spans(payload, message_type)[_FIELD]))
    except cdr.BadPayload:  # it will be dropped, or has been
        return payload
    plain = without_credentials(data)
    if plain is data:
        return payload
    value = len(plain).to_bytes(4, "little") + plain
    return cdr.with_field(payload, message_type, _FIELD, value)


@cache
def _has_extra_data(message_type: type) -> bool:
    kinds: Mapping[str, str] = message_type.get_fields_and_field_types()  # type: ignore[attr-defined]
    return kinds.get(_FIELD) == "sequence<uint8>"


def without_credentials(extra_data: bytes) -> bytes:
    """A JSON object without its credentials; the same bytes where there are none.

    What may hold some but is not JSON is left out as a whole.
    """
    if not credentials.may_hold(extra_data):
        return extra_data
    try:
        plain, removed = credentials.strip(json.loads(extra_data))
        return json.dumps(plain, ensure_ascii=False).encode() if removed else extra_data
    except (ValueError, RecursionError):
        return b""
