"""The events of the history as rows: those of one commit together, compressed."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Sequence
from sys import intern
from typing import Any

from sustainml_orchestrator.core.commands import HistoryEvent, SavedHistory
from sustainml_orchestrator.core.ids import NO_TASK, TaskId

TABLE = """CREATE TABLE history (  -- the events of one commit
  first INTEGER PRIMARY KEY,  -- revision of the first of them
  last INTEGER NOT NULL,  -- of the last
  events BLOB NOT NULL,
  crc INTEGER NOT NULL
) STRICT"""
_PUT = "REPLACE INTO history (first, last, events, crc) VALUES (?, ?, ?, ?)"
GET = "SELECT first, last, events, crc FROM history"
#: What a damaged row leads to.
_UNREADABLE = (zlib.error, ValueError, TypeError, KeyError)
_SEPARATORS = (",", ":")


def write(connection: sqlite3.Connection, history: SavedHistory) -> None:
    """Add events, and delete those that are too old, within a transaction."""
    events, after, floor = history
    connection.execute("DELETE FROM history WHERE first < ? AND last < ?", (floor, floor))
    if events:
        connection.execute("DELETE FROM history WHERE first > ?", (after,))  # of a save that failed
        put(connection, events)


def put(connection: sqlite3.Connection, events: Sequence[HistoryEvent]) -> None:
    """Add one row with these events."""
    text = json.dumps(events, ensure_ascii=False, separators=_SEPARATORS)
    packed = zlib.compress(text.encode("utf-8", "replace"), 1)
    first, last = events[0].revision, events[-1].revision
    connection.execute(_PUT, (first, last, packed, _crc(first, last, packed)))


def read(connection: sqlite3.Connection) -> tuple[list[HistoryEvent], int]:
    """All events, oldest first, and how many rows are not as they were written.

    Raises:
        sqlite3.Error: the table cannot be read.
    """
    events: list[HistoryEvent] = []
    damaged = 0
    for row in connection.execute(f"{GET} ORDER BY first"):
        found = _unpacked(row)
        if found is None or (events and found and found[0].revision <= events[-1].revision):
            damaged += 1
        else:
            events += found
    return events, damaged


def replace(connection: sqlite3.Connection, events: Sequence[HistoryEvent]) -> None:
    """Have these events and no others, within a transaction."""
    connection.execute("DELETE FROM history")
    if events:
        put(connection, events)


def put_rows(connection: sqlite3.Connection, rows: Iterable[tuple[Any, ...]]) -> None:
    """Add rows of another file."""
    connection.executemany(_PUT, rows)


def is_whole(row: tuple[Any, ...]) -> bool:
    """Whether a row is as it was written."""
    return _unpacked(row) is not None


def _unpacked(row: tuple[Any, ...]) -> list[HistoryEvent] | None:
    first, last, packed, crc = row
    try:
        if _crc(first, last, packed) != crc:
            return None
        return [_event(values) for values in json.loads(zlib.decompress(packed))]
    except _UNREADABLE:
        return None


def _event(values: Iterable[Any]) -> HistoryEvent:
    """An event; texts that repeat are shared."""
    stamp, revision, task_id, node_name, instance, attempt, try_number, name, code, detail = values
    return HistoryEvent(
        stamp, revision, TaskId(*task_id) if task_id[0] else NO_TASK, intern(node_name),
        intern(instance), attempt, try_number, intern(name), code, intern(detail),
    )  # fmt: skip


def _crc(first: int, last: int, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(f"{first} {last}".encode()))
