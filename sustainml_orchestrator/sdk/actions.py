"""The data of the state machine of a module: commands, jobs, outcomes, actions."""

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
    """A NodeControl message. Exactly one of `node` and `task` is not NONE."""

    target: str
    command_id: int
    incarnation: int
    ticket: Ticket
    node: NodeCommand = NodeCommand.NONE
    task: TaskCommand = TaskCommand.NONE
    try_number: int = 0


class Phase(Enum):
    """The phase of a job."""

    FETCHING = auto()
    QUEUED = auto()
    RUNNING = auto()


@dataclass(slots=True, eq=False)
class Job:
    """One task that the module holds. Numbers increase from job to job."""

    number: int
    ticket: Ticket
    try_number: int
    phase: Phase
    #: Not None iff all inputs are there.
    inputs: Parts | None = None

    @property
    def size(self) -> int:
        """Bytes of the inputs."""
        return sum(map(len, self.inputs.values())) if self.inputs else 0


class Succeeded(NamedTuple):
    """`process` returned this output, here serialized."""

    output: bytes


class Failed(NamedTuple):
    """`process` returned no output."""

    error_code: ErrorCode
    text: str


Outcome = Succeeded | Failed


class Report(NamedTuple):
    """Publish a NodeStatus, about the node alone if there is no ticket."""

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
    """Call `process`; the events `call_ended` and `slot_freed` follow."""

    job: Job


class Cancel(NamedTuple):
    """Cancel a running call; in a worker process it is killed if it does not end."""

    job: Job


class FetchInputs(NamedTuple):
    """Call `get_inputs`; the event `inputs_fetched` or `fetch_failed` follows."""

    job: Job


class Prepare(NamedTuple):
    """Create workers and call `on_start`; the event `prepared` or `broken` follows."""

    generation: int


class Release(NamedTuple):
    """End the workers."""


class Exit(NamedTuple):
    """End the process."""


Action = Report | PublishOutput | Run | Cancel | FetchInputs | Prepare | Release | Exit
