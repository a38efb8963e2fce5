"""Damaged, foreign, locked and unwritable journals: really made so."""

from __future__ import annotations

import os
import random
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.histories import NAMES, Driver

from sustainml_orchestrator.core.events import TimePassed
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.core.persistence import RETRY_PERIOD
from sustainml_orchestrator.storage import Journal, JournalError, check, schema

Opened = Callable[..., Journal]
TASKS = 300


@pytest.fixture
def filled(path: Path) -> dict[TaskId, list[bytes | None]]:
    """A journal with solved tasks, closed; gives their outputs."""
    journal = Journal.open(path, pipeline_names=NAMES)
    driver = Driver(journal.session, journal)
    driver.bring_up()
    outputs = {}
    for number in range(TASKS):
        base = TaskId(number, 1) if number % 3 == 2 else TaskId(0, 0)
        base = TaskId(driver.core.store.next_problem_id - 1, 1) if base.problem_id else base
        task_id = driver.submit(f"problem {number} " * 9, base)
        driver.solve(task_id)
        outputs[task_id] = driver.core.store.get(task_id).outputs
    journal.close()
    return outputs


def restore(path: Path, outputs: dict[TaskId, list[bytes | None]]) -> tuple[Journal, int]:
    """Open a damaged journal; what it shows as solved is right. Returns how many are."""
    journal = Journal.open(path, pipeline_names=NAMES)
    try:
        driver = Driver.restored(journal)
        solved = 0
        for problem in driver.core.store.problems.values():
            for task in problem:
                if task.status is TaskStatus.SUCCEEDED:
                    assert task.outputs == outputs[task.task_id]
                    assert task.user_input
                    solved += 1
                elif not task.open:
                    assert "lost when the journal was damaged" in task.error_description
        driver.bring_up()
        driver.solve(driver.submit("it goes on"))
    finally:
        journal.close()
    return journal, solved


def test_a_truncated_file_is_set_aside_and_the_rest_recovered(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    size = path.stat().st_size
    for share, least in ((0.8, TASKS * 0.3), (0.5, 0), (0.1, 0), (0.001, 0)):
        whole = path.read_bytes()
        os.truncate(path, int(size * share))
        journal, solved = restore(path, filled)
        (warning,) = journal.warnings
        assert f"journal {path} was damaged" in warning
        assert "set aside as journal.db.damaged-" in warning
        assert least <= solved < TASKS
        path.write_bytes(whole)
    assert path.with_name("journal.db.damaged-4").exists()
    assert not path.with_name("journal.db.recovered").exists()


def test_flipped_bits_are_noticed(path: Path, filled: dict[TaskId, list[bytes | None]]) -> None:
    whole = path.read_bytes()
    rng = random.Random(1)
    noticed = 0
    for _ in range(20):
        data = bytearray(whole)
        for at in rng.sample(range(100, len(data)), 3):
            data[at] ^= 1 << rng.randrange(8)
        path.write_bytes(data)
        for side in path.parent.glob("journal.db-*"):
            side.unlink()
        journal, solved = restore(path, filled)
        noticed += bool(journal.warnings)
        assert journal.warnings or solved == TASKS
        assert solved >= TASKS * 0.5
    assert noticed > 10


def test_a_rotten_log_is_noticed(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    outputs = {}
    for number in range(10):
        task_id = driver.submit(f"problem {number}")
        driver.solve(task_id)
        outputs[task_id] = driver.core.store.get(task_id).outputs
    copy = path.with_name("copy.db")  # as a crash leaves it
    shutil.copyfile(path, copy)
    log = path.with_name("journal.db-wal").read_bytes()
    copy_log = copy.with_name("copy.db-wal")
    frame = log[32 : 32 + 24 + schema.PAGE_SIZE]
    copy_log.write_bytes(log + frame[:4] + bytes(4) + frame[8:])  # a transaction not finished
    again, solved = restore(copy, outputs)
    assert (again.warnings, solved) == ([], 10)
    for at, least in ((5, 0), (20, 0), (40, 0), (len(log) // 2, 2)):
        shutil.copyfile(path, copy)
        rotten = bytearray(log)
        rotten[at] ^= 4
        copy_log.write_bytes(rotten)
        again, solved = restore(copy, outputs)
        assert "the last changes before a crash are unreadable" in again.warnings[0]
        assert again.session != journal.session
        assert least <= solved < 10


@pytest.mark.parametrize("left", [0, 10, 32, 32 + 24 + schema.PAGE_SIZE])
def test_a_log_that_was_cut_or_emptied_is_noticed(path: Path, opened: Opened, left: int) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    for number in range(3):
        driver.solve(driver.submit(f"problem {number}"))
    copy = path.with_name("copy.db")  # as a crash leaves it
    for suffix in ("", "-wal", "-shm"):
        shutil.copyfile(path.with_name(path.name + suffix), copy.with_name(copy.name + suffix))
    log = copy.with_name("copy.db-wal")
    log.write_bytes(bytes(left) if left == 32 else log.read_bytes()[:left])
    again, _ = restore(copy, {})
    assert "the last changes before a crash are unreadable" in again.warnings[0]
    assert again.session != driver.core.session


@pytest.mark.parametrize("name", [b"TABLE", b"KEY", b"NULL", b"UNIQUE"])
def test_a_rotten_name_in_a_journal_is_damage(path: Path, name: bytes) -> None:
    Journal.open(path, pipeline_names=NAMES).close()
    whole = bytearray(path.read_bytes())
    whole[whole.index(name) + 1] ^= 0x80  # no UTF-8 any more
    path.write_bytes(whole)
    journal = Journal.open(path, pipeline_names=NAMES)
    journal.close()
    assert "a name in it cannot be read" in journal.warnings[0]


def test_a_commit_torn_in_a_log_used_again_is_no_damage(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    for number in range(9):
        driver.solve(driver.submit(f"problem {number}"))
    log = path.with_name("journal.db-wal")
    older = log.read_bytes()
    with sqlite3.connect(path) as connection:  # the next frame goes to the beginning of the log
        connection.execute("PRAGMA wal_checkpoint(RESTART)")
    connection.close()
    before = driver.core.store.get(TaskId(0, 0)).task_id
    driver.submit("in the air")
    newer = log.read_bytes()
    assert newer[:32] != older[:32]
    assert len(newer) < len(older)  # cut when the log was begun anew
    page = len(newer) - schema.PAGE_SIZE  # of the commit: killed before it was written
    copy = path.with_name("copy.db")
    shutil.copyfile(path, copy)
    copy.with_name("copy.db-wal").write_bytes(newer[:page] + older[page:])
    again = Journal.open(copy, pipeline_names=NAMES)
    try:
        assert again.warnings == []
        assert Driver.restored(again).core.store.get(TaskId(0, 0)).task_id == before
    finally:
        again.close()


def test_a_destroyed_first_page_costs_nothing_else(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    with path.open("r+b") as file:
        file.write(bytes(schema.PAGE_SIZE))
    journal, solved = restore(path, filled)
    assert "its header is destroyed" in journal.warnings[0]
    assert solved == TASKS


def test_an_emptied_file_is_told(path: Path, filled: dict[TaskId, list[bytes | None]]) -> None:
    os.truncate(path, 0)
    journal, solved = restore(path, filled)
    assert "it is empty" in journal.warnings[0]
    assert "0 iterations were recovered" in journal.warnings[0]
    assert solved == 0


def test_a_recovered_journal_has_a_new_session(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    journal = Journal.open(path, pipeline_names=NAMES)
    journal.close()
    os.truncate(path, path.stat().st_size // 2)
    again, _ = restore(path, filled)
    assert again.session != journal.session


def test_an_interrupted_recovery_is_finished(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    path.rename(path.with_name("journal.db.recovered"))
    path.with_name("journal.db-wal").write_bytes(b"of the damaged one")
    journal, solved = restore(path, filled)
    assert "a recovery begun earlier was finished" in journal.warnings[0]
    assert solved == TASKS
    assert path.with_name("journal.db.damaged-1-wal").read_bytes() == b"of the damaged one"


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


def test_a_folder_is_no_journal(path: Path) -> None:
    path.mkdir()
    with pytest.raises(JournalError, match="is no file"):
        Journal.open(path, pipeline_names=NAMES)
    assert not path.with_name("journal.db.lock").exists()


def test_missing_folders_are_made(path: Path) -> None:
    Journal.open(path.parent / "a" / "b" / "j.db", pipeline_names=NAMES).close()


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE deliveries SET record = substr(record, 1, 9) WHERE id = 1",
        "DELETE FROM outputs WHERE id = 1",
        "UPDATE deliveries SET id = 4096 WHERE id = 1",
    ],
)
def test_what_an_output_told_is_checked(path: Path, opened: Opened, harm: str) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    task_id = driver.submit()
    driver.work(task_id, 0, b"words", quality=0.5)
    driver.work(task_id, 1, b"limits", latency=2.0)
    journal.close()
    connection = sqlite3.connect(path)
    connection.execute(harm)
    connection.commit()
    connection.close()
    assert len(check(path).findings) == 1
    journal = opened()
    assert "was damaged" in journal.warnings[0]
    after = Driver.restored(journal)
    task = after.core.store.get(task_id)
    assert (task.outputs[0], task.quality) == (b"words", 0.5)
    after.bring_up()
    after.solve(task_id)
    assert task.status is TaskStatus.SUCCEEDED


def test_a_locked_journal_says_by_whom(path: Path) -> None:
    first = Journal.open(path, pipeline_names=NAMES)
    with pytest.raises(JournalError, match=rf"in use .*process {os.getpid()} on .+; stop it"):
        Journal.open(path, pipeline_names=NAMES)
    first.close()
    Journal.open(path, pipeline_names=NAMES).close()


@contextmanager
def disk_with(size: int) -> Iterator[None]:
    """Let no file grow beyond a size in bytes: the kernel then refuses to write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fails_and_recovers(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    first = driver.submit()
    with disk_with(4096):  # less than a page: nothing finds room by being moved elsewhere
        with pytest.raises(JournalError, match="cannot be written: the disk"):
            driver.solve(first)
        driver.submit("refused")
        with pytest.raises(JournalError):
            driver.do(TimePassed(), after=RETRY_PERIOD)
    driver.do(TimePassed(), after=RETRY_PERIOD)
    assert driver.core.persistence.failed == ""
    second = driver.submit("second")
    after = Driver.restored(opened())
    assert after.core.store.get(first).outputs[0] is not None
    assert after.core.store.get(second).description == "second"
    assert [len(problem) for problem in after.core.store.problems.values()] == [1, 1]


def test_a_journal_that_was_moved_away_is_not_made_anew(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    path.rename(path.with_name("moved.db"))
    with pytest.raises(JournalError, match="cannot be written"):
        driver.submit()
    assert not path.exists()
    path.with_name("moved.db").rename(path)
    driver.do(TimePassed(), after=RETRY_PERIOD)
    assert driver.core.persistence.failed == ""


def test_a_full_disk_at_the_start(path: Path) -> None:
    with disk_with(4096), pytest.raises(JournalError, match="cannot be used: the disk"):
        Journal.open(path, pipeline_names=NAMES)
    Journal.open(path, pipeline_names=NAMES).close()


def test_a_really_full_file_system(opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="the disk is full; make room"):
        driver.submit("x" * 100_000)


_AS_NOBODY = """
import os, sys
from sustainml_orchestrator.storage import Journal, JournalError
if os.getuid() == 0:
    os.setuid(65534)
try:
    Journal.open(sys.argv[1], pipeline_names=("a",))
except JournalError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["folder", "file"])
def test_a_place_that_may_not_be_written(what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        Journal.open(path, pipeline_names=("a",)).close()
        path.chmod(0o444)
        lock = path.with_name("journal.db.lock")
        lock.chmod(0o666 if what == "file" else 0o444)
        Path(folder).chmod(0o777 if what == "file" else 0o555)
        run = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(path)],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        Path(folder).chmod(0o755)
        assert run.stderr == ""
        assert "cannot be used" in run.stdout
        assert "may not be written" in run.stdout
