"""The front-end: asks for tasks until it is answered, and commands whatever comes to its mind."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.commands import Reply
from sustainml_orchestrator.core.events import (
    DeletionRequested,
    NodeCommanded,
    OptimisationGoal,
    TaskCommanded,
    TaskSubmitted,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator

if TYPE_CHECKING:
    from support.simulation.site import Site

#: What a submission may be after; iteration n has 1/n of the first one's carbon.
_GOALS = (
    OptimisationGoal(),
    OptimisationGoal(num_outputs=2),
    OptimisationGoal(auto=True, desired_carbon_footprint=0.4),
)


class FrontEnd:
    """One client.

    Attributes:
        accepted: the task that each request was answered with, by name of the request.
        deleted: problems that it asked to be deleted.
        asked: requests made, by name.
        resets: how often it asked for a task to be reset.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._calls = 0
        self._waiting: dict[int, tuple[Orchestrator, object]] = {}
        self.accepted: dict[str, TaskId] = {}
        self.deleted: set[int] = set()
        self.asked: set[str] = set()
        self.resets: dict[TaskId, int] = {}

    def reconcile(self, core: Orchestrator) -> None:
        """The orchestrator has lost something: ask again for what it does not hold."""
        for name, task_id in list(self.accepted.items()):
            task = core.store.find(task_id)
            if task is None or task.request_id != name:
                del self.accepted[name]
                delay = self._site.random.uniform(0.2, 2.0)
                self._site.network.after(delay, lambda name=name: self.submit(name))
        self.deleted &= set(core.store.problems)

    @property
    def unanswered(self) -> set[str]:
        """Requests that wait for their first answer."""
        return self.asked - self.accepted.keys()

    def calls(self, core: Orchestrator) -> list[object]:
        """What it asked this process, which has not answered yet."""
        asked = (about for asked, about in self._waiting.values() if asked is core)
        return [about[:2] if isinstance(about, tuple) else about for about in asked]

    def submit(self, name: str, *, simple: bool = False) -> None:
        """Ask for a task until it is answered; its request id keeps it one task."""
        if name in self.accepted or self._site.process.left:
            return
        self.asked.add(name)
        random, base, goal = self._site.random, NO_TASK, OptimisationGoal()
        known = [t for t in self.accepted.values() if t.problem_id not in self.deleted]
        if known and random.random() < 0.4 and not simple:
            base = random.choice(known)
        if not simple:
            goal = random.choices(_GOALS, (8, 2, 1))[0]
        priority = random.randint(0, 2)
        self._call(TaskSubmitted, name, name.encode(), name, priority, name, base, goal)
        self._site.network.after(2.0, lambda: self.submit(name, simple=simple))

    def _call(self, make: type, about: object, *args: object) -> None:
        self._calls += 1
        process = self._site.process
        if process.core is not None:
            self._waiting[self._calls] = process.core, about
        process.arrive(process.core, make(self._calls, *args))

    def take(self, reply: Reply) -> None:
        """An answer comes."""
        core, about = self._waiting.pop(reply.call)
        if reply.error is not None:
            assert reply.error.code is not ErrorCode.INTERNAL_ERROR and reply.error.message
            self._site.invariants.saved.refused(core, about, reply.error)
        elif isinstance(about, str):
            before = self.accepted.setdefault(about, reply.value)
            assert before == reply.value, f"{about} is two tasks: {before} and {reply.value}"
        elif isinstance(about, tuple):
            self._site.invariants.nodes.commanded(*about)

    def annoy(self) -> None:
        """Half a second of a nervous person."""
        random, faults = self._site.random, self._site.faults
        if random.random() < faults.node_command / 2:
            name = random.choice(["", *(spec.name for spec in self._site.pipeline.modules)])
            self.command_node(name, NodeCommand(random.randint(1, 4)))
        for _ in range(math.ceil(faults.node_resets / 2)):
            if random.random() < faults.node_resets / 2:
                self._site.network.after(random.uniform(0, 0.5), self._reset_victim)
        if not self.accepted:
            return
        for _ in range(math.ceil(faults.task_command / 2)):
            if random.random() >= faults.task_command / 2:
                continue
            task_id = random.choice(list(self.accepted.values()))
            command = TaskCommand(random.randint(1, 4))
            if command is TaskCommand.RESET:
                self.resets[task_id] = self.resets.get(task_id, 0) + 1
            self._call(TaskCommanded, None, task_id, command)
        if random.random() < faults.delete / 2:
            problem = random.choice(list(self.accepted.values())).problem_id
            self.deleted.add(problem)
            self._call(DeletionRequested, None, problem)

    def _reset_victim(self) -> None:
        self.command_node(self._site.world.victim.name, NodeCommand.RESET)

    def command_node(self, name: str, command: NodeCommand) -> None:
        """Command a node, or all."""
        told = {m: m.told(command) for m in self._site.modules}
        self._call(NodeCommanded, (name, command, told), name, command, 3.0)

    def help(self) -> None:
        """A person who looks at the system starts what was stopped and mends what is broken."""
        for node in self._site.process.last.lifecycle.nodes:
            if node.status is NodeStatus.ERROR:
                self.command_node(node.name, NodeCommand.RESET)
            elif not node.desired_active:
                self.command_node(node.name, NodeCommand.START)
