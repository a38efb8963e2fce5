"""Looking after a journal that is not in use: is it whole, and can it be smaller."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sustainml_orchestrator.storage import epoch, files, opening, schema
from sustainml_orchestrator.storage.errors import Damaged, JournalError, damage_reported, explain
from sustainml_orchestrator.storage.lock import Lock, kept_here, mark_beside


class Report(NamedTuple):
    """What a check found.

    Attributes:
        findings: what is wrong, one sentence each; empty = all is well.
        size: of the file and its log, in bytes.
        missing: what a start will say of changes that are missing.
    """

    problems: int
    iterations: int
    outputs: int
    size: int
    findings: list[str]
    missing: str = ""


def check(path: Path) -> Report:
    """Read all of a journal as a start does, changing nothing; also while it is in use.

    Raises:
        JournalError: there is no journal that could be read.
    """
    try:
        path = files.journal_at(path)
        if not path.exists():
            raise JournalError(f"there is no journal {path}")
        size = sum(files.sizes(path))
        schema.recognise(path, known_place=kept_here(path))
        mark = mark_beside(path)  # before the journal, which may go on
        with damage_reported(), closing(schema.connect(path, mode="ro")) as connection:
            if not schema.require_version(connection, path):
                raise Damaged("the version of its tables is missing")
            connection.execute("BEGIN")
            contents = opening.read(connection)
    except Damaged as damage:
        return Report(0, 0, 0, size, [str(damage)])
    except (sqlite3.Error, OSError) as error:
        raise JournalError(f"journal {path} cannot be read: {explain(error)}") from error
    tasks, findings = contents.tasks, []
    if contents.damaged_history:
        findings = [f"{contents.damaged_history} parts of the history are not as they were written"]
    problems = {task.task_id.problem_id for task in tasks}
    outputs = sum(output is not None for task in tasks for output in task.outputs)
    missing = epoch.missing(contents.epoch, mark) or contents.epoch.untold
    return Report(len(problems), len(tasks), outputs, size, findings, missing)


def compact(path: Path) -> tuple[int, int]:
    """Give back the space of what was deleted; returns the size before and after, in bytes.

    Raises:
        JournalError: it is in use, damaged, or the disk has no room for the copy.
    """
    report = check(path)
    if report.findings:
        raise JournalError(
            f"journal {path} is damaged ({report.findings[0]}); start the orchestrator with it, "
            "which recovers what can be read"
        )
    try:
        path = files.journal_at(path)
        lock = Lock(path)
        try:
            with closing(schema.connect(path, full=True)) as connection:
                schema.migrate(connection, path)
                connection.execute("VACUUM")
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            lock.close()
    except (sqlite3.Error, OSError, UnicodeDecodeError) as error:
        raise JournalError(f"journal {path} cannot be compacted: {explain(error)}") from error
    return report.size, sum(files.sizes(path))
