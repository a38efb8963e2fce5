"""How a fresh orchestrator goes on from the tasks that were recorded."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sustainml_orchestrator.core.commands import Command
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.core.task import Task

_NO_CREDENTIALS = (
    "its credentials were not kept over the restart of the orchestrator; submit it again with them"
)


def resume(
    orchestrator: Orchestrator,
    iterations: Iterable[Task],
    *,
    revision: int,
    next_problem_id: int,
    without_credentials: Collection[TaskId],
    desired_active: Mapping[str, bool],
    now: Instant,
) -> list[Command]:
    """Fill the database of a fresh orchestrator and take up what was open.

    WAITING tasks queue by priority, then by when they began to wait. RUNNING ones go on: what
    their modules owe is delivered again with the same try.

    Args:
        iterations: by serial.
        revision: at least the greatest that was ever announced.
        next_problem_id: at least the next one; ids are not used again.
        without_credentials: tasks whose user input was kept without its credentials.
        desired_active: what front-ends want of nodes, by name.

    Returns:
        What changed by this; to be saved and carried out like the commands of an event.

    Raises:
        ValueError: iterations of a problem do not follow each other.
    """
    store, tasks, context = orchestrator.store, orchestrator.tasks, orchestrator.context
    context.begin(now)
    for node in orchestrator.lifecycle.nodes:
        node.desired_active = desired_active.get(node.name, node.desired_active)
    unfinished = []
    for iteration in iterations:
        store.insert(iteration)
        if iteration.steps:
            unfinished.append(iteration)
    store.revision = max(store.revision, revision)
    store.next_problem_id = max(store.next_problem_id, next_problem_id)
    unfinished.sort(key=lambda item: item.revision)
    for task in unfinished:
        tasks.ensure_token(task)
        if task.status is TaskStatus.WAITING:
            tasks.waiting.add(task)
        else:
            tasks.running[task.task_id] = task
            tasks.steps.resume(task)
    for task in unfinished:
        _settle(orchestrator, task, task.task_id in without_credentials)
    return context.commands


def _settle(orchestrator: Orchestrator, task: Task, without_credentials: bool) -> None:
    """End a task that cannot go on, or has nothing left to do."""
    needs_input = any(
        USER_INPUT in spec.inputs and task.outputs[spec.index] is None
        for spec in orchestrator.pipeline.modules
    )
    tasks = orchestrator.tasks
    if needs_input and without_credentials:
        tasks._fail(task, ErrorCode.INVALID_REQUEST, _NO_CREDENTIALS)
    elif task.status is TaskStatus.RUNNING and None not in task.outputs:
        tasks._succeed(task)  # the pipeline has lost the module that it waited for
