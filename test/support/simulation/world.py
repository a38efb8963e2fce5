"""One schedule: orchestrators, modules, front-ends, and what goes wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import yaml

from support.simulation.disk import Disk
from support.simulation.faults import Faults, draw
from support.simulation.modules import Module
from support.simulation.network import Network
from support.simulation.permitted_retries import TIMEOUT, PermittedRetries
from support.simulation.site import Answer, Site
from sustainml_orchestrator.core.events import Event
from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.sdk.actions import Job
from sustainml_orchestrator.sdk.wire_ids import Ticket

#: By when every task has ended once the faults stopped, s of simulated time; and where some last.
PATIENCE, LONG_PATIENCE = 300.0, 900.0
#: By when modules have let go of what ended, s.
_SETTLING = 20.0
#: The task that is asked for when all is well again.
_PROBE = "probe"
_DATA = yaml.safe_load((Path(__file__).parents[3] / "config" / "pipeline.yaml").read_text())
for _module in _DATA["modules"].values():
    _module["timeout"] = TIMEOUT
PIPELINE = Pipeline.from_data(_DATA, "pipeline.yaml")


class World:
    """Everything that happens in one schedule.

    Attributes:
        sites: the orchestrators; the second one, if any, starts while it cannot see the first.
        asked: names of all requests that front-ends were to make.
        victim: the module that poison kills, and that is reset again and again.
    """

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.random = Random(seed)
        self.faults = faults or draw(self.random)
        self.network = Network(self.random, self.faults)
        self.pipeline = PIPELINE
        self.story: list[tuple[float, object]] = []
        self.steps = 0
        self.runs = count(1)
        self.asked: set[str] = set()
        self._sessions = count(7)
        self.permitted = PermittedRetries(lambda: self.network.now)
        self.victim = self.random.choice(self.pipeline.modules)
        self.modules: list[Module] = []
        self.sites = [Site(self, "orchestrator", self.new_disk())]
        self._staying = list(self.sites)
        self.sites[0].process.start()
        self.modules = self._make_modules()
        for index in range(self.faults.tasks):
            when = self.random.uniform(0, self.faults.until)
            self.network.after(when, lambda i=index: self.submit(f"task {i}"))
        self.network.after(0.5, self._misfortune)
        self.network.after(self.faults.until, self._calm)
        if self.faults.second:
            self.network.after(self.random.uniform(0, self.faults.until / 2), self._start_second)
        if self.faults.lasting:
            self._doom()

    def _make_modules(self) -> list[Module]:
        foreign = self.random.choice(self.pipeline.modules) if self.faults.foreign else None
        modules = [
            Module(self, spec, self.random, f"/sustainml/{spec.name}", foreign=spec is foreign)
            for spec in self.pipeline.modules
        ]
        if self.faults.twin:
            spec = self.random.choice(self.pipeline.modules)
            if self.faults.poison or self.faults.foreign_resets:
                spec = self.victim
            modules.append(Module(self, spec, self.random, "/sustainml/twin", foreign=False))
        return modules

    def new_session(self) -> int:
        """One that nobody had before."""
        return next(self._sessions)

    def new_disk(self) -> Disk:
        """An empty one, with a new session."""
        full = self.faults.durability == "full"
        return Disk(self.random, full=full, session=self.new_session())

    # Running #

    def run(self) -> None:
        """Until every task has ended, one that is asked for afterwards, too.

        Raises:
            AssertionError: an invariant does not hold; so with any bug of the core.
        """
        patience = LONG_PATIENCE if self.faults.lasting else PATIENCE
        self._go_on(patience, self._over)
        if not self.faults.lasting:
            self.submit(_PROBE, simple=True)
            self._go_on(patience, self._over)
        self._go_on(_SETTLING)
        site = self.site
        site.invariants.in_the_end()
        site.invariants.let_go()
        site.invariants.share()
        # One that never responds is only found out by the probe itself.
        if not self.faults.lasting and not (self.faults.unresponsive and self.faults.foreign):
            probe = site.process.last.store.get(site.front_end.accepted[_PROBE])
            assert probe.status is TaskStatus.SUCCEEDED, f"all is not well: {probe.outcome_reason}"

    def _go_on(self, patience: float, until: Callable[[], bool] | None = None) -> None:
        """Let things happen until it is so, or for so many s."""
        network, calm = self.network, self.faults.until
        end = max(network.now, calm) + patience
        while network.now < end:
            network.step()
            self.steps += 1
            if until is not None and network.now >= calm and until():
                return
        if until is not None:
            raise AssertionError(f"not over after {patience} s: {self._open()}")

    def record(self, what: object) -> None:
        """Add to the story of this schedule."""
        self.story.append((self.network.now, what))

    def chance(self, fault: str) -> bool:
        """Whether this goes wrong now."""
        rate = getattr(self.faults, fault)
        return bool(rate and self.network.faulty and self.random.random() < rate)

    def modules_of(self, index: int) -> list[Module]:
        """The processes of a module."""
        return [module for module in self.modules if module.spec.index == index]

    def poisons(self, module: Module, job: Job) -> bool:
        """Whether a task kills who works on it."""
        mortal = self.faults.poison and module.spec is self.victim
        if mortal := mortal and job.ticket.task_id.problem_id == 1:
            self.site.invariants.poisoned(job.ticket, module)
        return mortal

    def _over(self) -> bool:
        if len(self._staying) > 1:
            return False
        site = self.site
        core = site.process.core
        if core is None or core.tasks.running or not core.operations.idle:
            return False
        if site.front_end.unanswered or self.asked - site.front_end.asked:
            return False
        if core.duplicate_check.superior is not None:
            return False
        asked = len(self.asked) >= self.faults.tasks
        return asked and (not core.tasks.waiting or (bool(self.faults.lasting) and self._missing()))

    def _missing(self) -> bool:
        """Whether a module is gone for good, so that tasks wait for a person."""
        return bool({"gone", "broken"} & set(self.faults.lasting)) and not (
            self.site.process.last.lifecycle.ready
        )

    def _open(self) -> list[str]:
        if len(self._staying) > 1:
            return [f"{len(self._staying)} orchestrators"]
        core = self.site.process.core
        if core is None:
            return ["no orchestrator"]
        return [
            f"{t.task_id} " + ",".join(f"{s.index}{s.state.name}" for s in t.steps)
            for t in core.tasks.running.values()
        ] + [f"waiting {len(core.tasks.waiting)}: {core.waiting_reason()}"]

    # Orchestrators #

    @property
    def site(self) -> Site:
        """The orchestrator that stays: the first one that has not left.

        Raises:
            AssertionError: none stays.
        """
        assert self._staying, "no orchestrator stays"
        return self._staying[0]

    def site_of(self, session: int) -> Site:
        """The orchestrator that has this session; another one where none has."""
        return next((s for s in self._staying if s.process.session == session), self.site)

    def submit(self, name: str, *, simple: bool = False) -> None:
        """A front-end of one of the orchestrators asks for a task until it is answered."""
        self.asked.add(name)
        self.random.choice(self._staying).front_end.submit(name, simple=simple)

    def sees_another(self, site: Site) -> bool:
        """Whether one that starts sees another one at work."""
        return any(
            other.process.works and not self.network.is_cut(other.name, site.name)
            for other in self.sites
            if other is not site
        )

    def leave(self, site: Site) -> None:
        """An orchestrator ends for good; its users go to the other one."""
        self.record(f"{site.name} leaves")
        site.process.end()
        self._staying = [other for other in self._staying if other is not site]
        for name in site.front_end.asked:
            self.site.front_end.submit(name)

    def _start_second(self) -> None:
        """Another orchestrator, perhaps with a copy of the journal; the network is cut between."""
        disk = self.new_disk()
        first = self.sites[0]
        if self.faults.second == "copy":
            disk.contents = first.process.disk.contents.copy()
        site = Site(self, "second", disk)
        left = self.faults.until - self.network.now
        ways = [(site.name, first.name), (first.name, site.name)]
        for way in ways if self.random.random() < 0.7 else ways[1:]:
            self.network.cut(*way, self.random.uniform(0.5, left))
        self.sites.append(site)
        self._staying = [*self._staying, site]
        site.process.start()

    # Messages #

    def send_to_orchestrators(self, topic: str, writer: str, event: Event) -> None:
        """A module publishes something that every orchestrator subscribes."""
        for site in self.sites:
            site.receive(topic, writer, event)

    def send_to_module(
        self, writer: str, index: int, name: str, ticket: Ticket, payload: bytes
    ) -> None:
        """Something is published that a module subscribes."""
        sent = self.network.now
        for module in self.modules_of(index):
            self.network.send(
                name, writer, module.instance,
                lambda m=module: m.receive_input(name, ticket, payload, sent),
            )  # fmt: skip

    def ask_inputs(self, module: Module, ticket: Ticket, answer: Answer) -> None:
        """A module calls get_inputs; the first answer counts."""
        for site in self.sites:
            site.serve_inputs(module, ticket, answer)

    # Misfortune #

    def _misfortune(self) -> None:
        """Twice a second something may go wrong."""
        if not self.network.faulty:
            return
        self.network.after(0.5, self._misfortune)
        random, faults = self.random, self.faults
        site = random.choice(self._staying)
        if random.random() < faults.crash / 2:
            random.choice(self.modules).crash()
        if random.random() < faults.freeze / 2:
            seconds = random.choice([0.5, 2.0, 4.0, 12.0])
            random.choice(self.modules).freeze(seconds)
        if random.random() < faults.unresponsive / 2:
            insisted = faults.node_resets and self.modules_of(self.victim.index)
            random.choice(insisted or self.modules).stop_responding()
        if random.random() < faults.foreign_resets / 2:
            random.choice(self.modules_of(self.victim.index)).reset()
        if random.random() < faults.restart / 2:
            site.process.crash(random.uniform(0.1, 5.0))
        if random.random() < faults.pause / 2:
            site.process.freeze(random.choice([0.5, 4.0, 20.0, 60.0]))
        if random.random() < faults.partition / 2:
            self._cut_one_way()
        if random.random() < faults.wall_clock / 2:
            site.process.jump_clock()
        site.front_end.annoy()

    def _cut_one_way(self) -> None:
        """Between any two, orchestrators or modules; both ways when it happens twice."""
        names = [site.name for site in self.sites] + [m.instance for m in self.modules]
        writer, reader = self.random.sample(names, 2)
        left = self.faults.until - self.network.now
        seconds = min(self.random.choice([0.5, 4.0, 12.0]), left)
        self.network.cut(writer, reader, seconds)
        for module in self.modules:
            if module.instance in (writer, reader):
                self.permitted.suspect(module.spec.index, seconds + 20.0)

    def _doom(self) -> None:
        """Something goes wrong for good."""
        victim, when = self.random.choice(self.modules), self.random.uniform(0, self.faults.until)
        how = self.faults.lasting[0]
        self.network.after(when, lambda: victim.go_wrong(how))
        if "loop" in self.faults.lasting:
            self._loop()

    def _loop(self) -> None:
        """The orchestrator dies again and again."""
        self.site.process.crash(self.random.uniform(0.1, 2.0))
        self.network.after(self.random.uniform(4, 12), self._loop)

    def _calm(self) -> None:
        """The faults stop; a person starts every node that was stopped or given up."""
        for module in self.modules:
            module.start()
            if module.frozen:
                module.thaw()
        if not self.faults.lasting:
            self.network.after(8.0, self._help)

    def _help(self) -> None:
        for site in self._staying:
            site.front_end.help()
        if not self._over():
            self.network.after(8.0, self._help)
