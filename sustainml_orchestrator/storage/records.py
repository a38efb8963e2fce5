"""Tasks as rows of the tables: checked reading and writing."""

from __future__ import annotations

import json
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from sustainml_orchestrator.core.commands import Record
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.core.record import (
    FIELDS,
    NO_STEP,
    STEP_SIZE,
    from_record,
    revision_of,
    to_record,
    with_delivery,
)
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.storage.errors import Damaged
from sustainml_orchestrator.storage.schema import MAX_MODULES, MIX, payload_crc

#: What a value of a wrong type leads to.
WRONG_TYPE = (TypeError, ValueError, LookupError, ArithmeticError, AttributeError, struct.error)
_NAN = float("nan")

COLUMNS = (*(name for name, _ in FIELDS), "delivered", "crc")
_ATTEMPT = COLUMNS.index("attempt")
_TOKEN = COLUMNS.index("token")
_STEPS = COLUMNS.index("steps")
_INSTANCES = COLUMNS.index("instances")
_DELIVERED = COLUMNS.index("delivered")

#: What follows the numbers of a record: texts, but for the last value.
_TEXTS = slice(COLUMNS.index("request_id"), _STEPS)
#: The numbers of a record but for its token, integers before reals, for the CRC of its row.
_NUMBERS = struct.Struct(f"<{_TOKEN}q{_TEXTS.start - _TOKEN - 1}d")

_PLACES = ", ".join(f"?{place}" for place in range(1, len(COLUMNS) + 1))
#: `problem_id` never changes: its index is left alone.
_SET = ", ".join(
    f"{name} = ?{place}"
    for place, name in enumerate(COLUMNS, 1)
    if name not in ("serial", "problem_id", "iteration_id")
)
PUT_ITERATION = f"INSERT INTO iterations ({', '.join(COLUMNS)}) VALUES ({_PLACES})"
UPDATE_ITERATION = f"UPDATE iterations SET {_SET} WHERE serial = ?1"
PUT_INPUT = "REPLACE INTO user_inputs (serial, credentials_removed, payload, crc) VALUES (?,?,?,?)"
PUT_OUTPUT = "REPLACE INTO outputs (id, attempt, payload, crc) VALUES (?, ?, ?, ?)"
PUT_DELIVERY = "REPLACE INTO deliveries (id, attempt, record, crc) VALUES (?, ?, ?, ?)"
GET_INPUTS = "SELECT serial, credentials_removed, payload, crc FROM user_inputs"
GET_OUTPUTS = "SELECT id, attempt, payload, crc FROM outputs"
GET_DELIVERIES = "SELECT id, attempt, record, crc FROM deliveries"

Row = tuple[Any, ...]


class Stored(NamedTuple):
    """A task as the journal has it.

    Attributes:
        record: the values of `FIELDS`; steps and instances by number of the module.
        outputs: of the present attempt, by number of the module.
    """

    record: Record
    user_input: bytes
    credentials_removed: bool
    outputs: dict[int, bytes]

    @property
    def serial(self) -> int:
        """Order of creation, and key of the rows."""
        return int(self.record[0])

    @property
    def task_id(self) -> TaskId:
        """Its problem and iteration."""
        return TaskId(self.record[1], self.record[2])


def get_iterations(connection: sqlite3.Connection) -> str:
    """The query for whole rows of `iterations`; a file from before version 4 has no tokens."""
    found = {row[1] for row in connection.execute("PRAGMA table_info(iterations)")}
    columns = [name if name != "token" or name in found else "0" for name in COLUMNS]
    return f"SELECT {', '.join(columns)} FROM iterations"


def value(row: Row, name: str) -> Any:
    """One column of a row of `iterations`, or of a record."""
    return row[COLUMNS.index(name)]


def iteration_row(record: Record, delivered: int) -> Row:
    """The row of a task."""
    return (*record, delivered, _record_crc(record, delivered))


def _record_crc(record: Record, delivered: int) -> int:
    """The CRC of a row of `iterations`; raises one of `WRONG_TYPE`."""
    values = record[:_TOKEN] + record[_TOKEN + 1 : _TEXTS.start]
    try:
        numbers = _NUMBERS.pack(*values)
    except struct.error:  # figures that are not known
        numbers = _NUMBERS.pack(*[_NAN if v is None else v for v in values])
    texts = "\0".join([text or "" for text in record[_TEXTS]])
    # Rows of version 3 have no token, which reads as 0 and leaves their CRC as it was.
    seed = (delivered + record[_TOKEN] * MIX) & 0xFFFFFFFF
    return zlib.crc32(record[_STEPS], zlib.crc32(texts.encode(), zlib.crc32(numbers, seed)))


def input_row(serial: int, credentials_removed: bool, payload: bytes) -> Row:
    """The row of a user input."""
    flag = int(credentials_removed)
    return serial, flag, payload, payload_crc(payload, serial, flag)


def output_row(serial: int, number: int, attempt: int, payload: bytes) -> Row:
    """The row of an output of the module of that number, or of a delivery."""
    key = serial * MAX_MODULES + number
    return key, attempt, payload, payload_crc(payload, key, attempt)


def put(connection: sqlite3.Connection, stored: Stored) -> None:
    """Write all rows of a task."""
    record, payload, removed, outputs = stored
    connection.execute(PUT_ITERATION, iteration_row(record, len(outputs)))
    connection.execute(PUT_INPUT, input_row(stored.serial, removed, payload))
    connection.executemany(
        PUT_OUTPUT,
        (output_row(stored.serial, n, record[_ATTEMPT], p) for n, p in outputs.items()),
    )


def forget(connection: sqlite3.Connection, problem_id: int) -> None:
    """Delete all rows of a problem."""
    of_problem = "SELECT serial FROM iterations WHERE problem_id = ?"
    for (serial,) in connection.execute(of_problem, (problem_id,)).fetchall():
        forget_task(connection, serial)


def forget_task(connection: sqlite3.Connection, serial: int) -> None:
    """Delete all rows of a task."""
    connection.execute("DELETE FROM iterations WHERE serial = ?", (serial,))
    connection.execute("DELETE FROM user_inputs WHERE serial = ?", (serial,))
    forget_outputs(connection, serial, before_attempt=2**62)
    forget_deliveries(connection, serial)


def forget_outputs(connection: sqlite3.Connection, serial: int, *, before_attempt: int) -> None:
    """Delete the outputs of attempts that were given up."""
    first = serial * MAX_MODULES
    connection.execute(
        "DELETE FROM outputs WHERE id >= ? AND id < ? AND attempt < ?",
        (first, first + MAX_MODULES, before_attempt),
    )


def forget_deliveries(connection: sqlite3.Connection, serial: int) -> None:
    """Delete deliveries that the row of the task contains now."""
    first = serial * MAX_MODULES
    connection.execute(
        "DELETE FROM deliveries WHERE id >= ? AND id < ?", (first, first + MAX_MODULES)
    )


def deliveries(rows: Iterable[Row]) -> dict[int, list[Row]]:
    """Whole rows of deliveries by serial of the task, each in the order of their revisions."""
    result: dict[int, list[Row]] = {}
    for row in sorted(rows, key=lambda row: revision_of(row[2])):
        result.setdefault(row[0] // MAX_MODULES, []).append(row)
    return result


def with_deliveries(record: Record, later: Iterable[Row]) -> Record:
    """A record with what outputs of its attempt changed since it was written."""
    for key, _, delivery, _ in later:
        record = with_delivery(record, key % MAX_MODULES, delivery)
    return record


def iteration_is_whole(row: Row) -> bool:
    """Whether a row of `iterations` is as it was written."""
    try:
        return bool(_record_crc(row[:-2], row[-2]) == row[-1])
    except WRONG_TYPE:
        return False


def payload_is_whole(row: Row) -> bool:
    """Whether the row of a user input, an output or a delivery is as it was written."""
    key, number, payload, crc = row
    try:
        return bool(payload_crc(payload, key, number) == crc)
    except WRONG_TYPE:
        return False


def read(connection: sqlite3.Connection) -> Iterator[Stored]:
    """Every task by serial, each value of it checked.

    Raises:
        Damaged: something is not as it was written, or missing.
        sqlite3.Error: the file cannot be read.
    """
    try:
        yield from _read(connection)
    except WRONG_TYPE as error:
        raise Damaged(f"a value of a wrong type ({error})") from error


def _read(connection: sqlite3.Connection) -> Iterator[Stored]:
    crc32, per_serial, mix = zlib.crc32, MAX_MODULES, MIX  # as locals: this runs a million times
    inputs = connection.execute(f"{GET_INPUTS} ORDER BY serial")
    outputs = connection.execute(f"{GET_OUTPUTS} ORDER BY id")
    end_of_table = (2**63, 0, b"", 0)
    key, of, payload, crc = next(outputs, end_of_table)
    delivered = connection.execute(GET_DELIVERIES).fetchall()
    if not all(map(payload_is_whole, delivered)):
        raise Damaged("a delivery is not as it was written")
    later = deliveries(delivered)
    for row in connection.execute(f"{get_iterations(connection)} ORDER BY serial"):
        serial = row[0]
        if not iteration_is_whole(row):
            raise Damaged(f"task {row[1]}/{row[2]} is not as it was written")
        owner, removed, user_input, check = next(inputs, end_of_table)
        if owner != serial or crc32(user_input, (owner + removed * mix) & 0xFFFFFFFF) != check:
            raise Damaged(f"the user input of {row[1]}/{row[2]} is not as it was written")
        found: dict[int, bytes] = {}
        attempt, first = row[_ATTEMPT], serial * per_serial
        end = first + per_serial
        while key < end:
            if crc32(payload, (key + of * mix) & 0xFFFFFFFF) != crc:
                raise Damaged(f"an output of {row[1]}/{row[2]} is not as it was written")
            if of == attempt:
                found[key - first] = payload
            key, of, payload, crc = next(outputs, end_of_table)
        since = later.pop(serial, ()) if later else ()
        if len(found) < row[_DELIVERED] + len(since):
            raise Damaged(f"an output of {row[1]}/{row[2]} is missing")
        record = with_deliveries(row[:-2], since) if since else row[:-2]
        yield Stored(record, user_input, removed == 1, found)
    if next(inputs, None) is not None or key != end_of_table[0] or later:
        raise Damaged("a task is missing")


class Layout:
    """Translates between the modules of a pipeline and their numbers in the journal.

    Args:
        pipeline_names: in pipeline order.
        numbers: of all modules that the journal knows.
    """

    def __init__(self, pipeline_names: Sequence[str], numbers: dict[str, int]) -> None:
        self.numbers = [numbers[name] for name in pipeline_names]
        self._width = max(numbers.values(), default=-1) + 1
        self._same = self.numbers == list(range(self._width))

    def to_stored(self, record: Record) -> Record:
        """A record with its modules by number in place of pipeline order."""
        return record if self._same else self._arrange(record, self._width, self.numbers)

    def to_task(self, stored: Stored) -> Task:
        """The task, its modules in pipeline order.

        Raises:
            Damaged: the record makes no sense.
        """
        record, user_input, _, found = stored
        if not self._same or len(record[_STEPS]) != STEP_SIZE * self._width:
            places = {number: place for place, number in enumerate(self.numbers)}
            known = range(len(record[_STEPS]) // STEP_SIZE)
            order = [places.get(number, -1) for number in known]
            record = self._arrange(record, len(self.numbers), order)
        outputs: list[bytes | None] = [None] * len(self.numbers)  # no longer than it must be
        outputs[:] = map(found.get, self.numbers)
        try:
            return from_record(record, user_input, outputs)
        except WRONG_TYPE as error:
            raise Damaged(f"task {stored.task_id} makes no sense ({error})") from error

    @staticmethod
    def _arrange(record: Record, width: int, order: Sequence[int]) -> Record:
        """Move the part at each place to `order[place]` (-1: nowhere) of `width`."""
        steps = [NO_STEP] * width
        names = [""] * width
        given = json.loads(record[_INSTANCES])
        for place, target in enumerate(order):
            if target >= 0 and place < len(given):
                steps[target] = record[_STEPS][place * STEP_SIZE : (place + 1) * STEP_SIZE]
                names[target] = given[place]
        return (*record[:_INSTANCES], json.dumps(names), b"".join(steps))


def with_values(record: Record, **values: Any) -> Record:
    """The same record with other values of these fields."""
    return tuple(values.get(name, value) for (name, _), value in zip(FIELDS, record, strict=True))


def placeholder(task_id: TaskId, serial: int, width: int, reason: str) -> Stored:
    """A task in place of one that is lost, so that those after it keep their ids."""
    task = Task(task_id, serial, width)
    task.status = TaskStatus.TERMINATED
    task.outcome_reason = task.error_description = reason
    task.close(TaskStatus.TERMINATED)
    return Stored(to_record(task), b"", False, {})


def copy(source: Iterable[Stored], target: sqlite3.Connection) -> int:
    """Write tasks in one transaction; returns how many.

    Raises:
        sqlite3.Error: nothing was written.
    """
    count = 0
    target.execute("BEGIN IMMEDIATE")
    try:
        for stored in source:
            put(target, stored)
            count += 1
        target.execute("COMMIT")
    except BaseException:
        target.rollback()
        raise
    return count
