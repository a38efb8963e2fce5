"""The standard lifecycle of ROS 2 nodes (lifecycle_msgs): what our commands mean there, as data."""

from __future__ import annotations

from enum import IntEnum

from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus


class PrimaryState(IntEnum):
    """States in which a managed node can stay (lifecycle_msgs/State)."""

    UNCONFIGURED = 1
    INACTIVE = 2
    ACTIVE = 3
    FINALIZED = 4


class Transition(IntEnum):
    """Transitions that can be asked of a managed node (lifecycle_msgs/Transition)."""

    CONFIGURE = 1
    CLEANUP = 2
    ACTIVATE = 3
    DEACTIVATE = 4
    UNCONFIGURED_SHUTDOWN = 5
    INACTIVE_SHUTDOWN = 6
    ACTIVE_SHUTDOWN = 7


#: Where each transition leads, when it succeeds.
GOALS: dict[tuple[PrimaryState, Transition], PrimaryState] = {
    (PrimaryState.UNCONFIGURED, Transition.CONFIGURE): PrimaryState.INACTIVE,
    (PrimaryState.INACTIVE, Transition.CLEANUP): PrimaryState.UNCONFIGURED,
    (PrimaryState.INACTIVE, Transition.ACTIVATE): PrimaryState.ACTIVE,
    (PrimaryState.ACTIVE, Transition.DEACTIVATE): PrimaryState.INACTIVE,
    (PrimaryState.UNCONFIGURED, Transition.UNCONFIGURED_SHUTDOWN): PrimaryState.FINALIZED,
    (PrimaryState.INACTIVE, Transition.INACTIVE_SHUTDOWN): PrimaryState.FINALIZED,
    (PrimaryState.ACTIVE, Transition.ACTIVE_SHUTDOWN): PrimaryState.FINALIZED,
}

#: How a managed node counts among the modules. It is INITIALIZING during a transition.
SHOWN_AS: dict[PrimaryState, NodeStatus] = {
    PrimaryState.UNCONFIGURED: NodeStatus.INACTIVE,
    PrimaryState.INACTIVE: NodeStatus.INACTIVE,
    PrimaryState.ACTIVE: NodeStatus.IDLE,
    PrimaryState.FINALIZED: NodeStatus.TERMINATING,
}

_START = {
    PrimaryState.UNCONFIGURED: Transition.CONFIGURE,
    PrimaryState.INACTIVE: Transition.ACTIVATE,
}

#: The next transition of each command in each state; none = the command is done.
STEPS: dict[NodeCommand, dict[PrimaryState, Transition]] = {
    NodeCommand.START: _START,
    NodeCommand.STOP: {PrimaryState.ACTIVE: Transition.DEACTIVATE},
    # until the node is unconfigured; START follows
    NodeCommand.RESET: {
        PrimaryState.ACTIVE: Transition.DEACTIVATE,
        PrimaryState.INACTIVE: Transition.CLEANUP,
    },
    NodeCommand.TERMINATE: {
        PrimaryState.UNCONFIGURED: Transition.UNCONFIGURED_SHUTDOWN,
        PrimaryState.INACTIVE: Transition.INACTIVE_SHUTDOWN,
        PrimaryState.ACTIVE: Transition.ACTIVE_SHUTDOWN,
    },
}


def next_transition(command: NodeCommand, state: PrimaryState) -> Transition | None:
    """What to ask of a node in this state; None when it has obeyed, or never can."""
    return STEPS[command].get(state)
