"""One process of a module, as its statuses show it."""

from __future__ import annotations

from enum import Enum

from sustainml_orchestrator.core.events import StatusReceived
from sustainml_orchestrator.core.ids import ErrorCode, NodeStatus

#: Identifies a process: instance name and incarnation.
Process = tuple[str, int]


class Reapplication(Enum):
    """Of the settings of a module to a process that is new, see `Configurations`."""

    NONE = "none"  # not needed, or over
    ASKED = "asked"
    POSTPONED = "postponed"  # until it is active


class Instance:
    """One process of a module.

    Attributes:
        incarnation: random per process; 0 where the node does not report one.
        first_seen_stamp: when it appeared (ns of ROS time).
        finished_tasks: outputs taken from it.
        last_seen: s, steady; `last_seen_stamp` the same in ns of ROS time.
        last_command: highest command id that it confirmed.
        since: when it came into its status (s, steady).
        addressed: whether it works on what is assigned to it by name, and on nothing else.
        start_sent: command id of the last START_NODE sent to it by name, and the value of
            `addressed` in it; it was sent at `start_sent_at` (s, steady).
        resets: sent to it alone, because it is in error.
        reset_ids: command ids of RESET_NODE sent to it alone, the latest ones.
        last_drop: id of the latest command to drop what it holds that it has received; 0 = none.
        dropped: whether it has dropped what it held since it was last active.
        reapplication: of the settings of the module to it; START_NODE waits until `held_until` (s,
            steady) for it.
    """

    __slots__ = (
        "addressed", "dropped", "error_code", "error_description", "finished_tasks",
        "first_seen_stamp", "held_until", "incarnation", "last_command", "last_drop", "last_seen",
        "last_seen_stamp", "name", "reapplication", "reset_ids", "resets", "responsive", "since",
        "start_sent", "start_sent_at", "status",
    )  # fmt: skip

    def __init__(self, name: str, incarnation: int, now: float, stamp: int) -> None:
        self.name = name
        self.incarnation = incarnation
        self.first_seen_stamp = self.last_seen_stamp = stamp
        self.finished_tasks = 0
        self.status = NodeStatus.INACTIVE
        self.last_seen = now
        self.last_command = 0
        self.responsive = True
        self.since = now
        self.addressed = False
        self.start_sent, self.start_sent_at, self.resets = (0, False), now, 0
        self.reset_ids: tuple[int, ...] = ()
        self.last_drop, self.dropped = 0, False
        self.reapplication, self.held_until = Reapplication.NONE, 0.0
        self.error_code: int = ErrorCode.NO_ERROR
        self.error_description = ""

    @property
    def process(self) -> Process:
        """Its name and incarnation."""
        return self.name, self.incarnation

    def become(self, event: StatusReceived, now: float) -> None:
        """Take over the reported status and error."""
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
