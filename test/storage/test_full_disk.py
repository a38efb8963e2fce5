"""Disks that are full for a while, and places that may not be written: really made so."""

from __future__ import annotations

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.histories import NAMES, Driver

from sustainml_orchestrator.core.events import TimePassed
from sustainml_orchestrator.core.persistence import RETRY_PERIOD
from sustainml_orchestrator.storage import Journal, JournalError, check, files

Opened = Callable[..., Journal]


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


@contextmanager
def no_more_files() -> Iterator[None]:
    """Let this process open no further file; 0, 1 and 2 are in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_connection_that_cannot_be_made_anew_for_a_while(opened: Opened) -> None:
    """The last connection removes the log when it is closed: no file is missing then."""
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.submit("first")
    with disk_with(4096), pytest.raises(JournalError, match="cannot be written: the disk"):
        driver.submit("refused")
    with no_more_files():
        for _ in range(3):
            with pytest.raises(JournalError, match="cannot be written"):
                driver.do(TimePassed(), after=RETRY_PERIOD)
            journal.maintain()
    driver.do(TimePassed(), after=RETRY_PERIOD)
    assert driver.core.persistence.failed == ""
    second = driver.submit("second")
    assert Driver.restored(opened()).core.store.get(second).description == "second"


def test_a_full_disk_at_the_start(path: Path) -> None:
    with disk_with(4096), pytest.raises(JournalError, match="cannot be used: the disk"):
        Journal.open(path, pipeline_names=NAMES)
    Journal.open(path, pipeline_names=NAMES).close()


def test_a_full_disk_that_takes_no_index_of_the_log(path: Path) -> None:
    """SQLite calls that an I/O error."""
    Journal.open(path, pipeline_names=NAMES).close()
    descriptors = len(list(Path("/proc/self/fd").iterdir()))
    with disk_with(4096):
        for call in (check, lambda path: Journal.open(path, pipeline_names=NAMES)):
            with pytest.raises(JournalError, match="the disk is full; make room"):
                call(path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert check(path).findings == []


def test_a_really_full_file_system(opened: Opened) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    (pages,) = journal._connection.execute("PRAGMA page_count").fetchone()
    journal._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match="the disk is full; make room"):
        driver.submit("x" * 100_000)


_AS_NOBODY = """
import os, pathlib, sys
from sustainml_orchestrator.storage import Journal, JournalError, check
if os.getuid() == 0:
    os.setuid(65534)
path = pathlib.Path(sys.argv[1])
try:
    Journal.open(path, pipeline_names=("a",)) if len(sys.argv) == 2 else check(path)
except JournalError as error:
    print(error)
"""


@pytest.mark.parametrize("what", ["folder", "file", "log"])
def test_a_place_that_may_not_be_written(what: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.db"
        Journal.open(path, pipeline_names=("a",)).close()
        log = path.with_name("journal.db-wal")
        log.touch()
        log.chmod(0o444)
        path.chmod(0o666 if what == "log" else 0o444)
        lock = path.with_name("journal.db.lock")
        lock.chmod(0o444 if what == "folder" else 0o666)
        Path(folder).chmod(0o555 if what == "folder" else 0o777)
        run = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(path)],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        Path(folder).chmod(0o755)
        assert run.stderr == ""
        assert "cannot be used" in run.stdout
        assert re.search("may not (read or write it|be written)", run.stdout)


def test_a_log_in_a_folder_that_takes_no_file() -> None:
    """As on a snapshot that is mounted for reading."""
    with tempfile.TemporaryDirectory() as folder:
        path, copy = Path(folder) / "journal.db", Path(folder) / "copy" / "journal.db"
        copy.parent.mkdir()
        journal = Journal.open(path, pipeline_names=("a",))
        for suffix in ("", "-wal"):
            shutil.copyfile(files.beside(path, suffix), files.beside(copy, suffix))
        journal.close()
        Path(folder).chmod(0o755)
        copy.parent.chmod(0o555)
        run = subprocess.run(
            [sys.executable, "-c", _AS_NOBODY, str(copy), "check"],
            capture_output=True, text=True, timeout=20, check=False,
        )  # fmt: skip
        copy.parent.chmod(0o755)
        assert "copy both to another folder" in run.stdout, run.stderr
