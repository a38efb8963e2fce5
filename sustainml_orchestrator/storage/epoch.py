"""The epoch: the session of a journal and what is reserved, and how the next start goes on.

A journal that may be older than what was announced must not give out the same ids in the same
session again. So one that is older than the mark beside it or has another session, that ended in a
crash and has no mark, or that may have lost commits with the power, begins a new session.
"""

from __future__ import annotations

import secrets
import sqlite3
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from sustainml_orchestrator.storage.errors import Damaged

#: Longest time from a commit with durability "normal" until it survives a loss of power, in s.
LOSS_WINDOW = 5.0
#: What `in_use` says in a backup.
COPY = "copy"
COLUMNS_SINCE_5 = """
ALTER TABLE life ADD COLUMN reserved_problem_id INTEGER NOT NULL DEFAULT 1;
ALTER TABLE life ADD COLUMN commits INTEGER NOT NULL DEFAULT 0;
ALTER TABLE life ADD COLUMN in_use TEXT NOT NULL DEFAULT '';
ALTER TABLE life ADD COLUMN boot TEXT NOT NULL DEFAULT '';
ALTER TABLE life ADD COLUMN modules TEXT NOT NULL DEFAULT '{}'"""


class Mark(NamedTuple):
    """How far a journal has come, as noted beside it after each commit."""

    session: int
    commits: int


class Epoch(NamedTuple):
    """What there is once per journal; the fields are columns.

    Attributes:
        session: names this epoch of the database; not 0.
        revision: no greater one was announced.
        next_problem_id: no greater one was used by what was committed.
        reserved_problem_id: ids below it may have been announced.
        commits: number of the latest one.
        in_use: durability of the orchestrator that uses it; "" = it has ended cleanly; `COPY`; or
            `untold`.
        boot: names the start of the machine on which that orchestrator runs.
        modules: numbers of the modules by name, as JSON: a copy of what the table has.
    """

    session: int
    revision: int = 0
    next_problem_id: int = 1
    reserved_problem_id: int = 1
    commits: int = 0
    in_use: str = ""
    boot: str = ""
    modules: str = "{}"

    @property
    def mark(self) -> Mark:
        """To be noted beside the journal once the epoch is committed."""
        return Mark(self.session, self.commits)

    @property
    def untold(self) -> str:
        """What was lost when the journal was recovered, and no start has said yet."""
        return self.in_use if self.in_use not in ("", "normal", "full", COPY) else ""


_PUT = (
    f"REPLACE INTO life (id, {', '.join(Epoch._fields)}, crc) "
    f"VALUES (1, {'?, ' * len(Epoch._fields)}?)"
)


def new_session() -> int:
    """An uint32 that is not 0."""
    return secrets.randbelow(2**32 - 1) + 1


def read(connection: sqlite3.Connection) -> Epoch:
    """The epoch of a journal of any version.

    Raises:
        Damaged: it is not there or not as it was written.
    """
    cursor = connection.execute("SELECT * FROM life")
    row = dict(
        zip((column[0] for column in cursor.description), cursor.fetchone() or (), strict=False)
    )
    crc = row.pop("crc", None)
    row.pop("id", None)
    if crc is None or crc != zlib.crc32(ascii(tuple(row.values())).encode()):
        raise Damaged("its page of meta data is unreadable")
    return Epoch(**row)


def write(connection: sqlite3.Connection, epoch: Epoch) -> None:
    """Replace the epoch of a journal of the present version."""
    connection.execute(_PUT, (*epoch, zlib.crc32(ascii(tuple(epoch)).encode())))


def missing(epoch: Epoch, mark: Mark | None) -> str:
    """Why later changes are missing, or may be, in one sentence; "" if nothing indicates it.

    Args:
        mark: what stands beside the journal; None = nothing, or nothing that can be read.
    """
    if epoch.untold:
        return ""
    if mark is not None and mark.session != epoch.session:
        return (
            "it is not the one that was here before (another, or a copy from before its last new "
            "session, was put in its place): what that one held is missing here"
        )
    if mark is not None and epoch.mark < mark:
        return (
            "it is older than the one that was here before (a copy or snapshot was put back): "
            "later changes are missing"
        )
    if epoch.in_use in ("normal", "full") and mark is None:
        return (
            "the orchestrator did not end cleanly, and what noted how far it had come (.lock) is "
            "gone: later changes may be missing"
        )
    return ""


def begin(epoch: Epoch, durability: str, *, is_incomplete: bool = False) -> tuple[Epoch, list[str]]:
    """The epoch of an orchestrator that begins to use a journal, and warnings about the last one.

    Args:
        durability: of the orchestrator that begins.
        is_incomplete: whether it is known that later changes are missing.
    """
    warnings = [epoch.untold] if epoch.untold else []
    session, boot = epoch.session, _boot()
    if epoch.in_use == "normal":
        restarted = epoch.boot != boot
        session = new_session() if restarted else session
        warnings.append(
            "the orchestrator did not end cleanly: up to "
            f"{LOSS_WINDOW:g} s of changes before that may be missing"
            + (
                ", as the machine was restarted; a new session begins"
                if restarted
                else ", if the machine or its disk failed, too"
            )
            + " (journal_durability 'full' prevents this)"
        )
    if epoch.in_use == COPY and not is_incomplete:
        is_incomplete = True
        warnings.append("it is a backup: later changes are not in it, and a new session begins")
    begun = epoch._replace(
        session=new_session() if is_incomplete else session,
        commits=epoch.commits + 1,
        in_use=durability,
        boot=boot,
    )
    return begun, warnings


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    return ""
