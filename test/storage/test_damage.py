"""Damaged journals: really made so."""

from __future__ import annotations

import errno
import os
import random
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import NAMES, Driver

from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.storage import Journal, JournalError, check, files, schema

Opened = Callable[..., Journal]
Make = Callable[[Path], None]
TASKS = 300


@pytest.fixture
def filled(path: Path) -> dict[TaskId, list[bytes | None]]:
    """A journal with solved tasks, closed, without a backup; gives their outputs."""
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
    files.backup_of(path).rename(path.with_name("spare"))
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
        assert f"journal {path}: it was damaged" in warning
        assert "set aside as journal.db.damaged-" in warning
        assert least <= solved < TASKS
        path.write_bytes(whole)
        files.backup_of(path).unlink()
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
        files.backup_of(path).unlink(missing_ok=True)
        for side in path.parent.glob("journal.db-*"):
            side.unlink()
        journal, solved = restore(path, filled)
        noticed += bool(journal.warnings)
        assert journal.warnings or solved == TASKS
        assert solved >= TASKS * 0.5
    assert noticed > 10


UNCLEAN = "the orchestrator did not end cleanly: up to 5 s of changes before that may be missing"


@pytest.fixture
def killed(path: Path, opened: Opened) -> tuple[Path, dict[TaskId, list[bytes | None]], int]:
    """A copy of a journal as a crash leaves it; the outputs of its tasks; its session."""
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    outputs = {}
    for number in range(10):
        task_id = driver.submit(f"problem {number}")
        driver.solve(task_id)
        outputs[task_id] = driver.core.store.get(task_id).outputs
    copy = path.with_name("copy.db")
    for suffix in ("", "-wal", ".lock"):
        shutil.copyfile(files.beside(path, suffix), files.beside(copy, suffix))
    return copy, outputs, journal.session


def test_a_transaction_that_was_not_finished_is_no_loss(
    killed: tuple[Path, dict[TaskId, list[bytes | None]], int],
) -> None:
    copy, outputs, session = killed
    log = files.beside(copy, "-wal").read_bytes()
    frame = log[32 : 32 + 24 + schema.PAGE_SIZE]
    files.beside(copy, "-wal").write_bytes(log + frame[:4] + bytes(4) + frame[8:])
    again, solved = restore(copy, outputs)
    assert (solved, again.session) == (10, session)
    assert len(again.warnings) == 1 and UNCLEAN in again.warnings[0]


@pytest.mark.parametrize("where", [5, 20, 40, 50_000, 0.5])
def test_after_a_rotten_log_a_loss_is_reported(
    killed: tuple[Path, dict[TaskId, list[bytes | None]], int], where: float
) -> None:
    copy, _, session = killed
    log = files.beside(copy, "-wal")
    rotten = bytearray(log.read_bytes())
    rotten[int(len(rotten) * where) if where < 1 else int(where)] ^= 4
    log.write_bytes(rotten)
    again = Journal.open(copy, pipeline_names=NAMES)
    assert UNCLEAN in again.warnings[0]
    driver = Driver.restored(again)
    assert driver.core.store.count(TaskStatus.SUCCEEDED) < 10
    again.close()
    assert again.session != session


@pytest.mark.parametrize("left", [0, 10, 32, 32 + 24 + schema.PAGE_SIZE])
def test_after_a_log_that_was_cut_a_loss_is_reported(
    killed: tuple[Path, dict[TaskId, list[bytes | None]], int], left: int
) -> None:
    copy, _, session = killed
    log = files.beside(copy, "-wal")
    log.write_bytes(bytes(left) if left == 32 else log.read_bytes()[:left])
    again = Journal.open(copy, pipeline_names=NAMES)
    assert UNCLEAN in again.warnings[0]
    assert again.session != session
    again.close()


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
    copy = path.with_name("copy.db")
    shutil.copyfile(files.beside(path, ".lock"), files.beside(copy, ".lock"))
    driver.submit("in the air")
    newer = log.read_bytes()
    assert newer[:32] != older[:32]
    assert len(newer) < len(older)  # cut when the log was begun anew
    page = len(newer) - schema.PAGE_SIZE  # of the commit: killed before it was written
    shutil.copyfile(path, copy)
    copy.with_name("copy.db-wal").write_bytes(newer[:page] + older[page:])
    again = Journal.open(copy, pipeline_names=NAMES)
    try:
        assert len(again.warnings) == 1 and UNCLEAN in again.warnings[0]
        assert Driver.restored(again).core.store.get(TaskId(0, 0)).task_id == before
    finally:
        again.close()


def test_a_destroyed_first_page_costs_nothing_else(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    path.with_name("spare").rename(files.backup_of(path))
    with path.open("r+b") as file:
        file.write(bytes(schema.PAGE_SIZE))
    journal, solved = restore(path, filled)
    assert "its header is destroyed" in journal.warnings[0]
    assert (
        f"{TASKS} tasks were recovered, {TASKS} of them from journal.db.bak" in journal.warnings[0]
    )
    assert solved == TASKS


def test_a_destroyed_first_page_is_recognised_by_the_backup_where_the_lock_is_lost(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    path.with_name("spare").rename(files.backup_of(path))
    files.beside(path, ".lock").unlink()
    with path.open("r+b") as file:
        file.write(bytes(schema.PAGE_SIZE))
    assert check(path).findings
    journal, solved = restore(path, filled)
    assert "its header is destroyed" in journal.warnings[0]
    assert solved == TASKS


def test_what_is_damaged_comes_from_the_backup(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    path.with_name("spare").rename(files.backup_of(path))
    journal = Journal.open(path, pipeline_names=NAMES)
    driver = Driver.restored(journal)
    driver.bring_up()
    driver.solve(later := driver.submit("after the backup"))
    filled[later] = driver.core.store.get(later).outputs
    journal._upkeep._changed = False  # as if it had ended before the next backup was due
    journal.close()
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 3)
        file.write(bytes(path.stat().st_size // 3))
    journal, solved = restore(path, filled)
    assert "of them from journal.db.bak" in journal.warnings[0]
    assert solved >= TASKS


def test_a_backup_of_another_journal_is_not_believed(
    path: Path, filled: dict[TaskId, list[bytes | None]]
) -> None:
    other = path.with_name("other.db")
    Journal.open(other, pipeline_names=NAMES).close()
    shutil.copyfile(path.with_name("spare"), files.backup_of(other))
    with other.open("r+b") as file:
        file.write(bytes(schema.PAGE_SIZE))
    journal, solved = restore(other, filled)
    assert "0 tasks were recovered" in journal.warnings[0]
    assert solved == 0


def test_an_emptied_file_is_told(path: Path, filled: dict[TaskId, list[bytes | None]]) -> None:
    os.truncate(path, 0)
    journal, solved = restore(path, filled)
    assert "it is empty" in journal.warnings[0]
    assert "0 tasks were recovered" in journal.warnings[0]
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
    assert "was being replaced; that was finished" in journal.warnings[0]
    assert solved == TASKS
    assert path.with_name("journal.db.damaged-1-wal").read_bytes() == b"of the damaged one"


def test_a_recovery_that_no_start_has_told_is_told_by_the_next(
    path: Path, filled: dict[TaskId, list[bytes | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first start is killed, or finds the disk full, once the journal is replaced."""
    os.truncate(path, path.stat().st_size // 2)
    put_in_place = files.put_in_place

    def die(fresh: Path, name: Path) -> None:
        put_in_place(fresh, name)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files, "put_in_place", die)
    with pytest.raises(JournalError, match="the disk is full"):
        Journal.open(path, pipeline_names=NAMES)
    monkeypatch.undo()
    journal, solved = restore(path, filled)
    assert "was damaged" in journal.warnings[0] and "damaged-1; " in journal.warnings[0]
    assert solved < TASKS
    again = Journal.open(path, pipeline_names=NAMES)
    again.close()
    assert not any("damaged" in warning for warning in again.warnings)


def test_lost_names_of_modules_are_told_once(path: Path, opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    driver.solve(driver.submit())
    journal.close()
    files.backup_of(path).unlink()
    connection = sqlite3.connect(path)
    connection.executescript("DELETE FROM modules; UPDATE life SET crc = crc + 1")
    connection.close()
    journal = opened()
    journal.close()
    (warning,) = journal.warnings
    assert "; outputs of 3 modules, whose names are lost, are not shown; what is" in warning
    for _ in range(2):
        again = opened()
        again.close()
        assert again.warnings == []
        assert check(path).findings == []


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
