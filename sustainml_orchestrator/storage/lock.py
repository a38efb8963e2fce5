"""One orchestrator per journal: a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from sustainml_orchestrator.storage import files
from sustainml_orchestrator.storage.epoch import Mark
from sustainml_orchestrator.storage.errors import ANOTHER, JournalInUse

#: Characters of the first line, which is overwritten in place.
_MARK_SIZE = 40


def kept_here(journal: Path) -> bool:
    """Whether a journal was kept at this path before: the file of its lock is not empty."""
    path = files.beside(journal, ".lock")
    return path.exists() and path.stat().st_size > 0


def mark_beside(journal: Path) -> Mark | None:
    """How far a journal has come, as noted beside it; None = unknown."""
    try:
        text = files.beside(journal, ".lock").read_bytes()[:_MARK_SIZE]
    except FileNotFoundError:
        return None
    return _parsed(text.decode("utf-8", "replace"))


def journal_of(file: Path) -> Path | None:
    """The journal, kept at its path, that a file is or belongs to; None for any other file."""
    for suffix in (*files.SUFFIXES, ".lock", ".bak", ".new", ".recovered"):
        name = file.name.removesuffix(suffix)
        if name and file.name == name + suffix:
            journal = file.with_name(name)
            if journal.is_file() and kept_here(journal):
                return journal
    return None


class Lock:
    """Held from construction to `close`, on a file beside the journal.

    The file stays: to remove it would let two processes lock two files of the same name. It names
    the holder, and marks how far the journal had come, so that an older copy is recognised.

    Attributes:
        existed: as of `kept_here`, when it was taken.
        mark: of the journal that was used last; None = unknown.

    Raises:
        JournalInUse: another process holds it; the text says which.
        OSError: the file cannot be written.
    """

    def __init__(self, journal: Path) -> None:
        self._path = files.beside(journal, ".lock")
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
        try:
            text = os.pread(self._file.fileno(), 400, 0).decode("utf-8", "replace")
            mark, _, holder = text.partition("\n")
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.close()
            raise JournalInUse(
                f"journal {journal} is in use by another orchestrator"
                f"{f' ({holder})' if holder else ''}; stop it, or {ANOTHER}"
            ) from None
        except OSError:
            self._file.close()
            raise
        self.existed = bool(text)
        self.mark = _parsed(mark)
        holder = f"process {os.getpid()} on {socket.gethostname()}"
        text = f"{mark.ljust(_MARK_SIZE)[:_MARK_SIZE]}\n{holder}"
        os.pwrite(self._file.fileno(), text.encode(), 0)
        os.ftruncate(self._file.fileno(), len(text.encode()))

    def is_in_place(self) -> bool:
        """Whether the file is still the one that other processes would lock."""
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return False

    def write_mark(self, mark: Mark, *, durably: bool) -> None:
        """Note how far the journal has come; `durably`: so that it survives a loss of power."""
        self.mark = mark
        text = f"{mark.session} {mark.commits}".ljust(_MARK_SIZE)
        os.pwrite(self._file.fileno(), text.encode(), 0)
        if durably:
            os.fsync(self._file.fileno())

    def withdraw(self) -> None:
        """Release it as if it had never been held: no journal could be opened."""
        if not self.existed:
            os.ftruncate(self._file.fileno(), 0)
        self.close()

    def close(self) -> None:
        """Release it."""
        self._file.close()


def _parsed(text: str) -> Mark | None:
    try:
        return Mark(*map(int, text.split()))
    except (ValueError, TypeError):
        return None
