"""What can happen: the only way into the core. Past tense; no ROS messages here."""

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
    from sustainml_orchestrator.core.commands import HistoryEvent
    from sustainml_orchestrator.core.task import Task


class Event:
    """Base of all events."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TimePassed(Event):
    """Time to check the deadlines."""


@dataclass(frozen=True, slots=True)
class StatusReceived(Event):
    """A module reported its state, or its work on a task (``task_id`` set)."""

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
        """The process that reported: instance name and incarnation."""
        return self.instance, self.incarnation


@dataclass(frozen=True, slots=True)
class OutputReceived(Event):
    """A module delivered. The payload is opaque; the node has checked that it can be read.

    Attributes:
        facts: values shown in summaries, by attribute of `Task` (model, latency …).
    """

    module: int
    task_id: TaskId
    attempt: int
    session: int
    token: int
    payload: bytes
    facts: Mapping[str, str | float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class UnreadableOutputReceived(Event):
    """A message on the output topic of a module cannot be read, except for its ids.

    Attributes:
        reason: why, as a clause for people.
    """

    module: int
    task_id: TaskId
    attempt: int
    session: int
    token: int
    reason: str = "its output cannot be read as a message of its type"


TaskReport = StatusReceived | OutputReceived | UnreadableOutputReceived


@dataclass(frozen=True, slots=True)
class ConsumersMatched(Event):
    """The number of subscriptions matched with the publisher of user_input has changed."""

    count: int


@dataclass(frozen=True, slots=True)
class OptimisationGoal:
    """What a user input asks of the iterations that the orchestrator starts by itself.

    Attributes:
        auto: go on until the target is met.
        desired_carbon_footprint: the target in kgCO2e; 0 = as low as it gets.
        num_outputs: number of different proposals, this one included.
        model_restrains: models not to propose.
    """

    auto: bool = False
    desired_carbon_footprint: float = 0.0
    num_outputs: int = 1
    model_restrains: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Request(Event):
    """A front-end asked for something; it gets exactly one `Reply` to this call."""

    call: int


@dataclass(frozen=True, slots=True)
class TaskSubmitted(Request):
    """A front-end asked for a task. ``base_task`` is resolved, or unset for a new problem."""

    user_input: bytes
    description: str
    priority: int = 0
    request_id: str = ""
    base_task: TaskId = NO_TASK
    goal: OptimisationGoal = OptimisationGoal()

    def describe(self, base: TaskId) -> str:
        """What is special about it, as a clause; "" for nothing."""
        parts = [f"priority {self.priority}"] if self.priority else []
        if base != NO_TASK:
            parts.append(f"based on {base}, {'on request' if self.call else 'by itself'}")
        return "; ".join(parts)


@dataclass(frozen=True, slots=True)
class HistoryRead(Request):
    """A front-end asked for the history: it is answered when all of it is saved."""


@dataclass(frozen=True, slots=True)
class BatchEnded(Event):
    """All events of one wake-up were handled: their changes can be saved in one transaction."""


@dataclass(frozen=True, slots=True)
class Persisted(Event):
    """The `Save` of this number was committed."""

    number: int


@dataclass(frozen=True, slots=True)
class PersistFailed(Event):
    """The `Save` of this number failed; nothing of it was committed.

    Attributes:
        reason: one sentence that says why, and what to do.
    """

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Restored(Event):
    """A journal was read; the first event of an orchestrator that has one.

    Attributes:
        tasks: by serial.
        revision: no greater revision was announced.
        next_problem_id: no greater id was used.
        reserved_problem_id: ids below it are reserved durably.
        incomplete: whether commits that were reported may be missing (a loss of power, a backup);
            the session must be a new one then.
        without_credentials: tasks whose credentials were left out when they were saved.
        desired_active: desired state of the nodes, by name.
        history: its events, oldest first.
        configurations: settings that modules have accepted, JSON texts by name, by module.
    """

    tasks: Sequence[Task] = ()
    revision: int = 0
    next_problem_id: int = 1
    reserved_problem_id: int = 1
    incomplete: bool = False
    without_credentials: Collection[TaskId] = ()
    desired_active: Mapping[str, bool] = field(default_factory=dict)
    history: Sequence[HistoryEvent] = ()
    configurations: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class PeerObserved(Event):
    """An orchestrator published its system_state in this namespace, perhaps this very one."""

    incarnation: int
    session: int


@dataclass(frozen=True, slots=True)
class TaskCommanded(Request):
    """A front-end commanded a task."""

    task_id: TaskId
    command: TaskCommand


@dataclass(frozen=True, slots=True)
class NodeCommanded(Request):
    """A front-end commanded a node ("" = all of them).

    Attributes:
        timeout: how long the caller waits for the confirmation, in s.
    """

    node_name: str
    command: NodeCommand
    timeout: float


@dataclass(frozen=True, slots=True)
class NodeConfigured(Event):
    """A module has accepted settings of a front-end: JSON texts by name."""

    node_name: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ParametersChanged(Event):
    """A process says that values of its parameters were changed: JSON texts by name."""

    instance: str
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ConfigurationAnswered(Event):
    """A `ConfigureNode` was answered, or was not in time.

    Attributes:
        reason: why it failed; "" when it did not.
    """

    node_name: str
    instance: str
    incarnation: int
    error_code: int = ErrorCode.NO_ERROR
    reason: str = ""

    @property
    def process(self) -> tuple[str, int]:
        """The process that was asked: instance name and incarnation."""
        return self.instance, self.incarnation


@dataclass(frozen=True, slots=True)
class DeletionRequested(Request):
    """A front-end wants a problem and all its iterations gone."""

    problem_id: int
