"""Numbers of an object packed into one bytes object: a fifth of the memory of their own objects."""

from __future__ import annotations

import struct
from typing import Generic, Protocol, TypeVar

Number = TypeVar("Number", int, float)


class _Packing(Protocol):
    _numbers: bytes


class Packed(Generic[Number]):
    """A number stored in the `_numbers` of its object.

    Args:
        code: format of the number, as in `struct`.
        offset: its place in bytes.
    """

    def __init__(self, code: str, offset: int) -> None:
        self._struct = struct.Struct(f"<{code}")
        self._begin = offset
        self._end = offset + self._struct.size

    def __get__(self, holder: _Packing, owner: type) -> Number:
        number: Number = self._struct.unpack_from(holder._numbers, self._begin)[0]
        return number

    def __set__(self, holder: _Packing, number: Number) -> None:
        before = holder._numbers
        holder._numbers = before[: self._begin] + self._struct.pack(number) + before[self._end :]
