"""Serialized messages (XCDR1 little endian) read and written in place.

Every message that names a task begins with the same fields, so that ids can be read and written
at fixed offsets: a payload of 50 MiB costs no more than a small one. Layout: OMG DDS-XTypes 1.3,
section 7.4 (alignment is relative to the end of the 4-byte encapsulation header).
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache, lru_cache
from importlib import import_module
from typing import Any, NamedTuple

from rosidl_parser import definition as idl

from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import NodeStatus, TaskId, TaskStatus
from sustainml_orchestrator.core.text import printable

#: What every message about a task begins with.
COMMON_FIELDS = ("task_id", "attempt", "session", "token", "header")
ENCAPSULATION = b"\x00\x01"  # CDR_LE; the two bytes of options after it may hold anything
_BASE = 4
_IDS = struct.Struct("<5I")
_STAMP = struct.Struct("<iI")
_STAMP_AT = _BASE + _IDS.size
_U32 = struct.Struct("<I")
#: Bytes of the longest name of a node; the DDS name of a topic has no room for more.
_MAX_NAME = 256
_STATUS_NUMBERS = struct.Struct("<QIBBxxIB")
_SIZES = {
    "boolean": 1, "octet": 1, "uint8": 1, "int8": 1, "char": 1, "int16": 2, "uint16": 2,
    "int32": 4, "uint32": 4, "float": 4, "int64": 8, "uint64": 8, "double": 8,
}  # fmt: skip


class BadPayload(ValueError):
    """The bytes are no such message."""


class Ids(NamedTuple):
    """What stands at the fixed offsets."""

    task_id: TaskId
    attempt: int
    session: int
    token: int


def without_options(data: bytes) -> bytes:
    """The same message, the options of its encapsulation being zero.

    ROS 2 writes zero; another participant of DDS may write anything. Fast CDR 2 (from Kilted on)
    takes a number of padding bytes from them, and may then refuse what can be read.
    """
    whole = len(data) >= _BASE and data[2:_BASE] != b"\0\0"
    return data[:2] + b"\0\0" + data[_BASE:] if whole else data


def names_a_task(message_type: Any) -> bool:
    """Whether messages of this type begin with the fields that are read at fixed offsets."""
    kinds = message_type.get_fields_and_field_types()
    wanted = ["sustainml_msgs/TaskId", "uint32", "uint32", "uint32", "std_msgs/Header"]
    first = list(kinds.items())[: len(COMMON_FIELDS)]
    return first == list(zip(COMMON_FIELDS, wanted, strict=True))


def read_ids(data: bytes) -> Ids:
    """Ids of a serialized message.

    Raises:
        BadPayload: too short, or not little-endian CDR.
    """
    if len(data) < _STAMP_AT or data[:2] != ENCAPSULATION:
        raise BadPayload(f"{len(data)} bytes that are no little-endian CDR message")
    problem, iteration, attempt, session, token = _IDS.unpack_from(data, _BASE)
    return Ids(TaskId(problem, iteration), attempt, session, token)


def read_author(data: bytes) -> str:
    """header.frame_id of a serialized message: the fully qualified name of its node.

    Raises:
        BadPayload: it ends too early.
    """
    try:
        return _string(data, _STAMP_AT + _STAMP.size)[0]
    except struct.error as error:
        raise BadPayload(f"no header: {error}") from error


def read_changed_node(data: bytes) -> str:
    """The node that a serialized ParameterEvent is about.

    Raises:
        BadPayload: it ends too early, or is not little-endian CDR.
    """
    try:
        if data[:2] == ENCAPSULATION:
            return _string(data, _BASE + _STAMP.size)[0]
    except struct.error as error:
        raise BadPayload(f"no ParameterEvent: {error}") from error
    raise BadPayload("no little-endian CDR message")


def with_ids(data: bytes, ids: Ids, stamp: int | None = None) -> bytes:
    """A copy with other ids, and another stamp (ns) where given."""
    copy = bytearray(data)
    _IDS.pack_into(copy, _BASE, *ids.task_id, *ids[1:])
    if stamp is not None:
        _STAMP.pack_into(copy, _STAMP_AT, stamp // 10**9, stamp % 10**9)
    return bytes(copy)


def _octets_of_string(data: bytes, at: int) -> tuple[bytes, int]:
    """Read the bytes of a string; returns them and the offset after the string."""
    at += -(at - _BASE) % 4
    (length,) = _U32.unpack_from(data, at)
    end = at + 4 + length
    if end > len(data):
        raise BadPayload("a string that is longer than the message")
    return data[at + 4 : end].partition(b"\0")[0], end  # that is what a C string holds


def _string(data: bytes, at: int) -> tuple[str, int]:
    """Read and decode a string; returns it and the offset after it."""
    encoded, end = _octets_of_string(data, at)
    return encoded.decode("utf-8", "replace"), end


def read_status(data: bytes) -> StatusReceived:
    """A NodeStatus as an event; far cheaper than a message object.

    Raises:
        BadPayload: the bytes are no NodeStatus, or hold an unknown state.
    """
    task_id, attempt, session, token = read_ids(data)
    try:
        _, at = _octets_of_string(data, _STAMP_AT + _STAMP.size)
        node_name, at = _octets_of_string(data, at)
        instance, at = _octets_of_string(data, at)
        at += -(at - _BASE) % 8
        incarnation, last_command, node_status, task_status, try_number, error_code = (
            _STATUS_NUMBERS.unpack_from(data, at)
        )
        text, _ = _string(data, at + _STATUS_NUMBERS.size)
        return StatusReceived(
            _name(node_name),
            _name(instance),
            incarnation,
            last_command,
            NodeStatus(node_status),
            task_id,
            attempt,
            session,
            token,
            TaskStatus(task_status),
            try_number,
            error_code,
            printable(text) if text else "",
        )
    except (struct.error, ValueError) as error:
        raise BadPayload(f"no NodeStatus: {error}") from error


@lru_cache(maxsize=256)  # names repeat in all statuses of a node
def _name(encoded: bytes) -> str:
    """The name of a node, as it may be shown."""
    name = encoded.decode("utf-8", "replace")
    if len(name) > _MAX_NAME:
        raise BadPayload(f"a name of {len(name)} characters")
    return printable(name)


# Walking any message #

#: Walks one field: (data, offset, copy) → offset after it. Where a copy is given, the field is
#: appended to it, aligned anew. Raises struct.error or BadPayload.
Walk = Callable[[bytes, int, bytearray | None], int]


def _walk_bytes(data: bytes, at: int, copy: bytearray | None, alignment: int, length: int) -> int:
    at += -(at - _BASE) % alignment
    end = at + length
    if end > len(data):
        raise BadPayload("the message ends too early")
    if copy is not None:
        copy += bytes(-(len(copy) - _BASE) % alignment) + data[at:end]
    return end


def _walk_number(size: int) -> Walk:
    return lambda data, at, copy: _walk_bytes(data, at, copy, size, size)


def _walk_boolean(data: bytes, at: int, copy: bytearray | None) -> int:
    if data[at : at + 1] not in (b"\0", b"\1"):
        raise BadPayload("a boolean that is neither true nor false, or the message ends too early")
    return _walk_bytes(data, at, copy, 1, 1)


def _walk_string(data: bytes, at: int, copy: bytearray | None) -> int:
    (length,) = _U32.unpack_from(data, at + -(at - _BASE) % 4)
    return _walk_bytes(data, at, copy, 4, 4 + length)


def _walk_many(item: Walk, size: int, count: int | None) -> Walk:
    """A sequence (count None), or an array; `size` of an item where it is a plain number."""

    def walk(data: bytes, at: int, copy: bytearray | None) -> int:
        number = count
        if number is None:
            at = _walk_bytes(data, at, copy, 4, 4)
            (number,) = _U32.unpack_from(data, at - 4)
        if number > len(data) - at:
            raise BadPayload("a sequence that is longer than the message")
        if size and number:
            return _walk_bytes(data, at, copy, size, size * number)
        for _ in range(number):
            at = item(data, at, copy)
        return at

    return walk


def _walk_type(slot: idl.AbstractType) -> Walk:
    if isinstance(slot, idl.BasicType):
        return _walk_boolean if slot.typename == "boolean" else _walk_number(_SIZES[slot.typename])
    if isinstance(slot, idl.AbstractString):
        return _walk_string
    if isinstance(slot, idl.NamespacedType):
        return _walk_message(getattr(import_module(".".join(slot.namespaces)), slot.name))
    if isinstance(slot, idl.AbstractNestedType):
        item = slot.value_type
        size = _SIZES[item.typename] if isinstance(item, idl.BasicType) else 0
        return _walk_many(
            _walk_type(item), size, slot.size if isinstance(slot, idl.Array) else None
        )
    raise TypeError(f"cannot walk {slot}")


@cache
def _fields(message_type: Any) -> dict[str, tuple[Walk, int]]:
    """How to walk each field, and its alignment."""
    slots = zip(message_type.get_fields_and_field_types(), message_type.SLOT_TYPES, strict=True)
    return {
        name: (_walk_type(slot), _SIZES[slot.typename] if isinstance(slot, idl.BasicType) else 4)
        for name, slot in slots
    }


def _walk_message(message_type: type) -> Walk:
    walks = [walk for walk, _ in _fields(message_type).values()]

    def walk_all(data: bytes, at: int, copy: bytearray | None) -> int:
        for walk in walks:
            at = walk(data, at, copy)
        return at

    return walk_all


def with_field(
    data: bytes, message_type: type, name: str, value: bytes, *, present: bool = True
) -> bytes:
    """A copy in which a field has another value; what follows it is aligned anew.

    Args:
        value: serialized, of an alignment of 4.
        present: False: the message is from before its type got this field.

    Raises:
        BadPayload: the bytes are no such message.
    """
    read_ids(data)
    copy, at = bytearray(data[:_BASE]), _BASE
    try:
        for field, (walk, _) in _fields(message_type).items():
            if field != name:
                at = walk(data, at, copy)
                continue
            copy += bytes(-(len(copy) - _BASE) % 4) + value
            if present:
                at = walk(data, at, None)
    except struct.error as error:
        raise BadPayload(f"no {message_type.__name__}: {error}") from error
    return bytes(copy)


#: Where each field of a message begins and ends.
Spans = dict[str, tuple[int, int]]


def spans(data: bytes, message_type: type) -> Spans:
    """Where each field of a message begins (aligned) and ends: all of it checked with bounds.

    Raises:
        BadPayload: the bytes are no such message.
    """
    read_ids(data)
    at, found = _BASE, {}
    try:
        for name, (walk, alignment) in _fields(message_type).items():
            end = walk(data, at, None)
            found[name] = (at + -(at - _BASE) % alignment, end)
            at = end
    except struct.error as error:
        raise BadPayload(f"no {message_type.__name__}: {error}") from error
    return found


def text(data: bytes, span: tuple[int, int]) -> str:
    """A string field of which the span is known."""
    return _string(data, span[0])[0]


def number(data: bytes, span: tuple[int, int]) -> float:
    """A float64 field of which the span is known."""
    return float(struct.unpack_from("<d", data, span[0])[0])


def octets(data: bytes, span: tuple[int, int]) -> memoryview:
    """An uint8[] field of which the span is known; not copied."""
    return memoryview(data)[span[0] + 4 : span[1]]


def without(data: bytes, message_type: type, names: tuple[str, ...]) -> bytes:
    """A copy in which these uint8[] fields are cut to fewer than 8 bytes, whatever they hold.

    What follows a cut field moves by a multiple of 8, so that every alignment stays right.
    """
    parts, at = [], 0
    for name, (begin, end) in spans(data, message_type).items():
        if name not in names:
            continue
        keep = (end - begin - 4) % 8
        parts += [data[at:begin], _U32.pack(keep), data[begin + 4 : begin + 4 + keep]]
        at = end
    return b"".join([*parts, data[at:]])
