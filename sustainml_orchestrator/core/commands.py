"""What the node must do: the only way out of the core. Imperative; carried out in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import NO_TASK, NodeCommand, TaskCommand, TaskId


@dataclass(frozen=True, slots=True)
class PublishUserInput:
    """Hand a task to the modules that begin the pipeline. The node writes the ids into it."""

    task_id: TaskId
    attempt: int
    token: int
    payload: bytes


@dataclass(frozen=True, slots=True)
class PublishBaseline:
    """Tell a later iteration what a module gave for its base (None: nothing)."""

    module: int
    task_id: TaskId
    attempt: int
    token: int
    payload: bytes | None


@dataclass(frozen=True, slots=True)
class SendControl:
    """Command a module, on itself or on a task."""

    target: str
    command_id: int
    cmd_node: NodeCommand = NodeCommand.NONE
    cmd_task: TaskCommand = TaskCommand.NONE
    task_id: TaskId = NO_TASK
    attempt: int = 0
    token: int = 0
    try_number: int = 0


@dataclass(frozen=True, slots=True)
class AnnounceTask:
    """Publish the summary of a task that changed; several in one wake-up may be merged."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class AnnounceSystem:
    """Publish the state of the nodes and the counts of tasks."""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a call: with a value, or with the error that says why not."""

    call: int
    value: Any = None
    error: OrchestratorError | None = None


@dataclass(frozen=True, slots=True)
class SaveTask:
    """Keep what the database says of an iteration, its payloads aside."""

    task_id: TaskId


@dataclass(frozen=True, slots=True)
class SaveOutput:
    """Keep the payload of one module's output."""

    task_id: TaskId
    module: int


@dataclass(frozen=True, slots=True)
class SaveNode:
    """Keep whether a front-end wants a node active."""

    name: str
    desired_active: bool


@dataclass(frozen=True, slots=True)
class ForgetProblem:
    """Drop a problem and all that was kept of it."""

    problem_id: int


@dataclass(frozen=True, slots=True)
class Log:
    """Write a line in the log: "info" state changes, "warning" recovered, "error" needs a human."""

    severity: str
    text: str


Command = (
    PublishUserInput
    | PublishBaseline
    | SendControl
    | AnnounceTask
    | AnnounceSystem
    | Reply
    | SaveTask
    | SaveOutput
    | SaveNode
    | ForgetProblem
    | Log
)
