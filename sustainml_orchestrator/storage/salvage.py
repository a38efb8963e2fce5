"""Reads what can be read of a damaged journal, and puts it into a new one.

The damaged file is kept under another name. Nothing is repaired by guessing: an iteration that
lost an output is shown as failed, and the new journal has a new session, so that what modules
still hold for lost tasks cannot be taken for the output of later ones.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from pathlib import Path

from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.persistence import REVISION_BLOCK
from sustainml_orchestrator.storage import records, schema
from sustainml_orchestrator.storage.errors import Damaged
from sustainml_orchestrator.storage.records import Row, Stored, with_values
from sustainml_orchestrator.storage.schema import MAX_MODULES

#: Queries that may fail before the rest of a table is given up, so that recovery ends.
_PATIENCE = 20_000
#: How far beyond the last key that was seen rows are looked for.
_BEYOND = 4096
_LOST = "lost when the journal was damaged; submit it again"
_INCOMPLETE = "an output of it was lost when the journal was damaged; reset it to have it again"
#: What reading rotten pages leads to; messages of SQLite may quote what is no text.
_UNREADABLE = (sqlite3.Error, UnicodeDecodeError)
_SIDE_FILES = ("", "-wal", "-shm")


def recover(
    path: Path, pipeline_names: Sequence[str], upgrade: schema.Upgrade | None = None
) -> str:
    """Replace a damaged journal by what can be read of it; returns a sentence about it.

    Args:
        pipeline_names: how modules are numbered when the journal cannot tell.

    Raises:
        sqlite3.Error, OSError: the new one cannot be written; the old one is as it was.
    """
    fresh = path.with_name(f"{path.name}.recovered")
    schema.create(fresh, schema.new_session())
    head = fresh.read_bytes()[: schema.PAGE_SIZE]
    target = schema.connect(fresh)
    try:
        saved, hurt = _rescue(path, head, target, pipeline_names, upgrade)
    finally:
        target.close()
    aside = set_aside(path)
    schema.put_in_place(fresh, path)
    harm = f", {hurt} of them with losses" if hurt else ""
    return (
        f"it was set aside as {aside.name}; {saved} iterations were recovered{harm}; "
        "what is not among them is lost"
    )


def set_aside(path: Path) -> Path:
    """Rename a journal and its side files to the first free name."""
    number = 1
    while any(_damaged(path, number, suffix).exists() for suffix in _SIDE_FILES):
        number += 1
    for suffix in _SIDE_FILES:
        old = path.with_name(path.name + suffix)
        if old.exists():
            old.rename(_damaged(path, number, suffix))
    return _damaged(path, number, "")


def _damaged(path: Path, number: int, suffix: str) -> Path:
    return path.with_name(f"{path.name}.damaged-{number}{suffix}")


def finish_interrupted(path: Path) -> bool:
    """Go on where an earlier recovery was killed; True when it had all but ended.

    The new file is complete before the old one is renamed.
    """
    fresh = path.with_name(f"{path.name}.recovered")
    if path.exists():
        fresh.unlink(missing_ok=True)
        return False
    if path.with_name(f"{path.name}-wal").exists():
        set_aside(path)  # SQLite would play it into the file that comes in its place
    if not fresh.exists():
        return False
    schema.put_in_place(fresh, path)
    return True


def _rescue(
    path: Path,
    head: bytes,
    target: sqlite3.Connection,
    names: Sequence[str],
    upgrade: schema.Upgrade | None,
) -> tuple[int, int]:
    """Copy what is readable; returns how many iterations, and how many of them with losses."""
    source = _readable(path)
    if source is not None:
        return _copy(_Reader(source, names, upgrade), target)
    patched = path.with_name(f"{path.name}.patched")
    try:
        _transplant(path, head, patched)
        source = _readable(patched)
        return (0, 0) if source is None else _copy(_Reader(source, names, upgrade), target)
    finally:
        for suffix in _SIDE_FILES:
            patched.with_name(patched.name + suffix).unlink(missing_ok=True)


def _readable(path: Path) -> sqlite3.Connection | None:
    """A connection, if the tables can be found at all."""
    source = None
    try:
        source = schema.connect(path, mode="ro")
        source.execute("SELECT serial FROM iterations LIMIT 0")
        return source
    except _UNREADABLE:
        if source is not None:
            source.close()
        return None


def _transplant(path: Path, head: bytes, patched: Path) -> None:
    """Copy a file and give it the first page of a new one: all it holds is where tables begin."""
    shutil.copyfile(path, patched)
    wal = path.with_name(f"{path.name}-wal")
    if wal.exists():
        shutil.copyfile(wal, patched.with_name(f"{patched.name}-wal"))
    with patched.open("r+b") as file:
        file.write(head[:18] + b"\2\2" + head[20:])  # 2 = there may be a WAL
        file.seek(24)  # change counter other than "valid for": the size is that of the file
        file.write(b"\0\0\0\0")


def _copy(reader: _Reader, target: sqlite3.Connection) -> tuple[int, int]:
    iterations, life = reader.iterations(), reader.life()
    used = max((row[records.REVISION] for row in iterations.values()), default=0)
    ids = [life.next_problem_id, *(row[1] + 1 for row in iterations.values())]
    target.executemany(
        "INSERT INTO modules (name, number, desired_active) VALUES (?, ?, ?)",
        [(name, number, reader.desired.get(name)) for name, number in reader.numbers.items()],
    )
    life = schema.Life(schema.new_session(), max(life.revision, used) + REVISION_BLOCK, max(ids))
    schema.write_life(target, life)
    hurt = 0

    def found() -> Iterator[Stored]:
        nonlocal hurt
        last: dict[int, int] = {}
        serials = count()
        for serial in sorted(iterations):
            stored, harmed = reader.stored(iterations[serial])
            problem_id, iteration_id = stored.task_id
            for lost in range(last.get(problem_id, 0) + 1, iteration_id):
                hurt += 1
                task_id = TaskId(problem_id, lost)
                yield records.placeholder(task_id, next(serials), len(reader.numbers), _LOST)
            last[problem_id] = iteration_id
            hurt += harmed
            yield records.renumbered(stored, next(serials))

    return records.copy(found(), target), hurt


class _Reader:
    """Reads rows around the damage."""

    def __init__(
        self,
        source: sqlite3.Connection,
        names: Sequence[str],
        upgrade: schema.Upgrade | None,
    ) -> None:
        self._source = source
        try:
            self._upgrade = upgrade if schema.has_old_payloads(source) else None
        except _UNREADABLE:
            self._upgrade = None
        self._failures = 0
        try:
            self.numbers = schema.module_numbers(source)
        except _UNREADABLE:
            self.numbers = {}
        try:
            self.desired = schema.desired_active(source)
        except _UNREADABLE:  # or its version does not know that yet
            self.desired = {}
        for name in names:
            self.numbers.setdefault(name, len(self.numbers))
        told = self._table(records.GET_DELIVERIES, "id", records.payload_is_whole)
        self._told = records.deliveries(told.values())

    def life(self) -> schema.Life:
        try:
            return schema.read_life(self._source)
        except (*_UNREADABLE, Damaged):
            return schema.Life(0, 0, 1)

    def iterations(self) -> dict[int, Row]:
        """By serial, those that are whole; each iteration once, ids of a problem ascending."""
        try:
            query = records.get_iterations(self._source)
        except _UNREADABLE:
            return {}
        rows_found = self._table(query, "serial", records.iteration_is_whole)
        result: dict[int, Row] = {}
        last: dict[int, int] = {}
        for row in sorted(rows_found.values()):
            serial, problem_id, iteration_id = row[:3]
            if iteration_id > last.get(problem_id, 0):
                last[problem_id] = iteration_id
                result[serial] = row
        return result

    def stored(self, row: Row) -> tuple[Stored, bool]:
        """An iteration with the payloads that are whole, and whether any is not."""
        record, delivered, serial = row[:-2], row[-2], row[0]
        given = self._rows(records.GET_INPUTS, "serial", serial, serial, records.payload_is_whole)
        first = serial * MAX_MODULES
        found = self._rows(
            records.GET_OUTPUTS, "id", first, first + MAX_MODULES - 1, records.payload_is_whole
        )
        attempt = records.value(row, "attempt")
        outputs = {key % MAX_MODULES: p for key, of, p, _ in found if of == attempt}
        told = self._told.get(serial, [])
        harmed = len(outputs) < delivered + len(told) or not given
        record = records.with_deliveries(
            record, [row for row in told if row[0] % MAX_MODULES in outputs and row[1] == attempt]
        )
        if not given:
            record = _ended(record, TaskStatus.TERMINATED, _LOST)
        elif harmed and records.value(row, "status") == TaskStatus.SUCCEEDED:
            record = _ended(record, TaskStatus.ERROR, _INCOMPLETE)
        payload, removed = (given[0][2], given[0][1] == 1) if given else (b"", False)
        if self._upgrade is not None:
            names = {number: name for name, number in self.numbers.items()}
            payload = self._upgrade("user_input", payload)
            outputs = {n: self._upgrade(names.get(n, ""), p) for n, p in outputs.items()}
        return Stored(record, payload, removed, outputs), harmed

    def _table(self, query: str, key: str, whole: Callable[[Row], bool]) -> dict[int, Row]:
        """All whole rows by key: forwards to the damage, backwards to it, then in between."""
        self._failures = 0
        found: dict[int, Row] = {}
        complete = self._scan(f"{query} ORDER BY {key}", found)
        if not complete:
            low = max(found, default=-1)
            self._scan(f"{query} ORDER BY {key} DESC", found)
            high = min((k for k in found if k > low), default=low + _BEYOND)
            for row in self._rows(query, key, low + 1, high, whole):
                found[row[0]] = row
        return {k: row for k, row in found.items() if whole(row)}

    def _scan(self, query: str, found: dict[int, Row]) -> bool:
        try:
            for row in self._source.execute(query):
                found[row[0]] = row
        except _UNREADABLE:
            return False
        return True

    def _rows(
        self, query: str, key: str, low: int, high: int, whole: Callable[[Row], bool]
    ) -> list[Row]:
        """Whole rows with keys from low to high; ranges that fail are halved."""
        found: list[Row] = []
        ranges = [(low, high)]
        while ranges and self._failures < _PATIENCE:
            low, high = ranges.pop()
            part: dict[int, Row] = {}
            where = f"{query} WHERE {key} BETWEEN {low} AND {high} ORDER BY {key}"
            if not self._scan(where, part):
                self._failures += 1
                low = max(part, default=low - 1) + 1
                middle = (low + high) // 2
                if low < high:
                    ranges += [(low, middle), (middle + 1, high)]
            found += filter(whole, part.values())
        return found


def _ended(record: records.Row, status: TaskStatus, reason: str) -> records.Row:
    return with_values(
        record,
        status=int(status),
        error_code=int(ErrorCode.INTERNAL_ERROR),
        error_description=reason,
        outcome_reason=reason,
    )
