"""The framework in one process, without DDS: the real core and the real reference modules.

What is left out is transport: the same events reach the same core, the user code of the modules is
called by the SDK's host with serialized inputs that the SDK's joiner has put together.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from functools import partial
from importlib import import_module
from itertools import count
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.contract.cdr import Ids, with_ids
from sustainml_orchestrator.contract.module_graph import output_type, read_pipeline
from sustainml_orchestrator.core.commands import (
    Command,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SendControl,
)
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    Event,
    OutputReceived,
    StatusReceived,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import (
    NodeCommand,
    NodeStatus,
    TaskStatus,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.node import outputs, requests
from sustainml_orchestrator.sdk import Module
from sustainml_orchestrator.sdk.actions import Failed, Job, Phase
from sustainml_orchestrator.sdk.input_joiner import InputJoiner
from sustainml_orchestrator.sdk.module_spec import USER_INPUT, spec_of
from sustainml_orchestrator.sdk.task import BASELINE
from sustainml_orchestrator.sdk.user_code import Host
from sustainml_orchestrator.sdk.wire_ids import read_ticket

_SESSION = 1
_LIMITS = requests.Limits()


class Framework:
    """Solves problems, one at a time; everything that follows from one included."""

    def __init__(self) -> None:
        pipeline = read_pipeline("")
        self._core = Orchestrator(
            pipeline=pipeline,
            settings=Settings(),
            session=_SESSION,
            draw_token=count(1).__next__,
            derive=requests.derive_user_input,
            exhausted=partial(outputs.is_exhausted, pipeline),
        )
        self._seats = [_Seat(spec.name) for spec in pipeline.modules]
        self._events: deque[Event] = deque()
        self._now = count(1)
        for seat in self._seats:
            self._events.append(seat.status(NodeStatus.INACTIVE))
        self._run()
        while not self._core.lifecycle.ready:
            self._events.append(TimePassed())
            self._run()

    def configure(self, module: str, **configuration: Any) -> None:
        """Set what a module may be told by configure_node."""
        self._seat(module).host.configure(configuration)

    def solve(self, fields: Mapping[str, Any]) -> list[Task]:
        """The iterations of a problem given by the fields of UserInput.

        Raises:
            OrchestratorError: the request is refused.
        """
        message = UserInput(**fields)
        goal = requests.check_user_input(message, "", _LIMITS)
        payload = requests.to_payload(message, "/sustainml/orchestrator", 0, _LIMITS)
        self._events.append(TaskSubmitted(1, payload, "", goal=goal))
        task_id = next(c.value for c in self._run() if isinstance(c, Reply))
        return self._core.store.problem(task_id.problem_id)

    def best(self, chain: list[Task]) -> Task:
        """The one that the orchestrator takes for the best of those that followed each other."""
        return self._core.optimiser.best(chain[-1])

    def output(self, iteration: Task, module: str) -> Any:
        """What a module gave for an iteration, as a message; a default one where nothing."""
        spec = self._core.pipeline.by_name[module]
        data, kind = iteration.outputs[spec.index], output_type(spec)
        return kind() if data is None else deserialize_message(data, kind)

    def _seat(self, module: str) -> _Seat:
        return self._seats[self._core.pipeline.by_name[module].index]

    def _run(self) -> list[Command]:
        """Handle events until none is left; all that the core asked for."""
        done: list[Command] = []
        while self._events:
            tick = next(self._now)
            commands = self._core.handle(self._events.popleft(), Instant(tick * 0.1, tick * 10**8))
            for command in commands:
                self._carry_out(command)
            done += commands
        return done

    def _carry_out(self, command: Command) -> None:
        if isinstance(command, SendControl) and command.cmd_node is NodeCommand.START:
            seat = self._seat(command.target)
            for status in (NodeStatus.INITIALIZING, NodeStatus.IDLE):
                self._events.append(seat.status(status, last_command=command.command_id))
        elif isinstance(command, PublishUserInput):
            self._spread(USER_INPUT, _ids(command), command.payload)
        elif isinstance(command, PublishBaseline):
            spec = self._core.pipeline.modules[command.module]
            payload = command.payload or serialize_message(output_type(spec)())
            self._spread(BASELINE + spec.name, _ids(command), payload)

    def _spread(self, name: str, ids: Ids, payload: bytes) -> None:
        """Give a payload to all that need it; whoever has everything then works."""
        data = with_ids(payload, ids)
        for index, seat in enumerate(self._seats):
            outcome = seat.take(name, data)
            if isinstance(outcome, bytes):
                kind = output_type(self._core.pipeline.modules[index])
                facts = outputs.facts(outcome, kind)
                self._events.append(OutputReceived(index, *ids, outcome, facts))
                self._spread(seat.name, ids, outcome)
            elif outcome is not None:
                self._events.append(seat.failure(ids, outcome))


def _ids(command: PublishUserInput | PublishBaseline) -> Ids:
    return Ids(command.task_id, command.attempt, _SESSION, command.token)


class _Seat:
    """One module, with its inputs as they come in."""

    def __init__(self, name: str) -> None:
        self.name = name
        module = import_module(f"sustainml_orchestrator.reference_modules.{name}")
        (cls,) = (
            item
            for item in vars(module).values()
            if isinstance(item, type) and issubclass(item, Module) and item.module == name
        )
        self.host = Host(cls, f"/sustainml/{name}")
        self.host.start({})
        self._joiner = InputJoiner(spec_of(cls).needed)
        self._calls = count(1)

    def take(self, name: str, data: bytes) -> bytes | Failed | None:
        """One more input; the output when it was the last one missing, or why there is none."""
        ticket = read_ticket(data)
        parts = self._joiner.add(ticket, name, data)
        if parts is None:
            return None
        outcome = self.host.call(
            Job(next(self._calls), ticket, 1, Phase.RUNNING, parts), lambda: False
        )
        return outcome if isinstance(outcome, Failed) else outcome.output

    def status(self, node_status: NodeStatus, **fields: Any) -> StatusReceived:
        """What the module says of itself."""
        known = {"last_command": 0, **fields}
        return StatusReceived(self.name, f"/sustainml/{self.name}", 1, node_status=node_status,
                              **known)  # fmt: skip

    def failure(self, ids: Ids, why: Failed) -> StatusReceived:
        """That it could not do a task."""
        return self.status(
            NodeStatus.RUNNING,
            **ids._asdict(),
            task_status=TaskStatus.ERROR,
            try_number=1,
            error_code=why.error_code,
            error_description=why.text,
        )
