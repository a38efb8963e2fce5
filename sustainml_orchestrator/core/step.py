"""A step: the work of one module on an open task, its clocks, and what summaries show of it.

Deadlines are checked against the clocks `waited`, `worked` and `absent`. They run except while the
module is stopped on request, and while the orchestrator does not run. They go on after a restart:
they are saved with the record of the step, first after 1 s and then at growing intervals, so that a
step of some ms costs no commit, and a crash loses at most half of the time counted since the
orchestrator started.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sustainml_orchestrator.core.ids import ErrorCode, NodeStatus, TaskStatus
from sustainml_orchestrator.core.states import StepState

if TYPE_CHECKING:
    from sustainml_orchestrator.core.node import Node

#: Longest interval between two saves of a running step, in s.
_SAVING = 60.0
#: Times are saved in units of this, in s; bits of `waited`, `worked` and `absent`.
_UNIT = 0.25
_BITS = (22, 24, 17)


class StepRecord(NamedTuple):
    """What a summary shows of the work of one module. Times in ns of ROS time, 0 = not yet."""

    task_status: TaskStatus
    tries: int
    error_code: int
    error_description: str
    instance: str
    started: int
    finished: int


class Step:
    """The work of one module on an open task.

    Attributes:
        index: of the module in the pipeline.
        try_number: 1-based; grows with every try on the same inputs.
        since: when it came into its state, or was last delivered (s, steady).
        fed_at: when the oldest of its inputs was published (s, steady).
        waited, worked: s of this try before work on it began, and since then.
        absent: s for which its module has been lost, although wanted active.
        counted: s counted by this process of the orchestrator; saved next at `keep_at`.
        processes: those that reported holding it since it was last delivered.
        assigned: the one of several to which it was last delivered; None = to all.
        given: all to which it was ever delivered by name.
        started, finished: ns of ROS time, 0 = not yet.
    """

    __slots__ = (
        "absent", "assigned", "counted", "error_code", "error_description", "fed_at",
        "finished", "given", "index", "instance", "keep_at", "processes", "since", "started",
        "state", "try_number", "waited", "worked",
    )  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.state = StepState.PENDING
        self.try_number = 1
        self.since = self.fed_at = 0.0
        self.waited = self.worked = self.absent = 0.0
        self.counted, self.keep_at = 0.0, 1.0
        self.processes: tuple[tuple[str, int], ...] = ()
        self.assigned: tuple[str, int] | None = None
        self.given: frozenset[tuple[str, int]] = frozenset()
        self.started = self.finished = 0
        self.instance = ""
        self.error_code: int = ErrorCode.NO_ERROR
        self.error_description = ""

    def begin_try(self) -> None:
        """Begin a new try: its deadlines count from now."""
        self.waited = self.worked = 0.0

    def stop_work(self) -> None:
        """The module stopped working on the try; its time counts as waiting."""
        self.waited += self.worked
        self.worked = 0.0

    def fail(self, code: int, text: str, stamp: int) -> None:
        """Note why and when (ns of ROS time) it failed."""
        self.error_code, self.error_description, self.finished = code, text, stamp

    def clear_error(self) -> None:
        """It did not fail, or begins anew."""
        self.error_code, self.error_description = ErrorCode.NO_ERROR, ""

    def release(self) -> None:
        """No process is known to hold it."""
        self.processes, self.assigned = (), None

    def assign(self, process: tuple[str, int] | None) -> None:
        """It is delivered to this process; None = to all of its module."""
        self.assigned = process
        if process is not None:
            self.given |= {process}

    @property
    def may_be_held_elsewhere(self) -> bool:
        """Whether other processes may hold it too: this try of it, or one that timed out."""
        return self.assigned is None or self.try_number > 1 or len(self.given) > 1

    def is_left_by(self, process: tuple[str, int], node: Node) -> bool:
        """Note that a process does not hold it any more; whether no other one of the node does."""
        self.processes = tuple(p for p in self.processes if p != process)
        return not any(map(node.hosts, self.processes))

    def count(self, node: Node, elapsed: float) -> bool:
        """Add elapsed s to the clocks of an open step; True when they should be saved."""
        if not node.desired_active:
            return False
        # A step that was worked on counts so until its module reports otherwise.
        if self.worked or self.state is StepState.RUNNING:
            self.worked += elapsed
        else:
            self.waited += elapsed
        if node.active:
            self.absent = 0.0
        elif node.status is not NodeStatus.INITIALIZING:  # has a deadline of its own: start_timeout
            self.absent += elapsed
        self.counted += elapsed
        if self.counted < self.keep_at:
            return False
        self.keep_at = self.counted + min(self.counted, _SAVING)
        return True

    def pack_clocks(self) -> int:
        """The times of an open step as one number, not above 0."""
        if not (self.waited or self.worked or self.absent):
            return 0
        packed = 0
        for seconds, bits in zip((self.waited, self.worked, self.absent), _BITS, strict=True):
            packed = packed << bits | min(int(seconds / _UNIT), (1 << bits) - 1)
        return -packed

    def unpack_clocks(self, packed: int) -> None:
        """Set the times of a step from `pack`; no times when the number is above 0."""
        rest, times = max(-packed, 0), []
        for bits in reversed(_BITS):
            times.append((rest & (1 << bits) - 1) * _UNIT)
            rest >>= bits
        self.absent, self.worked, self.waited = times


#: How a step of an open task is shown in a summary.
SHOWN_AS = dict.fromkeys(StepState, TaskStatus.WAITING) | {
    StepState.RUNNING: TaskStatus.RUNNING,
    StepState.REPORTED: TaskStatus.RUNNING,
    StepState.DONE: TaskStatus.SUCCEEDED,
    StepState.FAILED: TaskStatus.ERROR,
}
