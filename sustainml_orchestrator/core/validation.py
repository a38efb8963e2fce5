"""What must be true after every event, whatever happened: checked by every test of the core."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.ids import NO_TASK, TaskId, TaskStatus
from sustainml_orchestrator.core.iteration import Iteration, Step
from sustainml_orchestrator.core.states import StepState

if TYPE_CHECKING:
    from sustainml_orchestrator.core.orchestrator import Orchestrator

_MAX_PROCESSES = 16
_MAX_UNCONFIRMED = 2000
_MAX_REASONS = 32


class BrokenInvariant(Exception):
    """A bug: the state of the core contradicts itself; the text tells the story."""


def validate(core: Orchestrator) -> None:
    """Check the whole state.

    Raises:
        BrokenInvariant: with the task and its story.
    """
    _check_database(core)
    for problem in core.database.problems.values():
        for task in problem:
            _check_task(core, task)
    _check_nodes(core)


def _check_database(core: Orchestrator) -> None:
    database, problems = core.database, core.database.problems
    tasks = [task for problem in problems.values() for task in problem]
    places = [TaskId(p, i) for p, problem in problems.items() for i in range(1, len(problem) + 1)]
    _require(core, [task.task_id for task in tasks] == places, "the place of a task is its id")
    payload_bytes = sum(len(t.user_input) + sum(len(o) for o in t.outputs if o) for t in tasks)
    _require(core, payload_bytes == database.payload_bytes, "payload bytes are counted")
    _require(core, len({task.revision for task in tasks}) == len(tasks), "revisions are unique")
    _require(core, all(t.revision <= database.revision for t in tasks), "revisions are past")
    _require(core, all(p < database.next_problem_id for p in problems), "ids are not reused")
    everything, total = database.page(0, (), False, 0, len(tasks) + 1)
    _require(core, total == len(tasks) and set(everything) == set(tasks), "all are listed")
    _require(core, all(a.serial < b.serial for a, b in pairwise(everything)), "by creation")
    for status in TaskStatus:
        listed, _ = database.page(0, [status], False, 0, len(tasks) + 1)
        expected = [task for task in everything if task.status is status]
        _require(core, listed == expected, f"those of status {status.name} are listed")
    of_status = database.count
    _require(core, len(core.tasks.running) == of_status(TaskStatus.RUNNING), "RUNNING ones run")
    _require(core, len(core.tasks.waiting) == of_status(TaskStatus.WAITING), "WAITING ones wait")


def _check_task(core: Orchestrator, task: Iteration) -> None:
    subject = str(task.task_id)
    running = core.tasks.running.get(task.task_id) is task
    _require(core, running == (task.status is TaskStatus.RUNNING), "runs iff RUNNING", subject)
    queued = task in core.tasks.waiting
    _require(core, queued == (task.status is TaskStatus.WAITING), "queued iff WAITING", subject)
    _require(core, bool(task.steps) == task.open, "has steps iff open", subject)
    if task.status is TaskStatus.SUCCEEDED:
        _require(core, None not in task.outputs, "succeeded with every output", subject)
    if running:
        _require(core, None in task.outputs, "runs while something is missing", subject)
    for other, later in ((task.base_task, False), (task.next_task, True)):
        if other != NO_TASK:
            _require(core, core.database.find(other) is not None, f"{other} is there", subject)
            _require(core, other.problem_id == task.task_id.problem_id, "one problem", subject)
            _require(core, (other > task.task_id) == later, "base before, next after", subject)
    for step in task.steps:
        _check_step(core, task, step)


def _check_step(core: Orchestrator, task: Iteration, step: Step) -> None:
    subject = str(task.task_id)
    done = task.outputs[step.index] is not None
    _require(core, done == (step.state is StepState.DONE), "DONE iff stored", subject)
    limit = core.pipeline.modules[step.index].max_tries
    _require(core, 1 <= step.try_number <= limit, "tries within limits", subject)
    if task.status is not TaskStatus.RUNNING:
        return
    complete = all(task.outputs[i] is not None for i in core.pipeline.sources[step.index])
    if step.state is StepState.READY:
        _require(core, complete, "READY with all inputs", subject)
    if step.state is StepState.PENDING:
        _require(core, not complete, "PENDING for want of inputs", subject)
    elif step.state is not StepState.READY:
        _require(core, not step.due, "nothing to deliver of what the module has", subject)


def _check_nodes(core: Orchestrator) -> None:
    for node in core.lifecycle.nodes:
        _require(core, len(node.instances) <= _MAX_PROCESSES, "few instances", node.name)
        _require(core, len(node.retired) <= _MAX_PROCESSES, "few retired", node.name)
        _require(core, len(node.unconfirmed) <= _MAX_UNCONFIRMED, "few commands", node.name)
        speaks = node.speaker is None or node.speaker in node.instances.values()
        _require(core, speaks, "speaks for itself", node.name)
        settled = node.pending is not None and node.pending.outcome is not None
        _require(core, not settled, "what is settled is not pending", node.name)
    _require(core, len(core.tasks.dropped) <= _MAX_REASONS, "few reasons for dropping")


def _require(core: Orchestrator, holds: bool, what: str, subject: str = "") -> None:
    if not holds:
        story = "\n".join(core.turn.story(subject))
        raise BrokenInvariant(f"{subject or 'the state'}: not so: {what}\n{story}")
