"""A disk that loses power: what may be left of recorded writes.

A write is durable once its file was synced. One that was not may be lost, whole or by sectors, no
matter what became of the writes before and after it. Names (created, renamed, deleted files) are
durable at once and in order, as on a file system with a journal.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

SECTOR = 512
_HEAD = struct.Struct("<cqqi")


class Operation(NamedTuple):
    """One record of write_recorder.c."""

    kind: str
    name: str
    offset: int
    data: bytes


def operations(trace: Path) -> Iterator[Operation]:
    """All records of a trace, in order."""
    data, at = trace.read_bytes(), 0
    while at < len(data):
        kind, offset, size, name_size = _HEAD.unpack_from(data, at)
        at += _HEAD.size
        name = data[at : at + name_size].decode()
        at += name_size
        yield Operation(kind.decode(), name, offset, data[at : at + size])
        at += size


class _File:
    def __init__(self) -> None:
        self.durable = bytearray()
        self.pending: list[Operation] = []

    def sync(self) -> None:
        for operation in self.pending:
            _apply(self.durable, operation)
        self.pending = []

    def left(self, chance: float, rng: random.Random) -> bytes:
        """What a loss of power leaves; a sector that was not synced is kept with this chance."""
        content = bytearray(self.durable)
        for operation in self.pending:
            if operation.kind == "t":
                if rng.random() < chance:
                    _apply(content, operation)
                continue
            for at in range(0, len(operation.data), SECTOR):
                if rng.random() < chance:
                    part = operation.data[at : at + SECTOR]
                    _apply(content, operation._replace(offset=operation.offset + at, data=part))
        return bytes(content)


def _apply(content: bytearray, operation: Operation) -> None:
    end = operation.offset + len(operation.data)
    if operation.kind == "t":
        del content[operation.offset :]
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[operation.offset : end] = operation.data


class RecordedDisk:
    """The files of a folder, as the recorded operations make them."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}

    def apply(self, operation: Operation) -> None:
        """Go on by one operation."""
        name = operation.name
        if operation.kind == "u":
            self._files.pop(name, None)
        elif operation.kind == "r":
            self._files[operation.data.decode()] = self._files.pop(name, _File())
        elif operation.kind == "s":
            self._files.setdefault(name, _File()).sync()
        else:
            self._files.setdefault(name, _File()).pending.append(operation)

    def lose_power(self, folder: Path, rng: random.Random) -> None:
        """Write what is left of all files to a folder."""
        chance = rng.choice([0.0, 1.0, 0.5, 0.9, 0.1])
        for name, file in self._files.items():
            (folder / name).write_bytes(file.left(chance, rng))
