"""The node of a module as the orchestrator sees it: desired and observed state, recovery."""

from __future__ import annotations

from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus, TaskCommand
from sustainml_orchestrator.core.instance import Instance, Process
from sustainml_orchestrator.core.outbox import Outbox
from sustainml_orchestrator.core.pipeline import ModuleSpec
from sustainml_orchestrator.core.states import (
    ACTIVE_NODES,
    LADDER_MOVES,
    RECOVERY_MOVES,
    LadderMove,
    RecoveryLevel,
    RecoveryMove,
    RecoveryState,
    move,
)
from sustainml_orchestrator.core.task import Task

#: Of several instances, the most capable one determines the status of the node.
_RANK = {
    NodeStatus.RUNNING: 5,
    NodeStatus.IDLE: 4,
    NodeStatus.INITIALIZING: 3,
    NodeStatus.ERROR: 2,
    NodeStatus.INACTIVE: 1,
    NodeStatus.TERMINATING: 0,
}

#: Processes remembered per module, so that forged statuses cannot fill the memory.
MAX_PROCESSES = 16


class Recovery:
    """Resets of a node in error, and the recovery ladder.

    Attributes:
        state: of the resets of a node in error.
        level: strongest command sent to the node because it ignored weaker ones.
        resets: sent since the node last completed a step.
        reset_at: while in BACKOFF, when the next reset is due (s, steady).
        ignored_starts: rounds of START_NODE without effect since the node was last active.
    """

    __slots__ = ("ignored_starts", "level", "reset_at", "resets", "state")

    def __init__(self) -> None:
        self.state = RecoveryState.WELL
        self.level = RecoveryLevel.NONE
        self.resets = 0
        self.reset_at = 0.0
        self.ignored_starts = 0

    @property
    def given_up(self) -> bool:
        """Whether a person must reset the node."""
        return self.state is RecoveryState.GIVEN_UP

    def move(self, how: RecoveryMove) -> None:
        """Change the state of the resets."""
        self.state = move(RECOVERY_MOVES, self.state, how)

    def climb(self) -> RecoveryLevel:
        """Go to the next level; returns it."""
        self.level = move(LADDER_MOVES, self.level, LadderMove.CLIMB)
        return self.level

    def did_well(self) -> None:
        """The node completed a step, or a front-end has reset it."""
        self.level = move(LADDER_MOVES, self.level, LadderMove.CLEAR)
        self.resets = 0


class Node:
    """The node of a module, with all its processes.

    Attributes:
        desired_active: whether the orchestrator wants it to take work.
        instances: by process, in order of appearance.
        retired: processes that were forgotten, and when (s, steady).
        primary: the instance whose status counts as that of the node; None while never seen.
        active_since: when it last became able to take work (s, steady).
        restarts: processes that came in place of earlier ones.
        last_loss_stamp: when one of its processes was last lost (ns of ROS time); 0 = never.
        outbox: commands that it has not confirmed.
    """

    def __init__(self, spec: ModuleSpec, desired_active: bool, now: float, outbox: Outbox) -> None:
        self.spec = spec
        self.outbox = outbox
        self.desired_active = desired_active
        self.instances: dict[Process, Instance] = {}
        self.retired: dict[Process, float] = {}
        self.primary: Instance | None = None
        self.active_since = now
        self.restarts = 0
        self.last_loss_stamp = 0
        self.recovery = Recovery()

    @property
    def name(self) -> str:
        """Its module's name."""
        return self.spec.name

    @property
    def responsive(self) -> bool:
        """Whether a heartbeat came lately."""
        return self.primary is not None and self.primary.responsive

    @property
    def status(self) -> NodeStatus:
        """Observed status; a lost node counts as INACTIVE."""
        primary = self.primary
        return primary.status if primary and primary.responsive else NodeStatus.INACTIVE

    @property
    def active(self) -> bool:
        """Whether it can be given work."""
        return self.status in ACTIVE_NODES

    @property
    def addressed(self) -> bool:
        """Whether its steps are assigned to instances by name: all that can work know that."""
        able = [i for i in self.instances.values() if i.responsive and i.status in ACTIVE_NODES]
        return bool(able) and all(i.addressed for i in able)

    @property
    def terminating(self) -> bool:
        """Whether its process was commanded to end and none has followed yet."""
        order = self.outbox.node_order
        told = order is not None and order.command is NodeCommand.TERMINATE
        return told or (self.primary is not None and self.primary.status is NodeStatus.TERMINATING)

    @property
    def idle_since(self) -> float:
        """Since when none of its processes has changed its status (s, steady)."""
        return max(i.since for i in self.instances.values() if i.responsive)

    def held(self, now: float) -> bool:
        """Whether one of its processes is given settings, so that START_NODE waits."""
        return any(i.responsive and now < i.held_until for i in self.instances.values())

    def hosts(self, process: Process) -> bool:
        """Whether this process of it is alive."""
        instance = self.instances.get(process)
        return instance is not None and instance.responsive

    def choose_primary(self) -> None:
        """Take the most capable responsive instance as primary; the latest among equals."""
        self.primary = max(
            self.instances.values(),
            key=lambda i: (i.responsive, _RANK[i.status] if i.responsive else 0, i.last_seen),
            default=None,
        )

    def only_instance(self) -> str:
        """Name of its process; empty if it has several, or none."""
        names = {instance.name for instance in self.instances.values()}
        return names.pop() if len(names) == 1 else ""

    def count_finished(self, name: str) -> None:
        """Count an output of the latest process with this instance name."""
        for instance in reversed(self.instances.values()):
            if instance.name == name:
                instance.finished_tasks += 1
                return

    def abandon(self, command: TaskCommand, task: Task | StatusReceived, try_number: int) -> None:
        """Command the module to abandon a task; repeated until each of its processes did."""
        self.outbox.abandon(command, task, try_number, self.instances.values())

    def retire(self, now: float) -> None:
        """Forget processes that are gone; of too many, the one silent for longest."""
        gone = [key for key, instance in self.instances.items() if not instance.responsive]
        if not gone and len(self.instances) >= MAX_PROCESSES:
            gone = [min(self.instances, key=lambda key: self.instances[key].last_seen)]
        for key in gone:
            del self.instances[key]
            self.retired[key] = now
        while len(self.retired) > MAX_PROCESSES:
            del self.retired[next(iter(self.retired))]

    def shift(self, missed: float) -> None:
        """Move all times on by a pause of the orchestrator (s), see `Context.begin`."""
        self.active_since += missed
        self.recovery.reset_at += missed
        self.outbox.shift(missed)
        for instance in self.instances.values():
            instance.last_seen += missed
            instance.since += missed
            instance.held_until += missed
        for process in self.retired:
            self.retired[process] += missed

    def error(self, now: float) -> tuple[int, str]:
        """Error code and clause of its present state; (NO_ERROR, "") when all is well."""
        primary = self.primary
        if primary is None:
            return ErrorCode.NODE_UNAVAILABLE, "never seen"
        if not primary.responsive:
            silence = now - primary.last_seen
            return ErrorCode.NODE_UNAVAILABLE, f"no heartbeat for {silence:.1f} s"
        return primary.error_code, primary.error_description

    def describe(self, now: float, commanded: bool = False) -> str:
        """Its name, its state and what to do, as one clause.

        Args:
            now: the time, in s.
            commanded: it was given a command that it has not confirmed in time.
        """
        status = self.status.name
        code, text = self.error(now)
        if self.primary is None:
            return f"node {self.name} has never been seen; start its process"
        if not self.responsive:
            return f"node {self.name} is {status} ({text}); start its process again"
        if self.status is NodeStatus.ERROR:
            resets = f" and {self.recovery.resets} resets did not help" * self.recovery.given_up
            remedy = f"fix the cause, then run `sustainml node reset {self.name}`"
            return f"node {self.name} is in ERROR ({text or code}){resets}; {remedy}"
        if commanded:
            return f"node {self.name} is still {status}; look at its log, or give it more time"
        if not self.desired_active:
            return f"node {self.name} is {status}, stopped on request; start it"
        return f"node {self.name} is {status}; wait until it is IDLE"
