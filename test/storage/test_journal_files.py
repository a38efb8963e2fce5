"""What is no journal, is locked, behind a link, or vanishes: files as they are found."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import NAMES, Driver

from sustainml_orchestrator.core.events import TimePassed
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.persistence import RETRY_PERIOD
from sustainml_orchestrator.storage import Journal, JournalError, check, files
from sustainml_orchestrator.storage.backup import back_up
from sustainml_orchestrator.storage.lock import Lock

Opened = Callable[..., Journal]
Make = Callable[[Path], None]


def test_a_foreign_file_is_left_alone(path: Path) -> None:
    path.write_text("my diary " * 100)
    for _ in range(2):  # and again: that we looked at it does not make it ours
        with pytest.raises(JournalError, match="is not a journal; move it away"):
            Journal.open(path, pipeline_names=NAMES)
    assert path.read_text() == "my diary " * 100


def test_a_foreign_database_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE birds (name TEXT)")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="is a database of another program"):
        Journal.open(path, pipeline_names=NAMES)


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda p: p.symlink_to("/dev/null")])
@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", ".lock", ".recovered"])
def test_what_is_no_file_is_named(path: Path, opened: Opened, make: Make, suffix: str) -> None:
    opened().close()
    files.beside(path, suffix).unlink(missing_ok=True)
    make(files.beside(path, suffix))
    for use in (opened, lambda: check(path), lambda: back_up(path, path.with_name("copy"))):
        with pytest.raises(JournalError, match="is no file; move it away"):
            use()


def test_a_journal_behind_a_link_is_one_journal(path: Path, opened: Opened) -> None:
    """Its log and its lock are beside the file: it is synced, and used by one orchestrator."""
    real = path.parent / "disk" / "real.db"
    real.parent.mkdir()
    path.symlink_to(real)
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    driver.solve(task_id := driver.submit("behind a link"))
    with pytest.raises(JournalError, match="in use"):
        Journal.open(real, pipeline_names=NAMES)
    assert check(path).iterations == 1
    files.beside(real, "-wal").unlink()
    (warning,) = journal.maintain()
    assert "was deleted or replaced" in warning
    journal.close()
    os.truncate(real, real.stat().st_size // 2)
    assert check(path).findings
    journal = opened()
    assert path.is_symlink() and "set aside as real.db.damaged-1" in journal.warnings[0]
    assert Driver.restored(journal).core.store.get(task_id).task_id == task_id
    journal.close()
    path.unlink()
    path.symlink_to(path.name)
    with pytest.raises(JournalError, match="symbolic links"):
        opened()


def test_missing_folders_are_made(path: Path) -> None:
    Journal.open(path.parent / "a" / "b" / "j.db", pipeline_names=NAMES).close()


def test_a_locked_journal_says_by_whom(path: Path) -> None:
    first = Journal.open(path, pipeline_names=NAMES)
    with pytest.raises(JournalError, match=rf"in use .*process {os.getpid()} on .+; stop it"):
        Journal.open(path, pipeline_names=NAMES)
    first.close()
    Journal.open(path, pipeline_names=NAMES).close()


def test_a_lock_that_vanishes_is_taken_again(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    files.beside(path, ".lock").unlink()
    task_id = driver.submit()
    with pytest.raises(JournalError, match="in use"):
        Journal.open(path, pipeline_names=NAMES)
    assert driver.warnings == []
    files.beside(path, ".lock").unlink()
    other = Lock(path)
    with pytest.raises(JournalError, match="in use by another orchestrator"):
        driver.submit("refused")
    other.close()
    driver.do(TimePassed(), after=RETRY_PERIOD)
    assert Driver.restored(opened()).core.store.get(TaskId(0, 0)).task_id == task_id


@pytest.mark.parametrize("harm", ["-wal", "-shm", "", "all", "replaced", "folder"])
def test_files_that_vanish_while_in_use_are_written_anew(
    path: Path, opened: Opened, harm: str
) -> None:
    path = path.parent / "folder" / path.name
    journal = Journal.open(path, pipeline_names=NAMES)
    driver = Driver(journal.session, journal)
    driver.bring_up()
    driver.solve(first := driver.submit("first"))
    if harm == "folder":
        shutil.rmtree(path.parent)
    elif harm == "replaced":
        files.beside(path, ".other").write_bytes(b"of others" * 1000)
        files.beside(path, ".other").rename(path)
    else:
        for suffix in ("", "-wal", "-shm", ".lock") if harm == "all" else (harm,):
            files.beside(path, suffix).unlink()
    driver.solve(second := driver.submit("second"))
    (warning,) = journal.maintain() or driver.warnings
    assert f"a file of journal {path} was deleted or replaced" in warning
    with pytest.raises(JournalError, match="in use"):
        Journal.open(path, pipeline_names=NAMES)
    copy = path.parent.with_name("copy") / path.name  # as a crash leaves it
    shutil.copytree(path.parent, copy.parent, ignore=shutil.ignore_patterns("*.part*"))
    after = Journal.open(copy, pipeline_names=NAMES)
    restored = Driver.restored(after)
    for task_id in (first, second):
        assert restored.core.store.get(task_id).outputs == driver.core.store.get(task_id).outputs
    assert after.session == journal.session
    after.close()
    journal.close()
    if harm == "replaced":
        assert files.beside(path, ".replaced-1").read_bytes() == b"of others" * 1000
