"""What can be wrong with a journal, and the sentences that say so."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import shorten

from sustainml_orchestrator.core.text import cause

#: What SQLite says of a file that it cannot make sense of, where the class does not say it.
_DAMAGE = ("malformed", "no such", "already exists", "decode to UTF-8", "unsupported", "not a data")

#: What a node is told to do; the command line says it with its own options.
ANOTHER = "set another journal_path (of sustainml up: --journal)"
_IN_COMMANDS = {
    f"move it away, or {ANOTHER}": "name another with --journal",
    f"stop it, or {ANOTHER}": "end it (`sustainml down`), or name another with --journal",
    ANOTHER: "name another with --journal",
}


class JournalError(Exception):
    """The journal cannot be used; the text is one sentence that says why and what to do."""

    def in_commands(self) -> str:
        """The text with options of the command line in place of parameters of the node."""
        text = str(self)
        for of_node, of_command in _IN_COMMANDS.items():
            text = text.replace(of_node, of_command)
        return text


class JournalInUse(JournalError):
    """Another process has it open."""


class Damaged(Exception):
    """The file is a journal, but not all of it can be believed. Never leaves this package."""

    def __init__(self, reason: str) -> None:
        super().__init__(shorten(reason, 200))


@contextmanager
def damage_reported() -> Iterator[None]:
    """Tell a damaged file from a disk that does not work.

    Raises:
        Damaged: the file is to blame.
        sqlite3.Error: the disk, or another program.
    """
    try:
        yield
    except UnicodeDecodeError as error:  # a message of SQLite that quotes what is damaged
        raise Damaged("a name in it cannot be read") from error
    except sqlite3.Error as error:
        text = str(error)
        is_of_disk = isinstance(error, (sqlite3.OperationalError, sqlite3.InternalError))
        if is_of_disk and not any(word in text for word in _DAMAGE):
            raise
        raise Damaged(text) from error


def explain(error: Exception, other: str = ANOTHER) -> str:
    """An error of SQLite or the system as a clause that says what to do.

    Args:
        other: what helps where the place itself is to blame.
    """
    text = cause(error)
    number = getattr(error, "errno", None)
    # The index of the log is made in the first place: where that takes no more, there is no room.
    no_index = getattr(error, "sqlite_errorname", "") == "SQLITE_IOERR_SHMSIZE"
    if "disk is full" in text or number == errno.ENOSPC or no_index:
        return "the disk is full; make room"
    if "readonly" in text or number == errno.EROFS:
        return "it is on a read-only disk, or may not be written; make it writable"
    if number in (errno.EACCES, errno.EPERM):
        return f"this user may not read or write it; {other}"
    if number == errno.ENOENT:
        return "there is no such file or directory; name another file"
    if "disk I/O error" in text or number in (errno.EIO, errno.EFBIG):
        return "the disk does not take or give data (I/O error); look at the disk"
    if getattr(error, "sqlite_errorname", "") == "SQLITE_CANTOPEN":  # the file itself was read
        return (
            "its log (-wal) cannot be read where no file can be made beside it; copy both to "
            "another folder"
        )
    if "locked" in text:
        return "another program has it open for writing; close that"
    return f"{text}; {other}"
