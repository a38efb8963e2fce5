"""What the node must do: the only way out of the core. Imperative; executed in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import NO_TASK, NodeCommand, TaskCommand, TaskId

#: The values of a task by the `FIELDS` of its codec.
Record = tuple[Any, ...]


class Command:
    """Base of all commands."""

    __slots__ = ()


class Change(Command):
    """Something to be saved. Never leaves the core: it becomes part of a `Save`."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class PublishUserInput(Command):
    """Publish the user input of a task. The node writes the ids into it."""

    task_id: TaskId
    attempt: int
    token: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class PublishBaseline(Command):
    """Publish the output of a module for the base of a task; a default message for None."""

    module: int
    task_id: TaskId
    attempt: int
    token: int
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class SendControl(Command):
    """Send a NodeControl message, about a node or about its work on a task."""

    target: str
    command_id: int
    cmd_node: NodeCommand = NodeCommand.NONE
    cmd_task: TaskCommand = TaskCommand.NONE
    task_id: TaskId = NO_TASK
    attempt: int = 0
    token: int = 0
    try_number: int = 0


@dataclass(frozen=True, slots=True)
class ChangeLifecycle(Command):
    """Command a managed node by its lifecycle_msgs services."""

    target: str
    command: NodeCommand


@dataclass(frozen=True, slots=True)
class ConfigureNode(Command):
    """Call the configure service of a module, then answer with `ConfigurationAnswered`.

    Attributes:
        settings: JSON texts by name.
    """

    node_name: str
    instance: str
    incarnation: int
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class AnnounceTask(Command):
    """Publish the summary of a task that changed; several in one wake-up may be merged."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class AnnounceSystem(Command):
    """Publish the state of the nodes and the counts of tasks."""


@dataclass(frozen=True, slots=True)
class Reply(Command):
    """Answer a call: with a value, or with the error that says why not."""

    call: int
    value: Any = None
    error: OrchestratorError | None = None


@dataclass(frozen=True, slots=True)
class SaveTask(Change):
    """The record of a task has changed.

    Attributes:
        new_attempt: modules must not receive its present attempt before that is saved.
    """

    task_id: TaskId
    new_attempt: bool = False


@dataclass(frozen=True, slots=True)
class SaveOutput(Change):
    """An output was stored."""

    task_id: TaskId
    module: int


@dataclass(frozen=True, slots=True)
class SaveNode(Change):
    """A front-end wants a node active, or not."""

    name: str
    desired_active: bool


@dataclass(frozen=True, slots=True)
class SaveSession(Change):
    """The session is a new one."""


@dataclass(frozen=True, slots=True)
class SaveHistory(Change):
    """There are events to save, although nothing else has changed."""


@dataclass(frozen=True, slots=True)
class ForgetProblem(Change):
    """A problem was deleted."""

    problem_id: int


class SavedTask(NamedTuple):
    """The record of a task as it is to be saved.

    Attributes:
        delivered: how many outputs it has.
        user_input: None where it was saved before.
    """

    record: Record
    delivered: int
    user_input: bytes | None


class SavedOutput(NamedTuple):
    """An output as it is to be saved.

    Attributes:
        serial: of its task.
        delivery: what it changed of the record of its task; None where that is saved as well.
    """

    serial: int
    module: int
    attempt: int
    payload: bytes
    delivery: bytes | None


class HistoryEvent(NamedTuple):
    """One event of the history; see HistoryEvent.msg.

    Attributes:
        stamp: ns of ROS time.
        revision: grows from event to event over the whole database.
        task_id: (0, 0) for an event of a node alone.
        event: one of `HAPPENINGS`.
        detail: one sentence.
    """

    stamp: int
    revision: int
    task_id: TaskId
    node_name: str
    instance: str
    attempt: int
    try_number: int
    event: str
    error_code: int
    detail: str


class SavedHistory(NamedTuple):
    """Events to be saved.

    Attributes:
        after: the journal must hold no later event than that of this revision before it adds these.
        floor: events of lower revisions may be deleted.
    """

    events: Sequence[HistoryEvent] = ()
    after: int = 0
    floor: int = 0


@dataclass(frozen=True, slots=True)
class Save(Command):
    """Save all of this or nothing, then answer with `Persisted` or `PersistFailed`.

    Attributes:
        number: of this command; one is under way at a time.
        session: names this life of the database from now on.
        withdrawn: serials of tasks to delete, should an earlier save that failed have left them.
        forgotten: problems to delete.
        desired_active: what front-ends want of nodes, by name; those that changed.
        last_revision: no greater one is announced before the next save.
        next_problem_id: no greater one was used.
        reserved_problem_id: ids below it must not be used again, whatever is lost.
        synchronous: must survive a loss of power, whatever the durability.
        history: the events since the last save.
    """

    number: int
    session: int
    tasks: Sequence[SavedTask]
    outputs: Sequence[SavedOutput]
    withdrawn: Sequence[int]
    forgotten: Sequence[int]
    desired_active: Mapping[str, bool]
    last_revision: int
    next_problem_id: int
    reserved_problem_id: int
    synchronous: bool
    history: SavedHistory


@dataclass(frozen=True, slots=True)
class Leave(Command):
    """End this process, with an exit code that nobody restarts: another orchestrator stays."""

    reason: str


@dataclass(frozen=True, slots=True)
class Log(Command):
    """Write a line in the log: "info" state changes, "warning" recovered, "error" needs a human.

    Attributes:
        part: of the orchestrator: "tasks", "lifecycle" or "store"; "" = none of these.
    """

    severity: str
    text: str
    part: str = ""
