"""One orchestrator per journal: a lock that the kernel lets go of when its holder dies."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

from sustainml_orchestrator.storage.errors import JournalInUse


def kept_here(journal: Path) -> bool:
    """Whether a journal was kept at this place before: a name stands in the lock's file."""
    path = _beside(journal)
    return path.exists() and path.stat().st_size > 0


def _beside(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.lock")


class Lock:
    """Held from construction to `close`, on a file beside the journal.

    The file stays: to remove it would let two processes lock two files of the same name.

    Attributes:
        existed: as of `kept_here`, when it was taken.

    Raises:
        JournalInUse: another process holds it; the text says which.
        OSError: the file cannot be written.
    """

    def __init__(self, journal: Path) -> None:
        path = _beside(journal)
        self.existed = kept_here(journal)
        self._file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._file.fileno(), 200, 0).decode("utf-8", "replace").strip()
            self._file.close()
            raise JournalInUse(
                f"journal {journal} is in use by another orchestrator"
                f"{f' ({holder})' if holder else ''}; stop it, or set another journal_path"
            ) from None
        except OSError:
            self._file.close()
            raise
        os.ftruncate(self._file.fileno(), 0)
        holder = f"process {os.getpid()} on {socket.gethostname()}\n"
        os.pwrite(self._file.fileno(), holder.encode(), 0)

    def withdraw(self) -> None:
        """Let go after all, as if it had never been held: no journal could be opened."""
        if not self.existed:
            os.ftruncate(self._file.fileno(), 0)
        self.close()

    def close(self) -> None:
        """Let go."""
        self._file.close()
