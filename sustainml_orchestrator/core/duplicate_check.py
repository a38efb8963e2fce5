"""Which of two orchestrators in one namespace stays: a decision that both compute alike.

The one that started first stays: both compare incarnations, which begin with the time of start and
never change. The other stops commanding at the first system_state of its superior. It ends when a
later system_state confirms that the superior is running, and resumes without one: the first
may have been the last of a process that was ending.
"""

from __future__ import annotations

from sustainml_orchestrator.core.context import LONGEST_PAUSE
from sustainml_orchestrator.core.events import PeerObserved

#: A system_state so long (s) after the first shows that the superior is not just ending.
CONFIRMED_AFTER = 1.0
#: Silence, in s, after which a superior counts as gone: two periods of system_state, and some more.
SILENCE = 12.0


def make_incarnation(started: float, random: int) -> int:
    """The incarnation of a process of the orchestrator (uint64, not 0).

    Args:
        started: when the process started, in s of the wall clock.
        random: a random uint32; settles a tie.
    """
    return min(max(int(started), 1), 2**32 - 1) << 32 | random


class DuplicateCheck:
    """Whether this orchestrator may command.

    Args:
        incarnation: of this process; 0 = takes no notice of others.

    Attributes:
        leaving: whether this process is to end; it never commands again.
        superior: what the one that commands in its place said last; None while this one does.
    """

    def __init__(self, incarnation: int) -> None:
        self.incarnation = incarnation
        self.leaving = False
        self.superior: PeerObserved | None = None
        self._first = self._last = self._now = 0.0

    def observe(self, peer: PeerObserved, now: float) -> None:
        """Take notice of the system_state of an orchestrator, perhaps our own.

        Args:
            now: s on the steady clock.
        """
        if not 0 < peer.incarnation < self.incarnation:
            return
        if not self.yielding(now) or self.superior is None:
            self._first = now
        if self.superior is None or peer.incarnation <= self.superior.incarnation:
            self.superior = peer
        self._last = now
        self.leaving = self.leaving or now - self._first >= CONFIRMED_AFTER

    def yielding(self, now: float) -> bool:
        """Whether another orchestrator commands the modules; to be asked at every event."""
        if now - self._now > LONGEST_PAUSE:  # this process stood still; what it reads now is old
            self._first = self._last = now
        self._now = now
        if not self.leaving and now - self._last >= SILENCE:
            self.superior = None
        return self.superior is not None

    @property
    def reason(self) -> str:
        """Who commands in place of this orchestrator, and what to do; "" while it commands."""
        if self.superior is None:
            return ""
        return (
            f"another orchestrator (session {self.superior.session}, incarnation "
            f"{self.superior.incarnation:#x}) started earlier and commands the modules of this "
            "namespace; this one does not: send requests to the other, or give this one another "
            "namespace (-r __ns:=/other) or ROS_DOMAIN_ID"
        )
