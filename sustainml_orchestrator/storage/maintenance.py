"""Looking after a journal that is not in use: is it whole, and can it be smaller."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from sustainml_orchestrator.storage import records, schema, wal
from sustainml_orchestrator.storage.errors import Damaged, JournalError
from sustainml_orchestrator.storage.journal import explain
from sustainml_orchestrator.storage.lock import Lock, kept_here


class Report(NamedTuple):
    """What a check found.

    Attributes:
        findings: what is wrong, one sentence each; empty = all is well.
        size: of the file and its log, in bytes.
    """

    problems: int
    iterations: int
    outputs: int
    size: int
    findings: list[str]


def check(path: Path) -> Report:
    """Read all of a journal, changing nothing; also while an orchestrator uses it.

    Raises:
        JournalError: there is no journal that could be read.
    """
    problems: set[int] = set()
    iterations = outputs = 0
    findings: list[str] = []
    try:
        if not path.exists():
            raise JournalError(f"there is no journal {path}")
        schema.recognise(path, known_place=kept_here(path))
        if wal.is_cut(path):
            findings.append(wal.LOST)
        with closing(schema.connect(path, mode="ro")) as connection:
            schema.require_version(connection, path)
            connection.execute("BEGIN")
            found = [text for (text,) in connection.execute("PRAGMA integrity_check(10)")]
            findings += [text for text in found if text != "ok"]
            schema.read_life(connection)
            for stored in records.read(connection):
                problems.add(stored.task_id.problem_id)
                iterations += 1
                outputs += len(stored.outputs)
    except Damaged as damage:
        findings.append(str(damage))
    except UnicodeDecodeError:  # a message of SQLite that quotes what is rotten
        findings.append("a name in it cannot be read")
    except sqlite3.DatabaseError as error:
        findings.append(explain(error))
    except OSError as error:
        raise JournalError(f"journal {path} cannot be read: {explain(error)}") from error
    findings = [" ".join(finding.split()) for finding in findings]
    return Report(len(problems), iterations, outputs, _size(path), findings)


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
    return report.size, _size(path)


def _size(path: Path) -> int:
    files = (path, path.with_name(f"{path.name}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
