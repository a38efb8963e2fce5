"""The journal of an orchestrator: a file of SQLite that takes one `Save` per transaction.

With durability "normal" a commit survives the death of the process at once, and a loss of power
`LOSS_WINDOW` s later; with "full" both at once.
"""

from __future__ import annotations

import os
import sqlite3
import struct
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from pathlib import Path
from typing import Literal

from sustainml_orchestrator.core.commands import Save, SavedOutput, SavedTask
from sustainml_orchestrator.core.events import Restored
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.storage import epoch, files, history_table, records, schema
from sustainml_orchestrator.storage.errors import JournalError, explain
from sustainml_orchestrator.storage.lock import Lock
from sustainml_orchestrator.storage.opening import Contents, open_journal
from sustainml_orchestrator.storage.upkeep import Upkeep

Durability = Literal["normal", "full"]
#: Takes the name of a module, or "user_input", and a payload of it.
Redact = Callable[[str, bytes], bytes]
_FAILURES = (sqlite3.Error, OSError, ValueError, OverflowError, struct.error)


class Journal:
    """A journal in use. Made by `Journal.open`; for one thread at a time.

    Attributes:
        path: the file.
        warnings: sentences about what was lost, repaired or set aside when it was opened.
    """

    def __init__(
        self,
        path: Path,
        lock: Lock,
        opened: tuple[sqlite3.Connection, Contents, list[str]],
        names: tuple[str, ...],
        full: bool,
        redact: Redact | None,
    ) -> None:
        self.path = path
        self._lock = lock
        self._connection, contents, self.warnings = opened
        self._contents: Contents | None = contents
        self._epoch, self._layout, self._numbers = contents.epoch, contents.layout, contents.numbers
        self._desired = contents.desired_active
        self._names = names
        self._full = full
        self._redact = redact
        self._files = files.OpenFiles(path)
        self._upkeep = Upkeep(path, syncs=not full, is_empty=not contents.tasks)
        self._failed, self._is_open = False, True

    @property
    def session(self) -> int:
        """Names this epoch of the database (uint32, not 0); kept over restarts."""
        return self._epoch.session

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
        path = Path(path).expanduser().absolute()
        lock = None
        try:
            path = files.journal_at(path)
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = Lock(path)
            opened = open_journal(path, pipeline_names, durability, lock, upgrade)
            lock.write_mark(opened[1].epoch.mark, durably=True)
            return cls(path, lock, opened, pipeline_names, durability == "full", redact)
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
        return Restored(
            contents.tasks,
            revision=contents.epoch.revision,
            next_problem_id=contents.epoch.next_problem_id,
            reserved_problem_id=contents.epoch.reserved_problem_id,
            incomplete=contents.incomplete,
            without_credentials=contents.without_credentials,
            desired_active=dict(contents.desired_active),
            history=contents.history,
        )

    def write(self, save: Save) -> list[str]:
        """Commit what the core wants saved: all of it or nothing. May be called by any one thread.

        Returns:
            Warnings, one sentence each.

        Raises:
            JournalError: the disk does not take it; one sentence.
        """
        try:
            warnings = self._replace_missing()
            if self._failed or not self._is_open:  # a fresh connection; never a new file
                self._disconnect()
                self._connect()
            self._write(save)
            warnings += self._replace_missing()  # what was committed to a file that is gone
        except _FAILURES as error:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            self._failed = True
            text = f"journal {self.path} cannot be written: {explain(error)}"
            raise JournalError(text) from error
        self._failed = False
        self._upkeep.note_commit()
        return warnings

    def maintain(self) -> list[str]:
        """Look after the files; to be called once a second by the thread that writes.

        Returns:
            Warnings, one sentence each.
        """
        try:
            warnings = self._replace_missing()
            return warnings + (self._upkeep.look(self._connection) if self._is_open else [])
        except Exception as error:  # whatever it is, the thread must go on
            return [f"journal {self.path} cannot be looked after: {explain(error)}"]

    def discard(self) -> None:
        """Delete it, whose file this object has begun, and with it the file of its lock."""
        self._failed = True
        self._connection.close()
        for suffix in (*files.SUFFIXES, ".lock"):
            files.beside(self.path, suffix).unlink(missing_ok=True)

    def close(self) -> None:
        """Release the file. What was committed stays."""
        with suppress(*_FAILURES):  # a full disk: the next start finds no clean end
            if not self._failed and self._is_open:
                self._replace_missing()
                schema.set_synchronous(self._connection, full=True)
                ended = self._epoch._replace(in_use="", commits=self._epoch.commits + 1)
                epoch.write(self._connection, ended)
                self._lock.write_mark(ended.mark, durably=True)
                self._upkeep.finish()
        with suppress(sqlite3.Error):  # a full disk: the log stays and is read at the next start
            self._connection.close()
        self._lock.close()

    def _write(self, save: Save) -> None:
        connection = self._connection
        if save.synchronous and not self._full:
            schema.set_synchronous(connection, full=True)
        connection.execute("BEGIN IMMEDIATE")
        for serial in save.withdrawn:
            records.forget_task(connection, serial)
        for saved in save.tasks:
            self._put_task(saved)
        self._put_outputs(save.outputs)
        for problem_id in save.forgotten:
            records.forget(connection, problem_id)
        if save.desired_active:
            self._desired = {**self._desired, **save.desired_active}
            schema.write_modules(connection, self._numbers, self._desired)
        history_table.write(connection, save.history)
        changed = self._epoch._replace(
            session=save.session,
            revision=save.last_revision,
            next_problem_id=save.next_problem_id,
            reserved_problem_id=save.reserved_problem_id,
            commits=self._epoch.commits + 1,
        )
        epoch.write(connection, changed)
        connection.execute("COMMIT")
        self._epoch = changed
        if save.synchronous:
            schema.set_synchronous(connection, full=self._full)
        self._lock.write_mark(changed.mark, durably=save.synchronous)

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

    def _connect(self) -> None:
        connection = schema.connect(self.path, full=self._full)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")  # makes the log
            connection.execute("ROLLBACK")
            self._files = files.OpenFiles(self.path)
        except BaseException:
            connection.close()
            raise
        self._connection, self._is_open = connection, True

    def _disconnect(self) -> None:
        """Close the connection. SQLite may remove the log then: no file counts as missing."""
        self._is_open = False
        self._connection.close()

    def _replace_missing(self) -> list[str]:
        """If files were deleted or replaced, write all anew: the connection still has them open."""
        if not self._lock.is_in_place():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = _relock(self._lock, self.path)
        if not self._is_open or self._files.in_place():
            return []
        fresh = files.complete(self.path)
        with suppress(sqlite3.Error):
            self._connection.rollback()
        files.make_private(fresh)
        with closing(sqlite3.connect(fresh)) as target:
            self._connection.backup(target)
        foreign = self._files.foreign()
        aside = files.set_aside(self.path, "replaced", foreign) if foreign else None
        self._disconnect()
        for suffix in files.SUFFIXES[1:]:
            files.beside(self.path, suffix).unlink(missing_ok=True)
        files.put_in_place(fresh, self.path)
        self._connect()
        kept = f"; what others put there is now {aside.name}*" if aside else ""
        return [
            f"a file of journal {self.path} was deleted or replaced while it was in use; all of it "
            f"was written anew, nothing is lost{kept}"
        ]


def _relock(old: Lock, path: Path) -> Lock:
    lock = Lock(path)
    if old.mark is not None:
        lock.write_mark(old.mark, durably=True)
    old.close()
    return lock
