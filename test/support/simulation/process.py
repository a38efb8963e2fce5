"""The orchestrator's process: the core, what its disk holds, and its crashes."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

from support.simulation.disk import Disk
from support.simulation.permitted_retries import QUEUE_TIMEOUT
from sustainml_orchestrator.core.commands import Command, Save
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.duplicate_check import make_incarnation
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
    from support.simulation.site import Site

_TICK = 0.25
#: Between two publications of system_state, in s.
_STATE_PERIOD = 5.0
#: The wall clock at the beginning, in s since 1970, and the furthest that it is put forth or back.
_WALL, _JUMP = 1.7e9, 1e6
#: Chance of a backup at each commit, where the disk is rolled back at times.
_BACKUP = 0.1
#: Problem ids reserved at a time: so few that schedules come to the end of a block.
_ID_BLOCK = 4


class Process:
    """An orchestrator over its restarts.

    Attributes:
        core: of the present process; None while there is none.
        last: of the present process, or of the one before.
        left: whether it has ended for good, as another orchestrator stays.
    """

    def __init__(self, site: Site, disk: Disk) -> None:
        self._site = site
        self.disk = disk
        self._random = Random(site.random.random())
        self._inbox: list[Event] = []
        self._frozen_until = 0.0
        self._reconcile = False
        self._wall_offset = 0.0
        self.core: Orchestrator | None = None
        self.last: Orchestrator
        self.left = False

    @property
    def session(self) -> int:
        """The session of the database."""
        return self.last.session

    @property
    def works(self) -> bool:
        """Whether another orchestrator that starts would be answered by it."""
        frozen = self._site.network.now < self._frozen_until
        return self.core is not None and not frozen and not self.core.duplicate_check.leaving

    def start(self) -> None:
        """Start with what the disk holds, unless another orchestrator is seen at work."""
        site, random = self._site, self._site.random
        if self.left or self.core is not None:
            return
        if site.world.sees_another(site):
            site.world.leave(site)
            return
        self.jump_clock()
        started = make_incarnation(self._instant().stamp / 1e9, self._random.getrandbits(32))
        self.core = self.last = core = Orchestrator(
            pipeline=site.pipeline,
            settings=Settings(
                max_active_tasks=site.faults.max_active,
                max_redeliveries_per_second=site.faults.max_redeliveries,
                queue_timeout=QUEUE_TIMEOUT,
                node_lost_timeout=20.0,
                start_timeout=10.0,
                max_auto_iterations=3,
                max_problems=site.faults.max_problems,
            ),
            session=self.disk.contents.session,
            incarnation=started,
            draw_token=lambda: self._random.randrange(1, 2**32),
            derive=lambda payload, models, left, previous: payload + b"+",
            journalled=not site.faults.amnesia,
        )
        core.persistence.id_block = _ID_BLOCK
        commands = core.handle(self.disk.restored(site.pipeline), self._instant())
        site.invariants.after_restart(core)
        if self._reconcile:
            self._reconcile = False
            site.front_end.reconcile(core)
        self._carry_out(core, commands)
        self._carry_out(core, core.handle(BatchEnded(), self._instant()))
        site.network.after(0.0, lambda: self._tick(core))
        site.network.after(0.0, lambda: self._announce(core))
        matched = random.choice([0, 4, 9])
        site.network.after(0.3, lambda: self.arrive(core, ConsumersMatched(matched)))

    def crash(self, down: float) -> None:
        """Die, and be started again after so many s; the disk may have lost something."""
        if self.core is None:
            return
        self._site.world.record(f"{self._site.name} crashes")
        self.core, self._inbox, self._frozen_until = None, [], 0.0
        if self._site.faults.amnesia:
            self._delete()
        else:
            self._damage()
        self._site.network.after(down, self.start)

    def end(self) -> None:
        """End for good."""
        self.core, self.left, self._inbox = None, True, []

    def freeze(self, seconds: float) -> None:
        """Stand still for so long; what arrives waits."""
        self._frozen_until = self._site.network.now + seconds

    def jump_clock(self) -> None:
        """Somebody, or a time server, sets the wall clock."""
        if self._site.faults.wall_clock:
            self._wall_offset = self._random.uniform(-_JUMP, _JUMP)

    def _instant(self) -> Instant:
        now = self._site.network.now
        return Instant(now, int((_WALL + self._wall_offset + now) * 1e9))

    # The disk #

    def _damage(self) -> None:
        """The host loses power, or someone replaces or deletes the file."""
        world, random = self._site.world, self._random
        if world.chance("power_loss"):
            if self.disk.lose_power(world.new_session()):
                self._lose(rolled_back=False, noticed=True)
        elif world.chance("rollback"):
            noticed = random.random() < 0.5
            if random.random() < 0.2 or not self.disk.backups:
                self._delete()
            else:
                self.disk.roll_back(world.new_session() if noticed else 0)
                self._lose(rolled_back=True, noticed=noticed)

    def _delete(self) -> None:
        self.disk = self._site.world.new_disk()
        self._lose(rolled_back=True, noticed=True)

    def _lose(self, *, rolled_back: bool, noticed: bool) -> None:
        self._site.world.record(f"{self._site.name} lost commits ({rolled_back=}, {noticed=})")
        self._site.lost(rolled_back=rolled_back, noticed=noticed)
        self._reconcile = True

    def _write(self, core: Orchestrator, save: Save) -> None:
        """The disk takes its time, refuses, or has kept what it refuses; death may come between."""
        world, faults, random = self._site.world, self._site.faults, self._site.random
        takes = random.expovariate(1 / faults.disk_delay) if world.network.faulty else 0.001
        if world.chance("disk_hangs"):
            takes += 8.0
        fails = world.chance("disk_fails")
        promised = self._site.invariants.saved.saving(core, save)
        wanted = {name: node.desired_active for name, node in core.lifecycle.by_name.items()}

        def commit() -> None:
            if core is self.core:
                self._site.invariants.saved.at_commit(core, save)
                self.disk.write(save, promised)
                self._site.invariants.saved.committed(save, promised)
                self.disk.contents.wanted = wanted
                self.disk.contents.revision = max(self.disk.contents.revision, core.store.revision)
                if faults.rollback and self._random.random() < _BACKUP:
                    self.disk.back_up()

        if not fails or random.random() < 0.3:
            world.network.after(random.uniform(0, takes), commit)
        outcome = (
            PersistFailed(save.number, "the disk is full") if fails else Persisted(save.number)
        )
        world.network.after(takes, lambda: self.arrive(core, outcome))

    # The loop #

    def _announce(self, core: Orchestrator) -> None:
        if core is self.core:
            if self._site.network.now >= self._frozen_until:
                self._site.announce()
            self._site.network.after(_STATE_PERIOD, lambda: self._announce(core))

    def _tick(self, core: Orchestrator) -> None:
        if core is self.core:
            if self._site.network.now >= self._frozen_until:
                self.arrive(core, TimePassed())
            self._site.network.after(_TICK, lambda: self._tick(core))

    def arrive(self, core: Orchestrator | None, event: Event) -> None:
        """Something reaches the process, if it lives still."""
        if core is None or core is not self.core:
            return
        if not self._inbox:
            thaw = self._frozen_until - self._site.network.now
            self._site.network.after(max(0.001, thaw), lambda: self._wake_up(core))
        self._inbox.append(event)

    def _wake_up(self, core: Orchestrator) -> None:
        """Handle what arrived, keep it, then carry it out; death may come between."""
        site, now = self._site, self._site.network.now
        if core is not self.core:
            return
        if now < self._frozen_until:
            site.network.after(self._frozen_until - now, lambda: self._wake_up(core))
            return
        events, self._inbox = self._inbox, []
        if self._frozen_until:  # time is the first that it notices
            events, self._frozen_until = [TimePassed(), *events], 0.0
        instant = self._instant()
        for event in [*events, BatchEnded()]:
            if not isinstance(event, TimePassed):
                site.world.record(event)
            commands = core.handle(event, instant)
            site.invariants.after_event(core, event, core.context.commands)
            if commands:
                self._carry_out(core, commands)
            if core is not self.core:
                return
        if site.network.faulty and site.random.random() < site.faults.restart / 50:
            self.crash(site.random.uniform(0.1, 5.0))

    def _carry_out(self, core: Orchestrator, commands: Sequence[Command]) -> None:
        for command in commands:
            if isinstance(command, Save):
                self._write(core, command)
        self._site.invariants.saved.check_published(core, commands)
        self._site.carry_out(commands)
