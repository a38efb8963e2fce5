"""One turn of the core: what time it is, and the commands that the event leads to."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from sustainml_orchestrator.core.commands import Command

#: Moves remembered for the story that an error tells.
STORY_LENGTH = 4096

#: Something happens several times a second, if only that time passes. After a longer pause (s)
#: the orchestrator stood still itself (frozen, or starved), and knows of nothing that was said
#: to it meanwhile: for the core no more than a moment (s) has passed, and nobody is to blame.
LONGEST_PAUSE = 2.0
_MOMENT = 0.25


class Instant(NamedTuple):
    """A moment, on both step_clocks.

    Attributes:
        steady: s, never goes back; for every period and deadline.
        stamp: ns of ROS time; for display only.
    """

    steady: float
    stamp: int


class Context:
    """Shared by the three responsibilities while one event is handled."""

    def __init__(self) -> None:
        self.now = 0.0
        self._steady: float | None = None
        self.stamp = 0
        self.commands: list[Command] = []
        self._story: deque[tuple[float, str, str]] = deque(maxlen=STORY_LENGTH)

    def begin(self, now: Instant) -> None:
        """Start handling an event. `now` never runs backwards, whatever the caller says."""
        if self._steady is None:
            self.now = self._steady = now.steady
        pause = max(now.steady - self._steady, 0.0)
        self._steady += pause
        self.now += pause if pause <= LONGEST_PAUSE else _MOMENT
        self.stamp = now.stamp
        self.commands = []

    def do(self, command: Command) -> None:
        """Add a command."""
        self.commands.append(command)

    def tell(self, subject: str, what: str) -> None:
        """Add a line to the story."""
        self._story.append((self.now, subject, what))

    def story(self, subject: str = "") -> list[str]:
        """The last moves, oldest first; of one subject where given."""
        return [
            f"{when:.3f} {name}: {what}"
            for when, name, what in self._story
            if not subject or name == subject
        ]
