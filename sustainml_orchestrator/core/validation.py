"""What must be true after every event, whatever happened: checked by every test of the core."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.core.iteration import Iteration
from sustainml_orchestrator.core.states import StepState

if TYPE_CHECKING:
    from sustainml_orchestrator.core.orchestrator import Orchestrator


class BrokenInvariant(Exception):
    """A bug: the state of the core contradicts itself; the text tells the story."""


def validate(core: Orchestrator) -> None:
    """Check the whole state.

    Raises:
        BrokenInvariant: with the task and its story.
    """
    total = payload_bytes = 0
    for problem_id, problem in core.database.problems.items():
        for number, task in enumerate(problem, start=1):
            total += 1
            payload_bytes += len(task.user_input) + sum(len(p) for p in task.outputs if p)
            _require(core, task, task.task_id == (problem_id, number), "its place is its id")
            _check_task(core, task)
    counts = sum(core.database.count(status) for status in TaskStatus)
    if counts != total or payload_bytes != core.database.payload_bytes:
        raise BrokenInvariant(f"{counts} tasks counted, {total} there; or bytes are miscounted")
    if len(core.tasks.running) != core.database.count(TaskStatus.RUNNING):
        raise BrokenInvariant("running tasks are not those of status RUNNING")
    if len(core.tasks.waiting) != core.database.count(TaskStatus.WAITING):
        raise BrokenInvariant("queued tasks are not those of status WAITING")


def _check_task(core: Orchestrator, task: Iteration) -> None:
    running = core.tasks.running.get(task.task_id) is task
    _require(core, task, running == (task.status is TaskStatus.RUNNING), "runs iff RUNNING")
    queued = task in core.tasks.waiting
    _require(core, task, queued == (task.status is TaskStatus.WAITING), "queued iff WAITING")
    _require(core, task, bool(task.steps) == task.open, "has steps iff open")
    _require(core, task, task.revision <= core.database.revision, "revision of the past")
    if task.status is TaskStatus.SUCCEEDED:
        _require(core, task, None not in task.outputs, "succeeded with every output")
    for step in task.steps:
        done = task.outputs[step.index] is not None
        _require(core, task, done == (step.state is StepState.DONE), "DONE iff stored")
        limit = core.pipeline.modules[step.index].max_tries
        _require(core, task, 1 <= step.try_number <= limit, "tries within limits")


def _require(core: Orchestrator, task: Iteration, holds: bool, what: str) -> None:
    if not holds:
        story = "\n".join(core.turn.story(str(task.task_id)))
        raise BrokenInvariant(f"task {task.task_id} ({task.status.name}): not '{what}'\n{story}")
