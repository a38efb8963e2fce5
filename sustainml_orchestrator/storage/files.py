"""The files of a journal: made for their user alone, put in place whole, never destroyed."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from sustainml_orchestrator.storage.errors import ANOTHER, JournalError

#: The database, SQLite's write-ahead log, and the index of that.
SUFFIXES = ("", "-wal", "-shm")


def beside(path: Path, suffix: str) -> Path:
    """The file of that name with a suffix."""
    return path.with_name(f"{path.name}{suffix}")


def backup_of(path: Path) -> Path:
    """The backup that an orchestrator makes of its journal from time to time."""
    return beside(path, ".bak")


def make_private(path: Path) -> None:
    """Make an empty file that its user alone can read, in place of whatever was there."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)


def target_of(path: Path) -> Path:
    """The file that is made or replaced by a write to a path, behind its symbolic links.

    Raises:
        OSError: the links lead to themselves.
    """
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    return target


def journal_at(path: Path) -> Path:
    """Where the files of a journal are: SQLite keeps its log beside the file behind a link.

    Raises:
        JournalError: something else than a file has the name of one of them.
        OSError: the links lead to themselves.
    """
    real = target_of(path) if path.is_symlink() else path
    for suffix in (*SUFFIXES, ".lock", ".new", ".recovered"):
        file = beside(real, suffix)
        if os.path.lexists(file) and not stat.S_ISREG(file.lstat().st_mode):
            raise JournalError(f"{file} is no file; move it away, or {ANOTHER}")
    return real


def put_in_place(fresh: Path, path: Path) -> None:
    """Give a complete new file its name, so that it keeps it when the power fails."""
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def free_place(path: Path, why: str) -> Path:
    """The first free name for the files of a journal that are set aside."""
    number = 1
    while any(beside(path, f".{why}-{number}{suffix}").exists() for suffix in SUFFIXES):
        number += 1
    return beside(path, f".{why}-{number}")


def set_aside(path: Path, why: str, suffixes: tuple[str, ...] = SUFFIXES) -> Path:
    """Rename the files of a journal to the first free name; returns that of the database."""
    aside = free_place(path, why)
    for suffix in suffixes:
        old = beside(path, suffix)
        if old.exists():
            old.rename(beside(aside, suffix))
    return aside


def complete(path: Path) -> Path:
    """Where a new file is made that is to replace a journal; whole once the journal is gone."""
    return beside(path, ".recovered")


def finish_interrupted(path: Path) -> bool:
    """Put a complete new file in place if its maker was killed before; True if there was one."""
    fresh = complete(path)
    if path.exists():
        fresh.unlink(missing_ok=True)
        return False
    if beside(path, "-wal").exists():
        set_aside(path, "damaged")  # SQLite would play it into the file that comes in its place
    if not fresh.exists():
        return False
    put_in_place(fresh, path)
    return True


def sizes(path: Path) -> tuple[int, int]:
    """Of the database and of its log, in bytes."""
    found = (beside(path, suffix) for suffix in SUFFIXES[:2])
    size, log = (file.stat().st_size if file.exists() else 0 for file in found)
    return size, log


class OpenFiles:
    """The files that a connection has open: whether they are still those in the folder."""

    def __init__(self, path: Path) -> None:
        self._paths = [beside(path, suffix) for suffix in SUFFIXES]
        self._identities = list(map(_identity, self._paths))

    def in_place(self) -> bool:
        """Whether all are still there."""
        return list(map(_identity, self._paths)) == self._identities

    def foreign(self) -> tuple[str, ...]:
        """Suffixes of files in the folder that others put there."""
        now = zip(SUFFIXES, map(_identity, self._paths), self._identities, strict=True)
        return tuple(suffix for suffix, found, own in now if found is not None and found != own)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
