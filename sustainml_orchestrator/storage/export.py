"""A journal as text, one JSON object per iteration, and back: nothing is lost on the way."""

from __future__ import annotations

import json
import sqlite3
import struct
from base64 import b64decode, b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TextIO

from sustainml_orchestrator.core.record import FIELDS, from_record
from sustainml_orchestrator.core.task import _PACKED
from sustainml_orchestrator.storage import files, records, schema
from sustainml_orchestrator.storage.errors import (
    Damaged,
    JournalError,
    damage_reported,
    explain,
)
from sustainml_orchestrator.storage.journal import Journal
from sustainml_orchestrator.storage.lock import kept_here
from sustainml_orchestrator.storage.records import Stored

FORMAT = 2
#: Payloads in it have no token yet.
_OLD_FORMAT = 1
_NAMES = [name for name, _ in FIELDS]
_KINDS: dict[str, Any] = {"int": int, "text": str, "real": (float, int), "blob": str}


def export(path: Path, target: TextIO) -> int:
    """Write every iteration of a journal as a line; also while an orchestrator uses it.

    Returns:
        How many.

    Raises:
        JournalError: the journal cannot be read.
        OSError: the target cannot be written.
    """
    return sum(target.write(line) > 0 for line in _lines(path))


def _lines(path: Path) -> Iterator[str]:
    for form, names, stored in _stored(path):
        yield json.dumps({"format": form, **_to_data(stored, names)}, ensure_ascii=False) + "\n"


def rows(path: Path) -> Iterator[dict[str, Any]]:
    """The values of each iteration of a journal by name, without payloads; also while it is used.

    Raises:
        JournalError: the journal cannot be read.
    """
    for _, _, stored in _stored(path):
        yield dict(zip(_NAMES, stored.record, strict=True))


def _stored(path: Path) -> Iterator[tuple[int, dict[int, str], Stored]]:
    """Each iteration, with the format of its payloads and the names of the modules."""
    try:
        path = files.journal_at(path)
        schema.recognise(path, known_place=kept_here(path))
        with damage_reported(), closing(schema.connect(path, mode="ro")) as connection:
            schema.require_version(connection, path)
            connection.execute("BEGIN")  # all tables as of one moment
            form = _OLD_FORMAT if schema.has_old_payloads(connection) else FORMAT
            names = {n: name for name, n in schema.read_modules(connection)[0].items()}
            for stored in records.read(connection):
                yield form, names, stored
    except (Damaged, *records.WRONG_TYPE) as damage:
        raise JournalError(
            f"journal {path} is damaged ({damage}); start the orchestrator with it, "
            "which recovers what can be read"
        ) from damage
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path} cannot be read: {explain(error)}") from error


def import_lines(path: Path, lines: Iterable[str], upgrade: schema.Upgrade | None = None) -> int:
    """Add exported iterations to a journal that no orchestrator uses; all or nothing.

    Args:
        upgrade: rewrites a payload of an export of format 1.

    Returns:
        How many.

    Raises:
        JournalError: a line makes no sense, or a problem of that id is there already.
    """
    is_new = not path.exists()
    journal = Journal.open(path, pipeline_names=(), upgrade=upgrade)
    try:
        connection = journal._connection
        known = {row[0] for row in connection.execute("SELECT problem_id FROM iterations")}
        (last,) = connection.execute("SELECT coalesce(max(serial), -1) FROM iterations").fetchone()
        source = _from_lines(lines, connection, known, last + 1, upgrade)
        return records.copy(source, connection)
    except BaseException as error:
        if is_new:
            journal.discard()
        if isinstance(error, sqlite3.Error):
            text = f"journal {path} cannot be written: {explain(error)}"
            raise JournalError(text) from error
        raise
    finally:
        journal.close()


def _from_lines(
    lines: Iterable[str],
    connection: sqlite3.Connection,
    known: set[int],
    serial: int,
    upgrade: schema.Upgrade | None,
) -> Iterator[Stored]:
    numbers, desired = schema.read_modules(connection)
    sizes: dict[int, int] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            data = _object(line)
            old = data["format"] == _OLD_FORMAT and upgrade is not None
            if data["format"] != FORMAT and not old:
                raise ValueError(f"its format is {data['format']}, not {FORMAT}")
            if not set(data["steps"]) <= set(numbers):
                numbers = schema.with_numbers(numbers, data["steps"])
                schema.write_modules(connection, numbers, desired)
            stored = _from_data(data, numbers, upgrade if old else None, serial)
            problem_id, iteration_id = stored.task_id
            if problem_id in known:
                raise ValueError(f"problem {problem_id} is in the journal already")
            if iteration_id != sizes.get(problem_id, 0) + 1:
                raise ValueError(f"iteration {problem_id}/{iteration_id - 1} is missing before it")
        except json.JSONDecodeError as error:
            raise JournalError(
                f"line {number} is no iteration of an export; name a file that `sustainml export` "
                "wrote; nothing was imported"
            ) from error
        except KeyError as error:
            raise JournalError(f"line {number}: has no {error}; nothing was imported") from error
        except (*records.WRONG_TYPE, RecursionError) as error:
            raise JournalError(f"line {number}: {error}; nothing was imported") from error
        sizes[problem_id] = iteration_id
        serial += 1
        yield stored


def _object(line: str) -> dict[str, Any]:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):  # also numbers too long for an int
        data = None
    if not isinstance(data, dict) or "format" not in data:
        raise json.JSONDecodeError("no iteration", line, 0)
    return data


def _to_data(stored: Stored, names: dict[int, str]) -> dict[str, Any]:
    values = dict(zip(_NAMES, stored.record, strict=True))
    instances, packed = json.loads(values.pop("instances")), values.pop("steps")
    del values["serial"]
    return {
        **values,
        "steps": {
            names[i]: [*step, instances[i]] for i, step in enumerate(_PACKED.iter_unpack(packed))
        },
        "credentials_removed": stored.credentials_removed,
        "user_input": b64encode(stored.user_input).decode(),
        "outputs": {names[i]: b64encode(payload).decode() for i, payload in stored.outputs.items()},
    }


def _from_data(
    data: dict[str, Any], numbers: dict[str, int], upgrade: schema.Upgrade | None, serial: int
) -> Stored:
    steps = {numbers[name]: step for name, step in data["steps"].items()}
    blank = [0, 1, 0, 0, 0, 0, ""]
    in_order = [steps.get(n, blank) for n in range(max(numbers.values(), default=-1) + 1)]
    record: list[Any] = []
    for name, kind in FIELDS:
        if name == "serial":
            value: Any = serial
        elif name == "instances":
            value = json.dumps([str(step[-1]) for step in in_order])
        elif name == "steps":
            value = _packed(in_order)
        else:
            value = _checked(name, kind, data.get(name, 0) if name == "token" else data[name])
        record.append(value)
    payloads = {name: b64decode(text, validate=True) for name, text in data["outputs"].items()}
    user_input = b64decode(data["user_input"], validate=True)
    if upgrade is not None:
        payloads = {name: upgrade(name, payload) for name, payload in payloads.items()}
        user_input = upgrade("user_input", user_input)
    outputs = {numbers[name]: payload for name, payload in payloads.items()}
    stored = Stored(tuple(record), user_input, data["credentials_removed"] is True, outputs)
    from_record(stored.record, stored.user_input, [None] * len(in_order))  # does it make sense
    return stored


def _packed(steps: list[list[Any]]) -> bytes:
    try:
        return b"".join(_PACKED.pack(*step[:-1]) for step in steps)
    except struct.error as error:
        raise ValueError(f"steps: {error}") from error


def _checked(name: str, kind: str, value: Any) -> Any:
    if value is None and kind.endswith("?"):
        return None
    if not isinstance(value, _KINDS[kind.rstrip("?")]) or isinstance(value, bool):
        raise ValueError(f"{name} is {str(value)[:40]!r}, which is no {kind.rstrip('?')}")
    if kind == "int" and not 0 <= value < (2**32 if name.endswith("_id") else 2**62):
        raise ValueError(f"{name} is {value}, which is out of range")
    return float(value) if kind == "real?" else value
