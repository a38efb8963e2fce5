"""What can happen: the only way into the core. Past tense; nothing here is a message."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)

if TYPE_CHECKING:
    from sustainml_orchestrator.core.task import Task


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
class BatchEnded:
    """All events that came together were handled: what they changed can be saved as one."""


@dataclass(frozen=True, slots=True)
class Persisted:
    """The journal holds all that the `Save` of this number carried."""

    number: int


@dataclass(frozen=True, slots=True)
class PersistFailed:
    """The journal holds nothing of what the `Save` of this number carried.

    Attributes:
        reason: one sentence that says why, and what to do.
    """

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Restored:
    """A journal was read; the first event of an orchestrator that has one.

    Attributes:
        tasks: by serial.
        revision: no greater one was announced.
        next_problem_id: no greater one was used.
        reserved_problem_id: ids below it are reserved durably.
        without_credentials: tasks whose user input was saved without its credentials.
        desired_active: what front-ends want of nodes, by name.
    """

    tasks: Sequence[Task] = ()
    revision: int = 0
    next_problem_id: int = 1
    reserved_problem_id: int = 1
    without_credentials: Collection[TaskId] = ()
    desired_active: Mapping[str, bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerHeard:
    """An orchestrator published its system_state in this namespace, perhaps this very one."""

    incarnation: int
    session: int


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
    | BatchEnded
    | Persisted
    | PersistFailed
    | Restored
    | PeerHeard
    | TaskCommanded
    | NodeCommanded
    | DeletionRequested
)
