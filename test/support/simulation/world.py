"""One schedule: the orchestrator, the modules, a front-end, and what comes over them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from random import Random

import yaml

from support.simulation.faults import Faults, draw
from support.simulation.frontend import FrontEnd
from support.simulation.invariants import Invariants
from support.simulation.modules import BASELINE, Module, payload_of
from support.simulation.network import Network
from support.simulation.permitted_retries import PermittedRetries
from support.simulation.process import Process
from sustainml_orchestrator.core.commands import (
    Command,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SendControl,
)
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import Event
from sustainml_orchestrator.core.ids import ErrorCode, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import USER_INPUT, Pipeline
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
    _module["timeout"] = 10.0
PIPELINE = Pipeline.from_data(_DATA, "pipeline.yaml")

Answer = Callable[[tuple[int, dict[str, bytes]] | ErrorCode], None]


class World:
    """Everything that happens in one schedule."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.random = Random(seed)
        self.faults = faults or draw(self.random)
        self.network = Network(self.random, self.faults)
        self.pipeline = PIPELINE
        self.story: list[tuple[float, object]] = []
        self.steps = 0
        self.runs = count(1)
        self.permitted = PermittedRetries(lambda: self.network.now)
        self.laws = Invariants(self)
        self.front_end = FrontEnd(self)
        self.process = Process(self)
        self._poisoned = self.random.choice(self.pipeline.modules).index
        self.modules: list[Module] = []
        self.process.start()
        self.modules = self._make_modules()
        for index in range(self.faults.tasks):
            when = self.random.uniform(0, self.faults.until)
            self.network.after(when, lambda i=index: self.front_end.submit(f"task {i}"))
        self.network.after(0.5, self._misfortune)
        self.network.after(self.faults.until, self._calm)
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
            if self.faults.poison:
                spec = self.pipeline.modules[self._poisoned]
            modules.append(Module(self, spec, self.random, "/sustainml/twin", foreign=False))
        return modules

    # Running #

    def run(self) -> None:
        """Until every task has ended, one that is asked for afterwards, too.

        Raises:
            AssertionError: a law does not hold; so with any bug of the core.
        """
        patience = LONG_PATIENCE if self.faults.lasting else PATIENCE
        self._go_on(patience, self._over)
        if not self.faults.lasting:
            self.front_end.submit(_PROBE, simple=True)
            self._go_on(patience, self._over)
        self._go_on(_SETTLING)
        self.laws.in_the_end()
        self.laws.let_go()
        # One that is deaf and never confirms anything is only found out by the probe itself.
        if not self.faults.lasting and not (self.faults.deaf and self.faults.foreign):
            probe = self.process.last.store.get(self.front_end.accepted[_PROBE])
            assert probe.status is TaskStatus.SUCCEEDED, f"all is not well: {probe.outcome_reason}"

    def _go_on(self, patience: float, until: Callable[[], bool] | None = None) -> None:
        """Let things happen until it is so, or for so many s."""
        end = max(self.network.now, self.faults.until) + patience
        while self.network.now < end:
            self.network.step()
            self.steps += 1
            if until is not None and not self.network.faulty and until():
                return
        if until is not None:
            raise AssertionError(f"not over after {patience} s: {self._open()}")

    def tell(self, what: object) -> None:
        """Add to the story."""
        self.story.append((self.network.now, what))

    def chance(self, fault: str) -> bool:
        """Whether this goes wrong now."""
        return self.network.faulty and self.random.random() < getattr(self.faults, fault)

    def modules_of(self, index: int) -> list[Module]:
        """The processes of a module."""
        return [module for module in self.modules if module.spec.index == index]

    def processes(self, module: int) -> int:
        """How many processes a module has."""
        return len(self.modules_of(module))

    def poisons(self, module: Module, job: Job) -> bool:
        """Whether a task kills who works on it."""
        mortal = self.faults.poison and module.spec.index == self._poisoned
        if mortal := mortal and job.ticket.task_id.problem_id == 1:
            self.laws.poisoned(job.ticket, module)
        return mortal

    def forget(self) -> None:
        """The orchestrator has lost its memory, as it had no journal."""
        self.laws.forget()
        self.front_end.forget()

    def _over(self) -> bool:
        core = self.process.core
        if core is None or self.front_end.asked - set(self.front_end.accepted):
            return False
        if core.tasks.running or not core.operations.idle:
            return False
        asked = len(self.front_end.asked) >= self.faults.tasks
        return asked and (not core.tasks.waiting or (bool(self.faults.lasting) and self._missing()))

    def _missing(self) -> bool:
        """Whether a module is gone for good, so that tasks wait for a person."""
        return bool({"gone", "broken"} & set(self.faults.lasting)) and not (
            self.process.last.lifecycle.ready
        )

    def _open(self) -> list[str]:
        core = self.process.core
        if core is None:
            return ["no orchestrator"]
        return [
            f"{t.task_id} " + ",".join(f"{s.index}{s.state.name}" for s in t.steps)
            for t in core.tasks.running.values()
        ] + [f"waiting {len(core.tasks.waiting)}: {core.waiting_reason()}"]

    # What the orchestrator does #

    def carry_out(self, commands: Sequence[Command]) -> None:
        """It commands, publishes, answers."""
        self.laws.user_input_published(commands)
        for command in commands:
            if isinstance(command, (SendControl, PublishUserInput, PublishBaseline, Reply)):
                self.tell(command)
            if isinstance(command, SendControl):
                self._send_control(command)
            elif isinstance(command, (PublishUserInput, PublishBaseline)):
                self._publish(command)
            elif isinstance(command, Reply):
                self.front_end.take(command)

    def _send_control(self, command: SendControl) -> None:
        self.laws.sent(command)
        sent, session = self.network.now, self.process.session
        for module in self.modules:
            if module.name == command.target:
                self.network.send(
                    "control", "orchestrator", module.instance,
                    lambda m=module: m.hear_control(command, session, sent),
                )  # fmt: skip

    def _publish(self, command: PublishUserInput | PublishBaseline) -> None:
        self.laws.published(command)
        ticket = Ticket(command.task_id, command.attempt, self.process.session, command.token)
        name, payload = USER_INPUT, payload_of(USER_INPUT, ticket)
        if isinstance(command, PublishBaseline):
            name = BASELINE + self.pipeline.modules[command.module].name
            payload = command.payload or b""
        for spec in self.pipeline.modules:
            if name in spec.inputs or name.startswith(BASELINE):
                self.tell_module("orchestrator", spec.index, name, ticket, payload)

    # Messages #

    def tell_core(self, topic: str, writer: str, event: Event) -> None:
        """A module publishes something that the orchestrator subscribes."""
        life = self.process.core
        self.network.send(topic, writer, "orchestrator", lambda: self.process.arrive(life, event))

    def tell_module(
        self, writer: str, index: int, name: str, ticket: Ticket, payload: bytes
    ) -> None:
        """Something is published that a module subscribes."""
        sent = self.network.now
        for module in self.modules:
            if module.spec.index == index:
                self.network.send(
                    name, writer, module.instance,
                    lambda m=module: m.hear_input(name, ticket, payload, sent),
                )  # fmt: skip

    def ask_inputs(self, module: Module, ticket: Ticket, answer: Answer) -> None:
        """A module calls get_inputs."""
        life = self.process.core
        self.network.send(
            "get_inputs", module.instance, "orchestrator",
            lambda: self._serve_inputs(life, module, ticket, answer),
        )  # fmt: skip

    def _serve_inputs(
        self, life: Orchestrator | None, module: Module, ticket: Ticket, answer: Answer
    ) -> None:
        if life is None or life is not self.process.core:
            return
        try:
            task, step = life.inputs_owed(*ticket, module.name)
        except OrchestratorError as refusal:
            answer(refusal.code)
            return
        given = {USER_INPUT: payload_of(USER_INPUT, ticket)} if task.user_input else {}
        for spec in self.pipeline.modules:
            if (payload := task.outputs[spec.index]) is not None:
                given[spec.name] = payload
        wanted = {name: given[name] for name in module.spec.inputs if name in given}
        if task.task_id.iteration_id > 1 and module.name == "ml_model_provider":
            for spec in self.pipeline.baselines:
                wanted[BASELINE + spec.name] = life.tasks.baseline(task, spec.index) or b""
        answer((step.try_number, wanted))

    # Misfortune #

    def _misfortune(self) -> None:
        """Twice a second something may go wrong."""
        if not self.network.faulty:
            return
        self.network.after(0.5, self._misfortune)
        random, faults = self.random, self.faults
        module = random.choice(self.modules)
        if random.random() < faults.crash / 2:
            module.crash()
        if random.random() < faults.freeze / 2:
            random.choice(self.modules).freeze(random.choice([0.5, 2.0, 4.0, 12.0]))
        if random.random() < faults.deaf / 2:
            random.choice(self.modules).deafen()
        if random.random() < faults.restart / 2:
            self.process.crash(random.uniform(0.1, 5.0))
        if random.random() < faults.pause / 2:
            self.process.freeze(random.choice([0.5, 4.0, 20.0]))
        self.front_end.annoy()

    def _doom(self) -> None:
        """Something goes wrong for good."""
        victim, when = self.random.choice(self.modules), self.random.uniform(0, self.faults.until)
        how = self.faults.lasting[0]
        self.network.after(when, lambda: victim.go_wrong(how))
        if "loop" in self.faults.lasting:
            self._loop()

    def _loop(self) -> None:
        """The orchestrator dies again and again."""
        self.process.crash(self.random.uniform(0.1, 2.0))
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
        self.front_end.help()
        if not self._over():
            self.network.after(8.0, self._help)
