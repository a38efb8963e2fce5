"""What a journal in use needs from time to time: syncs, a look at its log, backups."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread

from sustainml_orchestrator.storage import backup, files
from sustainml_orchestrator.storage.epoch import LOSS_WINDOW
from sustainml_orchestrator.storage.errors import JournalError, explain

#: Size of the log from which on a reader that never ends is looked for, in bytes.
LARGE_LOG = 16 * 2**20
#: Shortest time between two backups, in s, and how many times longer than the last one took.
BACKUP_PERIOD, _BACKUP_SHARE = 600.0, 100.0
#: Up to this size, in bytes, a backup is made at a clean end, too.
_QUICK = 64 * 2**20


class Upkeep:
    """Looks after the files of one journal, on the thread that writes it.

    Args:
        syncs: whether commits have to be synced; False where they are already.
        is_empty: whether there is nothing yet that is worth a backup.
    """

    def __init__(self, path: Path, *, syncs: bool, is_empty: bool) -> None:
        self._path = path
        self._syncs = syncs
        self._unsynced_since: float | None = None
        self._warn_above = LARGE_LOG
        self._changed = not is_empty and not files.backup_of(path).exists()
        self._backup_due = 0.0
        self._stop = Event()
        self._backup: Thread | None = None
        self._warnings: deque[str] = deque()  # the thread of a backup adds to it, too

    def note_commit(self) -> None:
        """Something was committed."""
        self._changed = True
        if self._unsynced_since is None:
            self._unsynced_since = time.monotonic()

    def look(self, connection: sqlite3.Connection) -> list[str]:
        """Do what is due; returns warnings.

        Raises:
            sqlite3.Error, OSError: the disk does not work.
        """
        now = time.monotonic()
        since = self._unsynced_since
        if self._syncs and since is not None and now - since > LOSS_WINDOW - 2.0:
            self._unsynced_since = None
            _sync(files.beside(self._path, "-wal"))
        self._look_at_log(connection)
        if self._changed and now >= self._backup_due and not self._is_backing_up():
            self._changed, self._backup_due = False, now + BACKUP_PERIOD
            self._backup = Thread(target=self._back_up, name="journal backup", daemon=True)
            self._backup.start()
        return [self._warnings.popleft() for _ in range(len(self._warnings))]

    def finish(self) -> None:
        """End the backup that is being made, or make a last one if that takes no time."""
        self._stop.set()
        if self._backup is not None:
            self._backup.join()
        self._stop.clear()
        if self._changed and sum(files.sizes(self._path)) <= _QUICK:
            self._back_up()

    def _is_backing_up(self) -> bool:
        return self._backup is not None and self._backup.is_alive()

    def _look_at_log(self, connection: sqlite3.Connection) -> None:
        _, size = files.sizes(self._path)
        if size < LARGE_LOG:
            self._warn_above = LARGE_LOG
        if size < self._warn_above or self._is_backing_up():
            return
        _, frames, copied = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        if copied < frames:
            self._warn_above = 2 * size
            self._warnings.append(
                f"the log of journal {self._path} has grown to {size / 2**20:.0f} MiB, as another "
                f"program reads the journal and does not end; `fuser {self._path}` shows which: "
                "end it"
            )

    def _back_up(self) -> None:
        began, size = time.monotonic(), sum(files.sizes(self._path))
        target = files.backup_of(self._path)
        try:
            if shutil.disk_usage(target.parent).free < 2 * size:
                needed = f"{2 * size / 2**20:.1f} MiB"
                raise JournalError(f"it needs {needed} of room on the disk; make room")
            backup.remove_leftovers(target)
            backup.copy(self._path, target, self._stop.is_set)
        except backup.Stopped:
            self._changed = True
        except JournalError as error:
            self._warnings.append(f"no backup of journal {self._path} was made: {error}")
        except (sqlite3.Error, OSError) as error:
            self._warnings.append(f"no backup of journal {self._path} was made: {explain(error)}")
        took = time.monotonic() - began
        self._backup_due = time.monotonic() + max(BACKUP_PERIOD, _BACKUP_SHARE * took)


def _sync(log: Path) -> None:
    with suppress(FileNotFoundError):
        descriptor = os.open(log, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
