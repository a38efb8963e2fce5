"""One schedule: the core with its journal, the modules, a front-end, and what must always hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from random import Random

import yaml

from simulation.faults import Faults, draw
from simulation.memory import Memory
from simulation.modules import BASELINE, Module, payload_of
from simulation.network import Network
from sustainml_orchestrator.core.commands import (
    Command,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SaveOutput,
    SendControl,
)
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import (
    ConsumersMatched,
    DeletionRequested,
    Event,
    NodeCommanded,
    OptimisationGoal,
    TaskCommanded,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.iteration import Iteration
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import USER_INPUT, Pipeline
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.turn import Instant
from sustainml_orchestrator.module.wire import Ticket

_TICK = 0.25
#: What a submission may be after; iteration n has 1/n of the first one's carbon.
_GOALS = (
    OptimisationGoal(),
    OptimisationGoal(num_outputs=2),
    OptimisationGoal(auto=True, desired_carbon_footprint=0.4),
)
#: By when every task has ended once the faults stopped, s of simulated time.
PATIENCE = 300.0
_DATA = yaml.safe_load((Path(__file__).parents[3] / "config" / "pipeline.yaml").read_text())
for _module in _DATA["modules"].values():
    _module["timeout"] = 10.0
PIPELINE = Pipeline.from_data(_DATA, "pipeline.yaml")


class World:
    """Everything that happens in one schedule."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.random = Random(seed)
        self.faults = faults or draw(self.random)
        self.network = Network(self.random, self.faults)
        self.pipeline = PIPELINE
        self.memory = Memory()
        self.session = 7
        self.steps = 0
        self._core: Orchestrator | None = None
        self._inbox: list[Event] = []
        self._calls = 0
        self._asked: dict[int, str] = {}
        self.accepted: dict[str, TaskId] = {}
        self.deleted: set[int] = set()
        self._published: set[tuple[object, ...]] = set()
        self._results: dict[tuple[Ticket, int], bytes] = {}
        self._revision = 0
        self.story: list[tuple[float, object]] = []
        self._start_core()
        self.modules = self._make_modules()
        for index in range(self.faults.tasks):
            when = self.random.uniform(0, self.faults.until)
            self.network.after(when, lambda i=index: self._submit(f"task {i}"))
        self.network.after(0.5, self._misfortune)
        self.network.after(self.faults.until, self._calm)

    def _make_modules(self) -> list[Module]:
        foreign = self.random.choice(self.pipeline.modules) if self.faults.foreign else None
        modules = [
            Module(self, spec, self.random, f"/sustainml/{spec.name}", foreign=spec is foreign)
            for spec in self.pipeline.modules
        ]
        if self.faults.twin:
            spec = self.random.choice(self.pipeline.modules)
            modules.append(Module(self, spec, self.random, "/sustainml/twin", foreign=False))
        return modules

    @property
    def core(self) -> Orchestrator:
        """The orchestrator that is up, or was last."""
        assert self._core is not None
        return self._core

    # Running #

    def run(self) -> None:
        """Until every task has ended.

        Raises:
            AssertionError: an invariant does not hold; so with any bug of the core.
        """
        end = self.faults.until + PATIENCE
        while self.network.now < end:
            self.network.step()
            self.steps += 1
            if not self.network.faulty and self._over():
                self._judge()
                return
        raise AssertionError(f"not over after {PATIENCE} s: {self._open()}")

    def tell(self, what: object) -> None:
        """Add to the story."""
        self.story.append((self.network.now, what))

    def chance(self, fault: str) -> bool:
        """Whether this goes wrong now."""
        return self.network.faulty and self.random.random() < getattr(self.faults, fault)

    def _over(self) -> bool:
        return (
            self._core is not None
            and len(self.accepted) == self.faults.tasks
            and self._core.operations.idle
            and not self._core.tasks.running
            and not self._core.tasks.waiting
        )

    def _open(self) -> list[str]:
        if self._core is None:
            return ["no orchestrator"]
        tasks = [*self._core.tasks.running.values()]
        return [
            f"{t.task_id} " + ",".join(f"{s.index}{s.state.name}" for s in t.steps) for t in tasks
        ] + [f"waiting {len(self._core.tasks.waiting)}: {self._core.waiting_reason()}"]

    # The orchestrator's process #

    def _start_core(self) -> None:
        if self.faults.amnesia and self._core is None and self.steps:
            self.memory = Memory()
            self.session += 1
            self.deleted.clear()
            for name in self.accepted:
                self.network.after(1.0, lambda name=name: self._submit(name))
            self.accepted.clear()
        self._core = core = Orchestrator(
            pipeline=self.pipeline,
            settings=Settings(
                max_active_tasks=self.random.choice([1, 3, 100]),
                queue_timeout=30.0,
                node_lost_timeout=20.0,
                start_timeout=10.0,
                max_auto_iterations=3,
            ),
            session=self.session,
            derive=lambda payload, models, left, previous: payload,
        )
        commands = self.memory.restore(core, self._instant())
        self.memory.commit(core, commands)
        self._carry_out(commands)
        life = core
        self.network.after(0.0, lambda: self._tick(life))
        matched = self.random.choice([0, 4, 9])
        self.network.after(0.3, lambda: self._arrive(life, ConsumersMatched(matched)))

    def _instant(self) -> Instant:
        return Instant(self.network.now, int(self.network.now * 1e9))

    def _tick(self, life: Orchestrator) -> None:
        if life is self._core:
            self._arrive(life, TimePassed())
            self.network.after(_TICK, lambda: self._tick(life))

    def _arrive(self, life: Orchestrator | None, event: Event) -> None:
        if life is None or life is not self._core:
            return
        if not self._inbox:
            self.network.after(0.001, lambda: self._wake_up(life))
        self._inbox.append(event)

    def _wake_up(self, life: Orchestrator) -> None:
        """Handle what arrived, keep it, then carry it out; a crash may come between."""
        if life is not self._core:
            return
        events, self._inbox = self._inbox, []
        commands: list[Command] = []
        for event in events:
            if not isinstance(event, TimePassed):
                self.tell(event)
            commands += life.handle(event, self._instant())
            life.validate()
            assert life.database.revision >= self._revision, "revisions go back"
            self._revision = life.database.revision
        dies = self.network.faulty and self.random.random() < self.faults.restart / 100
        if dies and self.random.random() < 0.5:
            self.crash_core()  # all that was not kept is forgotten
            return
        self.memory.commit(life, commands)
        if dies:
            self.crash_core()
        else:
            self._carry_out(commands)

    def crash_core(self) -> None:
        """The orchestrator dies and is started again."""
        if self._core is not None:
            self.tell("orchestrator dies")
            self._core, self._inbox = None, []
            self._revision = 0
            self.network.after(self.random.uniform(0.1, 5.0), self._start_core)

    def _carry_out(self, commands: list[Command]) -> None:
        for command in commands:
            if isinstance(command, (SendControl, PublishUserInput, PublishBaseline, Reply)):
                self.tell(command)
            if isinstance(command, SendControl):
                self._send_control(command)
            elif isinstance(command, (PublishUserInput, PublishBaseline)):
                self._publish(command)
            elif isinstance(command, Reply):
                self._take_answer(command)
            elif isinstance(command, SaveOutput):
                self._check_result(command)

    def _send_control(self, command: SendControl) -> None:
        if self.faults.gentle:
            restarts = command.cmd_node in (NodeCommand.RESET, NodeCommand.TERMINATE)
            assert not restarts, f"a healthy node is restarted: {command}"
            assert command.try_number <= 1, f"a healthy module needs another try: {command}"
        sent, session = self.network.now, self.session
        for module in self.modules:
            if module.name == command.target:
                self.network.send(
                    "control", "orchestrator", module.instance,
                    lambda m=module: m.hear_control(command, session, sent),
                )  # fmt: skip

    def _publish(self, command: PublishUserInput | PublishBaseline) -> None:
        ticket = Ticket(command.task_id, command.attempt, self.session)
        name = USER_INPUT
        payload = payload_of(USER_INPUT, ticket)
        if isinstance(command, PublishBaseline):
            name = BASELINE + self.pipeline.modules[command.module].name
            payload = command.payload or b""
        key = (name, ticket)
        assert key not in self._published, f"published twice: {key}"
        self._published.add(key)
        for spec in self.pipeline.modules:
            if name in spec.inputs or name.startswith(BASELINE):
                self.tell_module("orchestrator", spec.index, name, ticket, payload)

    def _check_result(self, command: SaveOutput) -> None:
        task = self.core.database.find(command.task_id)
        if task is not None and (payload := task.outputs[command.module]) is not None:
            key = (Ticket(task.task_id, task.attempt, self.session), command.module)
            assert self._results.setdefault(key, payload) == payload, f"result changed: {key}"

    # Messages #

    def tell_core(self, topic: str, writer: str, event: Event) -> None:
        """A module publishes something that the orchestrator subscribes."""
        life = self._core
        self.network.send(topic, writer, "orchestrator", lambda: self._arrive(life, event))

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

    def ask_inputs(
        self,
        module: Module,
        ticket: Ticket,
        answer: Callable[[tuple[int, dict[str, bytes]] | ErrorCode], None],
    ) -> None:
        """A module calls get_inputs."""
        life = self._core
        self.network.send(
            "get_inputs", module.instance, "orchestrator",
            lambda: self._serve_inputs(life, module, ticket, answer),
        )  # fmt: skip

    def _serve_inputs(
        self,
        life: Orchestrator | None,
        module: Module,
        ticket: Ticket,
        answer: Callable[[tuple[int, dict[str, bytes]] | ErrorCode], None],
    ) -> None:
        if life is None or life is not self._core:
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

    # Front-end and misfortune #

    def _call(self, make: type, *args: object, about: str = "", **fields: object) -> None:
        self._calls += 1
        self._asked[self._calls] = about
        self._arrive(self._core, make(self._calls, *args, **fields))

    def _submit(self, name: str) -> None:
        """Ask for a task until it is answered; its request id keeps it one task."""
        if name in self.accepted:
            return
        base = NO_TASK
        known = [t for t in self.accepted.values() if t.problem_id not in self.deleted]
        if known and self.random.random() < 0.4:
            base = self.random.choice(known)
        goal = self.random.choices(_GOALS, (8, 2, 1))[0]
        self._call(
            TaskSubmitted, b"input", name, self.random.randint(0, 2), name, base, goal, about=name
        )
        self.network.after(2.0, lambda: self._submit(name))

    def _take_answer(self, reply: Reply) -> None:
        name = self._asked.pop(reply.call, "")
        if not name or reply.error is not None:
            return
        before = self.accepted.setdefault(name, reply.value)
        assert before == reply.value, f"{name} is two tasks: {before} and {reply.value}"

    def _misfortune(self) -> None:
        """Twice a second something may go wrong."""
        if not self.network.faulty:
            return
        self.network.after(0.5, self._misfortune)
        random, faults = self.random, self.faults
        if random.random() < faults.crash / 2:
            random.choice(self.modules).crash()
        if random.random() < faults.freeze / 2:
            random.choice(self.modules).freeze(random.choice([0.5, 2.0, 4.0, 12.0]))
        if random.random() < faults.restart / 2:
            self.crash_core()
        if random.random() < faults.node_command / 2:
            name = random.choice(["", *(m.name for m in self.modules)])
            self._call(NodeCommanded, name, NodeCommand(random.randint(1, 4)), 3.0)
        if self.accepted and random.random() < faults.task_command / 2:
            task_id = random.choice(list(self.accepted.values()))
            self._call(TaskCommanded, task_id, TaskCommand(random.randint(1, 4)))
        if self.accepted and random.random() < faults.delete / 2:
            problem = random.choice(list(self.accepted.values())).problem_id
            self.deleted.add(problem)
            self._call(DeletionRequested, problem)

    def _calm(self) -> None:
        """The faults stop; a person starts every node that was stopped or given up."""
        for module in self.modules:
            module.start()
            if module.frozen:
                module.thaw()
        self.network.after(8.0, self._help)

    def _help(self) -> None:
        for node in self.core.lifecycle.nodes:
            if node.status is NodeStatus.ERROR:
                self._call(NodeCommanded, node.name, NodeCommand.RESET, 3.0)
            elif not node.desired_active:
                self._call(NodeCommanded, node.name, NodeCommand.START, 3.0)
        if not self._over():
            self.network.after(8.0, self._help)

    # What must hold in the end #

    def _judge(self) -> None:
        core = self.core
        assert len(set(self.accepted.values())) == len(self.accepted), "one id for two tasks"
        for name, task_id in self.accepted.items():
            task = core.database.find(task_id)
            if task is None:
                assert task_id.problem_id in self.deleted, f"{name} ({task_id}) is lost"
                continue
            assert not task.open
            if self.faults.mild:
                assert task.status is TaskStatus.SUCCEEDED, f"{task_id}: {task.outcome_reason}"
        for problem in core.database.problems.values():
            for task in problem:
                self._judge_search(task)
                for spec, output in zip(self.pipeline.modules, task.outputs, strict=True):
                    right = payload_of(spec.name, Ticket(task.task_id, task.attempt, self.session))
                    assert output in (None, right), f"{task.task_id} holds {output!r}"

    def _judge_search(self, task: Iteration) -> None:
        """What has succeeded and is not followed by another iteration says why."""
        following = self.core.database.find(task.next_task)
        if following is not None:
            assert following.base_task.problem_id == task.task_id.problem_id
            assert following.task_id.iteration_id > task.task_id.iteration_id
        goal = task.goal
        assert isinstance(goal, OptimisationGoal)
        if goal.auto and task.status is TaskStatus.SUCCEEDED and following is None:
            reason = task.outcome_reason
            assert reason.startswith(("target of 0.4 kgCO2e met", "taken over", "max_auto")), reason
