"""Notices what SQLite passes over: it reads a write-ahead log up to the first bad frame.

After a crash that is right for a transaction that was not finished, but the same happens when a
frame in the middle has rotted: all that was committed after it would be gone without a word.

One commit is no proof of that: the log is used again from its beginning, and a process killed
between the header and the page of a frame leaves the header of a commit before an old page. It can
only be the first transaction: `connect` has the log cut to its size, so later ones grow the file.
Layout of the file: https://www.sqlite.org/fileformat2.html#the_write_ahead_log, and of its index:
https://www.sqlite.org/walformat.html#the_wal_index_file_format
"""

from __future__ import annotations

import os
import sqlite3
import struct
import sys
from pathlib import Path

from sustainml_orchestrator.storage.errors import Damaged

LOST = "the last changes before a crash are unreadable"
_HEADER = struct.Struct(">8I")  # magic, version, page size, sequence, salts, checksum
_MAGIC = (b"\x37\x7f\x06\x82", b"\x37\x7f\x06\x83")
_FRAME = struct.Struct(">4I")  # page, size of the file after a commit (else 0), salts
_FRAME_HEADER_SIZE = 24
#: The index begins with two copies of its header: number of frames at 16, salts at 32.
_INDEX_SIZE = 48


def indexed(path: Path) -> int:
    """Frames of the log that a process which died had committed, as far as its index tells.

    To be asked before the journal is opened: SQLite then makes the index anew. The index is no
    longer there after a clean end; after a loss of power it may be older than the log.
    """
    try:
        with path.with_name(f"{path.name}-shm").open("rb") as file:
            first, second = file.read(_INDEX_SIZE), file.read(_INDEX_SIZE)
        with path.with_name(f"{path.name}-wal").open("rb") as file:
            header = file.read(_HEADER.size)
    except FileNotFoundError:
        return 0
    if len(first) < _INDEX_SIZE or first != second:
        return 0
    if _header_is_whole(header) and header[16:24] != first[32:40]:
        return 0  # of another use of the log
    return int.from_bytes(first[16:20], sys.byteorder)


def is_cut(path: Path) -> bool:
    """Whether the log has not even room for what its index tells of; changes nothing."""
    frames = indexed(path)
    if not frames:
        return False
    with path.with_name(f"{path.name}-wal").open("rb") as file:
        header = file.read(_HEADER.size)
        if not _header_is_whole(header):
            return True
        frame_size = _FRAME_HEADER_SIZE + _HEADER.unpack(header)[2]
        return file.seek(0, os.SEEK_END) < _HEADER.size + frames * frame_size


def check(connection: sqlite3.Connection, path: Path, committed_frames: int = 0) -> None:
    """Compare what SQLite could use of the log of a journal with what is in it.

    Args:
        committed_frames: as `indexed` gave them before it was opened.

    Raises:
        Damaged: there are commits behind the part that it could use, or there were.
    """
    log = path.with_name(f"{path.name}-wal")
    used = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]
    if used < committed_frames:
        raise Damaged(LOST)
    with log.open("rb") as file:
        header = file.read(_HEADER.size)
        if len(header) < _HEADER.size:
            return
        values = _HEADER.unpack(header)
        page_size, salts = values[2], values[4:6]
        if not _header_is_whole(header):
            if log.stat().st_size > _HEADER.size:
                raise Damaged(LOST)
            return
        size = _FRAME_HEADER_SIZE + page_size
        file.seek(_HEADER.size + max(used, 0) * size)
        commits = 0
        while len(frame := file.read(size)) == size:
            _, committed, *frame_salts = _FRAME.unpack_from(frame)
            # Other salts: of an earlier use.
            commits += committed != 0 and tuple(frame_salts) == salts
        if commits > (used <= 0):
            raise Damaged(LOST)


def _header_is_whole(header: bytes) -> bool:
    if len(header) < _HEADER.size or header[:4] not in _MAGIC:  # zeros have a right checksum
        return False
    order = ">" if header[3] & 1 else "<"
    words = struct.unpack(f"{order}6I", header[:24])
    first = second = 0
    for one, other in zip(words[::2], words[1::2], strict=True):
        first = (first + one + second) & 0xFFFFFFFF
        second = (second + other + first) & 0xFFFFFFFF
    return (first, second) == struct.unpack(">2I", header[24:])
