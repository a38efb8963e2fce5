"""The last events of an orchestrator in two files beside its journal: a bounded recording.

Blocks of compressed JSON, each with its length and checksum, so that a torn end costs the last
block alone. When the present file is full it replaces the older one, and a new one begins.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, BinaryIO

from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.storage import files

MAGIC = b"SMLREC1\n"
_HEAD = struct.Struct("<II")
#: Largest block, in bytes: a greater length is damage.
_MAX_BLOCK = 64 * 2**20


def place_of(journal: Path) -> Path:
    """The recording that belongs to a journal."""
    return files.beside(journal, ".flight")


def older(path: Path) -> Path:
    """The file with the events before those of this one."""
    return files.beside(path, ".1")


class FlightRecorder:
    """Writes on a thread of its own: the orchestrator never waits for the disk.

    Args:
        path: of the present file.
        limit: of both files together, in bytes.

    Attributes:
        is_full: whether the next block has to begin with a head and the present state.
        trouble: why nothing can be written; "" while all is well.
    """

    def __init__(self, path: Path, limit: int) -> None:
        self._path, self._limit = path, limit
        self._blocks: SimpleQueue[tuple[bool, list[Any]] | None] = SimpleQueue()
        self._file: BinaryIO | None = None
        self.is_full = True
        self.trouble = ""
        self._thread = Thread(target=self._write, name="flight recorder", daemon=True)
        self._thread.start()

    def begin(self, header: dict[str, Any], records: list[Any]) -> None:
        """Begin a new file."""
        self.is_full = False
        self._blocks.put((True, [header, records]))

    def add(self, records: list[Any]) -> None:
        """Have records written."""
        self._blocks.put((False, records))

    def close(self, timeout: float) -> None:
        """Write what is left, within `timeout` s."""
        self._blocks.put(None)
        self._thread.join(timeout)

    def _write(self) -> None:
        while (block := self._blocks.get()) is not None:
            is_first, data = block
            try:
                if is_first:
                    self._rotate()
                    self._put(data[0])
                    data = data[1]
                if self._file is not None:
                    self._put(data)
                    self.is_full = self.is_full or self._file.tell() > self._limit // 2
                    self.trouble = ""
            except (OSError, ValueError, TypeError) as error:
                self.trouble = f"the recording {self._path} cannot be written: {cause(error)}"
        if self._file is not None:
            self._file.close()

    def _rotate(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path.exists():
            self._path.replace(older(self._path))
        files.make_private(self._path)
        self._file = self._path.open("ab")
        self._file.write(MAGIC)

    def _put(self, data: Any) -> None:
        assert self._file is not None
        self._file.write(_packed(data))
        self._file.flush()


def _packed(data: Any) -> bytes:
    packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 1)
    return _HEAD.pack(len(packed), zlib.crc32(packed)) + packed


def rewritten(path: Path, change: Callable[[str], str]) -> bytes:
    """The content of a recording with all its texts changed, for a copy elsewhere.

    Raises:
        OSError: it cannot be read.
    """

    def changed(value: Any) -> Any:
        if isinstance(value, str):
            return change(value)
        if isinstance(value, list):
            return [changed(item) for item in value]
        if isinstance(value, dict):
            return {change(key): changed(item) for key, item in value.items()}
        return value

    blocks = _blocks(path.read_bytes())
    return b"".join([MAGIC, *(_packed(changed(block)) for block in blocks)])


def read(path: Path) -> tuple[dict[str, Any], Iterator[list[Any]]]:
    """The head of a recording, and its records; it ends before a torn or damaged block.

    Raises:
        ValueError: it is no recording.
        OSError: it cannot be read.
    """
    blocks = _blocks(path.read_bytes())
    head = next(blocks, None)
    if not isinstance(head, dict):
        raise ValueError("it is no recording of an orchestrator")
    return head, (record for block in blocks if isinstance(block, list) for record in block)


def unread(path: Path) -> int:
    """How many bytes at its end are left out, as they are torn or damaged.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    blocks = _blocks(data)
    while True:
        try:
            next(blocks)
        except StopIteration as end:
            return len(data) - int(end.value)


def _blocks(data: bytes) -> Generator[Any, None, int]:
    """The blocks up to a torn or damaged one, and where they end."""
    if not data.startswith(MAGIC):
        return 0
    at = len(MAGIC)
    while at + _HEAD.size <= len(data):
        size, crc = _HEAD.unpack_from(data, at)
        packed = data[at + _HEAD.size : at + _HEAD.size + size]
        if len(packed) != size or size > _MAX_BLOCK or zlib.crc32(packed) != crc:
            return at
        try:
            text = zlib.decompressobj().decompress(packed, _MAX_BLOCK)  # no more than it may be
            yield json.loads(text)
        except (ValueError, zlib.error, RecursionError):
            return at
        at += _HEAD.size + size
    return at
