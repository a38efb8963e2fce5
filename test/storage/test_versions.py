"""Journals of other versions: old ones are brought up to date, newer ones are left alone."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import NAMES, Driver

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.events import TimePassed
from sustainml_orchestrator.storage import (
    Journal,
    JournalError,
    check,
    epoch,
    files,
    records,
    schema,
)

Opened = Callable[..., Journal]


def test_a_newer_journal_is_left_alone(path: Path) -> None:
    Journal.open(path, pipeline_names=NAMES).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match=r"newer version \(schema 99, this one knows \d+\)"):
        Journal.open(path, pipeline_names=NAMES)


def make_version_3(path: Path) -> None:
    """Take the tokens, and what came with them, out of a journal."""
    connection = schema.connect(path)
    connection.execute("UPDATE iterations SET token = 0")
    for row in connection.execute(records.get_iterations(connection)).fetchall():
        *record, delivered, _ = row
        crc = records.iteration_row(tuple(record), delivered)[-1]
        connection.execute("UPDATE iterations SET crc = ? WHERE serial = ?", (crc, row[0]))
    session, revision, next_problem_id = epoch.read(connection)[:3]
    numbers, desired = schema.read_modules(connection)
    connection.executescript(
        "ALTER TABLE iterations DROP COLUMN token; DROP TABLE life; DROP TABLE modules; "
        "DROP TABLE history"
    )
    for table in schema.MIGRATIONS[0].split(";\n")[:2]:
        connection.execute(table)
    values = (session, revision, next_problem_id)
    crc = zlib.crc32(ascii(values).encode())
    connection.execute("INSERT INTO life VALUES (1, ?, ?, ?, ?)", (*values, crc))
    rows = [(number, name, desired.get(name)) for name, number in numbers.items()]
    connection.executemany("INSERT INTO modules VALUES (?, ?, ?)", rows)
    connection.execute("PRAGMA user_version = 3")
    connection.close()
    files.beside(path, ".lock").write_text("process 1 on a host\n")  # as version 3 left it


def test_a_journal_of_the_third_version_gives_what_runs_a_token(path: Path, opened: Opened) -> None:
    old = opened()
    driver = Driver(old.session, old)
    driver.bring_up()
    done, running = driver.submit(), driver.submit()
    driver.solve(done)
    driver.work(running, 0)
    outputs = driver.core.store.get(done).outputs
    old.close()
    make_version_3(path)
    with pytest.raises(JournalError, match=r"earlier version .* start the orchestrator with it"):
        Journal.open(path, pipeline_names=NAMES)
    assert check(path).findings == []
    journal = opened(upgrade=lambda name, payload: payload + name.encode())
    assert journal.warnings == []
    driver = Driver.restored(journal)
    assert driver.core.store.get(done).outputs == [
        output + name.encode() for output, name in zip(outputs, NAMES, strict=True)
    ]
    assert driver.core.store.get(done).user_input.endswith(b"user_input")
    assert driver.core.store.get(done).token == 0
    token = driver.core.store.get(running).token
    assert token
    driver.bring_up()
    told = [c for c in driver.commands if isinstance(c, SendControl) and c.task_id == running]
    driver.do(TimePassed())
    told += [c for c in driver.commands if isinstance(c, SendControl) and c.task_id == running]
    assert told and {(c.token, c.attempt) for c in told} == {(token, 1)}
    driver.solve(running)
    journal.close()
    again = Driver.restored(opened())
    assert again.core.store.get(running).token == token
    assert check(path).findings == []
