"""How a fresh orchestrator continues with the tasks of a journal."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.events import Restored
from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.core.task import Task

if TYPE_CHECKING:
    from sustainml_orchestrator.core.orchestrator import Orchestrator

_NO_CREDENTIALS = (
    "its credentials were not kept over the restart of the orchestrator; submit it again with them"
)


def restore(orchestrator: Orchestrator, event: Restored) -> None:
    """Fill the store of a fresh orchestrator and continue with the open tasks.

    WAITING tasks queue by priority, then by when they began to wait. The steps of RUNNING ones are
    delivered again with the same try.

    Raises:
        ValueError: iterations of a problem do not follow each other.
    """
    store, tasks = orchestrator.store, orchestrator.tasks
    orchestrator.context.history.restore(event.history)
    for node in orchestrator.lifecycle.nodes:
        node.desired_active = event.desired_active.get(node.name, node.desired_active)
    orchestrator.lifecycle.configurations.restore(event.configurations)
    with no_collection():
        for task in event.tasks:
            store.insert(task)
    unfinished = [task for task in event.tasks if task.steps]
    store.revision = max(store.revision, event.revision)
    next_id = event.next_problem_id
    if event.incomplete:  # one of those that were reserved may have been told
        next_id = max(next_id, event.reserved_problem_id)
    store.next_problem_id = max(store.next_problem_id, next_id)
    orchestrator.reports.rollback_check.armed = event.revision > 0 and not event.incomplete
    durable_serial = event.tasks[-1].serial + 1 if event.tasks else 0
    orchestrator.persistence.resume(durable_serial, event.reserved_problem_id)
    unfinished.sort(key=lambda task: task.revision)
    for task in unfinished:
        tasks.ensure_token(task)
        if task.status is TaskStatus.WAITING:
            tasks.waiting.add(task)
        else:
            tasks.running[task.task_id] = task
            tasks.steps.resume(task)
    _recall_ended(orchestrator)
    for task in unfinished:
        _settle(orchestrator, task, task.task_id in event.without_credentials)


def _recall_ended(orchestrator: Orchestrator) -> None:
    """Repeat the commands to abandon the tasks that ended last.

    They may have been lost in a crash. Only processes that report RUNNING receive them.
    """
    statuses = (TaskStatus.WAITING, TaskStatus.ERROR, TaskStatus.STOPPED, TaskStatus.TERMINATED)
    count = orchestrator.settings.max_active_tasks
    for task in orchestrator.store.last_published(statuses, count):
        for node, record in zip(orchestrator.lifecycle.nodes, task.records(), strict=True):
            if task.outputs[node.spec.index] is None:
                orchestrator.reports.recall(task, node, record.tries)


@contextmanager
def no_collection() -> Iterator[None]:
    """Keep the garbage collector from a million new objects, none of them garbage."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _settle(orchestrator: Orchestrator, task: Task, without_credentials: bool) -> None:
    """End a task that cannot continue, or has nothing left to do."""
    needs_input = any(
        USER_INPUT in spec.inputs and task.outputs[spec.index] is None
        for spec in orchestrator.pipeline.modules
    )
    tasks = orchestrator.tasks
    if needs_input and without_credentials:
        tasks._fail(task, ErrorCode.INVALID_REQUEST, _NO_CREDENTIALS)
    else:
        tasks.settle(task)  # the pipeline may no longer have the module that it waited for
