"""What the parts of the core share: settings, the present time, the commands of an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sustainml_orchestrator.core.commands import Command
from sustainml_orchestrator.core.history import History
from sustainml_orchestrator.core.pace import Pace
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.settings import Settings

if TYPE_CHECKING:
    from sustainml_orchestrator.core.task_store import TaskStore

#: There are several events per second. After a longer pause (s) this process was frozen or had no
#: processor time, and received nothing: only `_MOMENT` (s) of it counts towards deadlines.
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
    """Shared by nodes, tasks and store.

    Attributes:
        pace: of redeliveries.
        history: records every move of a task, a step and a node.
        now: s on the steady clock, when the present event is handled.
        stamp: the same in ns of ROS time.
        commands: that the present event has led to.
    """

    def __init__(self, pipeline: Pipeline, settings: Settings, store: TaskStore) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.pace = Pace(self)
        self.history = History(self, store)
        self.now = 0.0
        self.stamp = 0
        self.commands: list[Command] = []
        self._begun = False

    def begin(self, now: Instant) -> float:
        """Start handling an event. Time never runs backwards, whatever the argument.

        Returns:
            The length (s) of a pause of this process, by which all stored times must be shifted;
            0 as a rule.
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
