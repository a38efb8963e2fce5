"""The modes of a module node and its transitions, as data.

A trigger without a row changes nothing and is answered by a status, so that commands are
idempotent. Inputs are accepted in ACTIVE only. The actions of transitions stand in `StateMachine`.
"""

from __future__ import annotations

from enum import Enum, auto

from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus


class Mode(Enum):
    """Modes of the node; STARTING and RESETTING are both reported as NODE_INITIALIZING."""

    INACTIVE = auto()
    #: After START: a RESET starts `on_start` again, as it may hang.
    STARTING = auto()
    #: After RESET: a repeated RESET does not start it again.
    RESETTING = auto()
    #: Reported as NODE_RUNNING while a task is held, else as NODE_IDLE.
    ACTIVE = auto()
    ERROR = auto()
    TERMINATING = auto()


class Trigger(Enum):
    """Causes of transitions: commands, and the end of `on_start`."""

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

#: The node status of each mode; ACTIVE is reported as RUNNING while a task is held.
REPORTED = {
    Mode.INACTIVE: NodeStatus.INACTIVE,
    Mode.STARTING: NodeStatus.INITIALIZING,
    Mode.RESETTING: NodeStatus.INITIALIZING,
    Mode.ACTIVE: NodeStatus.IDLE,
    Mode.ERROR: NodeStatus.ERROR,
    Mode.TERMINATING: NodeStatus.TERMINATING,
}
