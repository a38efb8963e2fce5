"""What goes wrong in one schedule, drawn from its seed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Rates are per s of simulated time, chances per message or call.

    Attributes:
        until: when the faults stop, s; those of `lasting` go on.
        tasks: how many are asked for meanwhile.
        delay: mean delay of a message, s; each channel keeps its order.
        spike: chance that a message is late by up to 6 s.
        lose_nth: this one message is lost, whatever it is (0 = none).
        crash, freeze: of modules. restart, pause: of the orchestrator.
        error, hang, die: what user code does instead of its work.
        broken_start: chance that a module cannot initialise.
        unresponsive: rate at which a module ignores all but heartbeats, until it is reset, or until
            its process is terminated. unresponsive_start: chance that a process begins so.
        node_command, task_command, delete: of a nervous front-end.
        foreign_resets: of one process of a module, by someone who does not ask the orchestrator.
        node_resets: of a person who resets one and the same node again and again.
        amnesia: the orchestrator has no journal.
        durability: "full": every commit survives a loss of power; "normal": some commits may not.
        power_loss: chance that a death of the orchestrator is one of its host.
        rollback: chance that an older copy of its journal, or none, is found at the next start.
        second: another orchestrator starts meanwhile: "new" with a journal of its own, "copy" with
            a copy of that of the first.
        partition: of ways between any two processes; each way of its own.
        wall_clock: jumps of the wall clock of an orchestrator, and at each of its starts.
        disk_delay: mean time of a commit, s. disk_fails, disk_hangs: chances of one.
        foreign: one module never confirms commands, and says no incarnation.
        twin: one module has a second process, of another name. widow: what crashes is not
            started again before `until`, so that the other one has to do.
        poison: this one task kills every process that works on it, always.
        lasting: what goes wrong with one module, or the orchestrator, for good: "full" has room
            for nothing, "giver" gives all work back, "stuck" begins nothing, "hung" never ends,
            "gone" does not come back, "broken" never initialises; "loop": the orchestrator dies
            every few s beside one of the others.
        max_problems, max_active, max_redeliveries: as in the settings of the core.
        sharing: who lives is known: no two processes of a module work on one task.
        mild: every task must succeed. gentle: and nothing permits the reset of a node.
    """

    until: float
    tasks: int
    delay: float = 0.002
    spike: float = 0.0
    drop: float = 0.0
    duplicate: float = 0.0
    lose_nth: int = 0
    crash: float = 0.0
    freeze: float = 0.0
    restart: float = 0.0
    pause: float = 0.0
    error: float = 0.0
    hang: float = 0.0
    die: float = 0.0
    broken_start: float = 0.0
    unresponsive: float = 0.0
    unresponsive_start: float = 0.0
    node_command: float = 0.0
    node_resets: float = 0.0
    foreign_resets: float = 0.0
    task_command: float = 0.0
    delete: float = 0.0
    amnesia: bool = False
    durability: str = "full"
    power_loss: float = 0.0
    rollback: float = 0.0
    second: str = ""
    partition: float = 0.0
    wall_clock: float = 0.0
    disk_delay: float = 0.002
    disk_fails: float = 0.0
    disk_hangs: float = 0.0
    foreign: bool = False
    twin: bool = False
    widow: bool = False
    sharing: bool = False
    poison: bool = False
    lasting: tuple[str, ...] = ()
    max_problems: int = 0
    max_active: int = 3
    max_redeliveries: int = 200
    mild: bool = False
    gentle: bool = False

    @property
    def accountable(self) -> bool:
        """Whether every further try, and every failure, can be traced back to a module.

        Not where modules still work for an orchestrator that has forgotten it, or for another one.
        """
        return not (self.amnesia or self.rollback or self.second)

    @property
    def prompt(self) -> bool:
        """Whether commands arrive in time, and nobody but the orchestrator stops nodes."""
        lossy = self.drop or self.spike or self.lose_nth or self.partition or self.foreign
        slow = self.freeze or self.pause or self.restart or self.crash
        return self.accountable and not (lossy or slow or self.node_command)

    @property
    def tidy(self) -> bool:
        """Whether what a module holds can be told from what it did itself."""
        lossy = self.drop or self.spike or self.foreign or self.partition or self.unresponsive
        commanded = self.node_command or self.node_resets or self.unresponsive_start
        return self.accountable and not (lossy or self.twin or self.lasting or commanded)


def draw(random: Random) -> Faults:
    """A schedule of one of several kinds: single faults show more than storms do."""
    kind = random.choice(_KINDS)
    faults = kind(random, random.uniform(5, 25), random.randint(1, 8))
    active, redeliveries = random.choice([1, 3, 100]), random.choice([8, 200])
    return replace(faults, max_active=active, max_redeliveries=redeliveries)


def _one_lost(random: Random, until: float, tasks: int) -> Faults:
    return Faults(until=until, tasks=tasks, lose_nth=random.randint(1, 150), mild=True)


def _one_lost_on_request(random: Random, until: float, tasks: int) -> Faults:
    """Among the messages that stop, preempt and reset tasks; or that tell of a failure."""
    nth, error = random.randint(1, 300), random.choice([0.0, 0.3])
    return Faults(until=until, tasks=tasks, lose_nth=nth, task_command=2.0, error=error, hang=0.1)


def _restarts(random: Random, until: float, tasks: int) -> Faults:
    delay, pause = random.choice([0.001, 0.05]), random.choice([0.0, 0.2])
    return Faults(
        until=until, tasks=tasks, delay=delay, restart=0.3, pause=pause, mild=True, gentle=True
    )


def _losses(random: Random, until: float, tasks: int) -> Faults:
    restart = random.choice([0.0, 0.0, 0.2])
    return Faults(until=until, tasks=tasks, crash=0.2, freeze=0.1, restart=restart)


def _failures(random: Random, until: float, tasks: int) -> Faults:
    broken, doubled = random.choice([0.0, 0.2]), random.choice([0.0, 0.0, 0.3])
    return Faults(
        until=until, tasks=tasks, error=0.2, hang=0.05, die=0.05, broken_start=broken,
        duplicate=doubled, restart=random.choice([0.0, 0.0, 0.3]),
    )  # fmt: skip


def _nervous(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=tasks, node_command=0.3, task_command=1.0, delete=0.1, delay=0.1,
        restart=random.choice([0.0, 0.2]),
    )  # fmt: skip


def _commands(random: Random, until: float, tasks: int) -> Faults:
    commands, drop = random.choice([2.0, 8.0]), random.choice([0.0, 0.0, 0.05])
    return Faults(until=until, tasks=tasks, task_command=commands, drop=drop)


def _unheard_stops(random: Random, until: float, tasks: int) -> Faults:
    """What works without end is told to let go, and does not hear it."""
    return Faults(
        until=until, tasks=tasks, task_command=2.0, hang=0.3, drop=random.choice([0.0, 0.1]),
        freeze=random.choice([0.0, 0.1]), partition=random.choice([0.0, 0.3]),
    )  # fmt: skip


def _amnesia(random: Random, until: float, tasks: int) -> Faults:
    drop = random.choice([0.0, 0.1])
    return Faults(until=until, tasks=tasks, restart=0.3, amnesia=True, drop=drop)


def _unresponsiveness(random: Random, until: float, tasks: int) -> Faults:
    return Faults(until=until, tasks=tasks, unresponsive=0.15, restart=random.choice([0.0, 0.1]))


def _unresponsive_from_the_start(random: Random, until: float, tasks: int) -> Faults:
    """What is started again may hang before it obeys START_NODE."""
    return Faults(
        until=until, tasks=tasks, unresponsive_start=0.5, unresponsive=random.choice([0.0, 0.1]),
        restart=random.choice([0.0, 0.1]), die=random.choice([0.0, 0.1]),
    )  # fmt: skip


def _insistent(random: Random, until: float, tasks: int) -> Faults:
    """A person resets one node again and again, perhaps because it does not listen."""
    return Faults(
        until=until + 12, tasks=tasks, node_resets=random.choice([0.3, 2.0, 6.0]),
        unresponsive=random.choice([0.0, 0.3]), delay=random.choice([0.002, 0.1]),
        restart=random.choice([0.0, 0.2]),
    )  # fmt: skip


def _broken_and_reset(random: Random, until: float, tasks: int) -> Faults:
    """A person resets a node that is in error, and its cause is still there."""
    return Faults(
        until=until + 10, tasks=tasks, broken_start=0.8, node_resets=random.choice([0.1, 0.5])
    )


def _reset_by_others(random: Random, until: float, tasks: int) -> Faults:
    """One of two processes of a module drops its steps while the other runs a long step."""
    return Faults(until=until + 5, tasks=tasks + 4, foreign_resets=1.0, hang=0.3, twin=True)


def _several(random: Random, until: float, tasks: int) -> Faults:
    error, freeze = random.choice([0.0, 0.2]), random.choice([0.0, 0.1])
    return Faults(
        until=until, tasks=tasks, twin=True, widow=True, crash=0.15, error=error, freeze=freeze,
        sharing=not freeze,
    )  # fmt: skip


def _poison(random: Random, until: float, tasks: int) -> Faults:
    return Faults(until=until, tasks=tasks, poison=True, twin=random.random() < 0.3)


def _two_die(random: Random, until: float, tasks: int) -> Faults:
    """Of the problem that kills there are so many tasks that both processes work on one."""
    return Faults(until=until / random.choice([1, 4]), tasks=tasks + 6, poison=True, twin=True)


def _for_good(random: Random, until: float, tasks: int) -> Faults:
    lasting = (random.choice(["full", "giver", "hung", "stuck", "gone", "broken"]),)
    if random.random() < 0.5:
        lasting += ("loop",)
    return Faults(until=until, tasks=min(tasks, 3), lasting=lasting)


def _retention(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=random.randint(4, 16), max_problems=random.randint(1, 4),
        restart=random.choice([0.0, 0.2]), delete=0.2, task_command=random.choice([0.0, 0.5]),
    )  # fmt: skip


def _deletions(random: Random, until: float, tasks: int) -> Faults:
    return Faults(until=until, tasks=tasks, delete=1.0, restart=0.4, task_command=0.3)


def _bad_disk(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=tasks, disk_delay=random.choice([0.002, 0.05, 0.5]),
        disk_fails=random.choice([0.0, 0.2, 0.7]), disk_hangs=random.choice([0.0, 0.02]),
        restart=random.choice([0.0, 0.3]), task_command=random.choice([0.0, 1.0]),
        delete=random.choice([0.0, 0.2]),
    )  # fmt: skip


def _power_losses(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=tasks, durability=random.choice(["normal", "full"]), restart=0.4,
        power_loss=0.7, disk_delay=random.choice([0.002, 0.1]),
        disk_fails=random.choice([0.0, 0.0, 0.2]), delete=random.choice([0.0, 0.2]),
        task_command=random.choice([0.0, 0.5]), wall_clock=random.choice([0.0, 0.2]),
    )  # fmt: skip


def _rollbacks(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=tasks + 4, rollback=0.8, restart=0.4, crash=random.choice([0.0, 0.1]),
        delete=random.choice([0.0, 0.2]), task_command=random.choice([0.0, 0.5]),
        durability=random.choice(["normal", "full"]), power_loss=random.choice([0.0, 0.3]),
    )  # fmt: skip


def _two(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=tasks + 2, second=random.choice(["new", "copy"]),
        partition=random.choice([0.0, 0.3]), restart=random.choice([0.05, 0.1, 0.3]),
        pause=random.choice([0.0, 0.1]), crash=random.choice([0.0, 0.1]),
        wall_clock=random.choice([0.0, 0.2]), task_command=random.choice([0.0, 0.5]),
    )  # fmt: skip


def _partitions(random: Random, until: float, tasks: int) -> Faults:
    return Faults(
        until=until, tasks=tasks, partition=random.choice([0.2, 1.0]),
        restart=random.choice([0.0, 0.2]), wall_clock=random.choice([0.0, 0.2]),
    )  # fmt: skip


def _storm(random: Random, until: float, tasks: int) -> Faults:
    def some(most: float) -> float:
        return random.choice([0.0, random.uniform(0, most)])

    return Faults(
        until=until,
        tasks=tasks,
        delay=random.choice([0.001, 0.02, 0.3]),
        spike=some(0.05),
        drop=some(0.3),
        duplicate=some(0.2),
        crash=some(0.4),
        freeze=some(0.2),
        restart=some(0.3),
        pause=some(0.1),
        error=some(0.2),
        hang=some(0.1),
        die=some(0.1),
        broken_start=some(0.3),
        unresponsive=some(0.1),
        node_command=some(0.3),
        task_command=some(1.0),
        delete=some(0.2),
        amnesia=random.random() < 0.2,
        disk_delay=random.choice([0.001, 0.1]),
        disk_fails=some(0.2),
        durability=random.choice(["normal", "full"]),
        power_loss=some(0.5),
        partition=some(0.3),
        wall_clock=some(0.2),
        foreign=random.random() < 0.2,
        twin=random.random() < 0.2,
    )


Kind = Callable[[Random, float, int], Faults]
_KINDS: list[Kind] = [
    _one_lost, _one_lost, _one_lost_on_request, _restarts, _losses, _failures, _nervous, _commands,
    _amnesia, _unresponsiveness, _several, _poison, _for_good, _for_good, _retention, _deletions,
    _storm, _storm, _bad_disk, _power_losses, _rollbacks, _rollbacks, _two, _two, _partitions,
    _unheard_stops, _two_die, _unresponsive_from_the_start, _insistent, _broken_and_reset,
    _reset_by_others,
]  # fmt: skip
