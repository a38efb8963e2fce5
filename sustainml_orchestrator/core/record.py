"""The codec of a task: the record of a task and back, and the delta that one output makes.

Deadlines are stored as the time that a step has taken so far.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterable
from dataclasses import astuple
from functools import lru_cache
from sys import intern

from sustainml_orchestrator.core.commands import Record
from sustainml_orchestrator.core.events import OptimisationGoal
from sustainml_orchestrator.core.ids import NO_TASK, TaskId, TaskStatus
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.step import SHOWN_AS, Step
from sustainml_orchestrator.core.task import _PACKED, NUMBERS, Task

#: Name and kind (int, text, real, blob; "?" = may be None) of each value of a record. Payloads
#: are stored apart.
FIELDS = (
    ("serial", "int"),
    ("problem_id", "int"),
    ("iteration_id", "int"),
    ("base_problem_id", "int"),
    ("base_iteration_id", "int"),
    ("next_problem_id", "int"),
    ("next_iteration_id", "int"),
    ("attempt", "int"),
    ("revision", "int"),
    ("status", "int"),
    ("priority", "int"),
    ("created", "int"),
    ("started", "int"),
    ("finished", "int"),
    ("published", "int"),
    ("error_code", "int"),
    ("token", "int"),
    ("quality", "real?"),
    ("latency", "real?"),
    ("power", "real?"),
    ("energy", "real?"),
    ("carbon", "real?"),
    ("request_id", "text"),
    ("description", "text"),
    ("goal", "text?"),
    ("model", "text"),
    ("hw_description", "text"),
    ("outcome_reason", "text"),
    ("error_description", "text"),
    ("instances", "text"),
    ("steps", "blob"),
)

#: Size of the part of one module in "steps".
STEP_SIZE = _PACKED.size
#: The part of a module that was not in the pipeline when the task was stored.
NO_STEP = _PACKED.pack(TaskStatus.WAITING, 1, 0, 0, 0, 0)

#: Indices of the fields that an output changes.
_PLACES = {name: place for place, (name, _) in enumerate(FIELDS)}
_REVISION, _MODEL, _HARDWARE = (_PLACES[n] for n in ("revision", "model", "hw_description"))
_FIGURES = slice(_PLACES["quality"], _PLACES["carbon"] + 1)
#: Head of a delivery: revision, characters of instance and model, the figures.
_HEAD = struct.Struct("<qIIddddd")
_BEGINNING = struct.Struct("<qII")
_FIGURES_SIZE = _HEAD.size - _BEGINNING.size
_PART = struct.Struct(f"{STEP_SIZE}s")

_STATUSES = tuple(TaskStatus)
_NAN = math.nan


def to_record(task: Task) -> Record:
    """The values of a task in the order of `FIELDS`, without its payloads."""
    steps, instances = task._packed, task._instances
    if task.steps:
        steps = b"".join([_pack_open(step) for step in task.steps])
        instances = tuple([step.instance for step in task.steps])
    created, started, finished, *figures = NUMBERS.unpack(task._numbers)
    return (
        task.serial, *task.task_id, *task.base_task, *task.next_task, task.attempt, task.revision,
        int(task.status), task.priority, created, started, finished, int(task.published),
        int(task.error_code), task.token, *_known(figures), task.request_id, task.description,
        _goal_to_text(task.goal), task.model, task.hw_description, task.outcome_reason,
        task.error_description, _instances_to_text(instances), steps,
    )  # fmt: skip


def _known(figures: Iterable[float]) -> list[float | None]:
    """None for NaN, which alone differs from itself; 0.0 for -0.0, as SQLite stores it."""
    return [figure + 0.0 if figure == figure else None for figure in figures]


def to_delivery(task: Task, module: int) -> bytes:
    """What an output has changed of an open task: its step, the figures, the revision."""
    step = task.steps[module]
    beginning = _BEGINNING.pack(task.revision, len(step.instance), len(task.model))
    figures = task._numbers[-_FIGURES_SIZE:]
    texts = f"{step.instance}{task.model}{task.hw_description}".encode()
    return b"".join((beginning, figures, _pack_open(step), texts))


def revision_of(delivery: bytes) -> int:
    """The revision that an output gave to its task."""
    return int(_HEAD.unpack_from(delivery)[0])


def with_delivery(record: Record, module: int, delivery: bytes) -> Record:
    """A record with the changes of an output applied.

    Raises:
        ValueError, struct.error: the delivery makes no sense.
    """
    revision, size, model_size, *figures = _HEAD.unpack_from(delivery)
    texts = delivery[_HEAD.size + STEP_SIZE :].decode()
    *values, instances, steps = record
    values[_REVISION] = revision
    values[_MODEL], values[_HARDWARE] = texts[size : size + model_size], texts[size + model_size :]
    values[_FIGURES] = _known(figures)
    names, parts = json.loads(instances), [part for (part,) in _PART.iter_unpack(steps)]
    missing = module + 1 - len(parts)  # modules that have come into the pipeline since
    names += [""] * missing
    parts += [NO_STEP] * missing
    names[module], parts[module] = texts[:size], delivery[_HEAD.size : _HEAD.size + STEP_SIZE]
    return (*values, json.dumps(names), b"".join(parts))


@lru_cache(maxsize=1024)
def _goal_to_text(goal: object) -> str | None:
    if not isinstance(goal, OptimisationGoal):
        return None
    return json.dumps(astuple(goal))


@lru_cache(maxsize=1024)
def _goal_from_text(text: str | None) -> OptimisationGoal | None:
    if text is None:
        return None
    auto, desired, num_outputs, restrains = json.loads(text)
    return OptimisationGoal(auto, desired, num_outputs, tuple(restrains))


@lru_cache(maxsize=1024)
def _instances_to_text(instances: tuple[str, ...]) -> str:
    return json.dumps(instances)


@lru_cache(maxsize=1024)
def _instances_from_text(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _pack_open(step: Step) -> bytes:
    """An ended step stores when it ended, an open one the time that it has taken."""
    return _PACKED.pack(
        SHOWN_AS[step.state],
        min(step.try_number, 255),
        0,
        1 if step.instance else 0,
        step.started,
        step.finished if step.state >= StepState.DONE else step.pack_clocks(),
    )


def from_record(record: Record, user_input: bytes, outputs: list[bytes | None]) -> Task:
    """The task of a record.

    Args:
        outputs: one per module of the pipeline, as "steps" and "instances" are.

    Raises:
        ValueError, IndexError, TypeError, struct.error: the record makes no sense.
    """
    task = Task.__new__(Task)
    (
        task.serial, problem_id, iteration_id, base_problem, base_iteration, next_problem,
        next_iteration, task.attempt, task.revision, status, task.priority, created, started,
        finished, published, task.error_code, task.token, quality, latency, power, energy, carbon,
        task.request_id, task.description, goal, model, hw_description, outcome_reason,
        task.error_description, instances, steps,
    ) = record  # fmt: skip
    task.task_id = TaskId(problem_id, iteration_id)
    task.base_task = TaskId(base_problem, base_iteration) if base_problem else NO_TASK
    task.next_task = TaskId(next_problem, next_iteration) if next_problem else NO_TASK
    task.status = _STATUSES[status]
    task.published = published == 1
    figures = [_NAN if v is None else v for v in (quality, latency, power, energy, carbon)]
    task._numbers = NUMBERS.pack(created, started, finished, *figures)
    task.model, task.hw_description = intern(model), intern(hw_description)
    task.outcome_reason = intern(outcome_reason)
    task.goal = _goal_from_text(goal)
    task.user_input, task.outputs = user_input, outputs
    names = _instances_from_text(instances)
    if len(steps) != STEP_SIZE * len(outputs) or len(names) != len(outputs):
        raise ValueError(f"task {task.task_id} has the steps of another number of modules")
    task.steps, task._packed, task._instances = (), steps, names
    if task.open:
        task.steps = _open_steps(steps, names, outputs)
        task._packed, task._instances = b"", ()
    return task


def _open_steps(packed: bytes, names: tuple[str, ...], outputs: list[bytes | None]) -> list[Step]:
    steps = []
    for index, (_, tries, _, _, started, finished) in enumerate(_PACKED.iter_unpack(packed)):
        step = Step(index)
        step.state = StepState.PENDING if outputs[index] is None else StepState.DONE
        step.try_number, step.instance = tries, names[index]
        step.started, step.finished = started, max(finished, 0)
        step.unpack_clocks(finished)
        steps.append(step)
    return steps
