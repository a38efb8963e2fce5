"""A module process: the state machine of the SDK, with its workers and its process simulated."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.commands import SendControl
from sustainml_orchestrator.core.events import OutputReceived, StatusReceived
from sustainml_orchestrator.core.ids import (
    NO_TASK,
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.core.pipeline import USER_INPUT, ModuleSpec
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.sdk.actions import (
    Action,
    Cancel,
    Command,
    Exit,
    Failed,
    FetchInputs,
    Job,
    Outcome,
    Prepare,
    PublishOutput,
    Report,
    Run,
    Succeeded,
)
from sustainml_orchestrator.sdk.job_table import Limits
from sustainml_orchestrator.sdk.state_machine import StateMachine
from sustainml_orchestrator.sdk.transitions import Trigger
from sustainml_orchestrator.sdk.wire_ids import Ticket

if TYPE_CHECKING:
    from support.simulation.world import World

#: In front of the name of the module whose output of the base it is.
BASELINE = "baseline:"
#: What a process said so long ago (s) may not have arrived when it dies; the orchestrator's pauses
#: do not count.
_ON_ITS_WAY = 5.0
#: So long (s) after a fault of a module its steps may still be given another try.
_AFTERMATH = 20.0
#: How often a module asks for inputs before it gives the task back.
_CALLS = 4


def payload_of(name: str, ticket: Ticket, user_input: bytes, run: int) -> bytes:
    """What an output of a module holds: enough to see where it came from.

    Args:
        user_input: of the task; no two requests have the same.
        run: which run of user code made it; two runs give two results.
    """
    ids = f"{ticket.task_id}|{ticket.attempt}|{ticket.token}|{ticket.session}"
    return f"{name}|{ids}|{user_input.decode()}|{run}".encode()


def is_of(payload: bytes, name: str, about: Ticket | Task, user_input: bytes) -> bool:
    """Whether a payload came from this module, task and attempt, whichever run or session."""
    author, task_id, attempt, token, _, made_from, _ = payload.decode().split("|")
    ids = str(about.task_id), str(about.attempt), str(about.token)
    return (author, task_id, attempt, token) == (name, *ids) and made_from == user_input.decode()


def origin(inputs: Mapping[str, bytes]) -> bytes:
    """The user input that the inputs of a job were made from.

    Raises:
        AssertionError: they are of several tasks.
    """
    origins = {
        payload if name == USER_INPUT else payload.split(b"|")[5]
        for name, payload in inputs.items()
        if not name.startswith(BASELINE)
    }
    assert len(origins) == 1, f"inputs of several tasks: {inputs}"
    return origins.pop()


class Module:
    """One module of the pipeline over its restarts; its supervisor starts it again."""

    def __init__(
        self, world: World, spec: ModuleSpec, random: Random, instance: str, *, foreign: bool
    ) -> None:
        self.name = spec.name
        self.instance = instance
        self.foreign = foreign
        self.spec = spec
        self.up = self.frozen = False
        self._ends: set[str] = set()
        #: commands of which one must come before it obeys again; empty = it obeys
        self.unresponsive_until: tuple[NodeCommand, ...] = ()
        #: how often it received each command for the node
        self.received: Counter[NodeCommand] = Counter()
        #: tasks and tries that it said it works on, and when it said that it has ended
        self._working: dict[tuple[Ticket, int], float] = {}
        self.incarnation = 0
        self.born = 0.0
        self._world = world
        self._random = random
        self._backlog: list[Callable[[], None]] = []
        self._runs = world.runs
        self.state: StateMachine
        self.start()

    # The process #

    def start(self) -> None:
        """A new process; what was sent before it is there does not reach it."""
        if self.up or "gone" in self._ends:
            return
        self.up, self.frozen, self._backlog = True, False, []
        self.unresponsive_until, self._working = (), {}
        self.incarnation += 1
        self.born = self._world.network.now + 0.1
        self.state = StateMachine(
            module=self.name,
            instance=self.instance,
            incarnation=self.incarnation,
            needed=self._needed,
            limits=Limits(
                workers=0 if "stuck" in self._ends else self._random.choice([1, 1, 2]),
                max_held_tasks=0 if "full" in self._ends else 1000,
            ),
        )
        if self._world.chance("unresponsive_start"):
            self.stop_responding()
        self._later(0.1, self._beat)

    def crash(self) -> None:
        """The process is gone at once; it is started again."""
        if not self.up:
            return
        self.up, now = False, self._world.network.now
        for (ticket, try_number), ended in self._working.items():
            awake = self._world.site_of(ticket.session).process.last.context.now
            if now < ended:
                self._world.permitted.died(ticket, self.spec.index, try_number)
            elif min(now, awake) - ended < _ON_ITS_WAY:
                self._world.permitted.note(ticket, self.spec.index, try_number)
        pause = self._random.uniform(0.2, 4.0)
        if self._world.faults.widow and len(self._world.modules_of(self.spec.index)) > 1:
            pause = max(pause, self._world.faults.until - now)
        self._world.network.after(pause, self.start)

    def go_wrong(self, how: str) -> None:
        """From now on something is wrong with it for good."""
        self._ends.add(how)
        self._world.permitted.suspect(self.spec.index, math.inf)
        if how in ("gone", "broken", "full", "stuck"):
            self.crash()

    def stop_responding(self) -> None:
        """It ignores what it receives, but sends heartbeats."""
        commands = (NodeCommand.RESET, NodeCommand.TERMINATE)
        self.unresponsive_until = self.unresponsive_until or self._random.choice(
            [commands, commands[1:]]
        )

    def told(self, command: NodeCommand) -> tuple[int, int]:
        """Its incarnation, and how often it was told so; START_NODE of a new process, too."""
        return self.incarnation, self.received[command] + self.received[NodeCommand.START]

    def reset(self) -> None:
        """Somebody resets this process with a tool of their own."""
        self._happen(self.incarnation, lambda: self._do(self.state.triggered(Trigger.RESET)))

    def freeze(self, seconds: float) -> None:
        """The process stands still for a while."""
        if self.up and not self.frozen:
            self.frozen = True
            self._world.permitted.suspect(self.spec.index, seconds + _AFTERMATH)
            incarnation = self.incarnation
            self._world.network.after(
                seconds, lambda: self.thaw() if incarnation == self.incarnation else None
            )

    def thaw(self) -> None:
        """It goes on; all that waited for it happens now."""
        self.frozen = False
        backlog, self._backlog = self._backlog, []
        for action in backlog:
            self._happen(self.incarnation, action)

    def _needed(self, iteration_id: int) -> set[str]:
        needed = set(self.spec.inputs)
        if iteration_id > 1 and self.name == "ml_model_provider":
            needed |= {BASELINE + spec.name for spec in self._world.pipeline.baselines}
        return needed

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        incarnation = self.incarnation
        self._world.network.after(delay, lambda: self._happen(incarnation, action))

    def _happen(self, incarnation: int, action: Callable[[], None]) -> None:
        if not self.up or incarnation != self.incarnation:
            return
        if self.frozen:
            self._backlog.append(action)
        else:
            action()

    def _beat(self) -> None:
        if self.unresponsive_until:
            self._world.permitted.suspect(self.spec.index, _ON_ITS_WAY + _AFTERMATH)
            self._world.site.invariants.nodes.unresponsive(self)
        self._do(self.state.heartbeat())
        self._later(1.0, self._beat)

    # What it receives #

    def receive_control(self, command: SendControl, session: int, sent: float) -> None:
        """A command on its way arrives."""
        if sent < self.born:
            return
        if self.unresponsive_until:
            if command.cmd_node not in self.unresponsive_until:
                self._world.site_of(session).invariants.nodes.ignored(self, command)
                return
            self.unresponsive_until = ()
            self._world.site_of(session).invariants.nodes.listens(self)
        ticket = Ticket(command.task_id, command.attempt, session, command.token)
        self.received[command.cmd_node] += 1
        heard = Command(
            command.target, command.command_id, 0, ticket,
            command.cmd_node, command.cmd_task, command.try_number,
        )  # fmt: skip
        self._happen(self.incarnation, lambda: self._do(self.state.command_received(heard)))

    def receive_input(self, name: str, ticket: Ticket, payload: bytes, sent: float) -> None:
        """An input on its way arrives."""
        if sent >= self.born and not self.unresponsive_until:
            self._happen(
                self.incarnation,
                lambda: self._do(self.state.input_received(name, ticket, payload)),
            )

    # What it does #

    def _do(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Report):
                self._report(action)
            elif isinstance(action, PublishOutput):
                self._publish(action.output)
            elif isinstance(action, Run):
                self._check_sharing(action.job)
                self._run(action.job)
            elif isinstance(action, Cancel):
                self._free(action.job, self._random.choice([0.0, 0.05, 2.0]))
            elif isinstance(action, FetchInputs):
                self._fetch(action.job, _CALLS)
            elif isinstance(action, Prepare):
                self._prepare(action.generation)
            elif isinstance(action, Exit):
                self._later(0.05, self.crash)

    def _report(self, report: Report) -> None:
        ticket = report.ticket
        if ticket is not None:
            works = report.task_status == TaskStatus.RUNNING
            ended = math.inf if works else self._world.network.now
            if works or (ticket, report.try_number) in self._working:
                self._working[ticket, report.try_number] = ended
        about = tuple(ticket) if ticket else (NO_TASK, 0, 0, 0)
        event = StatusReceived(
            self.name, self.instance, 0 if self.foreign else self.incarnation,
            0 if self.foreign else self.state.last_command,
            NodeStatus(report.node_status), *about, report.task_status, report.try_number,
            report.error_code, report.text,
        )  # fmt: skip
        self._world.send_to_orchestrators("status", self.instance, event)

    def _publish(self, output: bytes) -> None:
        _, task, attempt, token, session, _, _ = output.decode().split("|")
        ticket = Ticket(TaskId.parse(task), int(attempt), int(session), int(token))
        facts = {"carbon": 1.0 / ticket.task_id.iteration_id}
        event = OutputReceived(self.spec.index, *ticket, output, facts)
        self._world.send_to_orchestrators("output", self.instance, event)
        for index in self._world.pipeline.consumers[self.spec.index]:
            self._world.send_to_module(self.instance, index, self.name, ticket, output)

    def _prepare(self, generation: int) -> None:
        if "broken" in self._ends or self._world.chance("broken_start"):
            self._world.permitted.suspect(self.spec.index, _AFTERMATH)
            self._later(0.2, lambda: self._do(self.state.broken(generation, "no model")))
        else:
            delay = self._random.choice([0.01, 0.5])
            self._later(delay, lambda: self._do(self.state.prepared(generation)))

    def _run(self, job: Job) -> None:
        made_from = origin(job.inputs or {})
        for name, payload in (job.inputs or {}).items():
            if name != USER_INPUT and not name.startswith(BASELINE):
                right = is_of(payload, name, job.ticket, made_from)
                assert right, f"{self.name}: {payload!r} is no input of {job.ticket}"
        self._world.site_of(job.ticket.session).invariants.begun(self, job)
        permitted = self._world.permitted
        permitted.begun(job.ticket, self.spec.index, job.try_number)
        if "hung" in self._ends or self._world.chance("hang"):
            permitted.note(job.ticket, self.spec.index, job.try_number)
            permitted.suspect(self.spec.index, 60.0)  # others wait in its queue
            return
        # Work for an earlier session must be able to end in a later one.
        slow = self._world.faults.amnesia or self._world.faults.rollback
        duration = min(self._random.expovariate(0.5 if slow else 4.0), 5.0)
        if self._world.poisons(self, job) or self._world.chance("die"):
            self._later(duration, self.crash)
            return
        outcome: Outcome = Succeeded(payload_of(self.name, job.ticket, made_from, next(self._runs)))
        if self._world.chance("error"):
            codes = (ErrorCode.INTERNAL_ERROR, ErrorCode.INVALID_REQUEST)
            outcome = Failed(self._random.choice(codes), "boom")
            permitted.note(job.ticket, self.spec.index, job.try_number, outcome.error_code)
        self._later(duration, lambda: self._end(job, outcome))

    def _end(self, job: Job, outcome: Outcome) -> None:
        if "giver" in self._ends:
            self._do(self.state.fetch_failed(job, TaskStatus.RETURNED, ErrorCode.NO_ERROR, "no"))
        else:
            self._do(self.state.call_ended(job, outcome))
        self._free(job, 0.0)

    def _free(self, job: Job, delay: float) -> None:
        self._later(delay, lambda: self._do(self.state.slot_freed(job)))

    def _check_sharing(self, job: Job) -> None:
        """Of several processes that work on what is assigned to them, one works on a step."""
        for other in self._world.modules_of(self.spec.index) if self._world.faults.sharing else ():
            if other is not self and other.works_on(job.ticket):
                assert not (self.state.addressed and other.state.addressed), (
                    f"{self.instance} and {other.instance} work on {job.ticket}"
                )

    def works_on(self, ticket: Ticket) -> bool:
        """Whether it holds a task."""
        return self.up and self.state.jobs.get(ticket) is not None

    def has_begun(self, ticket: Ticket) -> bool:
        """Whether this process said that it works on a task, perhaps until it had ended."""
        return any(ticket == told for told, _ in self._working)

    # Fetching #

    def _fetch(self, job: Job, calls: int) -> None:
        """Ask; ask again when no answer comes."""
        if not calls:
            self._do(
                self.state.fetch_failed(job, TaskStatus.RETURNED, ErrorCode.TIMEOUT, "no answer")
            )
            return
        answered: list[bool] = []
        incarnation = self.incarnation

        def answer(reply: tuple[int, dict[str, bytes]] | ErrorCode) -> None:
            self._happen(incarnation, lambda: take(reply))

        def take(reply: tuple[int, dict[str, bytes]] | ErrorCode) -> None:
            if answered:
                return
            answered.append(True)
            if isinstance(reply, ErrorCode):
                owed = reply not in (ErrorCode.REJECTED, ErrorCode.NOT_FOUND)
                status = TaskStatus.RETURNED if owed else TaskStatus.STOPPED
                self._do(self.state.fetch_failed(job, status, reply, "not owed"))
            elif set(reply[1]) != self._needed(job.ticket.task_id.iteration_id):
                self._do(
                    self.state.fetch_failed(
                        job, TaskStatus.RETURNED, ErrorCode.NOT_FOUND, "incomplete"
                    )
                )
            else:
                self._do(self.state.inputs_fetched(job, reply[0] or job.try_number, reply[1]))

        def retry() -> None:
            if not answered:
                answered.append(True)
                self._fetch(job, calls - 1)

        self._world.ask_inputs(self, job.ticket, answer)
        self._later(1.0, retry)
