"""Every state and every legal transition of tasks, steps and the recovery of nodes, as data.

A move without a row is illegal: `move` raises `IllegalTransition` before anything has changed.
The rest of the core decides *when* to move; only these tables say *whether* a move is permitted.

    task    WAITING ─admit─► RUNNING ─succeed─► SUCCEEDED
               ▲ ╲              │ ╲──fail──────► ERROR
               │  ╲─stop─► STOPPED ◄─stop─╯        every state but TERMINATED may be reset,
               ╰──preempt, reset────────────       all but SUCCEEDED may be terminated

    step    PENDING ───────► READY ─► ACCEPTED ─► RUNNING ─► REPORTED ─► DONE
                               ▲ deliver  │           │          │      output stored
            PENDING_FETCH ► UNDELIVERED ◄─┴─redeliver─┴──────────╯
"""

from __future__ import annotations

from enum import Enum, IntEnum
from typing import TypeVar

from sustainml_orchestrator.core.errors import IllegalTransition
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand, TaskStatus


class TaskMove(Enum):
    """What can happen to a task as a whole."""

    ADMIT = "admit"
    SUCCEED = "succeed"
    FAIL = "fail"
    STOP = "stop"
    RESET = "reset"
    PREEMPT = "preempt"
    TERMINATE = "terminate"


class StepState(IntEnum):
    """State of one module's work on one task."""

    PENDING = 0  # inputs incomplete; the module gets them by topic
    PENDING_FETCH = 1  # inputs incomplete; to be delivered by RESET_TASK once they are complete
    READY = 2  # inputs complete and delivered; the module owes a status
    UNDELIVERED = 3  # inputs complete; RESET_TASK is due as soon as the module can take it
    ACCEPTED = 4  # the module has queued it
    RUNNING = 5  # the module works on it
    REPORTED = 6  # the module reported TASK_SUCCEEDED; its output is awaited
    DONE = 7  # output stored
    FAILED = 8  # no try left, or left out


class StepMove(Enum):
    """What can happen to a step."""

    COMPLETE_INPUTS = "complete inputs"
    MISS_INPUTS = "miss inputs"
    DELIVER = "deliver"
    ACCEPT = "accept"
    RUN = "run"
    REPORT = "report"
    GIVE_BACK = "give back"
    REDELIVER = "redeliver"
    REWIND = "rewind"
    FINISH = "finish"
    FAIL = "fail"


class RecoveryState(Enum):
    """What is done about a node in error."""

    WELL = "well"  # nothing to do, or a reset is under way
    BACKOFF = "backoff"  # a reset is planned
    GIVEN_UP = "given up"  # no reset helped; a person must reset it


class RecoveryMove(Enum):
    """What can happen in the recovery of a node in error."""

    PLAN = "plan"
    RESET = "reset"
    GIVE_UP = "give up"
    CLEAR = "clear"


class RecoveryLevel(IntEnum):
    """The strongest command sent to a node because it ignored weaker ones."""

    NONE = 0
    RESET = 1
    TERMINATE = 2


class LadderMove(Enum):
    """What can happen on the recovery ladder."""

    CLIMB = "climb"
    CLEAR = "clear"


class Effect(Enum):
    """What a node command of a front-end means for a node in a given state."""

    SEND = "send"
    NOTHING = "nothing"  # already so: success
    WAIT = "wait"  # for the process that follows; then the node is started
    REJECT = "reject"


TASK_MOVES: dict[tuple[TaskStatus, TaskMove], TaskStatus] = {
    (TaskStatus.WAITING, TaskMove.ADMIT): TaskStatus.RUNNING,
    (TaskStatus.WAITING, TaskMove.FAIL): TaskStatus.ERROR,
    (TaskStatus.WAITING, TaskMove.STOP): TaskStatus.STOPPED,
    (TaskStatus.WAITING, TaskMove.TERMINATE): TaskStatus.TERMINATED,
    (TaskStatus.RUNNING, TaskMove.SUCCEED): TaskStatus.SUCCEEDED,
    (TaskStatus.RUNNING, TaskMove.FAIL): TaskStatus.ERROR,
    (TaskStatus.RUNNING, TaskMove.STOP): TaskStatus.STOPPED,
    (TaskStatus.RUNNING, TaskMove.RESET): TaskStatus.WAITING,
    (TaskStatus.RUNNING, TaskMove.PREEMPT): TaskStatus.WAITING,
    (TaskStatus.RUNNING, TaskMove.TERMINATE): TaskStatus.TERMINATED,
    (TaskStatus.STOPPED, TaskMove.RESET): TaskStatus.WAITING,
    (TaskStatus.STOPPED, TaskMove.TERMINATE): TaskStatus.TERMINATED,
    (TaskStatus.ERROR, TaskMove.RESET): TaskStatus.WAITING,
    (TaskStatus.ERROR, TaskMove.TERMINATE): TaskStatus.TERMINATED,
    (TaskStatus.SUCCEEDED, TaskMove.RESET): TaskStatus.WAITING,
}

#: A front-end's command on a task, as a move.
TASK_COMMANDS: dict[TaskCommand, TaskMove] = {
    TaskCommand.STOP: TaskMove.STOP,
    TaskCommand.RESET: TaskMove.RESET,
    TaskCommand.PREEMPT: TaskMove.PREEMPT,
    TaskCommand.TERMINATE: TaskMove.TERMINATE,
}

#: Steps that a module holds or should hold.
OPEN_STEPS = frozenset(
    {
        StepState.READY,
        StepState.UNDELIVERED,
        StepState.ACCEPTED,
        StepState.RUNNING,
        StepState.REPORTED,
    }
)

#: Steps that a module has reported to hold.
HELD_STEPS = frozenset({StepState.ACCEPTED, StepState.RUNNING, StepState.REPORTED})

#: Steps with missing inputs.
PENDING_STEPS = frozenset({StepState.PENDING, StepState.PENDING_FETCH})

_UNFINISHED = PENDING_STEPS | OPEN_STEPS

STEP_MOVES: dict[tuple[StepState, StepMove], StepState] = {
    (StepState.PENDING, StepMove.COMPLETE_INPUTS): StepState.READY,
    (StepState.PENDING, StepMove.MISS_INPUTS): StepState.PENDING_FETCH,
    (StepState.PENDING_FETCH, StepMove.MISS_INPUTS): StepState.PENDING_FETCH,
    (StepState.PENDING_FETCH, StepMove.COMPLETE_INPUTS): StepState.UNDELIVERED,
    (StepState.UNDELIVERED, StepMove.DELIVER): StepState.READY,
    (StepState.READY, StepMove.DELIVER): StepState.READY,
    # Topics are not ordered among each other: a status may arrive before the last of the inputs,
    # so the pending states take every status that READY takes.
    **{(start, StepMove.ACCEPT): StepState.ACCEPTED for start in _UNFINISHED - HELD_STEPS},
    (StepState.REPORTED, StepMove.ACCEPT): StepState.ACCEPTED,
    **{(start, StepMove.RUN): StepState.RUNNING for start in _UNFINISHED - {StepState.RUNNING}},
    **{(s, StepMove.REPORT): StepState.REPORTED for s in _UNFINISHED - {StepState.REPORTED}},
    **{(start, StepMove.REWIND): StepState.PENDING for start in _UNFINISHED},
    **{(start, StepMove.FINISH): StepState.DONE for start in _UNFINISHED},
    **{(start, StepMove.FAIL): StepState.FAILED for start in _UNFINISHED},
    # Of a module that is not required: a late output, and another attempt after PREEMPT_TASK.
    (StepState.FAILED, StepMove.FINISH): StepState.DONE,
    (StepState.FAILED, StepMove.REWIND): StepState.PENDING,
    **{(start, StepMove.REDELIVER): StepState.UNDELIVERED for start in OPEN_STEPS},
    **{(start, StepMove.GIVE_BACK): StepState.READY for start in (StepState.READY, *HELD_STEPS)},
    (StepState.UNDELIVERED, StepMove.GIVE_BACK): StepState.UNDELIVERED,
}

RECOVERY_MOVES: dict[tuple[RecoveryState, RecoveryMove], RecoveryState] = {
    (RecoveryState.WELL, RecoveryMove.PLAN): RecoveryState.BACKOFF,
    (RecoveryState.BACKOFF, RecoveryMove.RESET): RecoveryState.WELL,
    (RecoveryState.WELL, RecoveryMove.GIVE_UP): RecoveryState.GIVEN_UP,
    (RecoveryState.BACKOFF, RecoveryMove.GIVE_UP): RecoveryState.GIVEN_UP,
    **{(state, RecoveryMove.CLEAR): RecoveryState.WELL for state in RecoveryState},
}

LADDER_MOVES: dict[tuple[RecoveryLevel, LadderMove], RecoveryLevel] = {
    (RecoveryLevel.NONE, LadderMove.CLIMB): RecoveryLevel.RESET,
    (RecoveryLevel.RESET, LadderMove.CLIMB): RecoveryLevel.TERMINATE,
    (RecoveryLevel.TERMINATE, LadderMove.CLIMB): RecoveryLevel.TERMINATE,
    **{(level, LadderMove.CLEAR): RecoveryLevel.NONE for level in RecoveryLevel},
}

#: Nodes that can be given work.
ACTIVE_NODES = frozenset({NodeStatus.IDLE, NodeStatus.RUNNING})

#: Tasks that have ended; most may be reset.
FINAL_TASKS = frozenset(
    {TaskStatus.SUCCEEDED, TaskStatus.ERROR, TaskStatus.STOPPED, TaskStatus.TERMINATED}
)

#: What START, STOP, RESET and TERMINATE of a front-end mean for a node in each state. A node counts
#: as TERMINATING from the command until its next process appears.
NODE_COMMANDS: dict[tuple[NodeStatus, NodeCommand], Effect] = {
    (status, command): Effect[effect]
    for status, effects in {
        NodeStatus.INACTIVE: ("SEND", "NOTHING", "REJECT", "SEND"),
        NodeStatus.INITIALIZING: ("SEND", "SEND", "SEND", "SEND"),
        NodeStatus.IDLE: ("NOTHING", "SEND", "SEND", "SEND"),
        NodeStatus.RUNNING: ("NOTHING", "SEND", "SEND", "SEND"),
        NodeStatus.ERROR: ("REJECT", "SEND", "SEND", "SEND"),
        NodeStatus.TERMINATING: ("WAIT", "NOTHING", "WAIT", "NOTHING"),
    }.items()
    for command, effect in zip(tuple(NodeCommand)[1:], effects, strict=True)
}

#: The states that confirm a command. A node that is lost has terminated.
NODE_GOALS: dict[NodeCommand, frozenset[NodeStatus]] = {
    NodeCommand.START: ACTIVE_NODES,
    NodeCommand.STOP: frozenset({NodeStatus.INACTIVE}),
    NodeCommand.RESET: ACTIVE_NODES,
    NodeCommand.TERMINATE: frozenset({NodeStatus.TERMINATING}),
}

State = TypeVar("State", TaskStatus, StepState, RecoveryState, RecoveryLevel)
Move = TypeVar("Move", TaskMove, StepMove, RecoveryMove, LadderMove)


def move(table: dict[tuple[State, Move], State], state: State, how: Move) -> State:
    """The state that follows.

    Raises:
        IllegalTransition: the table has no such row.
    """
    try:
        return table[state, how]
    except KeyError:
        raise IllegalTransition(f"{state.name} does not permit '{how.value}'") from None


def permitted_commands(status: TaskStatus) -> str:
    """A clause that names the commands which a task in this state permits."""
    commands = [c.name for c, how in TASK_COMMANDS.items() if (status, how) in TASK_MOVES]
    return f"it permits {', '.join(commands)}" if commands else "it permits no command"
