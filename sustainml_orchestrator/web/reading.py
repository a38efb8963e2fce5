"""What pages read again and again, as JSON; for `KeptAnswers`, with the time for which it holds."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS
from sustainml_orchestrator.web import views
from sustainml_orchestrator.web.live import Live

_MOST_ITERATIONS = 200
#: Iterations of which the remarks of all modules are shown: a model may be large.
_MOST_WITH_REMARKS = 20
#: Time (s) after which an answer is read again without an update: an update may be lost.
_OPEN, _FINAL = 1.0, 60.0

Answer = tuple[bytes, float]


def _octets(value: Any) -> bytes:
    return json.dumps(value, allow_nan=False, separators=(",", ":")).encode("ascii")


def _holds(status: int) -> float:
    return _FINAL if TaskStatus(status) in FINAL_TASKS else _OPEN


def task(live: Live, task_id: TaskId, whole: bool, known: tuple[int, int] | None) -> Answer:
    """All of a task.

    Args:
        live: the connection.
        task_id: of the task.
        whole: with extra_data also while it runs.
        known: its revision and state, as far as it is known.
    """
    is_final = known is not None and TaskStatus(known[1]) in FINAL_TASKS
    found = live.client.get_task(task_id, include_binary=whole or is_final)
    if not (whole or is_final) and TaskStatus(found.summary.task_status) in FINAL_TASKS:
        found = live.client.get_task(task_id, include_binary=True)
    return _octets(views.task(found, live.pipeline)), _holds(found.summary.task_status)


def history(live: Live, task_id: TaskId, node: str, after: int, limit: int) -> Answer:
    """Events, the newest first."""
    events = live.client.get_history(
        task_id, node, after_revision=after, limit=limit, newest_first=True
    )
    return _octets({"events": [views.event(each) for each in events]}), _OPEN


def iterations(live: Live, problem: int) -> bytes:
    """The iterations of a problem side by side: states, figures, what was asked, remarks."""
    revision = live.index.problem_revision(problem)
    listed = live.kept.get(("list", problem), revision, partial(_listed, live, problem))
    content = json.loads(listed)
    rows = content["iterations"]
    with_remarks = len(rows) <= _MOST_WITH_REMARKS
    for row in rows:
        number = row["summary"]["task_id"]["iteration_id"]
        known = live.index.state(problem, number)
        read = partial(_about, live, TaskId(problem, number), with_remarks)
        row |= json.loads(live.kept.get(("about", problem, number, with_remarks), known, read))
    return _octets(content)


def _listed(live: Live, problem: int) -> Answer:
    summaries, total = live.client.list_tasks(problem, limit=_MOST_ITERATIONS, newest_first=True)
    figures = {row.task_id.iteration_id: row for row in live.client.compare_iterations(problem)}
    rows = []
    for summary in sorted(summaries, key=lambda each: each.task_id.iteration_id):
        of = figures.get(summary.task_id.iteration_id)
        rows.append({
            "summary": views.summary(summary), "figures": plain(of) if of is not None else None,
        })  # fmt: skip
    holds = min((_holds(each.task_status) for each in summaries), default=_OPEN)
    return _octets({"problem": problem, "iterations": rows, "total": total}), holds


def _about(live: Live, task_id: TaskId, with_remarks: bool) -> Answer:
    """What was asked, and the remarks of the modules."""
    few = [] if with_remarks else [live.pipeline.modules[0].name]  # the user input always comes
    found = live.client.get_task(task_id, modules=few, include_binary=True)
    shown = views.task(found, live.pipeline)
    about = {name: shown[name] for name in ("input", "remarks")}
    return _octets(about), _holds(found.summary.task_status)
