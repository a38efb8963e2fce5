"""What can happen: the only way into the core. Past tense; nothing here is a message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)


@dataclass(frozen=True, slots=True)
class TimePassed:
    """Nothing else happened for a moment; deadlines are looked at."""


@dataclass(frozen=True, slots=True)
class StatusReceived:
    """A module spoke of itself, or of its work on a task (``task_id`` set)."""

    node_name: str
    instance: str
    incarnation: int
    last_command: int
    node_status: NodeStatus
    task_id: TaskId = NO_TASK
    attempt: int = 0
    session: int = 0
    token: int = 0
    task_status: TaskStatus = TaskStatus.WAITING
    try_number: int = 0
    error_code: int = ErrorCode.NO_ERROR
    error_description: str = ""

    @property
    def process(self) -> tuple[str, int]:
        """Names the process that spoke: a name and an incarnation."""
        return self.instance, self.incarnation


@dataclass(frozen=True, slots=True)
class OutputReceived:
    """A module delivered. The payload is opaque; the node has checked that it can be read.

    Attributes:
        facts: what summaries show of it, by attribute of `Task` (model, latency …).
    """

    module: int
    task_id: TaskId
    attempt: int
    session: int
    token: int
    payload: bytes
    facts: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnreadableOutputReceived:
    """What came on a module's output topic makes no sense; its ids could be read.

    Attributes:
        reason: a clause that says why, for people.
    """

    module: int
    task_id: TaskId
    attempt: int
    session: int
    token: int
    reason: str = "its output cannot be read as a message of its type"


@dataclass(frozen=True, slots=True)
class ConsumersMatched:
    """So many subscriptions are now matched with the publisher of user_input."""

    count: int


@dataclass(frozen=True, slots=True)
class OptimisationGoal:
    """What a user input asks of the iterations that follow by themselves.

    Attributes:
        auto: go on until the target is met.
        desired_carbon_footprint: the target in kgCO2e; 0 = as low as it gets.
        num_outputs: so many different proposals, this one included.
        model_restrains: models not to propose.
    """

    auto: bool = False
    desired_carbon_footprint: float = 0.0
    num_outputs: int = 1
    model_restrains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskSubmitted:
    """A front-end asked for a task. ``base_task`` is resolved, or unset for a new problem."""

    call: int
    user_input: bytes
    description: str
    priority: int = 0
    request_id: str = ""
    base_task: TaskId = NO_TASK
    goal: OptimisationGoal = OptimisationGoal()


@dataclass(frozen=True, slots=True)
class SubmissionNotKept:
    """The task of the turn before could not be kept; what that turn asks for was not done.

    Whoever asked for it is refused, and nothing of it stays.
    """

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class TaskCommanded:
    """A front-end commanded a task."""

    call: int
    task_id: TaskId
    command: TaskCommand


@dataclass(frozen=True, slots=True)
class NodeCommanded:
    """A front-end commanded a node ("" = all of them).

    Attributes:
        timeout: how long the caller waits for the confirmation, in s.
    """

    call: int
    node_name: str
    command: NodeCommand
    timeout: float


@dataclass(frozen=True, slots=True)
class DeletionRequested:
    """A front-end wants a problem and all its iterations gone."""

    call: int
    problem_id: int


Event = (
    TimePassed
    | StatusReceived
    | OutputReceived
    | UnreadableOutputReceived
    | ConsumersMatched
    | TaskSubmitted
    | SubmissionNotKept
    | TaskCommanded
    | NodeCommanded
    | DeletionRequested
)
