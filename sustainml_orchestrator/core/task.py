"""A task: one iteration of a problem, with its outputs and steps."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Generic, TypeVar

from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS, StepState
from sustainml_orchestrator.core.step import SHOWN_AS, Step, StepRecord

_PACKED = struct.Struct("<BBBxHxxqq")  # status, tries, error code, instance, started, finished

#: created, started, finished; quality, latency, power, energy, carbon
NUMBERS = struct.Struct("<qqqddddd")
_TIMES = NUMBERS.size - 5 * 8  # bytes, before the figures
_NOTHING_KNOWN = NUMBERS.pack(0, 0, 0, *[math.nan] * 5)


@lru_cache(maxsize=1024)
def _shared(names: tuple[str, ...]) -> tuple[str, ...]:
    """One tuple for all equal ones: a million tasks ran on the same few instances."""
    return names


Number = TypeVar("Number", int, float)


class Packed(Generic[Number]):
    """A number of a task, stored in its `_numbers`: a fifth of the memory of an object.

    Args:
        code: format of the number, as in `struct`.
        offset: its place in bytes.
    """

    def __init__(self, code: str, offset: int) -> None:
        self._struct = struct.Struct(f"<{code}")
        self._begin = offset
        self._end = offset + self._struct.size

    def __get__(self, task: Task, owner: type) -> Number:
        number: Number = self._struct.unpack_from(task._numbers, self._begin)[0]
        return number

    def __set__(self, task: Task, number: Number) -> None:
        before = task._numbers
        task._numbers = before[: self._begin] + self._struct.pack(number) + before[self._end :]


class Task:
    """A task in the store. Only the core writes to it.

    There may be a million of them: ended ones are packed, and texts that repeat are shared.

    Attributes:
        serial: order of creation over the whole store.
        token: random number of the present attempt; 0 = none drawn yet.
        outputs: serialized output per module of the pipeline, None = not delivered.
        published: whether the user input of this attempt was published.
        steps: one per module while the task is open, empty afterwards (then `_packed`).
        created, started, finished: ns of ROS time, 0 = not yet.
        quality, latency, power, energy, carbon: figures of the outputs, NaN = unknown;
            latency in s, power in W, energy in Wh, carbon in kgCO2e.
    """

    __slots__ = (
        "_instances", "_numbers", "_packed", "attempt", "base_task", "description", "error_code",
        "error_description", "goal", "hw_description", "model", "next_task", "outcome_reason",
        "outputs", "priority", "published", "request_id", "revision", "serial", "status", "steps",
        "task_id", "token", "user_input",
    )  # fmt: skip

    created = Packed[int]("q", 0)
    started = Packed[int]("q", 8)
    finished = Packed[int]("q", 16)
    quality = Packed[float]("d", 24)
    latency = Packed[float]("d", 32)
    power = Packed[float]("d", 40)
    energy = Packed[float]("d", 48)
    carbon = Packed[float]("d", 56)

    def __init__(self, task_id: TaskId, serial: int, modules: int) -> None:
        self.task_id = task_id
        self.serial = serial
        self.base_task = NO_TASK
        self.next_task = NO_TASK
        self.attempt = 1
        self.token = 0
        self.revision = 0
        self.status = TaskStatus.WAITING
        self.priority = 0
        self._numbers = _NOTHING_KNOWN
        self.request_id = ""
        self.description = ""
        self.user_input = b""
        self.goal: object = None
        self.published = False
        self.outputs: list[bytes | None] = [None] * modules
        self.steps: Sequence[Step] = [Step(i) for i in range(modules)]
        self._packed = b""
        self._instances: tuple[str, ...] = ()
        self.model = self.hw_description = ""
        self.outcome_reason = ""
        self.error_code: int = ErrorCode.NO_ERROR
        self.error_description = ""

    def take_facts(self, facts: Mapping[str, str | float]) -> None:
        """Take over what an output reports, by attribute."""
        for name, value in facts.items():
            setattr(self, name, value)

    def clear_figures(self) -> None:
        """Forget what the outputs reported."""
        self.model = self.hw_description = ""
        self._numbers = self._numbers[:_TIMES] + _NOTHING_KNOWN[_TIMES:]

    @property
    def progress(self) -> float:
        """Share of modules done, 0..1; 1 also for a success without those that are not required."""
        if self.status is TaskStatus.SUCCEEDED:
            return 1.0
        return sum(output is not None for output in self.outputs) / len(self.outputs)

    @property
    def open(self) -> bool:
        """Whether the task is WAITING or RUNNING."""
        return self.status not in FINAL_TASKS

    def records(self) -> list[StepRecord]:
        """What summaries show of each module, in pipeline order."""
        if self.steps:
            return [
                StepRecord(
                    SHOWN_AS[step.state], step.try_number, step.error_code,
                    step.error_description, step.instance, step.started, step.finished,
                )
                for step in self.steps
            ]  # fmt: skip
        return [self._unpack(i) for i in range(len(self.outputs))]

    def _unpack(self, index: int) -> StepRecord:
        status, tries, code, instance, started, finished = _PACKED.unpack_from(
            self._packed, index * _PACKED.size
        )
        if self.outputs[index] is not None:  # perhaps received after the task ended
            status = TaskStatus.SUCCEEDED
        text = (self.error_description or self.outcome_reason) if code else ""
        name = self._instances[index] if instance else ""
        return StepRecord(TaskStatus(status), tries, code, text, name, started, finished)

    def close(self, shown_as: TaskStatus) -> None:
        """Pack the steps of a task that has ended.

        Args:
            shown_as: status of the steps that were not finished.
        """
        self._packed = b"".join(
            _PACKED.pack(
                SHOWN_AS[step.state] if step.state >= StepState.DONE else shown_as,
                min(step.try_number, 255),
                step.error_code if step.state is StepState.FAILED else 0,
                1 if step.instance else 0,
                step.started,
                step.finished,
            )
            for step in self.steps
        )
        self._instances = _shared(tuple(step.instance for step in self.steps))
        self.steps = ()
        self.model, self.hw_description = sys.intern(self.model), sys.intern(self.hw_description)
        self.outcome_reason = sys.intern(self.outcome_reason)

    def reopen(self) -> None:
        """Begin another attempt: fresh steps, no outputs."""
        self.outputs = [None] * len(self.outputs)
        self.steps = [Step(i) for i in range(len(self.outputs))]
        self._packed, self._instances = b"", ()
        self.published = False
        self.clear_figures()
        self.started = self.finished = 0
        self.outcome_reason = self.error_description = ""
        self.error_code = ErrorCode.NO_ERROR
