"""Payloads from before messages had a token, rewritten in the present layout.

Journals up to version 3 and exports of format 1 hold such payloads. A field of four bytes in front
of the header moves what follows it, and with it the padding in front of every 64-bit number.
"""

from __future__ import annotations

import importlib
import struct
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from rosidl_parser import definition as idl

from sustainml_orchestrator.contract.cdr import ENCAPSULATION

_BASE = 4
_U32 = struct.Struct("<I")
_SIZES = {
    "boolean": 1, "octet": 1, "uint8": 1, "int8": 1, "char": 1, "int16": 2, "uint16": 2,
    "int32": 4, "uint32": 4, "float": 4, "int64": 8, "uint64": 8, "double": 8,
}  # fmt: skip
_NEW_FIELD, _NO_TOKEN = "token", bytes(4)

#: Copies one field: (old payload, offset, new payload) → offset behind the field.
Copy = Callable[[bytes, int, bytearray], int]


class PayloadUpgrade:
    """Rewrites payloads.

    Args:
        types: message type by name of the module; ``user_input`` is one of them.
    """

    def __init__(self, types: Mapping[str, type]) -> None:
        self._types = types

    def __call__(self, module: str, payload: bytes) -> bytes:
        """A payload in the present layout; unchanged where it cannot be read, or is unknown."""
        message_type = self._types.get(module)
        if message_type is None or payload[:2] != ENCAPSULATION:
            return payload
        fresh, at = bytearray(payload[:_BASE]), _BASE
        try:
            for name, copy in _fields(message_type):
                if name == _NEW_FIELD:
                    fresh += _NO_TOKEN
                else:
                    at = copy(payload, at, fresh)
        except (struct.error, ValueError):
            return payload
        return bytes(fresh)


def _align(data: bytes, at: int, size: int, fresh: bytearray) -> int:
    fresh += bytes(-(len(fresh) - _BASE) % size)
    return at + -(at - _BASE) % size


def _block(data: bytes, at: int, length: int, fresh: bytearray) -> int:
    if at + length > len(data):
        raise ValueError("the payload ends too early")
    fresh += data[at : at + length]
    return at + length


def _numbers(size: int, count: int) -> Copy:
    def copy(data: bytes, at: int, fresh: bytearray) -> int:
        return _block(data, _align(data, at, size, fresh), size * count, fresh)

    return copy


def _string(data: bytes, at: int, fresh: bytearray) -> int:
    at = _align(data, at, 4, fresh)
    return _block(data, at, 4 + _U32.unpack_from(data, at)[0], fresh)


def _items(item: idl.AbstractType, fixed: int | None) -> Copy:
    size = _SIZES[item.typename] if isinstance(item, idl.BasicType) else 0
    copy_item = _copy(item)

    def copy(data: bytes, at: int, fresh: bytearray) -> int:
        count = fixed
        if count is None:
            at = _align(data, at, 4, fresh)
            (count,) = _U32.unpack_from(data, at)
            at = _block(data, at, 4, fresh)
        if count > len(data):
            raise ValueError("a sequence that is longer than the payload")
        if size and count:
            return _numbers(size, count)(data, at, fresh)
        for _ in range(0 if size else count):
            at = copy_item(data, at, fresh)
        return at

    return copy


def _message(message_type: type) -> Copy:
    def copy(data: bytes, at: int, fresh: bytearray) -> int:
        for _, copy_field in _fields(message_type):
            at = copy_field(data, at, fresh)
        return at

    return copy


def _copy(slot: idl.AbstractType) -> Copy:
    if isinstance(slot, idl.BasicType):
        return _numbers(_SIZES[slot.typename], 1)
    if isinstance(slot, idl.AbstractString):
        return _string
    if isinstance(slot, idl.AbstractNestedType):
        return _items(slot.value_type, slot.size if isinstance(slot, idl.Array) else None)
    module = importlib.import_module(".".join(slot.namespaces))
    return _message(getattr(module, slot.name))


@cache
def _fields(message_type: Any) -> list[tuple[str, Copy]]:
    names = list(message_type.get_fields_and_field_types())
    return [(name, _copy(s)) for name, s in zip(names, message_type.SLOT_TYPES, strict=True)]
