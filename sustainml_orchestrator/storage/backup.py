"""Copies of a journal as of one moment, also while an orchestrator uses it; and back."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

from sustainml_orchestrator.storage import epoch, files, schema
from sustainml_orchestrator.storage.errors import Damaged, JournalError, explain
from sustainml_orchestrator.storage.lock import Lock, journal_of, kept_here
from sustainml_orchestrator.storage.maintenance import check

#: What to do where the copy cannot be written.
_OTHER = "name another file"
#: Pages copied between two looks at whether to go on.
_PAGES = 256


class Stopped(Exception):
    """The copy is not wanted any more."""


def copy(source: Path, target: Path, is_stopped: Callable[[], bool] = lambda: False) -> None:
    """Copy a journal to a file that only its user can read: all of it or nothing.

    Raises:
        Stopped: `is_stopped` said so.
        sqlite3.Error, OSError: it cannot be read or written.
    """

    def look(status: int, remaining: int, total: int) -> None:
        if is_stopped():
            raise Stopped

    part = files.beside(target, f".{os.getpid()}.part")
    try:
        files.make_private(part)
        with (
            closing(schema.connect(source, mode="ro")) as journal,
            closing(sqlite3.connect(part)) as backup,
        ):
            journal.execute("BEGIN")
            journal.execute("SELECT 1 FROM life").fetchone()  # one moment for all of the copy
            journal.backup(backup, pages=_PAGES, progress=look)
            backup.execute("PRAGMA journal_mode = DELETE")  # one file, which needs no log
            _mark_as_copy(backup)
        files.put_in_place(part, target)
    finally:
        part.unlink(missing_ok=True)


def _mark_as_copy(backup: sqlite3.Connection) -> None:
    """So that nobody takes it for a journal whose orchestrator was killed."""
    if schema.has_history(backup):
        with suppress(Damaged):
            epoch.write(backup, epoch.read(backup)._replace(in_use=epoch.COPY))
            backup.commit()


def remove_leftovers(target: Path) -> None:
    """Delete incomplete copies that processes left which were killed."""
    for file in target.parent.iterdir():
        if file.name.startswith(f"{target.name}.") and file.name.endswith(".part"):
            file.unlink(missing_ok=True)


def back_up(path: Path, target: Path) -> None:
    """Copy a journal to a file, through symbolic links; devices and pipes are written to.

    Raises:
        JournalError: there is no journal, or the file cannot be written.
    """
    try:
        path = files.journal_at(path)
        if not path.exists():
            raise JournalError(f"there is no journal {path}")
        schema.recognise(path, known_place=False)
        if target.exists() and target.samefile(path):
            raise JournalError(f"{target} is the journal itself; name another file")
        real = files.target_of(target)
        if other := journal_of(real):
            raise JournalError(f"{target} belongs to the journal {other}; name another file")
        if not target.exists() or (target.is_file() and os.access(real.parent, os.W_OK)):
            copy(path, real)
            return
        with tempfile.TemporaryDirectory() as folder, target.open("wb") as stream:
            copy(path, Path(folder) / path.name)
            with (Path(folder) / path.name).open("rb") as made:
                shutil.copyfileobj(made, stream)
    except BrokenPipeError:
        raise
    except (sqlite3.Error, OSError) as error:
        raise JournalError(
            f"{path} cannot be copied to {target}: {explain(error, _OTHER)}"
        ) from error


def restore(path: Path, source: Path, upgrade: schema.Upgrade | None = None) -> Path | None:
    """Put a backup in the place of a journal that is not in use; its next start has a new session.

    Args:
        upgrade: rewrites a payload from before version 4.

    Returns:
        Where the journal that was there is now; None if there was none.

    Raises:
        JournalError: the backup is damaged or no journal; the journal is in use.
    """
    report = check(source)
    if report.findings:
        raise JournalError(f"{source} is damaged ({report.findings[0]}); take another backup")
    try:
        path = files.journal_at(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            schema.recognise(path, known_place=kept_here(path))
            if source.samefile(path):
                raise JournalError(f"{source} is the journal itself; name a backup of it")
        lock = Lock(path)
        try:
            fresh = files.complete(path)
            copy(source, fresh)
            with closing(schema.connect(fresh, full=True)) as connection:
                schema.migrate(connection, path, upgrade)
                found = epoch.read(connection)
                begun = found._replace(session=epoch.new_session(), in_use="")
                epoch.write(connection, begun)
            aside = files.set_aside(path, "replaced") if path.exists() else None
            files.put_in_place(fresh, path)
            lock.write_mark(begun.mark, durably=True)
            return aside
        finally:
            lock.close()
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path} cannot be restored: {explain(error)}") from error
