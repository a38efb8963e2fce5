"""One module's node as the orchestrator sees it: wanted and observed, and what was told to it."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.pipeline import ModuleSpec
from sustainml_orchestrator.core.states import ACTIVE_NODES

#: How much of a module several instances tell: the most capable one speaks for it.
_RANK = {
    NodeStatus.RUNNING: 5,
    NodeStatus.IDLE: 4,
    NodeStatus.INITIALIZING: 3,
    NodeStatus.ERROR: 2,
    NodeStatus.INACTIVE: 1,
    NodeStatus.TERMINATING: 0,
}


#: Processes remembered per module; a spoofer must not fill the memory.
_MAX_INSTANCES = 16
#: Tasks that one process is remembered to have been told to abandon.
MAX_ABANDONED = 1000


class AbandonCommand(NamedTuple):
    """To abandon a task: sent last at `sent_at` (s, steady), for the `reminders` + first time.

    `command_id` is that of the last sending; 0 = not sent, as the module was lost.
    """

    command: TaskCommand
    attempt: int
    token: int
    try_number: int
    sent_at: float
    reminders: int = 0
    command_id: int = 0


class Instance:
    """One process that speaks for a module.

    Attributes:
        abandoned: tasks that it was told to abandon and has not answered for, oldest order first.
        incarnation: random per process life; 0 where the node does not say.
        first_seen_stamp: when it appeared (ns of ROS time).
        finished_tasks: outputs taken from it.
        last_seen: s, steady; `last_seen_stamp` the same in ns of ROS time.
        last_command: highest command id that it said it obeyed.
        since: when it came into its status (s, steady).
    """

    __slots__ = (
        "abandoned", "error_code", "error_description", "finished_tasks", "first_seen_stamp",
        "incarnation", "last_command", "last_seen", "last_seen_stamp", "name", "responsive",
        "since", "status",
    )  # fmt: skip

    def __init__(self, name: str, incarnation: int, now: float, stamp: int = 0) -> None:
        self.name = name
        self.first_seen_stamp = stamp
        self.finished_tasks = 0
        self.incarnation = incarnation
        self.status = NodeStatus.INACTIVE
        self.last_seen = now
        self.last_seen_stamp = 0
        self.last_command = 0
        self.responsive = True
        self.since = now
        self.error_code: int = ErrorCode.NO_ERROR
        self.error_description = ""
        self.abandoned: dict[TaskId, AbandonCommand] = {}

    def become(self, event: StatusReceived, now: float) -> None:
        """Take the status that it reports, and why it is in error."""
        self.responsive = True
        if event.node_status is not self.status:
            self.since = now
        self.status = event.node_status
        in_error = self.status is NodeStatus.ERROR
        self.error_code = event.error_code if in_error else 0
        self.error_description = event.error_description if self.error_code else ""
        if in_error and not self.error_code:
            self.error_code = ErrorCode.INTERNAL_ERROR
            self.error_description = event.error_description or "no reason given"

    def abandon(self, task_id: TaskId, order: AbandonCommand) -> None:
        """Remember that it was told to abandon a task."""
        self.abandoned.pop(task_id, None)
        self.abandoned[task_id] = order
        if len(self.abandoned) > MAX_ABANDONED:
            del self.abandoned[next(iter(self.abandoned))]

    def obey(self, command_id: int) -> None:
        """It says that it obeyed this very command; those before it may have been lost."""
        for task_id, order in self.abandoned.items():
            if order.command_id == command_id:
                del self.abandoned[task_id]
                return

    def hear(self, event: StatusReceived) -> None:
        """Take its word about a task: does it show that it let go of it?"""
        order = self.abandoned.get(event.task_id)
        if order is None:
            return
        works = event.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING)
        done = (event.attempt, event.try_number) >= (order.attempt, order.try_number) and not works
        if done or event.attempt > order.attempt:
            del self.abandoned[event.task_id]

    def overdue(self, period: float) -> tuple[TaskId, AbandonCommand] | None:
        """Take out the oldest order that it spoke for so many s after without a word about it.

        Those before it that it must have obeyed, since it holds no task at all, are forgotten.
        """
        while self.responsive and self.abandoned:
            task_id, order = next(iter(self.abandoned.items()))
            if self.last_seen - order.sent_at < period:
                return None
            del self.abandoned[task_id]
            if self.status is NodeStatus.RUNNING:
                return task_id, order
        return None


class PendingCommand:
    """A command to a node that is not yet confirmed.

    Attributes:
        ids: of every sending.
        began: when it was first sent, and `sent_at` when last (s, steady).
        deadline: when it has failed (s, steady).
        acknowledged: the node began to obey, so it is not sent again.
        outcome: None while pending; then NO_ERROR, or why it failed (`text`).
    """

    __slots__ = (
        "acknowledged", "began", "command", "deadline", "ids", "outcome", "sent_at", "text",
    )  # fmt: skip

    def __init__(self, command: NodeCommand, deadline: float) -> None:
        self.command = command
        self.deadline = deadline
        self.ids: list[int] = []
        self.began = self.sent_at = -1e9
        self.acknowledged = False
        self.outcome: ErrorCode | None = None
        self.text = ""

    def settle(self, outcome: ErrorCode, text: str = "") -> None:
        """Say how it ended."""
        self.outcome = outcome
        self.text = text


class Node:
    """A module's node: desired and observed state.

    Attributes:
        desired_active: whether the orchestrator wants it to take work.
        instances: by (name, incarnation), in order of appearance.
        retired: (name, incarnation) of processes that were forgotten, and when (s, steady).
        speaker: the instance whose status counts; None while never seen.
        active_since: when it last became able to take work (s, steady).
        resets: by the orchestrator since it last did well.
        next_reset: when the next one is due (s, steady); None = not planned.
        restarts: processes that came in place of earlier ones.
        last_loss_stamp: when one of its processes was last lost (ns of ROS time); 0 = never.
        given_up: in error for good: a person must reset it.
        vain_starts: rounds of START_NODE that it did not obey since it was last active.
        rung: how far up the recovery ladder is climbed: 0 nothing, 1 reset, 2 terminate.
        unconfirmed: (command id, when sent) of task commands.
        echoes: whether it ever confirmed a command by id.
    """

    def __init__(self, spec: ModuleSpec, desired_active: bool, now: float) -> None:
        self.spec = spec
        self.desired_active = desired_active
        self.instances: dict[tuple[str, int], Instance] = {}
        self.retired: dict[tuple[str, int], float] = {}
        self.speaker: Instance | None = None
        self.active_since = now
        self.pending: PendingCommand | None = None
        self.resets = 0
        self.restarts = 0
        self.last_loss_stamp = 0
        self.next_reset: float | None = None
        self.given_up = False
        self.rung = 0
        self.vain_starts = 0
        self.unconfirmed: deque[tuple[int, float]] = deque(maxlen=2000)
        self.echoes = False

    @property
    def name(self) -> str:
        """Its module's name."""
        return self.spec.name

    @property
    def responsive(self) -> bool:
        """Whether it has been heard of lately."""
        return self.speaker is not None and self.speaker.responsive

    @property
    def status(self) -> NodeStatus:
        """Observed status; a lost node counts as INACTIVE."""
        speaker = self.speaker
        return speaker.status if speaker and speaker.responsive else NodeStatus.INACTIVE

    @property
    def active(self) -> bool:
        """Whether it can be given work."""
        return self.status in ACTIVE_NODES

    @property
    def idle_since(self) -> float:
        """Since when none of its processes has changed its status (s, steady)."""
        return max(i.since for i in self.instances.values() if i.responsive)

    def hosts(self, process: tuple[str, int]) -> bool:
        """Whether this process of it is alive."""
        instance = self.instances.get(process)
        return instance is not None and instance.responsive

    def choose_speaker(self) -> None:
        """Let the most capable responsive instance speak; the latest among equals."""
        self.speaker = max(
            self.instances.values(),
            key=lambda i: (i.responsive, _RANK[i.status] if i.responsive else 0, i.last_seen),
            default=None,
        )

    def count_finished(self, name: str) -> None:
        """Count an output of the latest process of this name."""
        for instance in reversed(self.instances.values()):
            if instance.name == name:
                instance.finished_tasks += 1
                return

    def take_back(self, task_id: TaskId) -> None:
        """It need not let go of this task any more."""
        for instance in self.instances.values():
            instance.abandoned.pop(task_id, None)

    def retire(self, now: float) -> None:
        """Forget processes that are gone, and the least alive of too many."""
        gone = [key for key, instance in self.instances.items() if not instance.responsive]
        if not gone and len(self.instances) >= _MAX_INSTANCES:
            gone = [min(self.instances, key=lambda key: self.instances[key].last_seen)]
        for key in gone:
            del self.instances[key]
            self.retired[key] = now
        while len(self.retired) > _MAX_INSTANCES:
            del self.retired[next(iter(self.retired))]

    def settle_by_death(self, now: float) -> None:
        """The process that was told something is gone: ended it has, obeyed it will not."""
        self.unconfirmed.clear()
        pending, self.pending = self.pending, None
        if pending is None:
            return
        if pending.command in (NodeCommand.TERMINATE, NodeCommand.STOP):
            pending.settle(ErrorCode.NO_ERROR)
        else:
            pending.settle(ErrorCode.NODE_UNAVAILABLE, self.describe(now))

    def error(self, now: float) -> tuple[int, str]:
        """Error code and sentence of its present state; (NO_ERROR, "") when all is well."""
        speaker = self.speaker
        if speaker is None:
            return ErrorCode.NODE_UNAVAILABLE, "never seen"
        if not speaker.responsive:
            silence = now - speaker.last_seen
            return ErrorCode.NODE_UNAVAILABLE, f"no heartbeat for {silence:.1f} s"
        return speaker.error_code, speaker.error_description

    def describe(self, now: float) -> str:
        """What it is, its state, and what to do, in one clause."""
        status = self.status.name
        code, text = self.error(now)
        if self.speaker is None:
            return f"node {self.name} has never been seen; start its process"
        if not self.responsive:
            return f"node {self.name} is {status} ({text}); start its process again"
        if self.status is NodeStatus.ERROR:
            return f"node {self.name} is in ERROR ({text or code}); mend the cause, then reset it"
        if not self.desired_active:
            return f"node {self.name} is {status}, stopped on request; start it"
        return f"node {self.name} is {status}; wait until it is IDLE"
