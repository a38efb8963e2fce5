"""One orchestrator of the namespace, with its disk, its front-end and what must hold for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from support.simulation.disk import Disk
from support.simulation.frontend import FrontEnd
from support.simulation.invariants import Invariants
from support.simulation.modules import BASELINE, Module
from support.simulation.process import Process
from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    Command,
    Leave,
    Log,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SendControl,
)
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import Event, OutputReceived, PeerObserved, StatusReceived
from sustainml_orchestrator.core.ids import ErrorCode, TaskCommand
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import USER_INPUT
from sustainml_orchestrator.sdk.wire_ids import Ticket

if TYPE_CHECKING:
    from support.simulation.world import World

#: Commands that the story of a schedule tells.
_TOLD = (SendControl, PublishUserInput, PublishBaseline, Reply, Leave, Log)

Answer = Callable[[tuple[int, dict[str, bytes]] | ErrorCode], None]


class Site:
    """What one orchestrator does to the world, and the world to it.

    Args:
        name: as a writer and reader of messages.
        disk: what it starts from.
    """

    def __init__(self, world: World, name: str, disk: Disk) -> None:
        self.world = world
        self.name = name
        self.random, self.faults, self.network = world.random, world.faults, world.network
        self.pipeline, self.permitted = world.pipeline, world.permitted
        self.invariants = Invariants(self)
        self.front_end = FrontEnd(self)
        self.process = Process(self, disk)
        #: when a status of each process arrived last
        self._heard: dict[str, float] = {}

    @property
    def modules(self) -> list[Module]:
        """The processes of all modules."""
        return self.world.modules

    def modules_of(self, index: int) -> list[Module]:
        """The processes of a module."""
        return self.world.modules_of(index)

    def misses(self, index: int, ticket: Ticket) -> bool:
        """Whether it hears nothing of one of several processes which said that it has a task."""
        processes, now = self.modules_of(index), self.network.now
        timeout = self.process.last.settings.heartbeat_timeout
        silent = [m for m in processes if now - self._heard.get(m.instance, now) >= timeout]
        return len(processes) > 1 and any(m.has_begun(ticket) for m in silent)

    def lost(self, *, rolled_back: bool, noticed: bool) -> None:
        """The disk holds less than was reported."""
        self.invariants.lost(rolled_back=rolled_back, noticed=noticed)

    # What the orchestrator does #

    def carry_out(self, commands: Sequence[Command]) -> None:
        """It commands, publishes, answers."""
        self.invariants.user_input_published(commands)
        for command in commands:
            if isinstance(command, _TOLD):
                self.world.record(command)
            if isinstance(command, SendControl):
                self._send_control(command)
            elif isinstance(command, (PublishUserInput, PublishBaseline)):
                self._publish(command)
            elif isinstance(command, Reply):
                self.front_end.take(command)
            elif isinstance(command, AnnounceSystem):
                self.announce()
            elif isinstance(command, Leave):
                self.world.leave(self)

    def announce(self) -> None:
        """Publish the system_state, which other orchestrators receive."""
        core = self.process.core
        if core is None or core.duplicate_check.leaving:
            return
        event = PeerObserved(core.duplicate_check.incarnation, core.session)
        for other in self.world.sites:
            if other is not self:
                other.receive("system_state", self.name, event)

    def _send_control(self, command: SendControl) -> None:
        self.invariants.sent(command)
        sent, session = self.network.now, self.process.session
        arrives, index = True, -1
        for module in self.modules:
            if command.target in (module.name, module.instance):
                index = module.spec.index
                arrives &= self.network.send(
                    "control", self.name, module.instance,
                    lambda m=module: m.receive_control(command, session, sent),
                )  # fmt: skip
        if command.cmd_task is TaskCommand.RESET:
            ticket = Ticket(command.task_id, command.attempt, session, command.token)
            self.permitted.delivered(ticket, index, command.try_number, arrives=arrives)

    def _publish(self, command: PublishUserInput | PublishBaseline) -> None:
        self.invariants.published(command)
        ticket = Ticket(command.task_id, command.attempt, self.process.session, command.token)
        self.permitted.published(command.token)
        name, payload = USER_INPUT, command.payload or b""
        if isinstance(command, PublishBaseline):
            name = BASELINE + self.pipeline.modules[command.module].name
        for spec in self.pipeline.modules:
            if name in spec.inputs or name.startswith(BASELINE):
                self.world.send_to_module(self.name, spec.index, name, ticket, payload)

    # What reaches it #

    def receive(self, topic: str, writer: str, event: Event) -> None:
        """Something is published that it subscribes."""
        core = self.process.core

        def arrive() -> None:
            if isinstance(event, StatusReceived):
                self._heard[writer] = self.network.now
            self.process.arrive(core, event)

        arrives = self.network.send(topic, writer, self.name, arrive)
        if not arrives and isinstance(event, StatusReceived):
            self.permitted.answer_lost(event.token, self.pipeline.by_name[event.node_name].index)
        elif not arrives and isinstance(event, OutputReceived):
            self.permitted.output_lost(event.token, event.module)

    def serve_inputs(self, module: Module, ticket: Ticket, answer: Answer) -> None:
        """A module calls get_inputs."""
        core = self.process.core
        self.network.send(
            "get_inputs", module.instance, self.name,
            lambda: self._answer(core, module, ticket, answer),
        )  # fmt: skip

    def _answer(
        self, core: Orchestrator | None, module: Module, ticket: Ticket, answer: Answer
    ) -> None:
        if core is None or core is not self.process.core:
            return

        def send(reply: tuple[int, dict[str, bytes]] | ErrorCode) -> None:
            self.network.send("answer", self.name, module.instance, lambda: answer(reply))

        try:
            task, step = core.inputs_owed(*ticket, module.name)
        except OrchestratorError as refusal:
            send(refusal.code)
            return
        given = {USER_INPUT: task.user_input} if task.user_input else {}
        for spec in self.pipeline.modules:
            if (payload := task.outputs[spec.index]) is not None:
                given[spec.name] = payload
        wanted = {name: given[name] for name in module.spec.inputs if name in given}
        if task.task_id.iteration_id > 1 and module.name == "ml_model_provider":
            for spec in self.pipeline.baselines:
                wanted[BASELINE + spec.name] = core.tasks.baseline(task, spec.index) or b""
        send((step.try_number, wanted))
