"""The history in the journal: saved with the change, restored, bounded; damage is told."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import Driver

from sustainml_orchestrator.core.commands import HistoryEvent, Save
from sustainml_orchestrator.core.events import HistoryRead, TimePassed
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.storage import (
    Journal,
    JournalError,
    check,
    files,
    history_table,
    schema,
)

Opened = Callable[..., Journal]


def history(driver: Driver) -> list[HistoryEvent]:
    return driver.core.context.history.find(limit=100_000)


def solved(journal: Journal, count: int = 3) -> Driver:
    driver = Driver(journal.session, journal)
    driver.bring_up()
    for _ in range(count):
        driver.solve(driver.submit())
    return driver


def test_it_comes_back(opened: Opened) -> None:
    before = history(solved(opened()))
    driver = Driver.restored(opened())
    assert history(driver) == before and before[-1].event == "task.succeeded"
    driver.bring_up()
    driver.fail(driver.submit("another"), 0)
    after = history(driver)
    assert after[: len(before)] == before and after[-1].event == "task.failed"
    assert after[-1].detail == r"words: it cannot 💩"
    revisions = [event.revision for event in after]
    assert revisions == sorted(set(revisions))
    assert history(Driver.restored(opened())) == after


def test_what_is_dropped_leaves_the_file(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.core.settings.history_max_events = 20
    driver.bring_up()
    for _ in range(10):
        driver.solve(driver.submit())
    kept = history(driver)
    assert len(kept) == 20
    again = history(Driver.restored(opened()))
    assert again[-20:] == kept and len(again) < 40  # events of one commit are dropped together


def test_a_journal_of_the_fifth_version_gets_one(path: Path, opened: Opened) -> None:
    solved(opened())
    opened().close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE history")
        connection.execute("PRAGMA user_version = 5")
    assert check(path).findings == []
    journal = opened()
    assert journal.warnings == []
    driver = Driver.restored(journal)
    assert history(driver) == [] and driver.core.store.find(TaskId(3, 1)) is not None
    driver.submit()
    assert "task.submitted" in [event.event for event in history(Driver.restored(opened()))]


def as_in_version_6(path: Path) -> None:
    """Rewrite the history of a journal as a list of events per commit."""
    with sqlite3.connect(path) as connection:
        for first, last, packed, _ in connection.execute(history_table.GET).fetchall():
            found = json.loads(zlib.decompress(packed))
            rows = zip(*found["columns"], strict=True)
            events = [[*row[:2], row[2:4], *found["kinds"][row[4]]] for row in rows]
            packed = zlib.compress(json.dumps(events).encode())
            crc = zlib.crc32(packed, zlib.crc32(f"{first} {last}".encode()))
            change = "UPDATE history SET events = ?, crc = ? WHERE first = ?"
            connection.execute(change, (packed, crc, first))
        connection.execute("PRAGMA user_version = 6")


def test_that_of_a_journal_of_the_sixth_version_is_read(path: Path, opened: Opened) -> None:
    before = history(solved(opened()))
    opened().close()
    as_in_version_6(path)
    assert check(path).findings == []
    journal = opened()
    assert journal.warnings == []
    driver = Driver.restored(journal)
    assert history(driver) == before
    driver.bring_up()
    driver.solve(driver.submit())
    after = history(driver)
    assert after[: len(before)] == before and len(after) > len(before)
    assert history(Driver.restored(opened())) == after


@pytest.mark.parametrize("harm", ["events = x'00'", "last = last + 1", "crc = 0"])
def test_a_harmed_part_is_left_out_and_told(path: Path, opened: Opened, harm: str) -> None:
    journal = opened()
    before = history(solved(journal))
    session = journal.session
    journal.close()
    with schema.connect(path) as connection:
        oldest = "first = (SELECT min(first) FROM history)"
        connection.execute(f"UPDATE history SET {harm} WHERE {oldest}")
    assert "1 parts of the history" in check(path).findings[0]
    journal = opened()
    assert len(journal.warnings) == 1 and "history were damaged" in journal.warnings[0]
    assert journal.session == session, "no task is concerned"
    found = history(Driver.restored(journal))
    assert found == before[-len(found) :] and 0 < len(found) < len(before)
    assert check(path).findings == []
    assert opened().warnings == []


def test_a_recovered_journal_keeps_it(path: Path, opened: Opened) -> None:
    before = history(solved(opened()))
    opened().close()
    files.backup_of(path).unlink(missing_ok=True)
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE iterations SET crc = 0 WHERE serial = 0")
    journal = opened()
    assert "was damaged" in journal.warnings[0]
    assert history(Driver.restored(journal)) == before


class Lying:
    """Saves, and says that it has not."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def write(self, save: Save) -> list[str]:
        self._journal.write(save)
        raise JournalError("nobody knows")


def test_a_save_that_failed_and_yet_was_made_is_not_doubled(opened: Opened) -> None:
    """The core saves the same events again, less those of the task that it withdrew."""
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    driver.journal = Lying(journal)  # type: ignore[assignment]
    with pytest.raises(JournalError):
        driver.submit()
    driver.journal = journal
    driver.do(TimePassed(), after=1.1)  # it is tried again
    driver.do(HistoryRead(5))
    told = history(driver)
    assert "node.started" in [event.event for event in told]
    assert history(Driver.restored(opened())) == told
    assert "task.submitted" not in [event.event for event in told]
