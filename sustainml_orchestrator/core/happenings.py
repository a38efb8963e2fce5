"""The vocabulary of the history: the name of everything that can happen to a task or a node.

History, log lines and documents use these names. They are stable: programs may compare them.
"""

from __future__ import annotations

from typing import NamedTuple

from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus
from sustainml_orchestrator.core.states import (
    LadderMove,
    RecoveryLevel,
    RecoveryMove,
    StepMove,
    StepState,
    TaskMove,
)


class Happening(NamedTuple):
    """A kind of event.

    Attributes:
        severity: of its line in the log.
        meaning: one sentence; the detail of an event that says nothing else.
    """

    severity: str
    meaning: str


TASK_SUBMITTED = "task.submitted"
TASK_DELETED = "task.deleted"
STEP_FINISHED = "step.finished"
STEP_LEFT_OUT = "step.left_out"
STEP_RETRIED = "step.retried"
STEP_RETURNED = "step.returned"
NODE_APPEARED = "node.appeared"
NODE_RESPAWNED = "node.respawned"
NODE_LOST = "node.lost"
NODE_RECOVERED = "node.recovered"
NODE_CONFIGURED = "node.configured"
NODE_NOT_CONFIGURED = "node.not_configured"
NODE_GIVEN_UP = "node.given_up"
#: In no journal: clients tell it to those who follow the history.
JOURNAL_CHANGED = "journal.changed"

HAPPENINGS: dict[str, Happening] = {
    TASK_SUBMITTED: Happening("info", "the task was created and waits"),
    "task.admitted": Happening("info", "work on the task begins"),
    "task.succeeded": Happening("info", "every module delivered"),
    "task.failed": Happening("warning", "the task ended in error"),
    "task.stopped": Happening("info", "the task was stopped; its outputs are kept"),
    "task.reset": Happening("info", "another attempt begins, without the outputs"),
    "task.preempted": Happening("info", "the task waits again; its outputs are kept"),
    "task.terminated": Happening("info", "the task was ended for good"),
    TASK_DELETED: Happening("info", "the problem was deleted"),
    "step.delivered": Happening("debug", "the module has all inputs of the task"),
    "step.undelivered": Happening("debug", "RESET_TASK tells the module to fetch its inputs"),
    "step.queued": Happening("debug", "the module has queued the task"),
    "step.started": Happening("debug", "the module works on the task"),
    "step.reported": Happening("debug", "the module reported success; its output is awaited"),
    STEP_RETURNED: Happening("debug", "the module returned the task undone"),
    STEP_RETRIED: Happening("warning", "another try begins"),
    STEP_FINISHED: Happening("debug", "the output of the module is stored"),
    "step.failed": Happening("debug", "no try is left"),
    STEP_LEFT_OUT: Happening("warning", "the task goes on without the module"),
    NODE_APPEARED: Happening("info", "a process of the module was seen for the first time"),
    NODE_RESPAWNED: Happening("warning", "a new process is in the place of an earlier one"),
    NODE_LOST: Happening("warning", "no status of the process arrives any more"),
    NODE_RECOVERED: Happening("info", "statuses of a lost process arrive again"),
    "node.initializing": Happening("info", "the process initialises"),
    "node.started": Happening("info", "the process takes tasks"),
    "node.stopped": Happening("info", "the process is inactive"),
    "node.error": Happening("warning", "the process reports an error"),
    "node.terminating": Happening("info", "the process is about to exit"),
    NODE_CONFIGURED: Happening("info", "the process has the settings of the one before it"),
    NODE_NOT_CONFIGURED: Happening("error", "the settings were not applied to a new process"),
    "node.start_requested": Happening("info", "a front-end asked for START_NODE"),
    "node.stop_requested": Happening("info", "a front-end asked for STOP_NODE"),
    "node.reset_planned": Happening("info", "RESET_NODE follows after a pause"),
    "node.reset": Happening("warning", "RESET_NODE was sent"),
    "node.terminated": Happening("warning", "TERMINATE_NODE was sent"),
    NODE_GIVEN_UP: Happening("error", "no reset helped; a person must reset the node"),
    JOURNAL_CHANGED: Happening(
        "warning", "the journal is another one, or an older copy: earlier events may be undone"
    ),
}

#: Every move of a task.
OF_TASK_MOVES: dict[TaskMove, str] = {
    TaskMove.ADMIT: "task.admitted",
    TaskMove.SUCCEED: "task.succeeded",
    TaskMove.FAIL: "task.failed",
    TaskMove.STOP: "task.stopped",
    TaskMove.RESET: "task.reset",
    TaskMove.PREEMPT: "task.preempted",
    TaskMove.TERMINATE: "task.terminated",
}

#: The state that a step comes into; "" = it waits for inputs, which is no event of its own.
OF_STEP_STATES: dict[StepState, str] = {
    StepState.PENDING: "",
    StepState.PENDING_FETCH: "",
    StepState.READY: "step.delivered",
    StepState.UNDELIVERED: "step.undelivered",
    StepState.ACCEPTED: "step.queued",
    StepState.RUNNING: "step.started",
    StepState.REPORTED: "step.reported",
    StepState.DONE: STEP_FINISHED,
    StepState.FAILED: "step.failed",
}

#: The status that a process reports anew.
OF_NODE_STATUSES: dict[NodeStatus, str] = {
    NodeStatus.INACTIVE: "node.stopped",
    NodeStatus.ERROR: "node.error",
    NodeStatus.IDLE: "node.started",
    NodeStatus.INITIALIZING: "node.initializing",
    NodeStatus.RUNNING: "node.started",
    NodeStatus.TERMINATING: "node.terminating",
}

#: The command of a front-end, or one for recovery.
OF_NODE_COMMANDS: dict[NodeCommand, str] = {
    NodeCommand.START: "node.start_requested",
    NodeCommand.STOP: "node.stop_requested",
    NodeCommand.RESET: "node.reset",
    NodeCommand.TERMINATE: "node.terminated",
}

#: Every move in the recovery of a node; "" = the status that led to it is the event.
OF_RECOVERY_MOVES: dict[RecoveryMove, str] = {
    RecoveryMove.PLAN: "node.reset_planned",
    RecoveryMove.RESET: "node.reset",
    RecoveryMove.GIVE_UP: NODE_GIVEN_UP,
    RecoveryMove.CLEAR: "",
}

#: Every level of the recovery ladder that a node can be brought to, by `LadderMove.CLIMB`.
OF_LADDER_LEVELS: dict[RecoveryLevel, str] = {
    RecoveryLevel.RESET: "node.reset",
    RecoveryLevel.TERMINATE: "node.terminated",
}
#: A move that no event shows: the status that led to it does.
UNRECORDED = frozenset({LadderMove.CLEAR})


def of_step(how: StepMove, state: StepState) -> str:
    """The name of a move of a step that led to a state; "" for none."""
    return STEP_RETURNED if how is StepMove.GIVE_BACK else OF_STEP_STATES[state]
