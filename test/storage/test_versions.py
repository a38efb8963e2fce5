"""Journals of other versions: old ones are brought up to date, newer ones are left alone."""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import NAMES, Driver, contents

from sustainml_orchestrator.storage import Journal, JournalError, check, records, schema

Opened = Callable[..., Journal]


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
    journal = opened()
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
    connection = schema.connect(path)
    connection.executescript("DROP TABLE deliveries; PRAGMA user_version = 2")
    connection.close()
    driver = Driver.restored(opened())
    task = driver.core.store.get(task_id)
    assert [(s.waited, s.worked, s.absent) for s in task.steps] == [(0, 0, 0)] * 3
    driver.bring_up()
    driver.solve(task_id)
    assert task.progress == 1
    connection = schema.connect(path, mode="ro")
    assert connection.execute("PRAGMA user_version").fetchone() == (len(schema.MIGRATIONS),)
    connection.close()


def test_rows_with_the_crc_of_earlier_versions_are_believed(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def earlier_crc(record: records.Record, delivered: int) -> int:
        return zlib.crc32(ascii((*record, delivered)).encode())

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
