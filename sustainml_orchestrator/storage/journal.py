"""The journal of an orchestrator: a file of SQLite that takes one `Save` per transaction.

With durability "normal" a commit survives the death of the process (WAL, synchronous NORMAL),
with "full" also a loss of power (synchronous FULL).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from sustainml_orchestrator.core.commands import Save, SavedOutput, SavedTask
from sustainml_orchestrator.core.events import Restored
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.storage import records, schema
from sustainml_orchestrator.storage.errors import JournalError
from sustainml_orchestrator.storage.lock import Lock
from sustainml_orchestrator.storage.opening import Contents, open_contents

Durability = Literal["normal", "full"]
#: Takes the name of a module, or "user_input", and a payload of it.
Redact = Callable[[str, bytes], bytes]


class Journal:
    """A journal in use. Made by `Journal.open`; for one thread at a time.

    Attributes:
        path: the file.
        session: names this life of the database (uint32, not 0); kept over restarts.
        warnings: sentences about what was repaired or set aside when it was opened.
    """

    def __init__(
        self,
        path: Path,
        lock: Lock,
        contents: Contents,
        names: tuple[str, ...],
        full: bool,
        redact: Redact | None,
    ) -> None:
        self.path = path
        self._lock = lock
        self._contents: Contents | None = contents
        self._connection = contents.connection
        self._names = names
        self._full = full
        self._redact = redact
        self._layout = contents.layout
        self._inode = path.stat().st_ino
        self._failed = False
        self.session = contents.life.session
        self.warnings = contents.warnings

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        pipeline_names: tuple[str, ...],
        durability: Durability = "normal",
        redact: Redact | None = None,
        upgrade: schema.Upgrade | None = None,
    ) -> Journal:
        """Open a journal, or begin one; read and check all of it.

        Args:
            path: the file; its folder is made where missing.
            pipeline_names: the modules in pipeline order.
            durability: what a commit survives: "normal" the process, "full" the power.
            upgrade: rewrites a payload from before version 4; needed for such a journal.
            redact: a copy of a payload without credentials; must not raise.

        Raises:
            JournalError: one sentence that says why not, and what to do.
        """
        path = Path(path).expanduser()
        full = durability == "full"
        lock = None
        try:
            if path.exists() and not path.is_file():
                raise JournalError(f"journal {path} is no file; set another journal_path")
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = Lock(path)
            contents = open_contents(
                path, pipeline_names, full=full, known_place=lock.existed, upgrade=upgrade
            )
            return cls(path, lock, contents, pipeline_names, full, redact)
        except (sqlite3.Error, OSError, JournalError) as error:
            if lock is not None:
                lock.withdraw()
            if isinstance(error, JournalError):
                raise
            raise JournalError(f"journal {path} cannot be used: {explain(error)}") from error

    def restored(self) -> Restored:
        """What the journal held when it was opened; the first event of an orchestrator.

        Raises:
            ValueError: it was asked for before.
        """
        contents, self._contents = self._contents, None
        if contents is None:
            raise ValueError("a journal is restored once")
        life = contents.life
        return Restored(
            contents.iterations,
            revision=life.revision,
            next_problem_id=life.next_problem_id,
            without_credentials=contents.without_credentials,
            desired_active=contents.desired_active,
        )

    def write(self, save: Save) -> None:
        """Commit what the core wants saved: all of it or nothing. May be called by any one thread.

        Raises:
            JournalError: the disk does not take it; one sentence.
        """
        try:
            self._write(save)
        except (sqlite3.Error, OSError, ValueError, OverflowError, struct.error) as error:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            self._failed = True
            text = f"journal {self.path} cannot be written: {explain(error)}"
            raise JournalError(text) from error
        self._failed = False

    def close(self) -> None:
        """Let go of the file. What was committed stays."""
        with suppress(sqlite3.Error):  # a full disk: the WAL is kept and read at the next start
            self._connection.close()
        self._lock.close()

    def _write(self, save: Save) -> None:
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError(errno.ENOENT, "the file was replaced by another one")
        if self._failed:
            self._reconnect()
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for serial in save.withdrawn:
            records.forget_task(connection, serial)
        for saved in save.tasks:
            self._put_task(saved)
        self._put_outputs(save.outputs)
        for problem_id in save.forgotten:
            records.forget(connection, problem_id)
        connection.executemany(
            "UPDATE modules SET desired_active = ? WHERE name = ?",
            [(desired, name) for name, desired in save.desired_active.items()],
        )
        life = schema.Life(save.session, save.last_revision, save.next_problem_id)
        schema.write_life(connection, life)
        connection.execute("COMMIT")
        self.session = save.session

    def _put_task(self, saved: SavedTask) -> None:
        record, delivered, user_input = saved
        record = self._layout.to_stored(record)
        serial, attempt = record[0], records.value(record, "attempt")
        new = user_input is not None
        statement = records.PUT_ITERATION if new else records.UPDATE_ITERATION
        self._connection.execute(statement, records.iteration_row(record, delivered))
        if user_input is not None:
            kept = self._redact(USER_INPUT, user_input) if self._redact else user_input
            row = records.input_row(serial, kept != user_input, kept)
            self._connection.execute(records.PUT_INPUT, row)
        if attempt > 1:
            records.forget_outputs(self._connection, serial, before_attempt=attempt)
        if attempt > 1 or delivered:
            records.forget_deliveries(self._connection, serial)

    def _put_outputs(self, outputs: Iterable[SavedOutput]) -> None:
        """Write outputs, and what they changed where the row of their task is not written."""
        payloads, deliveries = [], []
        for serial, module, attempt, payload, delivery in outputs:
            if self._redact is not None:
                payload = self._redact(self._names[module], payload)
            number = self._layout.numbers[module]
            payloads.append(records.output_row(serial, number, attempt, payload))
            if delivery is not None:
                deliveries.append(records.output_row(serial, number, attempt, delivery))
        self._connection.executemany(records.PUT_OUTPUT, payloads)
        self._connection.executemany(records.PUT_DELIVERY, deliveries)

    def _reconnect(self) -> None:
        """Begin afresh after a failure; never makes a new file."""
        with suppress(sqlite3.Error):
            self._connection.close()
        self._connection = schema.connect(self.path, full=self._full)


def explain(error: Exception) -> str:
    """An error of SQLite or the system as a clause that says what to do."""
    text = str(error) if isinstance(error, sqlite3.Error) else getattr(error, "strerror", "")
    number = getattr(error, "errno", None)
    if "disk is full" in text or number == errno.ENOSPC:
        return "the disk is full; make room"
    if "readonly" in text or number == errno.EROFS:
        return "it is on a read-only disk, or may not be written; make it writable"
    if number in (errno.EACCES, errno.EPERM):
        return "its place may not be written; set another journal_path"
    if "disk I/O error" in text or number in (errno.EIO, errno.EFBIG):
        return "the disk does not take or give data (I/O error); look at the disk"
    if "locked" in text:
        return "another program has it open for writing; close that"
    return f"{text or error}; set another journal_path if it stays so"
