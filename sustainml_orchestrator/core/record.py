"""The codec of a task: a task as a plain record and back, and what one output changes of it.

Deadlines are recorded as the time that a step has taken.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from collections.abc import Iterable
from functools import lru_cache

from sustainml_orchestrator.core import step_clocks
from sustainml_orchestrator.core.commands import Record
from sustainml_orchestrator.core.events import OptimisationGoal
from sustainml_orchestrator.core.ids import NO_TASK, TaskId, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS, StepState
from sustainml_orchestrator.core.step import SHOWN_AS, Step
from sustainml_orchestrator.core.task import _PACKED, NUMBERS, Task

#: Name and kind (int, text, real, blob; "?" = may be None) of each value of a record. Payloads
#: are kept apart.
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

#: Size of one module's part of "steps".
STEP_SIZE = _PACKED.size
#: The part of a module that an iteration knew nothing of.
NO_STEP = _PACKED.pack(TaskStatus.WAITING, 1, 0, 0, 0, 0)


#: Where the fields stand that an output changes.
_PLACES = {name: place for place, (name, _) in enumerate(FIELDS)}
_REVISION, _MODEL, _HARDWARE = (_PLACES[n] for n in ("revision", "model", "hw_description"))
_FIGURES = slice(_PLACES["quality"], _PLACES["carbon"] + 1)
#: Revision, characters of instance and model, and the figures, as the first part of a delivery.
_TOLD = struct.Struct("<qIIddddd")
_BEGINNING = struct.Struct("<qII")
_FIGURES_SIZE = _TOLD.size - _BEGINNING.size
_PART = struct.Struct(f"{STEP_SIZE}s")

_STATUSES = tuple(TaskStatus)
_NAN = math.nan


def to_record(it: Task) -> Record:
    """What is kept of an iteration, as plain values in the order of `FIELDS`."""
    if it.steps:
        steps = b"".join([_pack_open(step) for step in it.steps])
        instances = tuple([step.instance for step in it.steps])
    else:
        steps, instances = it._packed, it._instances
    created, started, finished, *figures = NUMBERS.unpack(it._numbers)
    return (
        it.serial,
        *it.task_id,
        *it.base_task,
        *it.next_task,
        it.attempt,
        it.revision,
        int(it.status),
        it.priority,
        created,
        started,
        finished,
        int(it.published),
        int(it.error_code),
        it.token,
        *_known(figures),
        it.request_id,
        it.description,
        _goal_to_text(it.goal),
        it.model,
        it.hw_description,
        it.outcome_reason,
        it.error_description,
        _instances_to_text(instances),
        steps,
    )


def _known(figures: Iterable[float]) -> list[float | None]:
    """None for NaN, which alone differs from itself; no negative zero, which SQLite changes."""
    return [figure + 0.0 if figure == figure else None for figure in figures]


def to_delivery(it: Task, module: int) -> bytes:
    """What an output has changed of an open iteration: its step, the figures, the revision."""
    step = it.steps[module]
    beginning = _BEGINNING.pack(it.revision, len(step.instance), len(it.model))
    figures = it._numbers[-_FIGURES_SIZE:]
    texts = f"{step.instance}{it.model}{it.hw_description}".encode()
    return b"".join((beginning, figures, _pack_open(step), texts))


def revision_of(delivery: bytes) -> int:
    """The revision that an output gave to its iteration."""
    return int(_TOLD.unpack_from(delivery)[0])


def with_delivery(record: Record, module: int, delivery: bytes) -> Record:
    """The record as it would be if it had been made after an output of a module.

    Raises:
        ValueError, struct.error: the delivery makes no sense.
    """
    revision, size, model_size, *figures = _TOLD.unpack_from(delivery)
    texts = delivery[_TOLD.size + STEP_SIZE :].decode()
    *values, instances, steps = record
    values[_REVISION] = revision
    values[_MODEL], values[_HARDWARE] = texts[size : size + model_size], texts[size + model_size :]
    values[_FIGURES] = _known(figures)
    names, parts = json.loads(instances), [part for (part,) in _PART.iter_unpack(steps)]
    missing = module + 1 - len(parts)  # modules that have come into the pipeline since
    names += [""] * missing
    parts += [NO_STEP] * missing
    names[module], parts[module] = texts[:size], delivery[_TOLD.size : _TOLD.size + STEP_SIZE]
    return (*values, json.dumps(names), b"".join(parts))


@lru_cache(maxsize=1024)
def _goal_to_text(goal: object) -> str | None:
    if not isinstance(goal, OptimisationGoal):
        return None
    values = (
        goal.auto, goal.desired_carbon_footprint, goal.num_outputs, goal.model_restrains,
    )  # fmt: skip
    return json.dumps(values)


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
    """Shared between iterations: a million of them ran on the same few instances."""
    return tuple(json.loads(text))


def _pack_open(step: Step) -> bytes:
    """Where a step that has ended tells when, an open one tells what time it has taken."""
    return _PACKED.pack(
        SHOWN_AS[step.state],
        min(step.try_number, 255),
        0,
        1 if step.instance else 0,
        step.started,
        step.finished if step.state >= StepState.DONE else step_clocks.pack(step),
    )


def from_record(record: Record, user_input: bytes, outputs: list[bytes | None]) -> Task:
    """The iteration that a record tells of.

    Args:
        outputs: one per module of the pipeline, as "steps" and "instances" are.

    Raises:
        ValueError, IndexError, TypeError, struct.error: the record makes no sense.
    """
    it = Task.__new__(Task)
    (
        it.serial, problem_id, iteration_id, base_problem, base_iteration, next_problem,
        next_iteration, it.attempt, it.revision, status, it.priority, created, started,
        finished, published, it.error_code, it.token, quality, latency, power, energy, carbon,
        it.request_id, it.description, goal, model, hw_description, outcome_reason,
        it.error_description, instances, steps,
    ) = record  # fmt: skip
    it.task_id = TaskId(problem_id, iteration_id)
    it.base_task = TaskId(base_problem, base_iteration) if base_problem else NO_TASK
    it.next_task = TaskId(next_problem, next_iteration) if next_problem else NO_TASK
    it.status = _STATUSES[status]
    it.published = published == 1
    it._numbers = NUMBERS.pack(
        created,
        started,
        finished,
        _NAN if quality is None else quality,
        _NAN if latency is None else latency,
        _NAN if power is None else power,
        _NAN if energy is None else energy,
        _NAN if carbon is None else carbon,
    )
    intern = sys.intern
    it.model, it.hw_description = intern(model), intern(hw_description)
    it.outcome_reason = intern(outcome_reason)
    it.goal = _goal_from_text(goal)
    it.user_input = user_input
    it.outputs = outputs
    names = _instances_from_text(instances)
    if len(steps) != STEP_SIZE * len(outputs) or len(names) != len(outputs):
        raise ValueError(f"iteration {it.task_id} tells of another number of modules")
    if it.status in FINAL_TASKS:
        it.steps, it._packed, it._instances = (), steps, names
    else:
        it.steps, it._packed, it._instances = _open_steps(steps, names, outputs), b"", ()
    return it


def _open_steps(packed: bytes, names: tuple[str, ...], outputs: list[bytes | None]) -> list[Step]:
    steps = []
    for index, (_, tries, _, _, started, finished) in enumerate(_PACKED.iter_unpack(packed)):
        step = Step(index)
        step.state = StepState.PENDING if outputs[index] is None else StepState.DONE
        step.try_number, step.instance = tries, names[index]
        step.started, step.finished = started, max(finished, 0)
        step_clocks.unpack(step, finished)
        steps.append(step)
    return steps
