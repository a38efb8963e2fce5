"""Backups: made while the journal is in use, to wherever they shall go, and restored."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import NAMES, Driver, contents
from support.system import wait_for

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.storage import (
    Journal,
    JournalError,
    back_up,
    check,
    files,
    restore,
    upkeep,
)

Opened = Callable[..., Journal]


@pytest.fixture
def driver(opened: Opened) -> Driver:
    """A journal in use, with some tasks."""
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    driver.solve(driver.submit("first"))
    driver.work(driver.submit("second"), 0)
    return driver


def run(*args: object, code: int = 0) -> str:
    """The real command line; what it says."""
    command = [sys.executable, "-m", "sustainml_orchestrator.cli", *map(str, args)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return " ".join((done.stdout + done.stderr).split())


def test_a_backup_is_restored_with_a_new_session(
    path: Path, driver: Driver, opened: Opened, tmp_path: Path
) -> None:
    before, saved = contents(driver.core), tmp_path / "saved.db"
    assert "was copied to" in run("journal", "backup", saved, "-j", path)
    assert stat.S_IMODE(saved.stat().st_mode) == 0o600
    assert check(saved).iterations == 2
    later = driver.submit("later")
    assert "in use by another" in run("journal", "restore", saved, "-j", path, code=1)
    session = driver.core.session
    driver.journal.close()
    assert "the old one is" in run("journal", "restore", saved, "-j", path)
    journal = opened()
    assert (journal.warnings, journal.session == session) == ([], False)
    again = Driver.restored(journal)
    assert contents(again.core) == before
    old = Driver.restored(Journal.open(files.beside(path, ".replaced-1"), pipeline_names=NAMES))
    assert old.core.store.find(later) is not None
    old.journal.close()


def test_a_backup_goes_through_links_and_pipes(path: Path, driver: Driver, tmp_path: Path) -> None:
    target, link, pipe = tmp_path / "target.db", tmp_path / "link.db", tmp_path / "pipe"
    target.write_bytes(b"old")
    target.chmod(0o644)
    link.symlink_to(target)
    back_up(path, link)
    assert link.is_symlink() and check(target).iterations == 2
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    os.mkfifo(pipe)
    copy = tmp_path / "copy.db"
    reader = threading.Thread(target=lambda: copy.write_bytes(pipe.read_bytes()))
    reader.start()
    back_up(path, pipe)
    reader.join(10.0)
    assert pipe.is_fifo() and check(copy).iterations == 2
    script = f"{sys.executable} -m sustainml_orchestrator.cli journal backup - -j {path}"
    piped = subprocess.run(
        f"{script} | cat > {copy}", shell=True, check=True, timeout=60, capture_output=True
    )
    assert (piped.stderr, check(copy).iterations) == (b"", 2)
    cut = subprocess.run(
        f"set -o pipefail; {script} | head -c 1", shell=True, executable="/bin/bash",
        check=False, timeout=60, capture_output=True,
    )  # fmt: skip
    assert cut.stderr == b""
    assert not list(tmp_path.glob("*.part"))


def test_what_cannot_be_written_or_restored_says_why(
    path: Path, driver: Driver, tmp_path: Path
) -> None:
    assert "cannot be copied" in run("journal", "backup", tmp_path, "-j", path, code=1)
    assert "cannot be copied" in run("journal", "backup", "/proc/x", "-j", path, code=1)
    assert "is the journal itself" in run("journal", "backup", path, "-j", path, code=1)
    for suffix in ("-wal", ".new", ".recovered"):  # a start deletes these
        file = files.beside(path, suffix)
        assert "belongs to the journal" in run("journal", "backup", file, "-j", path, code=1)
    assert "there is no journal" in run("journal", "backup", "x", "-j", tmp_path / "no", code=1)
    assert "disk is full" in run("journal", "backup", "/dev/full", "-j", path, code=1)
    driver.journal.close()
    diary, rotten = tmp_path / "diary", tmp_path / "rotten.db"
    diary.write_text("my diary " * 100)
    assert "is not a journal" in run("journal", "restore", diary, "-j", path, code=1)
    assert "there is no journal" in run("journal", "restore", tmp_path / "no", "-j", path, code=1)
    shutil.copyfile(path, rotten)
    with rotten.open("r+b") as file:
        file.seek(20_000)
        file.write(bytes(9000))
    assert "take another backup" in run("journal", "restore", rotten, "-j", path, code=1)
    assert "is the journal itself" in run("journal", "restore", path, "-j", path, code=1)
    assert check(path).iterations == 2


def test_an_older_journal_that_is_put_back_begins_a_new_session(
    path: Path, driver: Driver, opened: Opened, tmp_path: Path
) -> None:
    driver.journal.close()
    saved = tmp_path / "saved.db"
    shutil.copyfile(path, saved)
    again = Driver.restored(opened())
    told = again.submit("told")
    again.journal.close()
    shutil.copyfile(saved, path)  # by hand
    journal = opened()
    assert journal.session != driver.core.session
    assert "it is older than the one that was here before" in journal.warnings[0]
    after = Driver.restored(journal)
    assert after.core.store.find(told) is None
    session = journal.session
    assert opened().session == session  # once
    assert journal.warnings and opened().warnings == []


def test_an_older_journal_that_is_put_back_after_a_crash_begins_a_new_session(
    path: Path, driver: Driver, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    for suffix in ("", "-wal"):
        shutil.copyfile(files.beside(path, suffix), files.beside(copy, suffix))
    told = [driver.submit("told") for _ in range(5)]
    shutil.copyfile(files.beside(path, ".lock"), files.beside(copy, ".lock"))
    journal = Journal.open(copy, pipeline_names=NAMES)
    after = Driver.restored(journal)
    assert "up to 5 s of changes before that may be missing" in journal.warnings[0]
    assert after.core.store.find(told[0]) is None
    assert journal.session != driver.core.session
    assert "it is older than the one that was here before" in journal.warnings[1]
    journal.close()


@pytest.mark.parametrize("what", ["another", "of a former session"])
def test_a_journal_of_another_session_that_is_put_there_is_told(
    path: Path, driver: Driver, opened: Opened, tmp_path: Path, what: str
) -> None:
    assert driver.journal is not None
    driver.journal.close()
    saved = tmp_path / "saved.db"
    shutil.copyfile(path, saved)
    if what == "another":
        path = tmp_path / "another.db"
    else:
        restore(path, saved)  # a new session
    used = Journal.open(path, pipeline_names=NAMES)
    Driver.restored(used).submit("told")
    used.close()
    shutil.copyfile(saved, path)
    assert "it is not the one that was here before" in run("journal", "check", "-j", path)
    journal = Journal.open(path, pipeline_names=NAMES)
    kept = files.beside(path, ".replaced-1" if what == "another" else ".replaced-2")
    assert "it is not the one that was here before" in journal.warnings[0]
    assert f"`sustainml journal restore {kept}`" in journal.warnings[0]
    assert journal.session not in (driver.core.session, used.session)
    assert Driver.restored(journal).core.store.find(TaskId(1, 1)) is not None
    journal.close()
    assert check(path).missing == ""
    assert check(kept).iterations == (1 if what == "another" else 3)


@pytest.mark.parametrize("durability", ["normal", "full"])
def test_a_mark_that_is_gone_after_a_crash_is_told(path: Path, durability: str) -> None:
    used = Journal.open(path, pipeline_names=NAMES, durability=durability)  # type: ignore
    Driver.restored(used).submit("told")
    copy = path.with_name("copy.db")  # with neither the log nor the lock
    shutil.copyfile(path, copy)
    assert check(path).missing == ""
    assert "(.lock) is gone" in check(copy).missing
    journal = Journal.open(copy, pipeline_names=NAMES, durability=durability)  # type: ignore
    assert "(.lock) is gone" in journal.warnings[-1]
    assert journal.session != used.session
    journal.close()
    used.close()


def test_a_backup_is_no_journal_of_a_crash(path: Path, driver: Driver, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    back_up(path, copy)
    assert check(copy).missing == ""
    journal = Journal.open(copy, pipeline_names=NAMES)
    (warning,) = journal.warnings
    assert "it is a backup: later changes are not in it, and a new session begins" in warning
    assert journal.session != driver.core.session
    journal.close()


def test_a_restart_of_the_machine_begins_a_new_session(
    path: Path, driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for durability, warned in (("normal", True), ("full", False)):
        journal = Journal.open(
            tmp_path / durability,
            pipeline_names=NAMES,
            durability=durability,  # type: ignore
        )
        used = Driver(journal.session, journal)
        used.submit("told")
        copy = tmp_path / f"{durability}-copy"
        for suffix in ("", "-wal", ".lock"):
            shutil.copyfile(files.beside(journal.path, suffix), files.beside(copy, suffix))
        with monkeypatch.context() as patched:
            patched.setattr("sustainml_orchestrator.storage.epoch._boot", lambda: "another")
            again = Journal.open(copy, pipeline_names=NAMES)
        assert any("the machine was restarted" in w for w in again.warnings) == warned
        assert (again.session != journal.session) == warned
        assert Driver.restored(again).core.store.find(TaskId(1, 1)) is not None
        again.close()
        journal.close()


def test_rolling_backups_are_made(path: Path, driver: Driver) -> None:
    journal = driver.journal
    assert journal is not None
    leftover = files.beside(files.backup_of(path), ".123.part")
    leftover.write_bytes(b"of a process that was killed")
    assert journal.maintain() == []
    wait_for(lambda: files.backup_of(path).exists())
    assert check(files.backup_of(path)).iterations == 2
    assert not leftover.exists()
    wait_for(lambda: not journal._upkeep._is_backing_up())
    made = files.backup_of(path).stat().st_mtime_ns
    driver.submit("third")
    journal.maintain()  # nothing is due yet
    assert not journal._upkeep._is_backing_up()
    assert files.backup_of(path).stat().st_mtime_ns == made
    journal.close()
    assert check(files.backup_of(path)).iterations == 3
    assert stat.S_IMODE(files.backup_of(path).stat().st_mode) == 0o600


def test_a_backup_that_cannot_be_made_is_reported(
    path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(path.parent)._replace(free=100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    warnings: list[str] = []
    wait_for(lambda: warnings.extend(driver.journal.maintain()) or warnings)
    assert "no backup of journal" in warnings[0]
    assert "MiB of room on the disk; make room" in warnings[0]


def test_a_log_that_grows_under_a_reader_is_reported(path: Path, opened: Opened) -> None:
    journal = opened()
    journal._upkeep._backup_due = float("inf")
    driver = Driver(journal.session, journal)
    code = (
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.execute('BEGIN'); "
        "c.execute('SELECT * FROM iterations').fetchall(); print('reads', flush=True); input()"
    )
    reader = subprocess.Popen(
        [sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert reader.stdout is not None and reader.stdin is not None
    try:
        assert reader.stdout.readline() == b"reads\n"
        warnings: list[int] = []
        for number in range(20):
            driver.submit("x" * 2**22, description=f"{number}")
            found = journal.maintain()
            assert all("has grown to" in text and "fuser" in text for text in found)
            warnings.extend(number for _ in found)
    finally:
        reader.stdin.close()
        reader.wait()
        reader.stdout.close()
    assert 2 <= len(warnings) <= 3, "once at 16 MiB, and at each doubling"
    for number in range(6):
        driver.submit("y" * 2**21, description=f"{number}")
        assert journal.maintain() == []
    assert files.sizes(path)[1] < upkeep.LARGE_LOG


def test_a_missing_journal_is_reported_with_the_way_back(
    path: Path, driver: Driver, opened: Opened
) -> None:
    driver.journal.close()
    path.unlink()
    journal = opened()
    assert "is missing, a new one was begun" in journal.warnings[0] and len(journal.warnings) == 1
    kept = files.beside(path, ".replaced-1")  # the next backup would replace it
    assert f"sustainml journal restore {kept}" in journal.warnings[0]
    Driver.restored(journal).submit("another")
    journal.close()
    assert check(files.backup_of(path)).iterations == 1
    restore(path, kept)
    assert check(path).iterations == 2
    assert opened().warnings == []


def test_a_full_disk_refuses_a_restore_and_keeps_the_journal(
    path: Path, driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.journal.close()
    whole = path.read_bytes()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("sustainml_orchestrator.storage.backup.copy", full)
    with pytest.raises(JournalError, match="cannot be restored: the disk is full; make room"):
        restore(path, files.backup_of(path))
    assert path.read_bytes() == whole
