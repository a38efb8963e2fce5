"""Journals of other versions: old ones are brought up to date, newer ones are left alone."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import NAMES, Driver, contents

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.events import TimePassed
from sustainml_orchestrator.storage import Journal, JournalError, check, records, schema

Opened = Callable[..., Journal]


def unchanged(name: str, payload: bytes) -> bytes:
    """Upgrade nothing: the payloads of these tests are no messages."""
    return payload


def test_a_newer_journal_is_left_alone(path: Path) -> None:
    Journal.open(path, pipeline_names=NAMES).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(JournalError, match=r"newer version \(schema 99, this one knows \d+\)"):
        Journal.open(path, pipeline_names=NAMES)


def test_an_older_journal_is_brought_up_to_date(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = opened().session
    step = "CREATE TABLE notes (text TEXT NOT NULL) STRICT"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, step))
    assert opened().session == session
    connection = schema.connect(path, mode="ro")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    assert connection.execute("SELECT * FROM notes").fetchall() == []
    connection.close()


def test_a_journal_of_the_first_version_is_brought_up_to_date(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(schema, "MIGRATIONS", schema.MIGRATIONS[:1])
        schema.create(path, 77)
        old = schema.connect(path)
        schema.add_modules(old, NAMES[:3])
        old.close()
    journal = opened(upgrade=unchanged)
    assert (journal.session, journal.warnings) == (77, [])
    driver = Driver.restored(journal)
    driver.bring_up()
    driver.solve(driver.submit())


def test_a_journal_of_the_second_version_is_brought_up_to_date(path: Path, opened: Opened) -> None:
    """What runs in it has taken no time that anyone knew of."""
    old = opened()
    driver = Driver(old.session, old)
    driver.bring_up()
    task_id = driver.submit()
    old.close()
    make_version_3(path)
    connection = schema.connect(path)
    connection.executescript("DROP TABLE deliveries; PRAGMA user_version = 2")
    connection.close()
    driver = Driver.restored(opened(upgrade=unchanged))
    task = driver.core.store.get(task_id)
    assert [(s.waited, s.worked, s.absent) for s in task.steps] == [(0, 0, 0)] * 3
    driver.bring_up()
    driver.solve(task_id)
    assert task.progress == 1
    connection = schema.connect(path, mode="ro")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    connection.close()


def make_version_3(path: Path) -> None:
    """Take the tokens, and what came with them, out of a journal."""
    connection = schema.connect(path)
    connection.execute("UPDATE iterations SET token = 0")
    for row in connection.execute(records.get_iterations(connection)).fetchall():
        *record, delivered, _ = row
        crc = records.iteration_row(tuple(record), delivered)[-1]
        connection.execute("UPDATE iterations SET crc = ? WHERE serial = ?", (crc, row[0]))
    connection.executescript("ALTER TABLE iterations DROP COLUMN token; PRAGMA user_version = 3")
    connection.close()


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


def test_rows_with_the_crc_of_earlier_versions_are_believed(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def earlier_crc(record: records.Record, delivered: int) -> int:
        token = records.COLUMNS.index("token")
        values = (*record[:token], *record[token + 1 :], delivered)
        return zlib.crc32(ascii(values).encode())

    with monkeypatch.context() as patched:
        patched.setattr(records, "_record_crc", earlier_crc)
        old = opened()
        driver = Driver(old.session, old)
        driver.bring_up()
        first = driver.submit()
        driver.solve(first)
        second = driver.submit()
        driver.work(second, 0)
        before = contents(driver.core)
        old.close()
    journal = opened()
    assert journal.warnings == []
    driver = Driver.restored(journal)
    assert contents(driver.core) == before
    driver.bring_up()
    driver.work(second, 1)
    journal.close()
    assert check(path).findings == []
