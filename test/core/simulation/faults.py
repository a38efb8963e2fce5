"""What goes wrong in one schedule, drawn from its seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random


@dataclass(frozen=True)
class Faults:
    """Rates are per s of simulated time, chances per message or call.

    Attributes:
        until: when all faults stop, s.
        delay: mean delay of a message, s; each channel keeps its order.
        spike: chance that a message is late by up to 6 s.
        lose_nth: this one message is lost, whatever it is (0 = none).
        crash, freeze: of modules. restart: of the orchestrator.
        error, hang, die: what user code does instead of its work.
        node_command, task_command, delete: of a nervous front-end.
        amnesia: the orchestrator has no journal. foreign: one module never confirms commands.
        twin: one module has a second process, of another name.
        mild: every task must succeed.
        gentle: nothing excuses a second try, or the reset of a node.
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
    error: float = 0.0
    hang: float = 0.0
    die: float = 0.0
    broken_start: float = 0.0
    node_command: float = 0.0
    task_command: float = 0.0
    delete: float = 0.0
    amnesia: bool = False
    foreign: bool = False
    twin: bool = False
    mild: bool = False
    gentle: bool = False


def draw(random: Random) -> Faults:
    """A schedule of one of several kinds: single faults show more than storms do."""
    until, tasks = random.uniform(5, 25), random.randint(1, 8)
    kind = random.randrange(8)
    if kind == 0:
        return Faults(until, tasks, lose_nth=random.randint(1, 120), mild=True)
    if kind == 1:
        delay = random.choice([0.001, 0.05])
        return Faults(until, tasks, delay=delay, restart=0.3, mild=True, gentle=True)
    if kind == 2:
        return Faults(until, tasks, crash=0.2, freeze=0.1)
    if kind == 3:
        return Faults(until, tasks, error=0.2, hang=0.05, die=0.05, broken_start=0.2)
    if kind == 4:
        return Faults(until, tasks, node_command=0.3, task_command=1.0, delete=0.1, delay=0.1)

    if kind == 5:
        commands = random.choice([2.0, 8.0])
        return Faults(until, tasks, task_command=commands, drop=random.choice([0.0, 0.05]))
    if kind == 6:
        return Faults(until, tasks, restart=0.3, amnesia=True, drop=random.choice([0.0, 0.1]))

    def some(most: float) -> float:
        return random.choice([0.0, random.uniform(0, most)])

    return Faults(
        until,
        tasks,
        delay=random.choice([0.001, 0.02, 0.3]),
        spike=some(0.05),
        drop=some(0.3),
        duplicate=some(0.2),
        crash=some(0.4),
        freeze=some(0.2),
        restart=some(0.3),
        error=some(0.2),
        hang=some(0.1),
        die=some(0.1),
        broken_start=some(0.3),
        node_command=some(0.3),
        task_command=some(1.0),
        delete=some(0.2),
        amnesia=random.random() < 0.2,
        foreign=random.random() < 0.2,
        twin=random.random() < 0.2,
    )
