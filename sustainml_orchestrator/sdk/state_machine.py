"""The state machine of a module node. Pure: events are method calls, which return actions.

It never waits, reads a clock, logs or does I/O.
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
from sustainml_orchestrator.sdk import actions as act
from sustainml_orchestrator.sdk.finished_tasks import Finished, FinishedTasks
from sustainml_orchestrator.sdk.input_joiner import InputJoiner, Parts
from sustainml_orchestrator.sdk.job_table import JobTable, Limits, Memory
from sustainml_orchestrator.sdk.transitions import REPORTED, TRANSITIONS, TRIGGERS, Mode, Trigger
from sustainml_orchestrator.sdk.wire_ids import Ticket

#: The task status that confirms a command to abandon a task.
ABANDONED = {
    TaskCommand.STOP: TaskStatus.STOPPED,
    TaskCommand.PREEMPT: TaskStatus.RETURNED,
    TaskCommand.TERMINATE: TaskStatus.TERMINATED,
}

#: Command ids grow and wrap around: this far back, an id is newer, not older.
_HALF_CIRCLE = 1 << 31


class StateMachine:
    """State of one module node.

    Invariants: jobs are held in ACTIVE alone; at most `workers` calls of `process` run.

    Attributes:
        last_command: highest command_id executed in this session.
        session: of the latest command; 0 before the first.
        jobs: the tasks held.
        addressed: whether it works on what is assigned to it by its own name, and on nothing else.
        discarded: number of inputs dropped, as the node was not active or they were stale.
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
        """`needed` returns the names of all inputs for an iteration_id."""
        self._names = ("", module, instance)
        self._module, self.addressed = module, False
        self._incarnations = (0, incarnation)
        self._limits = limits
        self._joiner = InputJoiner(
            needed, max_tasks=limits.max_pending_joins, max_bytes=limits.max_held_bytes
        )
        self._finished = FinishedTasks(max_bytes=limits.output_cache)
        self.jobs = JobTable(workers=limits.workers)
        self._mode = Mode.INACTIVE
        self._error = ""
        self._generation = 0
        self._reported: NodeStatus | None = None
        self._executed: Memory[int, None] = Memory()
        self._stopped: Memory[tuple[int, TaskId], Ticket] = Memory()
        self._retired: Memory[int, None] = Memory()
        self.last_command = 0
        self.session = 0
        self.discarded = 0

    @property
    def mode(self) -> Mode:
        """The mode, one of those in `transitions.py`."""
        return self._mode

    @property
    def generation(self) -> int:
        """Number of the present set of workers; each START and RESET makes a new one."""
        return self._generation

    @property
    def accepts_work(self) -> bool:
        """Whether the workers can be called."""
        return self._mode is Mode.ACTIVE

    @property
    def evicted(self) -> int:
        """Number of tasks with missing inputs that were dropped because of a limit."""
        return self._joiner.evicted

    @property
    def holds_tasks(self) -> bool:
        """Whether any job is held."""
        return len(self.jobs) > 0

    @property
    def node_status(self) -> NodeStatus:
        """The node status that is due."""
        if self._mode is Mode.ACTIVE and self.holds_tasks:
            return NodeStatus.RUNNING
        return REPORTED[self._mode]

    # Events #

    def heartbeat(self) -> list[act.Action]:
        """A heartbeat is due, or the node was created."""
        return [self._report()]

    def command_received(self, command: act.Command) -> list[act.Action]:
        """A NodeControl message arrived, for this module or another."""
        actions: list[act.Action] = []
        self._follow_session(command.ticket.session, actions)
        if command.target not in self._names or command.incarnation not in self._incarnations:
            return self._with_status(actions)
        ahead = command.command_id - self.last_command
        if command.node is NodeCommand.START:
            # By its own name: several instances share the work, which RESET_TASK assigns.
            self.addressed = command.target == self._names[-1]
        if ahead > 0 or ahead < -_HALF_CIRCLE:
            self.last_command = command.command_id
        if command.node is not NodeCommand.NONE:
            self._execute_node_command(command, actions)
        elif command.task is TaskCommand.RESET:
            self._reset_task(command, actions)
        else:
            self._abandon_task(command, actions)
        return self._with_status(actions)

    def triggered(self, trigger: Trigger) -> list[act.Action]:
        """The node is to change its mode without a command: autostart, a signal."""
        actions: list[act.Action] = []
        self._move(trigger, actions)
        return self._with_status(actions)

    def prepared(self, generation: int) -> list[act.Action]:
        """`on_start` has returned in all workers of a generation."""
        return self.triggered(Trigger.READY) if generation == self._generation else []

    def broken(self, generation: int, reason: str) -> list[act.Action]:
        """The workers of a generation failed."""
        if generation != self._generation:
            return []
        self._error = reason
        return self.triggered(Trigger.FAILED)

    def input_received(self, name: str, ticket: Ticket, payload: bytes) -> list[act.Action]:
        """One input of a task arrived on its topic."""
        if not self._is_wanted(ticket):
            self.discarded += 1
            return []
        actions: list[act.Action] = []
        if (older := self.jobs.get(ticket)) is not None:
            self._drop(older, actions)
        parts = self._joiner.add(ticket, name, payload)
        if parts is not None:
            self._enqueue(self.jobs.create(ticket, 1), parts, actions)
        return self._with_status(actions)

    def inputs_fetched(self, job: act.Job, try_number: int, parts: Parts) -> list[act.Action]:
        """`get_inputs` returned all inputs of a job."""
        if job not in self.jobs:
            return []
        actions: list[act.Action] = []
        job.try_number = try_number
        self._enqueue(job, parts, actions)
        return self._with_status(actions)

    def fetch_failed(
        self, job: act.Job, task_status: TaskStatus, error_code: ErrorCode, text: str
    ) -> list[act.Action]:
        """`get_inputs` did not return the inputs of a job."""
        actions: list[act.Action] = []
        if job in self.jobs:
            self._drop(job, actions)
            actions.append(self._report(job, task_status, error_code, text))
        return self._with_status(actions)

    def call_ended(self, job: act.Job, outcome: act.Outcome) -> list[act.Action]:
        """`process` returned or raised, or its worker died; the worker may not be free yet."""
        if job not in self.jobs:
            return []
        actions: list[act.Action] = []
        self.jobs.forget(job)
        if isinstance(outcome, act.Failed):
            finished = Finished(job.ticket, job.try_number, None, *outcome)
        else:
            finished = Finished(job.ticket, job.try_number, outcome.output)
        self._finished.add(finished)
        self._report_end(finished, actions)
        return self._with_status(actions)

    def slot_freed(self, job: act.Job) -> list[act.Action]:
        """The worker of a job is free."""
        self.jobs.call_is_over(job)
        actions: list[act.Action] = []
        self._schedule(actions)
        return self._with_status(actions)

    # Node commands #

    def _execute_node_command(self, command: act.Command, actions: list[act.Action]) -> None:
        repeated = command.command_id in self._executed
        self._executed.remember(command.command_id, None)
        if repeated or not self._move(TRIGGERS[command.node], actions):
            actions.append(self._report())

    def _move(self, trigger: Trigger, actions: list[act.Action]) -> bool:
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
            self._return_all(actions)
        if mode in (Mode.STARTING, Mode.RESETTING):
            self._generation += 1
            actions.append(act.Prepare(self._generation))
        elif mode in (Mode.INACTIVE, Mode.ERROR):
            self._generation += 1
            actions.append(act.Release())
        elif mode is Mode.TERMINATING:
            actions.append(act.Exit())
        return True

    def _follow_session(self, session: int, actions: list[act.Action]) -> None:
        """Drop what belongs to another session: its orchestrator has a new database."""
        if session == self.session:
            return
        if self.session:
            self._retired.remember(self.session, None)
        self._retired.pop(session, None)
        self.session = session
        self.last_command = 0
        self._executed.clear()
        for job in self.jobs:
            if job.ticket.session != session:
                self._drop(job, actions)
        self._joiner.keep_session(session)
        self._finished.keep_session(session)

    # Tasks #

    def _reset_task(self, command: act.Command, actions: list[act.Action]) -> None:
        ticket, wanted = command.ticket, command.try_number
        job = self.jobs.get(ticket)
        if job is not None and _covers(job, ticket, wanted):
            actions.append(self._report_job(job))
            return
        finished = self._finished.get(ticket)
        if finished is not None and _covers(finished, ticket, wanted):
            self._report_end(finished, actions)
            return
        if finished is not None and finished.ticket != ticket:
            self._finished.drop(ticket)
        if job is not None:
            self._drop(job, actions)
        if self._mode is not Mode.ACTIVE:
            text = f"{self._module} is {self.node_status.name}; start it"
            code, returned = ErrorCode.NODE_UNAVAILABLE, TaskStatus.RETURNED
            report = self._task_report(ticket, returned, command.try_number, code, text)
            actions.append(report)
            return
        self._joiner.drop(ticket.key)
        self._stopped.pop(ticket.key, None)
        job = self.jobs.create(ticket, command.try_number)
        actions.append(act.FetchInputs(job))
        actions.append(self._report())

    def _abandon_task(self, command: act.Command, actions: list[act.Action]) -> None:
        ticket = command.ticket
        job = self.jobs.get(ticket)
        if job is None or job.ticket.attempt < ticket.attempt or job.ticket == ticket:
            self._joiner.drop(ticket.key)
            if job is not None:
                self._drop(job, actions)
            if command.task is not TaskCommand.PREEMPT:
                # Inputs that arrive later on other topics must not start the task again.
                self._stopped.remember(ticket.key, ticket)
        actions.append(self._task_report(ticket, ABANDONED[command.task], command.try_number))

    def _is_wanted(self, ticket: Ticket) -> bool:
        """Whether an input belongs to a task that can be started and is not known yet."""
        if self.addressed or self._mode is not Mode.ACTIVE or ticket.session in self._retired:
            return False
        job, finished = self.jobs.get(ticket), self._finished.get(ticket)
        known = [held.ticket for held in (job, finished) if held is not None]
        if (stopped := self._stopped.get(ticket.key)) is not None:
            known.append(stopped)
        return all(ticket.replaces(other) for other in known)

    def _enqueue(self, job: act.Job, parts: Parts, actions: list[act.Action]) -> None:
        held, limits = self.jobs, self._limits
        size = sum(map(len, parts.values()))
        too_much = held.size and held.size + size > limits.max_held_bytes
        if too_much or len(held) > limits.max_held_tasks:
            held.forget(job)
            text = f"{self._module} holds {len(held)} tasks, the maximum; others are given back"
            code = ErrorCode.RESOURCE_EXHAUSTED
            actions.append(self._report(job, TaskStatus.RETURNED, code, text))
            return
        held.enqueue(job, parts)
        self._schedule(actions)
        if job.phase is act.Phase.QUEUED:
            actions.append(self._report_job(job))

    def _schedule(self, actions: list[act.Action]) -> None:
        while job := self.jobs.next():
            actions.append(self._report_job(job))
            actions.append(act.Run(job))

    def _drop(self, job: act.Job, actions: list[act.Action]) -> None:
        self.jobs.forget(job)
        if job.phase is act.Phase.RUNNING:
            actions.append(act.Cancel(job))

    def _drop_all(self, actions: list[act.Action]) -> None:
        for job in self.jobs:
            self._drop(job, actions)
        self._joiner.clear()

    def _return_all(self, actions: list[act.Action]) -> None:
        jobs = list(self.jobs)
        self._drop_all(actions)
        actions += [self._report(job, TaskStatus.RETURNED, text=self._error) for job in jobs]

    # Reports #

    def _report_end(self, finished: Finished, actions: list[act.Action]) -> None:
        """Publish the output and final status of a task, the first time or again."""
        ticket, try_number, output, code, text = finished
        if output is not None:
            actions.append(act.PublishOutput(output))
        status = TaskStatus.ERROR if output is None else TaskStatus.SUCCEEDED
        actions.append(self._task_report(ticket, status, try_number, code, text))

    def _report_job(self, job: act.Job) -> act.Report:
        if job.phase is act.Phase.FETCHING:
            return self._report()
        running = job.phase is act.Phase.RUNNING
        return self._report(job, TaskStatus.RUNNING if running else TaskStatus.WAITING)

    def _report(
        self,
        job: act.Job | None = None,
        task_status: TaskStatus = TaskStatus.WAITING,
        error_code: ErrorCode = ErrorCode.NO_ERROR,
        text: str = "",
    ) -> act.Report:
        if job is not None:
            return self._task_report(job.ticket, task_status, job.try_number, error_code, text)
        if self._mode is Mode.ERROR:
            error_code, text = ErrorCode.INTERNAL_ERROR, self._error
        elif left := self.jobs.abandoned:
            text = f"{left} abandoned call(s) of process() still run"
        self._reported = self.node_status
        return act.Report(self._reported, error_code=error_code, text=text)

    def _task_report(
        self,
        ticket: Ticket,
        task_status: TaskStatus,
        try_number: int,
        error_code: ErrorCode = ErrorCode.NO_ERROR,
        text: str = "",
    ) -> act.Report:
        """A report on a task. It carries the node status, too: enough for IDLE and RUNNING."""
        if self._mode is Mode.ACTIVE:
            self._reported = self.node_status
        return act.Report(self.node_status, ticket, task_status, try_number, error_code, text)

    def _with_status(self, actions: list[act.Action]) -> list[act.Action]:
        """Add a node-level report if the node status has changed since the last report."""
        if self._reported is not self.node_status:
            actions.append(self._report())
        return actions


def _covers(known: act.Job | Finished, ticket: Ticket, try_number: int) -> bool:
    """Whether what is known of a task is this try, or a later one."""
    if ticket.replaces(known.ticket):
        return False
    return known.ticket != ticket or known.try_number >= try_number
