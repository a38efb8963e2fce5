"""From a path to a checked journal in memory, whatever lies there."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from sustainml_orchestrator.core.commands import HistoryEvent
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.restore import no_collection
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.storage import epoch, files, history_table, records, recovery, schema
from sustainml_orchestrator.storage.epoch import Epoch
from sustainml_orchestrator.storage.errors import Damaged, damage_reported
from sustainml_orchestrator.storage.lock import Lock
from sustainml_orchestrator.storage.records import Layout


class Contents(NamedTuple):
    """All that a journal holds.

    Attributes:
        numbers: of the modules that the journal knows.
        layout: between these and the modules of the pipeline.
        tasks: by serial.
        without_credentials: tasks whose user input was saved without its credentials.
        desired_active: what front-ends want of nodes, by name.
        history: its events, oldest first.
        damaged_history: how many rows of it are not as they were written.
        incomplete: whether commits that were reported may be missing; the session is a new one.
    """

    epoch: Epoch
    numbers: dict[str, int]
    layout: Layout
    tasks: list[Task]
    without_credentials: set[TaskId]
    desired_active: dict[str, bool]
    history: list[HistoryEvent]
    damaged_history: int = 0
    incomplete: bool = False


def open_journal(
    path: Path, names: Sequence[str], durability: str, lock: Lock, upgrade: schema.Upgrade | None
) -> tuple[sqlite3.Connection, Contents, list[str]]:
    """Open and read a journal; begin one where there is none, recover a damaged one.

    Args:
        names: of the modules in pipeline order.
        durability: "normal" or "full".
        lock: of the journal.
        upgrade: rewrites a payload from before version 4.

    Returns:
        The connection, what the journal holds, and sentences about what was lost or repaired.

    Raises:
        JournalError: it is not a journal, or too new a one.
        sqlite3.Error, OSError: the disk is at fault.
    """
    warnings = []
    if files.finish_interrupted(path):
        warnings.append(f"journal {path} was being replaced; that was finished")
    if not path.exists():
        if lock.mark is not None or files.backup_of(path).exists():
            warnings.append(f"journal {path} is missing, a new one was begun{_way_back(path)}")
            lock.mark = None  # it was of the other one
        fresh = files.beside(path, ".new")
        schema.create(fresh)
        files.put_in_place(fresh, path)
    try:
        connection, contents, notices = _load(path, names, durability, lock, upgrade)
    except Damaged as damage:
        recovery.recover(path, names, lock.mark, damage, upgrade)
        connection, contents, notices = _load(path, names, durability, lock, upgrade)
    return connection, contents, warnings + [f"journal {path}: {notice}" for notice in notices]


def _way_back(path: Path) -> str:
    """Keep the backup of what is missing, which the next backup would replace; how to use it."""
    spare = files.backup_of(path)
    if not spare.exists():
        return ""
    kept = files.free_place(path, "replaced")
    spare.rename(kept)
    return f"; `sustainml journal restore {shlex.quote(str(kept))}` brings back its backup"


def _load(
    path: Path, names: Sequence[str], durability: str, lock: Lock, upgrade: schema.Upgrade | None
) -> tuple[sqlite3.Connection, Contents, list[str]]:
    """Read everything, then write: which shows that it can be written.

    Raises:
        Damaged: not all of it can be believed.
    """
    schema.recognise(path, known_place=lock.existed)
    with damage_reported():
        connection = schema.connect(path, full=True)
    try:
        with damage_reported():
            _make_writable(connection, path)
            schema.migrate(connection, path, upgrade)
            contents = read(connection, names)
            missing = epoch.missing(contents.epoch, lock.mark)
            begun, notices = epoch.begin(contents.epoch, durability, is_incomplete=bool(missing))
            known, _ = schema.read_modules(connection)
            _write(connection, contents, begun)
            schema.set_synchronous(connection, full=durability == "full")
    except BaseException:
        connection.close()
        raise
    if missing:
        notices.append(f"{missing}, and a new session begins{_way_back(path)}")
    # Of those without a name no pipeline can have one; that was told when they lost it.
    gone = {name for name in known.keys() - set(names) if not name.startswith(recovery.NAMELESS)}
    if gone and contents.tasks:
        notices.append(
            f"outputs of {', '.join(sorted(gone))} are kept but not shown: "
            "the pipeline has no such module now"
        )
    if contents.damaged_history:
        notices.append(f"{contents.damaged_history} parts of the history were damaged and left out")
    incomplete = begun.session != contents.epoch.session or bool(contents.epoch.untold)
    return connection, contents._replace(epoch=begun, incomplete=incomplete), notices


def _write(connection: sqlite3.Connection, contents: Contents, begun: Epoch) -> None:
    """Put what a start changes into the journal."""
    connection.execute("BEGIN IMMEDIATE")
    schema.write_modules(connection, contents.numbers, contents.desired_active)
    if contents.damaged_history:
        history_table.replace(connection, contents.history)
    epoch.write(connection, begun)
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint")  # a log that gets lost is noticed


def _make_writable(connection: sqlite3.Connection, path: Path) -> None:
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        of_it = [file for suffix in files.SUFFIXES if (file := files.beside(path, suffix)).exists()]
        if "readonly" in str(error) and all(os.access(file, os.W_OK) for file in of_it):
            raise Damaged("its header is damaged") from error  # says that it is of a later format
        raise


def read(connection: sqlite3.Connection, names: Sequence[str] | None = None) -> Contents:
    """Read and check all of a journal.

    Args:
        names: of the modules in pipeline order; None = those that the journal knows.

    Raises:
        Damaged: something is not as it was written, or missing.
        sqlite3.Error: the disk does not give it.
    """
    with damage_reported():
        (finding,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
        if finding != "ok":
            raise Damaged(finding)
        found = epoch.read(connection)
        known, desired = schema.read_modules(connection)
        if not json.loads(found.modules).items() <= known.items():
            raise Damaged("the row of a module is missing")
        numbers = schema.with_numbers(known, names or ())
        layout = Layout(list(numbers) if names is None else names, numbers)
        tasks, without = _read_tasks(connection, layout)
        history: list[HistoryEvent] = []
        damaged = 0
        if schema.has_history(connection):
            history, damaged = history_table.read(connection)
    # Whatever was announced is not above the old one; this process goes on above it.
    last = max((task.revision for task in tasks), default=0)
    last = max(last, history[-1].revision if history else 0)
    problem_id = max((task.task_id.problem_id for task in tasks), default=0)
    found = found._replace(
        revision=max(found.revision, last + 1),
        next_problem_id=max(found.next_problem_id, problem_id + 1),
        modules=json.dumps(numbers),
    )
    return Contents(found, numbers, layout, tasks, without, desired, history, damaged)


def _read_tasks(connection: sqlite3.Connection, layout: Layout) -> tuple[list[Task], set[TaskId]]:
    tasks, without = [], set()
    sizes: dict[int, int] = {}
    with no_collection():
        for stored in records.read(connection):
            task = layout.to_task(stored)
            problem_id, iteration_id = task.task_id
            if iteration_id != sizes.get(problem_id, 0) + 1:
                raise Damaged(f"an iteration of problem {problem_id} is missing")
            sizes[problem_id] = iteration_id
            tasks.append(task)
            if stored.credentials_removed:
                without.add(task.task_id)
    return tasks, without
