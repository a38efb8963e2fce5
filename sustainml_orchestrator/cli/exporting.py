"""The iterations of a journal as a table, and as runs of MLflow."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TextIO

from sustainml_orchestrator.cli.context import Failure
from sustainml_orchestrator.cli.listing import safe_cell
from sustainml_orchestrator.core.ids import TaskStatus

#: Name in the table, or of the metric, and in the journal.
_FIGURES = {"quality": "quality", "latency_s": "latency", "power_W": "power", "energy_Wh": "energy",
            "carbon_kgCO2e": "carbon"}  # fmt: skip
_COLUMNS = (
    "task", "base_task", "next_task", "attempt", "status", "priority", "created", "started",
    "finished", "duration_s", "problem", "model", "hardware", *_FIGURES, "reason", "error_code",
    "error",
)  # fmt: skip
_EXPERIMENT = "sustainml"
#: A tag that tells a run from all others, also of other journals.
_TAG = "sustainml.id"
_STATUSES = {
    TaskStatus.WAITING: "SCHEDULED", TaskStatus.RUNNING: "RUNNING",
    TaskStatus.SUCCEEDED: "FINISHED", TaskStatus.ERROR: "FAILED",
}  # fmt: skip
_OPEN = ("SCHEDULED", "RUNNING")
#: Longest parameter and note that every store of MLflow takes.
_LONGEST, _LONGEST_NOTE = 500, 5000
_PAGE = 1000


def to_csv(rows: Iterable[dict[str, Any]], target: TextIO) -> int:
    """Write a table with a header; times in UTC, nothing for what is not known.

    Returns:
        How many rows it has.
    """
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(_COLUMNS)
    count = 0
    for row in rows:
        cells, count = _cells(row), count + 1
        writer.writerow([safe_cell(cells[name]) for name in _COLUMNS])
    return count


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    begun, ended = row["started"], row["finished"]
    return {
        "task": _task(row, ""), "base_task": _task(row, "base_"), "next_task": _task(row, "next_"),
        "attempt": row["attempt"], "status": TaskStatus(row["status"]).name,
        "priority": row["priority"],
        **{name: _time(row[name]) for name in ("created", "started", "finished")},
        "duration_s": (ended - begun) / 1e9 if begun and ended else "",
        "problem": row["description"], "model": row["model"], "hardware": row["hw_description"],
        **{name: "" if row[key] is None else row[key] for name, key in _FIGURES.items()},
        "reason": row["outcome_reason"], "error_code": row["error_code"],
        "error": row["error_description"],
    }  # fmt: skip


def _task(row: dict[str, Any], prefix: str) -> str:
    problem, iteration = row[f"{prefix}problem_id"], row[f"{prefix}iteration_id"]
    return f"{problem}/{iteration}" if problem else ""


def _time(stamp: int) -> str:
    return datetime.fromtimestamp(stamp / 1e9, timezone.utc).isoformat() if stamp else ""


def to_mlflow(rows: Iterable[dict[str, Any]], store: str) -> int:
    """Add runs to the experiment "sustainml"; those that are there and over stay as they are.

    Args:
        store: a folder, or a URI that MLflow knows.

    Returns:
        How many runs were added or changed.

    Raises:
        Failure: there is no MLflow, or it refuses.
    """
    is_uri = re.match(r"[a-z][a-z0-9+]+:", store)
    if not is_uri:  # MLflow 3 asks for it where a folder is meant
        os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
    # By default it tries for minutes, without a word, whether a server that is not there answers.
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    try:
        from mlflow.exceptions import MlflowException
        from mlflow.tracking import MlflowClient

        try:
            uri = store if is_uri else Path(store).absolute().as_uri()
            return _put_all(MlflowClient(tracking_uri=uri), rows)
        except MlflowException as error:
            text = f"MLflow cannot use {store}: {' '.join(str(error).split())}"
            raise Failure(text) from error
    except ImportError as error:
        text = f"{error}; install what MLflow needs for {store}: pip install mlflow-skinny, or all "
        raise Failure(f"{text}of it: pip install mlflow", name="REJECTED", error_code=6) from error


def _put_all(client: Any, rows: Iterable[dict[str, Any]]) -> int:
    experiment = client.get_experiment_by_name(_EXPERIMENT)
    if experiment is None:
        number = client.create_experiment(_EXPERIMENT)
    else:
        number = experiment.experiment_id
    known = {run.data.tags.get(_TAG): run.info for run in _runs(client, number)}
    return sum(_put(client, number, row, known) for row in rows)


def _runs(client: Any, experiment: str) -> Iterator[Any]:
    token = None
    while True:
        page = client.search_runs([experiment], max_results=_PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _put(client: Any, experiment: str, row: dict[str, Any], known: dict[str, Any]) -> bool:
    """Add or complete the run of an iteration; False when it is there and over."""
    cells, status = _cells(row), _STATUSES.get(TaskStatus(row["status"]), "KILLED")
    identity = f"{cells['task']} {row['created']}"
    info = known.get(identity)
    if info is not None and info.status not in _OPEN:
        return False
    if info is None:
        tags = {_TAG: identity, "mlflow.runName": cells["task"],
                "mlflow.note.content": row["description"][:_LONGEST_NOTE]}  # fmt: skip
        begun = (row["started"] or row["created"]) // 10**6
        info = client.create_run(experiment, start_time=begun, tags=tags).info
    for name in ("reason", "error", "base_task", "next_task", "attempt", "model", "hardware"):
        client.set_tag(info.run_id, f"sustainml.{name}", str(cells[name])[:_LONGEST_NOTE])
    for name in (*_FIGURES, "duration_s"):
        if cells[name] != "":
            client.log_metric(info.run_id, name, float(cells[name]))
    if status in _OPEN:
        client.update_run(info.run_id, status=status)
        return True
    for name in ("model", "hardware"):  # parameters cannot be changed later
        client.log_param(info.run_id, name, cells[name][:_LONGEST])
    client.set_terminated(info.run_id, status=status, end_time=row["finished"] // 10**6)
    return True
