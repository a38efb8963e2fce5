"""The module side of the protocol: a pure state machine.

What happens goes in as a method call, what must be done comes out as a list of actions. It never
waits, reads a clock, logs or does I/O.
"""

from __future__ import annotations

from collections.abc import Callable, Set

from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)
from sustainml_orchestrator.sdk.actions import (
    Action,
    Cancel,
    Command,
    Exit,
    Failed,
    FetchInputs,
    Job,
    Outcome,
    Phase,
    Prepare,
    PublishOutput,
    Release,
    Report,
    Run,
)
from sustainml_orchestrator.sdk.finished_tasks import Finished, FinishedTasks
from sustainml_orchestrator.sdk.input_joiner import InputJoiner, Parts
from sustainml_orchestrator.sdk.job_table import JobTable, Limits, Memory
from sustainml_orchestrator.sdk.transitions import REPORTED, TRANSITIONS, TRIGGERS, Mode, Trigger
from sustainml_orchestrator.sdk.wire_ids import Ticket

#: How a module answers the command to abandon a task.
ABANDONED = {
    TaskCommand.STOP: TaskStatus.STOPPED,
    TaskCommand.PREEMPT: TaskStatus.RETURNED,
    TaskCommand.TERMINATE: TaskStatus.TERMINATED,
}

#: Ids of commands grow, and begin anew after the greatest.
_HALF_CIRCLE = 1 << 31


class StateMachine:
    """State of one module node.

    Invariants: jobs are held in ACTIVE alone; at most ``workers`` calls are alive.

    Attributes:
        last_command: highest command_id obeyed in this session.
        session: of the orchestrator last heard; 0 before.
        discarded: inputs not taken because the node was not active, or they were stale.
    """

    def __init__(
        self,
        *,
        module: str,
        instance: str,
        incarnation: int,
        needed: Callable[[int], Set[str]],
        limits: Limits,
    ) -> None:
        """``needed`` tells the names of all inputs for an iteration_id."""
        self._names = ("", module, instance)
        self._module = module
        self._incarnations = (0, incarnation)
        self._limits = limits
        self._joiner = InputJoiner(
            needed, max_tasks=limits.max_pending_joins, max_bytes=limits.max_held_bytes
        )
        self._finished = FinishedTasks(max_bytes=limits.output_cache)
        self._held = JobTable(workers=limits.workers)
        self._mode = Mode.INACTIVE
        self._error = ""
        self._generation = 0
        self._told: NodeStatus | None = None
        self._obeyed: Memory[int, None] = Memory()
        self._stopped: Memory[tuple[int, TaskId], Ticket] = Memory()
        self._retired: Memory[int, None] = Memory()
        self.last_command = 0
        self.session = 0
        self.discarded = 0

    @property
    def mode(self) -> Mode:
        """What the module is up to."""
        return self._mode

    @property
    def generation(self) -> int:
        """Number of the workers that are being prepared or at work."""
        return self._generation

    @property
    def accepts_work(self) -> bool:
        """Whether workers are ready."""
        return self._mode is Mode.ACTIVE

    @property
    def evicted(self) -> int:
        """Tasks with missing inputs that were forgotten for want of room."""
        return self._joiner.evicted

    @property
    def holds_tasks(self) -> bool:
        """Whether it has any task to do."""
        return len(self._held) > 0

    @property
    def node_status(self) -> NodeStatus:
        """What the module reports itself as."""
        if self._mode is Mode.ACTIVE and self.holds_tasks:
            return NodeStatus.RUNNING
        return REPORTED[self._mode]

    # What can happen #

    def heartbeat(self) -> list[Action]:
        """A heartbeat is due, or the node has come up."""
        return [self._report()]

    def command_received(self, command: Command) -> list[Action]:
        """A command was heard, to this module or another."""
        actions: list[Action] = []
        self._follow_session(command.ticket.session, actions)
        if command.target not in self._names or command.incarnation not in self._incarnations:
            return self._settled(actions)
        ahead = command.command_id - self.last_command
        if ahead > 0 or ahead < -_HALF_CIRCLE:
            self.last_command = command.command_id
        if command.node is not NodeCommand.NONE:
            self._obey_for_node(command, actions)
        elif command.task is TaskCommand.RESET:
            self._reset_task(command, actions)
        else:
            self._abandon_task(command, actions)
        return self._settled(actions)

    def triggered(self, trigger: Trigger) -> list[Action]:
        """The node was started or is to end without a command: autostart, a signal."""
        actions: list[Action] = []
        self._move(trigger, actions)
        return self._settled(actions)

    def prepared(self, generation: int) -> list[Action]:
        """The workers of a generation have finished ``on_start``."""
        return self.triggered(Trigger.READY) if generation == self._generation else []

    def broken(self, generation: int, reason: str) -> list[Action]:
        """The workers of a generation cannot work, and why."""
        if generation != self._generation:
            return []
        self._error = reason
        return self.triggered(Trigger.FAILED)

    def input_received(self, name: str, ticket: Ticket, payload: bytes) -> list[Action]:
        """One input of a task arrived live."""
        if not self._welcomes(ticket):
            self.discarded += 1
            return []
        actions: list[Action] = []
        if (older := self._held.get(ticket)) is not None:
            self._drop(older, actions)
        parts = self._joiner.add(ticket, name, payload)
        if parts is not None:
            self._enqueue(self._held.create(ticket, 1), parts, actions)
        return self._settled(actions)

    def inputs_fetched(self, job: Job, try_number: int, parts: Parts) -> list[Action]:
        """The orchestrator handed out the inputs that a job needs."""
        if job not in self._held:
            return []
        actions: list[Action] = []
        job.try_number = try_number
        self._enqueue(job, parts, actions)
        return self._settled(actions)

    def fetch_failed(
        self, job: Job, task_status: TaskStatus, error_code: ErrorCode, text: str
    ) -> list[Action]:
        """The inputs of a job are not to be had."""
        actions: list[Action] = []
        if job in self._held:
            self._drop(job, actions)
            actions.append(self._report(job, task_status, error_code, text))
        return self._settled(actions)

    def call_ended(self, job: Job, outcome: Outcome) -> list[Action]:
        """``process`` returned, raised, or its worker died. Its worker may not be free yet."""
        if job not in self._held:
            return []
        actions: list[Action] = []
        self._held.forget(job)
        if isinstance(outcome, Failed):
            finished = Finished(job.ticket, job.try_number, None, *outcome)
        else:
            finished = Finished(job.ticket, job.try_number, outcome.output)
        self._finished.add(finished)
        self._tell(finished, actions)
        return self._settled(actions)

    def slot_freed(self, job: Job) -> list[Action]:
        """The worker that a job ran on can take another."""
        self._held.call_is_over(job)
        actions: list[Action] = []
        self._schedule(actions)
        return self._settled(actions)

    # Nodes #

    def _obey_for_node(self, command: Command, actions: list[Action]) -> None:
        repeated = command.command_id in self._obeyed
        self._obeyed.remember(command.command_id, None)
        if repeated or not self._move(TRIGGERS[command.node], actions):
            actions.append(self._report())

    def _move(self, trigger: Trigger, actions: list[Action]) -> bool:
        mode = TRANSITIONS.get((self._mode, trigger))
        if mode is None:
            return False
        self._mode = mode
        if mode is not Mode.ERROR:
            self._error = ""
        if mode is Mode.RESETTING:
            self._drop_all(actions)
            self._finished.clear()
        elif mode is not Mode.ACTIVE:
            self._give_back(actions)
        if mode in (Mode.STARTING, Mode.RESETTING):
            self._generation += 1
            actions.append(Prepare(self._generation))
        elif mode in (Mode.INACTIVE, Mode.ERROR):
            self._generation += 1
            actions.append(Release())
        elif mode is Mode.TERMINATING:
            actions.append(Exit())
        return True

    def _follow_session(self, session: int, actions: list[Action]) -> None:
        """A command of another session: the orchestrator began a new life; so do we."""
        if session == self.session:
            return
        if self.session:
            self._retired.remember(self.session, None)
        self._retired.pop(session, None)
        self.session = session
        self.last_command = 0
        self._obeyed.clear()
        for job in self._held:
            if job.ticket.session != session:
                self._drop(job, actions)
        self._joiner.keep_session(session)
        self._finished.keep_session(session)

    # TaskManager #

    def _reset_task(self, command: Command, actions: list[Action]) -> None:
        ticket, wanted = command.ticket, command.try_number
        job = self._held.get(ticket)
        if job is not None and _covers(job, ticket, wanted):
            actions.append(self._report_job(job))
            return
        finished = self._finished.get(ticket)
        if finished is not None and _covers(finished, ticket, wanted):
            self._tell(finished, actions)
            return
        if finished is not None and finished.ticket != ticket:
            self._finished.drop(ticket)
        if job is not None:
            self._drop(job, actions)
        if self._mode is not Mode.ACTIVE:
            text = f"{self._module} is {self.node_status.name}; start it"
            code, returned = ErrorCode.NODE_UNAVAILABLE, TaskStatus.RETURNED
            report = Report(self._say(), ticket, returned, command.try_number, code, text)
            actions.append(report)
            return
        self._joiner.drop(ticket.key)
        self._stopped.pop(ticket.key, None)
        job = self._held.create(ticket, command.try_number)
        actions.append(FetchInputs(job))
        actions.append(self._report())

    def _abandon_task(self, command: Command, actions: list[Action]) -> None:
        ticket = command.ticket
        job = self._held.get(ticket)
        if job is None or job.ticket.attempt < ticket.attempt or job.ticket == ticket:
            self._joiner.drop(ticket.key)
            if job is not None:
                self._drop(job, actions)
            if command.task is not TaskCommand.PREEMPT:
                # What is on its way on other topics must not bring the task back.
                self._stopped.remember(ticket.key, ticket)
        actions.append(Report(self._say(), ticket, ABANDONED[command.task], command.try_number))

    def _welcomes(self, ticket: Ticket) -> bool:
        """Whether an input is for work that can be taken up and was not yet."""
        if self._mode is not Mode.ACTIVE or ticket.session in self._retired:
            return False
        job, finished = self._held.get(ticket), self._finished.get(ticket)
        known = [held.ticket for held in (job, finished) if held is not None]
        if (stopped := self._stopped.get(ticket.key)) is not None:
            known.append(stopped)
        return all(ticket.replaces(other) for other in known)

    def _enqueue(self, job: Job, parts: Parts, actions: list[Action]) -> None:
        held, limits = self._held, self._limits
        size = sum(map(len, parts.values()))
        too_much = held.size and held.size + size > limits.max_held_bytes
        if too_much or len(held) > limits.max_held_tasks:
            held.forget(job)
            text = f"{self._module} holds {len(held)} tasks and has no room for another"
            code = ErrorCode.RESOURCE_EXHAUSTED
            actions.append(self._report(job, TaskStatus.RETURNED, code, text))
            return
        held.enqueue(job, parts)
        self._schedule(actions)
        if job.phase is Phase.QUEUED:
            actions.append(self._report_job(job))

    def _schedule(self, actions: list[Action]) -> None:
        while job := self._held.next():
            actions.append(self._report_job(job))
            actions.append(Run(job))

    def _drop(self, job: Job, actions: list[Action]) -> None:
        self._held.forget(job)
        if job.phase is Phase.RUNNING:
            actions.append(Cancel(job))

    def _drop_all(self, actions: list[Action]) -> None:
        for job in self._held:
            self._drop(job, actions)
        self._joiner.clear()

    def _give_back(self, actions: list[Action]) -> None:
        jobs = list(self._held)
        self._drop_all(actions)
        actions += [self._report(job, TaskStatus.RETURNED, text=self._error) for job in jobs]

    # Words #

    def _tell(self, finished: Finished, actions: list[Action]) -> None:
        """Say how a task ended, the first time or again."""
        status = TaskStatus.ERROR
        if finished.output is not None:
            actions.append(PublishOutput(finished.output))
            status = TaskStatus.SUCCEEDED
        actions.append(
            Report(
                self._say(),
                finished.ticket,
                status,
                finished.try_number,
                finished.error_code,
                finished.error_description,
            )
        )

    def _report_job(self, job: Job) -> Report:
        if job.phase is Phase.FETCHING:
            return self._report()
        running = job.phase is Phase.RUNNING
        return self._report(job, TaskStatus.RUNNING if running else TaskStatus.WAITING)

    def _report(
        self,
        job: Job | None = None,
        task_status: TaskStatus = TaskStatus.WAITING,
        error_code: ErrorCode = ErrorCode.NO_ERROR,
        text: str = "",
    ) -> Report:
        if job is not None:
            return Report(self._say(), job.ticket, task_status, job.try_number, error_code, text)
        if self._mode is Mode.ERROR:
            error_code, text = ErrorCode.INTERNAL_ERROR, self._error
        elif left := self._held.abandoned:
            text = f"{left} abandoned call(s) of process have not ended yet"
        self._told = self.node_status
        return Report(self._told, error_code=error_code, text=text)

    def _say(self) -> NodeStatus:
        """The node status, as said along with a task: enough for IDLE and RUNNING."""
        if self._mode is Mode.ACTIVE:
            self._told = self.node_status
        return self.node_status

    def _settled(self, actions: list[Action]) -> list[Action]:
        """Add a node-level status unless the last word said already how the node is."""
        if self._told is not self.node_status:
            actions.append(self._report())
        return actions


def _covers(known: Job | Finished, ticket: Ticket, try_number: int) -> bool:
    """Whether what is known of a task is this try at it, or a later one."""
    if ticket.replaces(known.ticket):
        return False
    return known.ticket != ticket or known.try_number >= try_number
