"""What must always hold: after every event, over restarts, and in the end.

`support.validation` finds contradictions within one state; here stands what the states and
commands of a whole schedule owe to each other and to the front-end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from support.simulation.modules import Module, is_of
from support.validation import validate
from sustainml_orchestrator.core.commands import (
    AnnounceTask,
    Command,
    ForgetProblem,
    Log,
    PublishBaseline,
    PublishUserInput,
    Reply,
    Save,
    SendControl,
)
from sustainml_orchestrator.core.events import (
    Event,
    PersistFailed,
    StatusReceived,
    TaskCommanded,
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
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pace import BURST
from sustainml_orchestrator.core.states import StepState
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.sdk.actions import Job
from sustainml_orchestrator.sdk.wire_ids import Ticket

if TYPE_CHECKING:
    from support.simulation.world import World


#: How long after its time something may happen, s: messages and ticks take theirs.
_TOLERANCE = 5.0
#: How long a node may be in error at a time, s: the longest pause, and two vain commands.
_RECOVERY = 20.0
#: How long an idle module may be believed to have a step which it has not, s.
_BELIEF = 5.0


class Invariants:
    """Remembers what was said, to compare it with what follows."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._revision = 0
        self._at_work: set[int] = set()
        self._places: dict[TaskId, int] = {}  # in the queue: who came when
        self._came = 0
        self._kept: dict[TaskId, tuple[Any, ...]] = {}  # what was announced of each task
        self._kept_desired: dict[str, bool] = {}
        self._serials: dict[TaskId, int] = {}
        self._kept_revision = 0
        self._ids: dict[str, TaskId] = {}
        self._fates: Counter[tuple[Ticket, int]] = Counter()
        self._published: set[tuple[object, ...]] = set()
        self._redelivered: list[float] = []
        self._resets: Counter[str] = Counter()

    def forget(self) -> None:
        """The database is gone."""
        for memory in (self._places, self._kept, self._kept_desired, self._ids, self._serials):
            memory.clear()
        self._kept_revision = 0

    # After every event #

    def after_event(self, core: Orchestrator, event: Event, commands: Sequence[Command]) -> None:
        """One event was handled."""
        if commands or core.store.revision != self._revision:
            validate(core)  # else nothing happened but a heartbeat, or a moment passed
        assert core.store.revision >= self._revision, "revisions go back"
        self._revision = core.store.revision
        assert len(core.tasks.running) <= core.settings.max_active_tasks, "too many tasks run"
        if isinstance(event, TimePassed):
            self._check_nodes(core)
            self._check_steps(core)
        if isinstance(event, StatusReceived):
            self._check_reminder(core, event, commands)
        if self._world.faults.gentle:
            lost = [c.text for c in commands if isinstance(c, Log) and c.text.startswith("lost")]
            assert not lost, f"a healthy node is missed: {lost}"
        self._check_pace(core, commands)
        forgotten = {c.problem_id for c in commands if isinstance(c, ForgetProblem)}
        assert not forgotten & self._at_work, "a problem is forgotten at work"
        for command in commands:
            if isinstance(command, PublishBaseline):
                task = core.store.get(command.task_id)
                base = core.store.find(task.base_task)
                right = base.outputs[command.module] if base else None
                assert command.payload == right, f"not the output of its base: {command}"
        self._check_queue(core, event, commands)
        self._at_work = {t.problem_id for t in (*core.tasks.running, *self._places)}
        self._check_retention(core)
        for command in commands:
            if isinstance(command, PublishBaseline):
                base = core.store.find(core.store.get(command.task_id).base_task)
                right = base.outputs[command.module] if base else None
                assert command.payload == right, f"not the output of its base: {command}"

    def _check_pace(self, core: Orchestrator, commands: Sequence[Command]) -> None:
        """In no second more is redelivered than permitted, and what may come at once."""
        now, rate = core.context.now, core.settings.max_redeliveries_per_second
        sent = [c for c in commands if isinstance(c, SendControl)]
        self._redelivered += [now for c in sent if c.cmd_task is TaskCommand.RESET]
        self._redelivered = [when for when in self._redelivered if now - when < 1.0]
        assert len(self._redelivered) <= rate + max(1, rate * BURST), "redelivery without pace"

    def _check_nodes(self, core: Orchestrator) -> None:
        """What is silent is noticed at the next tick, what is in error is reset."""
        for node in core.lifecycle.nodes:
            broken = (
                node.status is NodeStatus.ERROR
                and node.desired_active
                and not node.recovery.given_up
            )
            if broken and node.primary is not None:
                patience = core.context.now - node.primary.since
                assert patience < _RECOVERY, f"{node.name} is left in error"
            for instance in node.instances.values():
                silence = core.context.now - instance.last_seen
                heard = silence <= core.settings.heartbeat_timeout
                assert heard or not instance.responsive, f"{instance.name} is gone unnoticed"

    def _check_reminder(
        self, core: Orchestrator, event: StatusReceived, commands: Sequence[Command]
    ) -> None:
        """Whoever says that it works on what does not run is told to leave it."""
        task = core.store.find(event.task_id)
        works = event.task_status in (TaskStatus.WAITING, TaskStatus.RUNNING)
        if task is None or not works or task.status is TaskStatus.RUNNING:
            return
        current = (task.attempt, core.session, task.token) == (
            event.attempt, event.session, event.token
        )  # fmt: skip
        if current and task.outputs[core.pipeline.by_name[event.node_name].index] is None:
            told = (c for c in commands if isinstance(c, SendControl))
            assert any(c.task_id == task.task_id for c in told), f"{event} goes on for nothing"

    def _check_steps(self, core: Orchestrator) -> None:
        """No clock runs over; what a module is believed to have it has."""
        lost = core.settings.node_lost_timeout + _TOLERANCE
        for task in core.tasks.running.values():
            ticket = Ticket(task.task_id, task.attempt, self._world.process.session, task.token)
            for step in task.steps:
                assert step.absent <= lost, f"{ticket}: a module is awaited for too long"
                if step.state not in (StepState.ACCEPTED, StepState.RUNNING):
                    continue
                node = core.lifecycle.nodes[step.index]
                late = self._world.faults.freeze or self._world.faults.spike
                if late or node.status is not NodeStatus.IDLE:
                    continue
                if core.context.now - max(step.since, node.idle_since) < _BELIEF:
                    continue
                processes = self._world.modules_of(step.index)
                has = any(m.works_on(ticket) or m.frozen for m in processes)
                assert has, f"{ticket}: {node.name} is believed to have it, but has not"

    def _check_queue(self, core: Orchestrator, event: Event, commands: Sequence[Command]) -> None:
        """By priority, then by age, behind its equals when it was preempted."""
        admitted = []
        if isinstance(event, PersistFailed):  # it withdraws what was submitted
            self._places = {t: n for t, n in self._places.items() if core.store.find(t)}
        for task_id in dict.fromkeys(c.task_id for c in commands if isinstance(c, AnnounceTask)):
            task = core.store.find(task_id)
            if task is None or task.status is not TaskStatus.WAITING:
                if self._places.pop(task_id, None) is not None and task is not None:
                    admitted += [task] if task.status is TaskStatus.RUNNING else []
            elif task_id not in self._places:
                self._came += 1
                self._places[task_id] = self._came
        commanded = isinstance(event, TaskCommanded) and core.store.find(event.task_id)
        if commanded and event.command is TaskCommand.PREEMPT and not admitted:
            admitted = [commanded] if commanded.status is TaskStatus.RUNNING else []
            admitted = admitted if self._was_preempted(commands, commanded) else []
        if not admitted:
            return
        assert core.lifecycle.ready, "admitted while a module is missing"
        last = min(task.priority for task in admitted)
        for task_id in self._places:
            waiting = core.store.get(task_id)
            assert waiting.priority <= last, f"{task_id} waits, one of less priority runs"
        for task in admitted:
            assert task.started, "what runs has a beginning"

    @staticmethod
    def _was_preempted(commands: Sequence[Command], task: Task) -> bool:
        told = (c for c in commands if isinstance(c, SendControl) and c.task_id == task.task_id)
        return any(c.cmd_task is TaskCommand.PREEMPT for c in told)

    def _check_retention(self, core: Orchestrator) -> None:
        most = core.settings.max_problems
        if not most or len(core.store.problems) <= most + 1:
            return
        over = [all(not t.open for t in p) for p in core.store.problems.values()]
        assert sum(over) <= most + 2, "what is over is kept in spite of max_problems"

    # What was kept, and what comes back #

    def saving(self, core: Orchestrator, save: Save) -> dict[TaskId, tuple[Any, ...]]:
        """What this save carries, as far as it must be true after a restart."""
        serials = {saved.record[0] for saved in save.tasks} | {o.serial for o in save.outputs}
        tasks = [t for problem in core.store.problems.values() for t in problem]
        kept = {task.task_id: _summary(task) for task in tasks if task.serial in serials}
        for task in tasks:
            if task.task_id in kept:
                self._check_task(task)
        return kept

    def at_commit(self, save: Save, kept: dict[TaskId, tuple[Any, ...]]) -> None:
        """It is on disk."""
        core = self._world.process.last
        for problem_id in save.forgotten:
            self._check_forgotten(core, problem_id)
        for task_id in [t for t, serial in self._serials.items() if serial in save.withdrawn]:
            self._kept.pop(task_id, None)
        self._kept |= kept
        self._serials |= {TaskId(*s.record[1:3]): s.record[0] for s in save.tasks}
        self._kept_revision = max(self._kept_revision, core.store.revision)
        self._kept_desired |= save.desired_active

    def told(self, core: Orchestrator, commands: Sequence[Command]) -> None:
        """A crash takes back nothing that was announced, answered or given to modules."""
        if self._world.faults.amnesia:
            return
        for command in commands:
            task_id = command.value if isinstance(command, Reply) else None
            if isinstance(command, (AnnounceTask, PublishUserInput, PublishBaseline)):
                task_id = command.task_id
            task = core.store.find(task_id) if isinstance(task_id, TaskId) else None
            if task is not None:
                assert task_id in self._kept, f"{command}: {task_id} is not saved"
                if isinstance(command, Reply) and task.request_id:
                    assert self._ids.setdefault(task.request_id, task_id) == task_id
                told = isinstance(command, AnnounceTask) and not core.persistence.failed
                assert not told or self._kept[task_id] == _summary(task), (
                    f"{task_id} {self._kept[task_id]} {_summary(task)} is not saved"
                )

    def _check_forgotten(self, core: Orchestrator, problem_id: int) -> None:
        asked = problem_id in self._world.front_end.deleted
        assert asked or core.settings.max_problems, f"problem {problem_id} is forgotten"
        for task_id in [t for t in self._kept if t.problem_id == problem_id]:
            del self._kept[task_id]

    def _check_task(self, task: Task) -> None:
        """Ids name one task for ever; outputs come from it, stay, and are of one attempt."""
        session = self._world.process.session
        for spec, output in zip(self._world.pipeline.modules, task.outputs, strict=True):
            ticket = Ticket(task.task_id, task.attempt, session, task.token)
            assert output is None or is_of(output, spec.name, ticket), f"{ticket}: {output!r}"
        _, attempt, outputs, *_ = self._kept.get(task.task_id, (None, 0, ()))
        if attempt == task.attempt:
            for before, after in zip(outputs, task.outputs, strict=True):
                assert before in (None, after), f"{task.task_id}: {before!r} became {after!r}"
        resets = self._world.front_end.resets.get(task.task_id, 0)
        assert attempt <= task.attempt <= 1 + resets, f"{task.task_id}: attempt {task.attempt}"

    def after_restart(self, core: Orchestrator) -> None:
        """All that was kept is there."""
        self._revision = core.store.revision
        assert core.store.revision >= self._kept_revision, "revisions go back in a restart"
        for task_id, kept in self._kept.items():
            task = core.store.find(task_id)
            assert task is not None, f"{task_id} is lost in a restart"
            assert _summary(task) == kept, f"{task_id} was {kept}, is {_summary(task)}"
        for name, desired in self._kept_desired.items():
            assert core.lifecycle.by_name[name].desired_active is desired, f"{name} is forgotten"
        # A crash may have come between a save and the announcement of it: the state decides.
        waiting = {task.task_id for p in core.store.problems.values() for task in p
                   if task.status is TaskStatus.WAITING}  # fmt: skip
        self._places = {t: n for t, n in self._places.items() if t in self._kept and t in waiting}
        self._redelivered = []
        self._at_work = set()

    # What goes out #

    def sent(self, command: SendControl) -> None:
        """A command goes to a module."""
        faults = self._world.faults
        again = command.cmd_node in (NodeCommand.RESET, NodeCommand.TERMINATE)
        if faults.gentle:
            assert not again, f"a healthy node is restarted: {command}"
        if faults.gentle or (faults.mild and faults.lose_nth):
            assert command.try_number <= 1, f"another try for no reason: {command}"
        if command.try_number > 1 and command.cmd_task is TaskCommand.RESET and faults.accountable:
            ticket = Ticket(
                command.task_id, command.attempt, self._world.process.session, command.token
            )
            module = self._world.pipeline.by_name[command.target].index
            justified = self._world.permitted.justify(ticket, module, command.try_number - 1)
            assert justified, f"another try for no reason: {command}"

    def published(self, command: PublishUserInput | PublishBaseline) -> None:
        """An input goes to the modules; each once, unless what was done could not be saved."""
        if self._world.faults.disk_fails or self._world.faults.disk_hangs:
            return
        key = (type(command), *command.task_id, command.attempt, self._world.process.session)
        if isinstance(command, PublishBaseline):
            key = (*key, command.module)
        assert key not in self._published, f"published twice: {key}"
        self._published.add(key)

    def user_input_published(self, commands: Sequence[Command]) -> None:
        """With each user input of a later iteration go all its baselines."""
        baselines = (c for c in commands if isinstance(c, PublishBaseline))
        given = Counter((c.task_id, c.attempt) for c in baselines)
        for command in commands:
            if isinstance(command, PublishUserInput):
                later = command.task_id.iteration_id > 1
                expected = len(self._world.pipeline.baselines) if later else 0
                assert given[command.task_id, command.attempt] == expected, (
                    f"baselines of {command.task_id}"
                )

    def node_commanded(
        self, name: str, command: NodeCommand, before: dict[Module, tuple[int, int]]
    ) -> None:
        """The orchestrator says that a node, or every one, has done as it was told."""
        for node in self._world.process.last.lifecycle.nodes:
            if name not in ("", node.name):
                continue
            if command is NodeCommand.RESET:
                processes = [m for m in before if m.name == node.name]
                told = any((m.incarnation, m.heard[command]) > before[m] for m in processes)
                blind = any(m.foreign for m in processes) or self._world.faults.duplicate
                assert told or blind, f"{node.name} never heard of {command.name}"

    def begun(self, module: Module, job: Job) -> None:
        """User code begins to work on a try. One that killed its process is not begun again."""
        faults, index = self._world.faults, module.spec.index
        blind = not faults.accountable and not (faults.twin and (faults.poison or faults.widow))
        if blind or faults.restart or faults.pause or faults.freeze or faults.task_command:
            return
        long_ago = self._world.permitted.since_death(job.ticket, index, job.try_number) > _TOLERANCE
        others = (m for m in self._world.modules_of(index) if m is not module)
        alone = not any(m.works_on(job.ticket) for m in others)
        assert not (long_ago and alone), f"{job.ticket} begins again as try {job.try_number}"

    def poisoned(self, ticket: Ticket, module: Module) -> None:
        """A task has killed a process; it must not kill one after the other."""
        self._fates[ticket, module.spec.index] += 1
        processes = self._world.processes(module.spec.index)
        most = module.spec.max_tries * (1 if processes == 1 else 2 * processes)
        assert self._fates[ticket, module.spec.index] <= most, f"{ticket} kills and kills"

    # In the end #

    def in_the_end(self) -> None:
        """All is over; nothing is lost, and nobody works for nothing."""
        core, world = self._world.process.last, self._world
        accepted = world.front_end.accepted
        assert len(set(accepted.values())) == len(accepted), "one id for two tasks"
        for name, task_id in accepted.items():
            task = core.store.find(task_id)
            if task is None:
                gone = task_id.problem_id in world.front_end.deleted or core.settings.max_problems
                assert gone, f"{name} ({task_id}) is lost"
            elif world.faults.mild:
                assert task.status is TaskStatus.SUCCEEDED, f"{task_id}: {task.outcome_reason}"
        tasks = [task for problem in core.store.problems.values() for task in problem]
        followed = {task.next_task for task in tasks} - {NO_TASK}
        for task in tasks:
            self._check_task(task)
            self._check_outcome(task)
            alone = not task.request_id and task.task_id not in followed
            reset = world.front_end.resets  # a reset one is followed by another when it succeeds
            assert not alone or reset, f"nobody asked for {task.task_id}"
            if task.request_id:
                assert task.request_id in world.front_end.asked

    def _check_outcome(self, task: Task) -> None:
        assert task.open or task.outcome_reason, f"{task.task_id} ended without a word"
        more = getattr(task.goal, "num_outputs", 1) > 1
        if task.status is TaskStatus.SUCCEEDED and more:
            assert task.next_task != NO_TASK, f"nothing follows {task.task_id}"
        if task.status is TaskStatus.SUCCEEDED and task.next_task == NO_TASK:
            reasons = ("target of 0.4 kgCO2e met", "taken over", "max_auto")
            searched = getattr(task.goal, "auto", False)
            assert not searched or task.outcome_reason.startswith(reasons), task.outcome_reason
        if task.status is TaskStatus.ERROR and self._world.faults.accountable:
            self._check_failure(task)

    def _check_failure(self, task: Task) -> None:
        """A module has failed as often as it may."""
        ticket = Ticket(task.task_id, task.attempt, self._world.process.session, task.token)
        for spec, record in zip(self._world.pipeline.modules, task.records(), strict=True):
            if record.task_status is TaskStatus.ERROR and record.error_code == ErrorCode.TIMEOUT:
                assert record.tries == spec.max_tries, f"{ticket} failed too early"
            if record.error_code == ErrorCode.INTERNAL_ERROR:
                tries = range(1, spec.max_tries + 1)
                failed = all(self._world.permitted.noted(ticket, spec.index, n) for n in tries)
                assert record.tries == spec.max_tries and failed, f"{ticket} failed too early"

    def let_go(self) -> None:
        """Some time after the end no module has anything of a task that does not run.

        Unless the orchestrator died after it had kept the end of a task, before it told of it.
        """
        if self._world.faults.restart or "loop" in self._world.faults.lasting:
            return
        for module in self._world.modules:
            for job in module.state._held if module.up else ():
                task = self._world.process.last.store.find(job.ticket.task_id)
                known = task is not None and job.ticket.session == self._world.process.session
                runs = known and task is not None and task.status is TaskStatus.RUNNING
                assert runs or not known, f"{module.instance} still works on {job.ticket}"


def _summary(task: Task) -> tuple[Any, ...]:
    """What a front-end was told of a task, as far as it must be true after a restart."""
    if task.open:
        tries = tuple(step.try_number for step in task.steps)
    else:
        tries = tuple(record.tries for record in task.records())
    return (
        task.status, task.attempt, tuple(task.outputs), task.priority, task.base_task,
        task.next_task, task.outcome_reason, tries, task.request_id, task.published, task.token,
    )  # fmt: skip
