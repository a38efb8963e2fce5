"""The law: every legal move of a task, a step and a node command, as data.

Nothing else lives here. A move without a row is illegal: `move` raises `IllegalTransition`
before anything has changed. The rest of the core decides *when* to move, never *whether* it may.

    task    WAITING ─admit─► RUNNING ─succeed─► SUCCEEDED
               ▲ ╲              │ ╲──fail──────► ERROR
               │  ╲─stop─► STOPPED ◄─stop─╯        every state but TERMINATED may be reset,
               ╰──preempt, reset────────────       all but SUCCEEDED may be terminated

    step    PENDING ─► READY ─► ACCEPTED ─► RUNNING ─► DONE
               inputs    ▲ word: queued, working  │   output stored
               complete  ╰────── redeliver ───────╯
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
    """Where one module's work on one task stands."""

    PENDING = 0  # inputs incomplete
    READY = 1  # inputs complete: the module owes us word
    ACCEPTED = 2  # the module has it in its queue
    RUNNING = 3  # the module works on it
    DONE = 4  # output stored
    FAILED = 5  # no try left


class StepMove(Enum):
    """What can happen to a step."""

    COMPLETE_INPUTS = "complete inputs"
    ACCEPT = "accept"
    RUN = "run"
    REDELIVER = "redeliver"
    REWIND = "rewind"
    FINISH = "finish"
    FAIL = "fail"


class Effect(Enum):
    """What a front-end's node command means for a node in a given state."""

    SEND = "send"
    NOTHING = "nothing"  # already so: success
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

STEP_MOVES: dict[tuple[StepState, StepMove], StepState] = {
    (StepState.PENDING, StepMove.COMPLETE_INPUTS): StepState.READY,
    # Topics are not ordered among each other: word about a step may overtake the last of its
    # inputs on the way to us, so PENDING takes every word that READY takes.
    **{
        (start, event): finish
        for start in (StepState.PENDING, StepState.READY)
        for event, finish in (
            (StepMove.ACCEPT, StepState.ACCEPTED),
            (StepMove.RUN, StepState.RUNNING),
            (StepMove.FINISH, StepState.DONE),
            (StepMove.FAIL, StepState.FAILED),
        )
    },
    # A task that is admitted again, or a step that must be redelivered before all its inputs
    # have come to us, begins anew.
    **{
        (start, StepMove.REWIND): StepState.PENDING
        for start in (StepState.PENDING, StepState.READY, StepState.ACCEPTED, StepState.RUNNING)
    },
    (StepState.ACCEPTED, StepMove.RUN): StepState.RUNNING,
    (StepState.ACCEPTED, StepMove.REDELIVER): StepState.READY,
    (StepState.ACCEPTED, StepMove.FINISH): StepState.DONE,
    (StepState.ACCEPTED, StepMove.FAIL): StepState.FAILED,
    (StepState.RUNNING, StepMove.REDELIVER): StepState.READY,
    (StepState.RUNNING, StepMove.FINISH): StepState.DONE,
    (StepState.RUNNING, StepMove.FAIL): StepState.FAILED,
}

#: Steps that a module holds or should hold.
OPEN_STEPS = frozenset({StepState.READY, StepState.ACCEPTED, StepState.RUNNING})

#: Nodes that can be given work.
ACTIVE_NODES = frozenset({NodeStatus.IDLE, NodeStatus.RUNNING})

#: Tasks that are over, unless someone resets them.
FINAL_TASKS = frozenset(
    {TaskStatus.SUCCEEDED, TaskStatus.ERROR, TaskStatus.STOPPED, TaskStatus.TERMINATED}
)

NODE_COMMANDS: dict[tuple[NodeStatus, NodeCommand], Effect] = {
    (NodeStatus.INACTIVE, NodeCommand.START): Effect.SEND,
    (NodeStatus.INITIALIZING, NodeCommand.START): Effect.SEND,
    (NodeStatus.IDLE, NodeCommand.START): Effect.NOTHING,
    (NodeStatus.RUNNING, NodeCommand.START): Effect.NOTHING,
    (NodeStatus.ERROR, NodeCommand.START): Effect.REJECT,
    (NodeStatus.TERMINATING, NodeCommand.START): Effect.REJECT,
    (NodeStatus.INACTIVE, NodeCommand.STOP): Effect.NOTHING,
    (NodeStatus.INITIALIZING, NodeCommand.STOP): Effect.SEND,
    (NodeStatus.IDLE, NodeCommand.STOP): Effect.SEND,
    (NodeStatus.RUNNING, NodeCommand.STOP): Effect.SEND,
    (NodeStatus.ERROR, NodeCommand.STOP): Effect.SEND,
    (NodeStatus.TERMINATING, NodeCommand.STOP): Effect.NOTHING,
    (NodeStatus.INACTIVE, NodeCommand.RESET): Effect.REJECT,
    (NodeStatus.INITIALIZING, NodeCommand.RESET): Effect.SEND,
    (NodeStatus.IDLE, NodeCommand.RESET): Effect.SEND,
    (NodeStatus.RUNNING, NodeCommand.RESET): Effect.SEND,
    (NodeStatus.ERROR, NodeCommand.RESET): Effect.SEND,
    (NodeStatus.TERMINATING, NodeCommand.RESET): Effect.REJECT,
    **{(status, NodeCommand.TERMINATE): Effect.SEND for status in NodeStatus},
}

#: The states in which a node has done as it was told. A node that is gone has terminated.
NODE_GOALS: dict[NodeCommand, frozenset[NodeStatus]] = {
    NodeCommand.START: ACTIVE_NODES,
    NodeCommand.STOP: frozenset({NodeStatus.INACTIVE}),
    NodeCommand.RESET: ACTIVE_NODES,
    NodeCommand.TERMINATE: frozenset({NodeStatus.TERMINATING}),
}

State = TypeVar("State", TaskStatus, StepState)
Move = TypeVar("Move", TaskMove, StepMove)


def move(table: dict[tuple[State, Move], State], state: State, how: Move) -> State:
    """The state that follows.

    Raises:
        IllegalTransition: the table has no such row.
    """
    try:
        return table[state, how]
    except KeyError:
        raise IllegalTransition(f"{state.name} does not permit '{how.value}'") from None
