"""What the state machine of a module takes in and asks for: commands, jobs, actions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskStatus,
)
from sustainml_orchestrator.sdk.input_joiner import Parts
from sustainml_orchestrator.sdk.wire_ids import Ticket


class Command(NamedTuple):
    """A NodeControl message. Exactly one of ``node`` and ``task`` is not NONE."""

    target: str
    command_id: int
    incarnation: int
    ticket: Ticket
    node: NodeCommand = NodeCommand.NONE
    task: TaskCommand = TaskCommand.NONE
    try_number: int = 0


class Phase(Enum):
    """How far a job is."""

    FETCHING = auto()
    QUEUED = auto()
    RUNNING = auto()


@dataclass(slots=True, eq=False)
class Job:
    """One task that the module holds. Numbers grow from job to job, and are never reused."""

    number: int
    ticket: Ticket
    try_number: int
    phase: Phase
    #: Not None iff all inputs are there.
    inputs: Parts | None = None

    @property
    def size(self) -> int:
        """Bytes of the inputs held."""
        return sum(map(len, self.inputs.values())) if self.inputs else 0


class Succeeded(NamedTuple):
    """A call of ``process`` gave this serialized output."""

    output: bytes


class Failed(NamedTuple):
    """A call of ``process`` gave no output."""

    error_code: ErrorCode
    text: str


Outcome = Succeeded | Failed


class Report(NamedTuple):
    """Publish a NodeStatus, about the node alone when there is no ticket."""

    node_status: NodeStatus
    ticket: Ticket | None = None
    task_status: TaskStatus = TaskStatus.WAITING
    try_number: int = 0
    error_code: ErrorCode = ErrorCode.NO_ERROR
    text: str = ""


class PublishOutput(NamedTuple):
    """Publish a serialized output."""

    output: bytes


class Run(NamedTuple):
    """Call ``process``; ends with ``call_ended``, then ``slot_freed``."""

    job: Job


class Cancel(NamedTuple):
    """Let a running call end: ask it to, then, where possible, force it."""

    job: Job


class FetchInputs(NamedTuple):
    """Ask the orchestrator for the inputs; ends with ``inputs_fetched`` or ``fetch_failed``."""

    job: Job


class Prepare(NamedTuple):
    """Make fresh workers and run ``on_start``; ends with ``prepared`` or ``broken``."""

    generation: int


class Release(NamedTuple):
    """End the workers."""


class Exit(NamedTuple):
    """End the process."""


Action = Report | PublishOutput | Run | Cancel | FetchInputs | Prepare | Release | Exit
