"""The states of a module node and what moves it from one to the other, as data.

The law: a module does only what the orchestrator, or its own ``on_start``, triggers. It takes
inputs in ACTIVE alone. A trigger without a row changes nothing and is answered by a status, which
makes every command idempotent. What is done on the way in stands in ``StateMachine``.
"""

from __future__ import annotations

from enum import Enum, auto

from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus


class Mode(Enum):
    """What the module is up to; two of these are reported as NODE_INITIALIZING."""

    INACTIVE = auto()
    #: Initializing for a START: a RESET starts it over, in case ``on_start`` hangs.
    STARTING = auto()
    #: Initializing for a RESET: a repeated RESET does not start it over again.
    RESETTING = auto()
    #: Reported as NODE_RUNNING while it holds a task, else as NODE_IDLE.
    ACTIVE = auto()
    ERROR = auto()
    TERMINATING = auto()


class Trigger(Enum):
    """What can move a node: a command, or the end of ``on_start``."""

    START = auto()
    STOP = auto()
    RESET = auto()
    TERMINATE = auto()
    READY = auto()
    FAILED = auto()


TRIGGERS = {
    NodeCommand.START: Trigger.START,
    NodeCommand.STOP: Trigger.STOP,
    NodeCommand.RESET: Trigger.RESET,
    NodeCommand.TERMINATE: Trigger.TERMINATE,
}

TRANSITIONS: dict[tuple[Mode, Trigger], Mode] = {
    (Mode.INACTIVE, Trigger.START): Mode.STARTING,
    (Mode.INACTIVE, Trigger.TERMINATE): Mode.TERMINATING,
    (Mode.STARTING, Trigger.READY): Mode.ACTIVE,
    (Mode.STARTING, Trigger.FAILED): Mode.ERROR,
    (Mode.STARTING, Trigger.STOP): Mode.INACTIVE,
    (Mode.STARTING, Trigger.RESET): Mode.RESETTING,
    (Mode.STARTING, Trigger.TERMINATE): Mode.TERMINATING,
    (Mode.RESETTING, Trigger.READY): Mode.ACTIVE,
    (Mode.RESETTING, Trigger.FAILED): Mode.ERROR,
    (Mode.RESETTING, Trigger.STOP): Mode.INACTIVE,
    (Mode.RESETTING, Trigger.TERMINATE): Mode.TERMINATING,
    (Mode.ACTIVE, Trigger.STOP): Mode.INACTIVE,
    (Mode.ACTIVE, Trigger.RESET): Mode.RESETTING,
    (Mode.ACTIVE, Trigger.FAILED): Mode.ERROR,
    (Mode.ACTIVE, Trigger.TERMINATE): Mode.TERMINATING,
    (Mode.ERROR, Trigger.STOP): Mode.INACTIVE,
    (Mode.ERROR, Trigger.RESET): Mode.RESETTING,
    (Mode.ERROR, Trigger.TERMINATE): Mode.TERMINATING,
}

#: What each mode is reported as; ACTIVE becomes RUNNING while a task is held.
REPORTED = {
    Mode.INACTIVE: NodeStatus.INACTIVE,
    Mode.STARTING: NodeStatus.INITIALIZING,
    Mode.RESETTING: NodeStatus.INITIALIZING,
    Mode.ACTIVE: NodeStatus.IDLE,
    Mode.ERROR: NodeStatus.ERROR,
    Mode.TERMINATING: NodeStatus.TERMINATING,
}
