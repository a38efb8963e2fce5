"""Checks the fields of messages that others filled, before they are serialized.

Generated message classes check nothing by default, and the C code behind them aborts the process at
a value of another type. A value that means the same (an int for a float, a scalar or an array of
NumPy, a tuple for a list) is converted; any other is refused with the name of its field.
"""

from __future__ import annotations

import ctypes
import importlib
import math
from array import array
from collections import UserList
from collections.abc import Callable, Mapping, Sequence, Set
from decimal import Decimal
from functools import cache
from numbers import Integral, Real
from typing import Any

from rosidl_parser import definition as idl

_BITS = {"char": 8, "uint8": 8, "uint16": 16, "uint32": 32, "uint64": 64}
_SIGNED_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
Convert = Callable[[Any, str], Any]


class FieldError(ValueError):
    """A field has a wrong value; the text names field, value and remedy."""


def converted(message_type: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as the fields of these names take them.

    Args:
        message_type: the message class.
        values: by the names of fields; not all of them need be there.

    Raises:
        FieldError: a value has a wrong type or cannot be sent, or there is no such field.
    """
    known = converters(message_type)
    if unknown := values.keys() - known.keys():
        raise FieldError(f"there is no field '{min(unknown)}'; use {', '.join(known)}")
    return {name: known[name](value, name) for name, value in values.items()}


@cache
def converters(message_type: Any) -> dict[str, Convert]:
    """By the name of each field: what returns a value to send for a value and its field's path."""
    names = message_type.get_fields_and_field_types()
    return dict(zip(names, map(_converter, message_type.SLOT_TYPES), strict=True))


def _converter(slot: Any) -> Convert:
    """A function that takes a value and the path of its field, and returns the value to send."""
    if isinstance(slot, idl.NamespacedType):
        return _message(slot)
    if isinstance(slot, idl.AbstractGenericString):
        return _text(slot.maximum_size if slot.has_maximum_size() else math.inf)
    if isinstance(slot, idl.AbstractNestedType):
        return _list(slot)
    if slot.typename in ("float", "double"):
        return _real(slot.typename)
    if slot.typename in _BITS:
        return _integer(slot.typename, 0, (1 << _BITS[slot.typename]) - 1)
    if slot.typename in _SIGNED_BITS:
        high = 1 << _SIGNED_BITS[slot.typename] - 1
        return _integer(slot.typename, -high, high - 1)
    return _octet if slot.typename == "octet" else _boolean


def _message(slot: Any) -> Convert:
    message_type = getattr(importlib.import_module(".".join(slot.namespaces)), slot.name)

    def convert(value: Any, path: str) -> Any:
        if not isinstance(value, message_type):
            raise _wrong_type(value, path, f"{slot.namespaces[0]}/msg/{slot.name}")
        return message_type(**{
            name: field(getattr(value, name, None), f"{path}.{name}")
            for name, field in converters(message_type).items()
        })  # fmt: skip

    return convert


def _integer(name: str, low: int, high: int) -> Convert:
    def convert(value: Any, path: str) -> int:
        if not isinstance(value, Integral) or isinstance(value, bool):
            raise _wrong_type(value, path, name)
        if not low <= int(value) <= high:
            raise FieldError(f"{path} is out of range: {name} holds {low} to {high}")
        return int(value)

    return convert


def _real(name: str) -> Convert:
    def convert(value: Any, path: str) -> float:
        if type(value).__name__ == "ndarray" and not value.ndim:
            value = value.item()
        if not isinstance(value, (Real, Decimal)) or isinstance(value, bool):
            raise _wrong_type(value, path, "float32" if name == "float" else "float64")
        try:
            number = float(value)
            sent = ctypes.c_float(number).value if name == "float" else number
            if math.isinf(sent) and not math.isinf(number):
                raise OverflowError
        except ValueError:  # a signaling NaN of decimal
            raise FieldError(f"{path} is {value}; give a finite number") from None
        except OverflowError:
            raise FieldError(f"{path} is too large; give a smaller number") from None
        return number

    return convert


def _boolean(value: Any, path: str) -> bool:
    if type(value).__name__ not in ("bool", "bool_"):  # of Python, of NumPy
        raise _wrong_type(value, path, "bool")
    return bool(value)


def _octet(value: Any, path: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != 1:
        raise _wrong_type(value, path, "byte (bytes of length 1)")
    return value


def _text(longest: float) -> Convert:
    def convert(value: Any, path: str) -> str:
        if not isinstance(value, str):
            raise _wrong_type(value, path, "string")
        if "\0" in value:
            raise FieldError(f"{path} contains a NUL character, which cannot be sent; remove it")
        try:
            size = len(value.encode())
        except UnicodeEncodeError as error:
            raise FieldError(
                f"{path} contains {value[error.start]!a}, which is no Unicode character: "
                "it is not valid UTF-8 and cannot be sent; decode the text with its own encoding"
            ) from None
        if size > longest:
            raise FieldError(f"{path} has {size} bytes; {longest} are permitted")
        return str(value)

    return convert


def _list(slot: Any) -> Convert:
    item, name = _converter(slot.value_type), getattr(slot.value_type, "typename", "")
    least = most = getattr(slot, "size", None)
    if isinstance(slot, idl.BoundedSequence):
        most = slot.maximum_size

    def convert(value: Any, path: str) -> Any:
        values = _values(value, name)
        if values is None:
            raise _wrong_type(value, path, f"list of {name}" if name else "list")
        if len(values) < (least or 0) or (most is not None and len(values) > most):
            bound = "exactly" if least else "at most"
            raise FieldError(f"{path} has {len(values)} items; it holds {bound} {most}")
        if isinstance(values, (array, bytes)):
            return values
        return [item(one, f"{path}[{index}]") for index, one in enumerate(values)]

    return convert


def _values(value: Any, name: str) -> Any:
    """The items of a list field; None where the value is no list.

    Arrays and bytes are returned only where they hold the right type: their items need no check.
    """
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value) if name == "uint8" else None
    if isinstance(value, array):
        right = {"uint8": "B", "float": "f", "double": "d"}.get(name) == value.typecode
        return value if right else value.tolist()
    if type(value).__name__ == "ndarray":
        if value.ndim != 1:
            return None
        return value.tobytes() if str(value.dtype) == name == "uint8" else list(value)
    listed = isinstance(value, (Sequence, Set, UserList)) and not isinstance(value, str)
    return list(value) if listed else None


def _wrong_type(value: Any, path: str, due: str) -> FieldError:
    kind = "None" if value is None else f"of type {type(value).__name__}"
    return FieldError(f"{path} is {kind}; it must be {due}")
