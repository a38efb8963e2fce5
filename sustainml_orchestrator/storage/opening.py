"""From a path to a checked journal in memory, whatever lies there."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import shorten
from typing import NamedTuple

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.restore import no_collection
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.storage import records, salvage, schema, wal
from sustainml_orchestrator.storage.errors import Damaged
from sustainml_orchestrator.storage.records import Layout

#: What SQLite says of a file that it cannot make sense of; anything else is the disk's fault.
_DAMAGE = ("malformed", "not a database", "no such table", "no such column", "decode to UTF-8")
#: Characters of a reason: some quote a whole table.
_LONGEST = 200


class Contents(NamedTuple):
    """All that a journal holds, and the connection to it.

    Attributes:
        without_credentials: tasks of which the user input was kept without its credentials.
        desired_active: what front-ends want of nodes, by name.
        warnings: what was repaired or set aside.
    """

    connection: sqlite3.Connection
    life: schema.Life
    layout: Layout
    iterations: list[Task]
    without_credentials: set[TaskId]
    desired_active: dict[str, bool]
    warnings: list[str]


def open_contents(
    path: Path,
    pipeline_names: Sequence[str],
    *,
    full: bool,
    known_place: bool,
    upgrade: schema.Upgrade | None = None,
) -> Contents:
    """Open and read a journal; begin one where there is none, recover a damaged one.

    Raises:
        JournalError: it is not a journal, or too new a one.
        sqlite3.Error, OSError: the disk is at fault.
    """
    warnings = []
    if salvage.finish_interrupted(path):
        warnings.append(f"journal {path} was damaged; a recovery begun earlier was finished")
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        schema.create(fresh, schema.new_session())
        schema.put_in_place(fresh, path)
    try:
        contents = _load(path, pipeline_names, full, known_place, upgrade)
    except Damaged as damage:
        outcome = salvage.recover(path, pipeline_names, upgrade)
        warnings.append(f"journal {path} was damaged ({damage}); {outcome}")
        contents = _load(path, pipeline_names, full, known_place, upgrade)
    return contents._replace(warnings=warnings + contents.warnings)


def _load(
    path: Path,
    names: Sequence[str],
    full: bool,
    known_place: bool,
    upgrade: schema.Upgrade | None,
) -> Contents:
    """Read everything, then write: which shows that it can be written.

    Raises:
        Damaged: not all of it can be believed.
    """
    schema.recognise(path, known_place=known_place)
    committed_frames = wal.indexed(path)
    with _damage_told():
        connection = schema.connect(path, full=full)
    try:
        with _damage_told():
            connection.execute("PRAGMA journal_mode = WAL")
            wal.check(connection, path, committed_frames)
            schema.migrate(connection, path, upgrade)
            life = schema.read_life(connection)
            gone = set(schema.module_numbers(connection)) - set(names)
            connection.execute("BEGIN IMMEDIATE")
            layout = Layout(names, schema.add_modules(connection, names))
            iterations, without = _read(connection, layout)
            desired = schema.desired_active(connection)
            last = max((it.revision for it in iterations), default=0)
            problem_id = max((it.task_id.problem_id for it in iterations), default=0)
            # Whatever was announced is not above the old one; this process goes on above it.
            life = schema.Life(
                life.session,
                max(life.revision, last + 1),
                max(life.next_problem_id, problem_id + 1),
            )
            schema.write_life(connection, life)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    warnings = [f"journal {path}: {_gone(gone)}"] if gone and iterations else []
    return Contents(connection, life, layout, iterations, without, desired, warnings)


def _gone(names: set[str]) -> str:
    return (
        f"outputs of {', '.join(sorted(names))} are kept but not shown: "
        "the pipeline has no such module now"
    )


def _read(connection: sqlite3.Connection, layout: Layout) -> tuple[list[Task], set[TaskId]]:
    iterations, without = [], set()
    sizes: dict[int, int] = {}
    with no_collection():
        for stored in records.read(connection):
            iteration = layout.to_iteration(stored)
            problem_id, iteration_id = iteration.task_id
            if iteration_id != sizes.get(problem_id, 0) + 1:
                raise Damaged(f"an iteration of problem {problem_id} is missing")
            sizes[problem_id] = iteration_id
            iterations.append(iteration)
            if stored.credentials_removed:
                without.add(iteration.task_id)
    return iterations, without


@contextmanager
def _damage_told() -> Iterator[None]:
    """Tell a damaged file from a disk that does not work."""
    try:
        yield
    except UnicodeDecodeError as error:  # a message of SQLite that quotes what is rotten
        raise Damaged("a name in it cannot be read") from error
    except sqlite3.Error as error:
        if any(word in str(error) for word in _DAMAGE):
            raise Damaged(shorten(str(error), _LONGEST)) from error
        raise
