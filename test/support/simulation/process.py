"""The orchestrator's process: the core, what it keeps, and its deaths."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from support.simulation.disk import Disk
from sustainml_orchestrator.core.commands import Command, Save
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    BatchEnded,
    ConsumersMatched,
    Event,
    Persisted,
    PersistFailed,
    TimePassed,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.settings import Settings

if TYPE_CHECKING:
    from support.simulation.world import World

_TICK = 0.25


class Process:
    """One orchestrator over its lives.

    Attributes:
        core: of the present life; None while it is dead.
        last: of the present life, or of the one before.
        session: names this life of the store.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._disk = Disk()
        self._tokens = Random(1)
        self._inbox: list[Event] = []
        self._frozen_until = 0.0
        self.core: Orchestrator | None = None
        self.last: Orchestrator
        self.session = 7

    def start(self) -> None:
        """Begin a life with what was kept."""
        world, random = self._world, self._world.random
        self.core = self.last = core = Orchestrator(
            pipeline=world.pipeline,
            settings=Settings(
                max_active_tasks=world.faults.max_active,
                max_redeliveries_per_second=world.faults.max_redeliveries,
                queue_timeout=30.0,
                node_lost_timeout=20.0,
                start_timeout=10.0,
                max_auto_iterations=3,
                max_problems=world.faults.max_problems,
            ),
            session=self.session,
            draw_token=lambda: self._tokens.randrange(1, 2**32),
            derive=lambda payload, models, left, previous: payload,
            journalled=not world.faults.amnesia,
        )
        commands = core.handle(self._disk.restored(world.pipeline), self._instant())
        world.laws.after_restart(core)
        self._carry_out(core, commands)
        self._carry_out(core, core.handle(BatchEnded(), self._instant()))
        world.network.after(0.0, lambda: self._tick(core))
        matched = random.choice([0, 4, 9])
        world.network.after(0.3, lambda: self.arrive(core, ConsumersMatched(matched)))

    def crash(self, down: float) -> None:
        """Die, and be started again after so many s."""
        if self.core is None:
            return
        self._world.tell("orchestrator dies")
        self.core, self._inbox, self._frozen_until = None, [], 0.0
        if self._world.faults.amnesia:
            self._disk = Disk()
            self.session += 1
            self._world.forget()
        self._world.network.after(down, self.start)

    def freeze(self, seconds: float) -> None:
        """Stand still for so long; what arrives waits."""
        self._frozen_until = self._world.network.now + seconds

    def _instant(self) -> Instant:
        now = self._world.network.now
        return Instant(now, int(now * 1e9))

    def _tick(self, life: Orchestrator) -> None:
        if life is self.core:
            if self._world.network.now >= self._frozen_until:
                self.arrive(life, TimePassed())
            self._world.network.after(_TICK, lambda: self._tick(life))

    def arrive(self, life: Orchestrator | None, event: Event) -> None:
        """Something reaches the process, if it lives still."""
        if life is None or life is not self.core:
            return
        if not self._inbox:
            thaw = self._frozen_until - self._world.network.now
            self._world.network.after(max(0.001, thaw), lambda: self._wake_up(life))
        self._inbox.append(event)

    def _wake_up(self, life: Orchestrator) -> None:
        """Handle what arrived, keep it, then carry it out; death may come between."""
        world = self._world
        if life is not self.core:
            return
        if world.network.now < self._frozen_until:
            world.network.after(self._frozen_until - world.network.now, lambda: self._wake_up(life))
            return
        events, self._inbox = self._inbox, []
        if self._frozen_until:  # time is the first that it notices
            events, self._frozen_until = [TimePassed(), *events], 0.0
        for event in [*events, BatchEnded()]:
            if not isinstance(event, TimePassed):
                world.tell(event)
            commands = life.handle(event, self._instant())
            world.laws.after_event(life, event, life.context.commands)
            self._carry_out(life, commands)
        if world.network.faulty and world.random.random() < world.faults.restart / 50:
            self.crash(world.random.uniform(0.1, 5.0))

    def _carry_out(self, life: Orchestrator, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Save):
                self._write(life, command)
        self._world.laws.told(life, commands)
        self._world.carry_out(commands)

    def _write(self, life: Orchestrator, save: Save) -> None:
        """The disk takes its time, refuses, or has kept what it refuses; death may come between."""
        world, faults, random = self._world, self._world.faults, self._world.random
        takes = random.expovariate(1 / faults.disk_delay) if world.network.faulty else 0.001
        if world.chance("disk_hangs"):
            takes += 8.0
        fails = world.chance("disk_fails")
        kept = world.laws.saving(life, save)

        def commit() -> None:
            if life is self.core:
                self._disk.write(save)
                world.laws.at_commit(save, kept)

        if not fails or random.random() < 0.3:
            world.network.after(random.uniform(0, takes), commit)
        outcome = (
            PersistFailed(save.number, "the disk is full") if fails else Persisted(save.number)
        )
        world.network.after(takes, lambda: self.arrive(life, outcome))
