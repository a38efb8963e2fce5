"""The events of the history as rows: those of one commit together, by columns, compressed."""

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
_UNREADABLE = (zlib.error, ValueError, TypeError, LookupError)
_encode = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":")).encode


def write(connection: sqlite3.Connection, history: SavedHistory) -> None:
    """Add events, and delete those that are too old, within a transaction."""
    events, after, floor = history
    connection.execute("DELETE FROM history WHERE first < ? AND last < ?", (floor, floor))
    if events:
        connection.execute("DELETE FROM history WHERE first > ?", (after,))  # of a save that failed
        put(connection, events)


def put(connection: sqlite3.Connection, events: Sequence[HistoryEvent]) -> None:
    """Add one row with these events."""
    packed = zlib.compress(_text(events).encode("utf-8", "replace"), 1)
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


def _text(events: Iterable[HistoryEvent]) -> str:
    """Numbers by column; the rest of an event, which is that of many others, once."""
    stamps, revisions, task_ids, *rest = zip(*events, strict=True)
    known: dict[tuple[Any, ...], int] = {}
    kinds = [known.setdefault(kind, len(known)) for kind in zip(*rest, strict=True)]
    columns = [stamps, revisions, *zip(*task_ids, strict=True), kinds]
    return _encode({"columns": columns, "kinds": list(known)})


def _unpacked(row: tuple[Any, ...]) -> list[HistoryEvent] | None:
    first, last, packed, crc = row
    try:
        if _crc(first, last, packed) != crc:
            return None
        found = json.loads(zlib.decompress(packed))
        if isinstance(found, list):  # as written by version 6
            return [
                _event(stamp, revision, problem_id, iteration_id, _kind(*rest))
                for stamp, revision, (problem_id, iteration_id), *rest in found
            ]
        known = [_kind(*values) for values in found["kinds"]]
        rows = zip(*found["columns"], strict=True)
        return [
            _event(stamp, revision, problem_id, iteration_id, known[kind])
            for stamp, revision, problem_id, iteration_id, kind in rows
        ]
    except _UNREADABLE:
        return None


def _event(
    stamp: int, revision: int, problem_id: int, iteration_id: int, kind: tuple[Any, ...]
) -> HistoryEvent:
    task_id = TaskId(problem_id, iteration_id) if problem_id else NO_TASK
    return HistoryEvent(stamp, revision, task_id, *kind)


def _kind(
    node_name: str, instance: str, attempt: int, try_number: int, name: str, code: int, detail: str
) -> tuple[Any, ...]:
    """What follows the numbers of an event; texts that repeat are shared."""
    shared = intern(node_name), intern(instance), attempt, try_number, intern(name), code
    return *shared, intern(detail)


def _crc(first: int, last: int, packed: bytes) -> int:
    return zlib.crc32(packed, zlib.crc32(f"{first} {last}".encode()))
