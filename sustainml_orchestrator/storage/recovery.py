"""Reads what can be read of a damaged journal and of its backup, and puts it into a new one.

The damaged file is kept under another name. Nothing is repaired by guessing: a task that lost an
output is shown as failed, and the new journal has a new session, so that what modules still hold
for lost tasks cannot be taken for the output of later ones.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from sustainml_orchestrator.core.commands import Record
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.persistence import REVISION_BLOCK
from sustainml_orchestrator.core.record import STEP_SIZE
from sustainml_orchestrator.storage import epoch, files, history_table, records, schema
from sustainml_orchestrator.storage.epoch import Epoch, Mark
from sustainml_orchestrator.storage.errors import Damaged
from sustainml_orchestrator.storage.records import WRONG_TYPE, Row, Stored, value, with_values
from sustainml_orchestrator.storage.schema import MAX_MODULES

#: Queries that may fail before the rest of a table is given up, so that recovery ends.
_MAX_FAILURES = 20_000
#: How the names of modules begin whose own were lost.
NAMELESS = "lost module "
_LOST = "lost when the journal was damaged; submit it again"
_INCOMPLETE = "an output of it was lost when the journal was damaged; reset it to have it again"
#: What reading damaged pages leads to; messages of SQLite may quote what is no text.
_UNREADABLE = (sqlite3.Error, Damaged, OSError, *WRONG_TYPE)


def recover(
    path: Path,
    names: Sequence[str],
    mark: Mark | None,
    damage: Damaged,
    upgrade: schema.Upgrade | None = None,
) -> None:
    """Replace a damaged journal by what can be read of it, and a sentence about it.

    The next start that succeeds tells that sentence, see `Epoch.untold`.

    Args:
        names: of the modules in pipeline order.
        mark: what stands beside the journal; None = nothing.

    Raises:
        sqlite3.Error, OSError: the new one cannot be written; the old one is as it was.
    """
    damaged, spare = _Reader(path, upgrade), _Reader(files.backup_of(path), upgrade)
    session = (damaged.epoch or mark or spare.epoch or Epoch(0)).session
    readers = [damaged]
    if spare.epoch is not None and spare.epoch.session == session:
        readers.append(spare)
    fresh = files.complete(path)
    schema.create(fresh)
    try:
        _write(fresh, path, _Merged(readers, names), damage)
    finally:
        damaged.close()
        spare.close()
    files.set_aside(path, "damaged")
    files.put_in_place(fresh, path)


def _write(fresh: Path, path: Path, merged: _Merged, damage: Damaged) -> None:
    """Write what was read, and the sentence about it, into the new journal."""
    with closing(schema.connect(fresh, full=True)) as target:
        saved = records.copy(merged.tasks(), target)
        target.execute("BEGIN IMMEDIATE")  # or each row of the history is synced by itself
        schema.write_modules(target, merged.numbers, merged.desired)
        history_table.put_rows(target, merged.history())
        text = (
            f"it was damaged ({damage}) and set aside as {files.free_place(path, 'damaged').name}; "
            f"{saved} tasks were recovered{merged.describe(files.backup_of(path))}; "
            "what is not among them is lost"
        )
        epoch.write(target, merged.epoch()._replace(in_use=text))
        target.execute("COMMIT")


class _Merged:
    """What a damaged journal and its backup hold together; where both do, the journal's."""

    def __init__(self, readers: Sequence[_Reader], names: Sequence[str]) -> None:
        self._readers = readers
        self._rows: dict[TaskId, tuple[_Reader, Row]] = {}
        self.numbers: dict[str, int] = {}
        self.desired: dict[str, bool] = {}
        for reader in reversed(readers):
            self._rows |= {task_id: (reader, row) for task_id, row in reader.rows.items()}
            self.numbers |= reader.numbers
            self.desired |= reader.desired
        self._name_all(names)
        self.harmed = self.from_backup = 0

    def _name_all(self, names: Sequence[str]) -> None:
        """Give numbers without a name one that no pipeline has; what they delivered is kept."""
        steps = (len(value(row, "steps")) // STEP_SIZE for _, row in self._rows.values())
        known = set(self.numbers.values())
        for number in range(max(steps, default=0)):
            if number not in known:
                self.numbers[f"{NAMELESS}{number}"] = number
        self.numbers = schema.with_numbers(self.numbers, names)

    def epoch(self) -> Epoch:
        """A new session, above all that the old one may have used."""
        known = [reader.epoch for reader in self._readers if reader.epoch is not None]
        rows = [row for _, row in self._rows.values()]
        return Epoch(
            epoch.new_session(),
            revision=max([0, *(e.revision for e in known), *(value(r, "revision") for r in rows)])
            + REVISION_BLOCK,
            next_problem_id=max(
                [1, *(e.next_problem_id for e in known), *(r[1] + 1 for r in rows)]
            ),
            modules=json.dumps(self.numbers),
        )

    def describe(self, spare: Path) -> str:
        """How many tasks came from the backup, and what they lost, as clauses."""
        older = f", {self.from_backup} of them from {spare.name}" if self.from_backup else ""
        losses = f", {self.harmed} of them with losses" if self.harmed else ""
        nameless = sum(name.startswith(NAMELESS) for name in self.numbers)
        if nameless:
            losses += f"; outputs of {nameless} modules, whose names are lost, are not shown"
        return older + losses

    def history(self) -> list[Row]:
        """The rows of the history."""
        rows = {row[0]: row for reader in reversed(self._readers) for row in reader.history}
        return list(rows.values())

    def tasks(self) -> Iterator[Stored]:
        """All tasks in order of creation, with placeholders for lost iterations."""
        last: dict[int, int] = {}
        serial = 0
        for reader, row in sorted(self._rows.values(), key=lambda found: found[1][:3]):
            _, problem_id, iteration_id = row[:3]
            if iteration_id <= last.get(problem_id, 0):
                continue
            for lost in range(last.get(problem_id, 0) + 1, iteration_id):
                self.harmed += 1
                task_id = TaskId(problem_id, lost)
                yield records.placeholder(task_id, serial, len(self.numbers), _LOST)
                serial += 1
            last[problem_id] = iteration_id
            self.from_backup += reader is not self._readers[0]
            stored = self._stored(reader, row)
            yield stored._replace(record=with_values(stored.record, serial=serial))
            serial += 1

    def _stored(self, reader: _Reader, row: Row) -> Stored:
        """A task with the payloads that are whole; one that lost any shows it."""
        record, delivered = row[:-2], row[-2]
        user_input: tuple[bytes, bool] | None = None
        outputs: dict[int, bytes] = {}
        for other in self._readers:
            same = other.rows.get(TaskId(row[1], row[2]))
            if same is not None and all(
                value(same, name) == value(row, name) for name in ("attempt", "token")
            ):
                given, found = other.payloads(same)
                user_input = user_input or given
                outputs = found | outputs
        later = reader.later.get(row[0], [])
        record = records.with_deliveries(
            record,
            [d for d in later if d[0] % MAX_MODULES in outputs and d[1] == value(row, "attempt")],
        )
        if user_input is None:
            self.harmed += 1
            return Stored(_ended(record, TaskStatus.TERMINATED, _LOST), b"", False, outputs)
        if len(outputs) < delivered + len(later):
            self.harmed += 1
            if value(row, "status") == TaskStatus.SUCCEEDED:
                record = _ended(record, TaskStatus.ERROR, _INCOMPLETE)
        return Stored(record, *user_input, outputs)


class _Reader:
    """Reads the rows of a file around the damage.

    Attributes:
        epoch: None if unreadable.
        rows: whole rows of `iterations`.
        later: whole rows of `deliveries`, by serial.
        history: whole rows of `history`.
    """

    def __init__(self, path: Path, upgrade: schema.Upgrade | None) -> None:
        self.epoch: Epoch | None = None
        self.numbers: Mapping[str, int] = {}
        self.desired: Mapping[str, bool] = {}
        self.rows: dict[TaskId, Row] = {}
        self.later: dict[int, list[Row]] = {}
        self.history: list[Row] = []
        self._upgrade: schema.Upgrade | None = None
        self._connection = sqlite3.connect(":memory:")
        if not path.exists():
            return
        with suppress(*_UNREADABLE):
            self._connection = schema.connect(path, mode="ro")
            self._connection.execute("PRAGMA writable_schema = ON")  # reads files that were cut
            self._upgrade = upgrade if schema.has_old_payloads(self._connection) else None
        with suppress(*_UNREADABLE):
            self.epoch = epoch.read(self._connection)
            self.numbers = json.loads(self.epoch.modules)
        with suppress(*_UNREADABLE):
            numbers, self.desired = schema.read_modules(self._connection)
            self.numbers = {**self.numbers, **numbers}
        with suppress(*_UNREADABLE):
            query = records.get_iterations(self._connection)
            found = self._table(query, "serial", records.iteration_is_whole)
            self.rows = {TaskId(row[1], row[2]): row for row in found}
        with suppress(*_UNREADABLE):
            found = self._table(records.GET_DELIVERIES, "id", records.payload_is_whole)
            self.later = records.deliveries(found)
        with suppress(*_UNREADABLE):
            self.history = self._table(history_table.GET, "first", history_table.is_whole)

    def close(self) -> None:
        self._connection.close()

    def payloads(self, row: Row) -> tuple[tuple[bytes, bool] | None, dict[int, bytes]]:
        """The user input of a task, if it is whole, and the outputs of its attempt that are."""
        serial, first = row[0], row[0] * MAX_MODULES
        inputs = self._rows(records.GET_INPUTS, "serial", serial, serial)
        found = self._rows(records.GET_OUTPUTS, "id", first, first + MAX_MODULES - 1)
        attempt = value(row, "attempt")
        outputs = {
            key % MAX_MODULES: payload
            for key, of, payload, _ in filter(records.payload_is_whole, found)
            if of == attempt
        }
        given = [
            (payload, removed == 1)
            for _, removed, payload, _ in filter(records.payload_is_whole, inputs)
        ]
        if self._upgrade is not None:
            names = {number: name for name, number in self.numbers.items()}
            given = [(self._upgrade("user_input", payload), removed) for payload, removed in given]
            outputs = {n: self._upgrade(names.get(n, ""), p) for n, p in outputs.items()}
        return (given[0] if given else None), outputs

    def _table(self, query: str, key: str, is_whole: Callable[[Row], bool]) -> list[Row]:
        return list(filter(is_whole, self._rows(query, key, 0, 2**62)))

    def _rows(self, query: str, key: str, low: int, high: int) -> list[Row]:
        """Rows with keys from low to high; what follows a row that cannot be read is halved."""
        found: dict[int, Row] = {}
        ranges, failures = [(low, high)], 0
        while ranges and failures < _MAX_FAILURES:
            low, high = ranges.pop()
            part: dict[int, Row] = {}
            if not self._scan(f"{query} WHERE {key} BETWEEN {low} AND {high} ORDER BY {key}", part):
                failures += 1
                low = max(part, default=low - 1) + 1
                middle = (low + high) // 2
                if low < high:
                    ranges += [(low, middle), (middle + 1, high)]
            found |= part
        return [found[k] for k in sorted(found)]

    def _scan(self, query: str, found: dict[int, Row]) -> bool:
        try:
            for row in self._connection.execute(query):
                found[row[0]] = row
        except _UNREADABLE:
            return False
        return True


def _ended(record: Record, status: TaskStatus, reason: str) -> Record:
    return with_values(
        record,
        status=int(status),
        error_code=int(ErrorCode.INTERNAL_ERROR),
        error_description=reason,
        outcome_reason=reason,
    )
