"""The context of one event: the present time, and the commands that the event leads to."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from sustainml_orchestrator.core.commands import Command

#: Transitions remembered for the story that an error tells.
STORY_LENGTH = 4096

#: An event comes several times a second, if only that time passes. After a longer pause (s) the
#: orchestrator itself stood still (frozen, or without processor time) and has read nothing that
#: was sent to it: of that pause, only `_MOMENT` (s) counts towards the deadlines of others.
LONGEST_PAUSE = 2.0
_MOMENT = 0.25


class Instant(NamedTuple):
    """A moment, on both clocks.

    Attributes:
        steady: s, never goes back; for every period and deadline.
        stamp: ns of ROS time; for display only.
    """

    steady: float
    stamp: int


class Context:
    """Shared by nodes, tasks and store while one event is handled.

    Attributes:
        now: s on the steady clock.
        stamp: ns of ROS time.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.stamp = 0
        self.commands: list[Command] = []
        self._begun = False
        self._story: deque[tuple[float, str, str]] = deque(maxlen=STORY_LENGTH)

    def begin(self, now: Instant) -> float:
        """Start handling an event. Time never runs backwards, whatever the caller says.

        Returns:
            The time (s) that the orchestrator missed because it stood still; 0 as a rule. Whoever
            stores a deadline or the beginning of one must shift it by so much.
        """
        pause = max(now.steady - self.now, 0.0) if self._begun else 0.0
        self.now = max(self.now, now.steady) if self._begun else now.steady
        self._begun = True
        self.stamp = now.stamp
        self.commands = []
        return pause - _MOMENT if pause > LONGEST_PAUSE else 0.0

    def do(self, command: Command) -> None:
        """Add a command."""
        self.commands.append(command)

    def note(self, subject: str, what: str) -> None:
        """Add a line to the story of a task or node."""
        self._story.append((self.now, subject, what))

    def story(self, subject: str = "") -> list[str]:
        """The last transitions, oldest first; of one subject where given."""
        return [
            f"{when:.3f} {name}: {what}"
            for when, name, what in self._story
            if not subject or name == subject
        ]
