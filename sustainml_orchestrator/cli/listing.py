"""Lists of tasks: a table, more columns, CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any, TextIO

from rich.text import Text

from sustainml_orchestrator.cli.console import Table, harmless, line, out
from sustainml_orchestrator.cli.context import figure, print_json
from sustainml_orchestrator.cli.figures import UNKNOWN, age, seconds_of
from sustainml_orchestrator.cli.tables import _model, _short, emitted, name_of, positive, status_of
from sustainml_orchestrator.core.ids import TaskStatus

#: Characters of a line with all columns.
_WIDE = 180
_CSV = (
    "task", "base_task", "next_task", "attempt", "status", "priority", "progress", "created",
    "started", "finished", "problem", "model", "quality", "hardware", "latency_s", "energy_Wh",
    "carbon_kgCO2e", "reason", "error_code", "error",
)  # fmt: skip


def show(page: Sequence[Any], total: int, *, wide: bool, as_csv: bool, as_json: bool) -> None:
    """Print a page of tasks."""
    if as_json:
        print_json({"tasks": page, "total": total})
    elif as_csv:
        write_csv(page, sys.stdout)
    else:
        if wide:  # the terminal may wrap it
            out.width = max(out.width, _WIDE)
        out.print(shown(page, total, wide=wide), crop=False)


def shown(page: Sequence[Any], total: int, *, wide: bool) -> Table | Text:
    """A page of tasks for people."""
    if not page:
        return line(f"{total} tasks match, none on this page" if total else "no task matches")
    title = f"{len(page)} of {total} tasks"
    texts = ["task", "status", "age", "problem", "model", "hardware"]
    figures = ["quality", "energy\n(Wh)", "carbon\n(kgCO2e)"]
    if wide:
        texts[3:3] = ["waited", "ran", "priority", "tries"]
        texts.append("reason")
        figures.insert(1, "latency\n(s)")
    table = Table(texts, figures, title)
    for item in page:
        table.add(*_cells(item, wide))
    return table


def _cells(item: Any, wide: bool) -> list[str | Text]:
    cells: list[str | Text] = [
        name_of(item), line(status_of(item)), age(item.created),
        _short(item.problem_short_description) or UNKNOWN, _model(item.model or UNKNOWN),
        item.hw_description or UNKNOWN,
    ]  # fmt: skip
    numbers = [figure(item.quality), positive(item.energy_consumption),
               emitted(item.carbon_footprint, item.energy_consumption)]  # fmt: skip
    if wide:
        begun = bool(item.started.sec)
        waited = age(item.created, seconds_of(item.started)) if begun else age(item.created)
        ran = UNKNOWN
        if begun:
            ran = age(item.started, seconds_of(item.finished) if item.finished.sec else None)
        tries = max((module.tries for module in item.modules), default=0)
        cells[3:3] = [waited, ran, str(item.priority), str(tries) if begun else UNKNOWN]
        cells.append(_short(item.outcome_reason))
        numbers.insert(1, positive(item.latency))
    return [*cells, *numbers]


def write_csv(page: Sequence[Any], target: TextIO) -> None:
    """One line per task, with a header; times in UTC, nothing for what is not known."""
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(_CSV)
    for item in page:
        row = (
            name_of(item), _id(item.base_task), _id(item.next_task), item.attempt,
            TaskStatus(item.task_status).name, item.priority, f"{item.progress:.3g}",
            *map(_time, (item.created, item.started, item.finished)),
            item.problem_short_description, item.model, _number(item.quality),
            item.hw_description, *map(_positive, (item.latency, item.energy_consumption)),
            _number(item.carbon_footprint), item.outcome_reason, item.error_code,
            item.error_description,
        )  # fmt: skip
        writer.writerow([safe_cell(value) for value in row])


def safe_cell(value: Any) -> Any:
    """A text without control characters, that no spreadsheet takes for a formula."""
    if not isinstance(value, str):
        return value
    text = harmless(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@") else text


def _id(task_id: Any) -> str:
    return f"{task_id.problem_id}/{task_id.iteration_id}" if task_id.problem_id else ""


def _time(stamp: Any) -> str:
    seconds = seconds_of(stamp)
    known = seconds == seconds
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat() if known else ""


def _positive(value: float) -> str:
    return _number(value) if value > 0 else ""


def _number(value: float) -> str:
    return repr(float(value)) if value == value else ""
