"""All tasks as a table that can be searched and sorted, kept by the web server for its pages.

The contract lists tasks by creation, problem and state. What pages ask beyond that (words, order
by any column) is answered from this copy, so that open pages cost the orchestrator nothing.
"""

from __future__ import annotations

import math
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sustainml_msgs.msg import TaskSummary

from sustainml_orchestrator.web.views import seconds

_SCHEMA = """
create table task(
    problem integer, iteration integer, revision integer, status integer, priority integer,
    progress real, created real, started real, finished real, name text, model text,
    hardware text, carbon real, energy real, latency real, quality real, reason text,
    error integer, steps text, modules text, words text, sweep integer,
    primary key(problem, iteration)) without rowid;
create index by_created on task(created);
create index by_status on task(status, created);
"""
_COLUMNS = (
    "problem", "iteration", "revision", "status", "priority", "progress", "created", "started",
    "finished", "name", "model", "hardware", "carbon", "energy", "latency", "quality", "reason",
    "error", "steps", "modules",
)  # fmt: skip
_PUT = (
    f"insert into task({', '.join(_COLUMNS)}, words, sweep) "
    f"values ({', '.join('?' * (len(_COLUMNS) + 2))}) on conflict do update set "
    + ", ".join(f"{name} = excluded.{name}" for name in (*_COLUMNS[2:], "words"))
)
#: What may be sorted by, and the columns that this means.
ORDERS = {
    "created": ("created",), "id": ("problem", "iteration"), "status": ("status", "created"),
    "name": ("name collate nocase",), "model": ("model collate nocase",),
    "hardware": ("hardware collate nocase",), "carbon": ("carbon",), "energy": ("energy",),
    "quality": ("quality",), "latency": ("latency",), "progress": ("progress",),
    "finished": ("finished",), "priority": ("priority",),
}  # fmt: skip
_LONGEST_TEXT = 300  # characters of a name, model or hardware in the table


class TaskIndex:
    """A table of tasks in a temporary file of SQLite; safe to use from several threads."""

    def __init__(self) -> None:
        self._db = sqlite3.connect("", check_same_thread=False)  # in memory while it is small
        self._db.executescript("pragma journal_mode=off; pragma synchronous=off;" + _SCHEMA)
        self._lock = threading.Lock()
        self._sweep = 0
        #: number of tasks in each state
        self.counts: Counter[int] = Counter()
        #: the greatest revision of all tasks
        self.latest = 0

    def state(self, problem: int, iteration: int) -> tuple[int, int] | None:
        """Revision and state of a task; None where it is not known."""
        with self._lock:
            found: tuple[int, int] | None = self._db.execute(
                "select revision, status from task where problem = ? and iteration = ?",
                (problem, iteration),
            ).fetchone()
        return found

    def problem_revision(self, problem: int) -> int | None:
        """The greatest revision of the tasks of a problem; None where none is known."""
        with self._lock:
            found: int | None = self._db.execute(
                "select max(revision) from task where problem = ?", (problem,)
            ).fetchone()[0]
        return found

    def put(self, summaries: Iterable[TaskSummary]) -> None:
        """Take tasks up, each in its newest state."""
        with self._lock:
            for summary in summaries:
                self._put(summary)
            self._db.commit()

    def _put(self, summary: TaskSummary) -> None:
        row = _row(summary)
        key = row[:2]
        self.latest = max(self.latest, row[2])
        old = self._db.execute(
            "select revision, status from task where problem = ? and iteration = ?", key
        ).fetchone()
        if old is None or old[0] <= row[2]:
            words = " ".join(map(str, (f"{row[0]}/{row[1]}", *row[9:12]))).casefold()
            self._db.execute(_PUT, (*row, words, self._sweep))
            self.counts[row[3]] += 1
            if old is not None:
                self.counts[old[1]] -= 1
        self._db.execute(
            "update task set sweep = ? where problem = ? and iteration = ?", (self._sweep, *key)
        )

    def drop(self, problem: int) -> None:
        """Forget a problem."""
        self._delete("problem = ?", problem)

    def clear(self) -> None:
        """Forget all tasks."""
        self._delete("1 = ?", 1)

    def begin_sweep(self) -> None:
        """Begin to list all tasks anew."""
        with self._lock:
            self._sweep += 1

    def end_sweep(self) -> None:
        """Forget the tasks that were neither put nor changed since the sweep began."""
        self._delete("sweep < ?", self._sweep)

    def _delete(self, where: str, value: int) -> None:
        with self._lock:
            gone = self._db.execute(
                f"select status, count(*) from task where {where} group by status", (value,)
            ).fetchall()
            self._db.execute(f"delete from task where {where}", (value,))
            self._db.commit()
            self.counts.subtract(dict(gone))

    def page(
        self, *, words: str = "", statuses: Sequence[int] = (), problem: int = 0,
        order: str = "created", descending: bool = True, offset: int = 0, limit: int = 50,
    ) -> tuple[list[dict[str, Any]], int]:  # fmt: skip
        """Rows of a page, and how many tasks match in all.

        Args:
            words: each must occur in the id, name, model or hardware.
            statuses: empty = all.
            problem: 0 = all.
            order: one of `ORDERS`; what is unknown comes last.
            descending: the greatest first.
            offset: rows to skip.
            limit: most rows.
        """
        tests, values = _where(words, statuses, problem)
        columns = ORDERS.get(order, ORDERS["created"])
        turn = "desc" if descending else "asc"
        sort = ", ".join(f"{each} {turn} nulls last" for each in (*columns, "problem", "iteration"))
        chosen = f"select {', '.join(_COLUMNS)} from task {tests} order by {sort} limit ? offset ?"
        with self._lock:
            rows = self._db.execute(chosen, (*values, limit, offset)).fetchall()
            if tests:
                (total,) = self._db.execute(f"select count(*) from task {tests}", values).fetchone()
            else:
                total = self.counts.total()
        return [dict(zip(_COLUMNS, row, strict=True)) for row in rows], total

    def __len__(self) -> int:
        return self.counts.total()


def _where(words: str, statuses: Sequence[int], problem: int) -> tuple[str, list[Any]]:
    tests: list[str] = []
    values: list[Any] = []
    if problem:
        tests.append("problem = ?")
        values.append(problem)
    if statuses:
        tests.append(f"status in ({', '.join('?' * len(statuses))})")
        values.extend(statuses)
    for word in words.casefold().split()[:10]:
        tests.append("instr(words, ?) > 0")
        values.append(word)
    return (f"where {' and '.join(tests)}" if tests else ""), values


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _row(summary: TaskSummary) -> tuple[Any, ...]:
    """A summary as the values of _COLUMNS."""
    of = summary
    return (
        of.task_id.problem_id, of.task_id.iteration_id, of.revision, of.task_status, of.priority,
        of.progress, seconds(of.created), seconds(of.started), seconds(of.finished),
        of.problem_short_description[:_LONGEST_TEXT], of.model[:_LONGEST_TEXT],
        of.hw_description[:_LONGEST_TEXT], _known(of.carbon_footprint),
        _known(of.energy_consumption), _known(of.latency), _known(of.quality),
        of.outcome_reason[:_LONGEST_TEXT], of.error_code,
        "".join(map(_step, of.modules)), ",".join(each.node_name for each in of.modules),
    )  # fmt: skip


def _step(progress: Any) -> str:
    """The state of a step as one digit; 9 = not begun."""
    is_begun = progress.has_output or progress.tries or progress.started.sec or progress.error_code
    return "3" if progress.has_output else str(progress.task_status) if is_begun else "9"
