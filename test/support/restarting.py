"""A core whose state survives it on a simulated disk, and that ends now and then."""

from __future__ import annotations

from support.driver import Driver
from support.simulation.disk import Disk
from sustainml_orchestrator.core.commands import Command, Save, SendControl
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import BatchEnded, Event, Persisted


class Restarting(Driver):
    """Commits after every event.

    Attributes:
        sent: the commands that modules have received.
        crashing: what is committed from now on is not acted upon any more.
    """

    def __init__(self, **settings: object) -> None:
        super().__init__(journalled=True, **settings)
        self.settings = settings
        self.disk = Disk()
        self.sent: list[SendControl] = []
        self.crashing = False

    def give(self, event: Event, after: float = 0.001) -> list[Command]:
        commands = super().give(event, after)
        self._save(self.released)
        return commands

    def _save(self, commands: list[Command]) -> None:
        now = Instant(self.now, int(self.now * 1e9))
        commands = commands + self.core.handle(BatchEnded(), now)
        for command in commands:
            if isinstance(command, Save):
                self.disk.write(command)
                if not self.crashing:
                    commands += self.core.handle(Persisted(command.number), now)
        self.sent += [c for c in commands if isinstance(c, SendControl)]

    def restart(self, downtime: float = 1000.0) -> None:
        """Another process of the orchestrator, on another steady clock."""
        fresh = Driver(journalled=True, **self.settings)
        self.core, self.now, self.crashing = fresh.core, self.now + downtime, False
        event = self.disk.restored(self.core.pipeline)
        self._save(self.core.handle(event, Instant(self.now, 1)))
