"""The journal of an orchestrator: what changed is on disk before anyone hears of it.

One transaction per wake-up of the orchestrator, on its own thread: the more happens at a time,
the more tasks share one fsync, and nothing is announced that is not kept. With durability
"normal" a commit survives the death of the process (SQLite: WAL, synchronous NORMAL), with
"full" also loss of power (synchronous FULL).
"""

from __future__ import annotations

import errno
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from sustainml_orchestrator.core.commands import (
    Command,
    ForgetProblem,
    SaveNode,
    SaveOutput,
    SaveTask,
)
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.core.record import to_delivery
from sustainml_orchestrator.core.restore import resume
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_store import TaskStore
from sustainml_orchestrator.storage import records, schema
from sustainml_orchestrator.storage.errors import JournalError
from sustainml_orchestrator.storage.lock import Lock
from sustainml_orchestrator.storage.opening import Contents, no_collection, open_contents

#: Between two attempts to write again after a failure, in s.
RETRY_PERIOD = 1.0

Durability = Literal["normal", "full"]
#: Takes the name of a module, or "user_input", and a payload of it.
Redact = Callable[[str, bytes], bytes]


class Journal:
    """A journal in use. Made by `Journal.open`; for one thread.

    Attributes:
        path: the file.
        session: names this life of the database (uint32, not 0); kept over restarts.
        warnings: sentences about what was repaired or set aside when it was opened.
        failed: why the last commit failed; "" while all is well.
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
        #: greater revisions must be promised before they are announced
        self._promised = contents.life.revision + schema.REVISION_BLOCK
        #: user inputs of iterations from this serial on are not yet written
        self._next_serial = max((it.serial for it in contents.iterations), default=-1) + 1
        self._iterations: dict[TaskId, None] = {}
        self._outputs: dict[tuple[TaskId, int], None] = {}
        self._forgotten: dict[int, None] = {}
        self._desired: dict[str, bool] = {}
        self._retry_at = 0.0
        self.session = contents.life.session
        self.warnings = contents.warnings
        self.failed = ""

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

    def restore(self, orchestrator: Orchestrator, now: Instant | None = None) -> list[Command]:
        """Fill a fresh orchestrator with what the journal holds; once, before any event.

        Args:
            now: the moment, on the orchestrator's clocks; None = this one.

        Returns:
            What followed, saved already; to be carried out like the commands of an event.

        Raises:
            JournalError: what followed could not be saved.
        """
        contents, self._contents = self._contents, None
        if contents is None:
            raise ValueError("a journal is restored once")
        with no_collection():
            commands = resume(
                orchestrator,
                contents.iterations,
                revision=contents.life.revision,
                next_problem_id=contents.life.next_problem_id,
                without_credentials=contents.without_credentials,
                desired_active=contents.desired_active,
                now=now or Instant(time.monotonic(), time.time_ns()),
            )
        self.commit(orchestrator.store, commands)
        return commands

    def commit(self, store: TaskStore, commands: Iterable[Command]) -> None:
        """Keep what the commands of one wake-up ask for: all or nothing, once each.

        What could not be written is tried again with the next commits, at most once per
        `RETRY_PERIOD`; call it now and then also without commands.

        Raises:
            JournalError: the disk does not take it; nothing is lost while the process lives.
        """
        self._note(commands)
        if not self._dirty and store.revision < self._promised:
            return
        if self.failed and time.monotonic() < self._retry_at:
            raise JournalError(self.failed)
        try:
            self._write(store)
        except (sqlite3.Error, OSError, ValueError, OverflowError, struct.error) as error:
            with suppress(sqlite3.Error):
                self._connection.rollback()
            self._retry_at = time.monotonic() + RETRY_PERIOD
            self.failed = f"journal {self.path} cannot be written: {explain(error)}"
            raise JournalError(self.failed) from error
        self.failed = ""
        self._iterations.clear()
        self._outputs.clear()
        self._forgotten.clear()
        self._desired.clear()

    def holds(self, iteration: Task) -> bool:
        """Whether an iteration was kept at least once."""
        return iteration.serial < self._next_serial

    def close(self) -> None:
        """Let go of the file. What was committed stays."""
        with suppress(sqlite3.Error):  # a full disk: the WAL is kept and read at the next start
            self._connection.close()
        self._lock.close()

    @property
    def _dirty(self) -> bool:
        return bool(self._iterations or self._outputs or self._forgotten or self._desired)

    def _note(self, commands: Iterable[Command]) -> None:
        for command in commands:
            if isinstance(command, SaveTask):
                self._iterations[command.task_id] = None
            elif isinstance(command, SaveOutput):
                self._outputs[command.task_id, command.module] = None
            elif isinstance(command, ForgetProblem):
                self._forgotten[command.problem_id] = None
            elif isinstance(command, SaveNode):
                self._desired[command.name] = command.desired_active

    def _write(self, store: TaskStore) -> None:
        if self.path.stat().st_ino != self._inode:
            raise FileNotFoundError(errno.ENOENT, "the file was replaced by another one")
        if self.failed:
            self._reconnect()
        connection = self._connection
        next_serial, promised = self._next_serial, self._promised
        connection.execute("BEGIN IMMEDIATE")
        for task_id, _ in self._outputs:  # what is over is told by its row alone
            it = store.find(task_id)
            if it is not None and not it.open:
                self._iterations[task_id] = None
        for task_id in self._iterations:
            next_serial = max(next_serial, self._put_iteration(store, task_id))
        self._put_outputs(store, self._outputs)
        for problem_id in self._forgotten:
            records.forget(connection, problem_id)
        connection.executemany(
            "UPDATE modules SET desired_active = ? WHERE name = ?",
            [(desired, name) for name, desired in self._desired.items()],
        )
        # After a failure something is written in any case: that shows whether the disk is well.
        if self.failed or self._forgotten or store.revision >= promised:
            promised = max(promised, store.revision + schema.REVISION_BLOCK)
            schema.write_life(
                connection, schema.Life(self.session, promised, store.next_problem_id)
            )
        connection.execute("COMMIT")
        self._next_serial, self._promised = next_serial, promised

    def _put_iteration(self, store: TaskStore, task_id: TaskId) -> int:
        """Write an iteration; returns the serial after it."""
        it = store.find(task_id)
        if it is None:  # deleted meanwhile
            return 0
        delivered = sum(output is not None for output in it.outputs)
        record = self._layout.to_stored(it)
        new = it.serial >= self._next_serial
        statement = records.PUT_ITERATION if new else records.UPDATE_ITERATION
        self._connection.execute(statement, records.iteration_row(record, delivered))
        if new:
            kept = self._redact(USER_INPUT, it.user_input) if self._redact else it.user_input
            row = records.input_row(it.serial, kept != it.user_input, kept)
            self._connection.execute(records.PUT_INPUT, row)
        if it.attempt > 1:
            records.forget_outputs(self._connection, it.serial, before_attempt=it.attempt)
        if it.attempt > 1 or delivered:
            records.forget_deliveries(self._connection, it.serial)
        return it.serial + 1

    def _put_outputs(self, store: TaskStore, outputs: Iterable[tuple[TaskId, int]]) -> None:
        """Write outputs, and what they changed where the row of their iteration is not written."""
        payloads, deliveries = [], []
        for task_id, module in outputs:
            it = store.find(task_id)
            payload = it.outputs[module] if it is not None else None
            if it is None or payload is None:
                continue
            if self._redact is not None:
                payload = self._redact(self._names[module], payload)
            number = self._layout.numbers[module]
            payloads.append(records.output_row(it.serial, number, it.attempt, payload))
            if task_id not in self._iterations:
                told = to_delivery(it, module)
                deliveries.append(records.output_row(it.serial, number, it.attempt, told))
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
