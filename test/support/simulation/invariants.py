"""What must always hold: after every event, over restarts, and in the end.

`core.validation` finds contradictions within one state; here stands what the states and
commands of a whole schedule owe to each other and to the front-end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from support.simulation.disk import Summary
from support.simulation.history_invariants import HistoryInvariants, losses
from support.simulation.modules import Module
from support.simulation.node_invariants import NodeInvariants
from support.simulation.queue_invariants import QueueInvariants
from support.simulation.saved_invariants import SavedInvariants
from sustainml_orchestrator.core.commands import (
    Command,
    ForgetProblem,
    HistoryEvent,
    PublishBaseline,
    PublishUserInput,
    SendControl,
)
from sustainml_orchestrator.core.events import (
    Event,
    OutputReceived,
    PersistFailed,
    StatusReceived,
    TimePassed,
)
from sustainml_orchestrator.core.happenings import STEP_RETRIED
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
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.validation import validate
from sustainml_orchestrator.sdk.actions import Job
from sustainml_orchestrator.sdk.wire_ids import Ticket

if TYPE_CHECKING:
    from support.simulation.site import Site


#: How long after its time something may happen, s: messages and ticks take theirs.
_TOLERANCE = 5.0
#: How long a module may be believed to have a step which it has not, s.
_BELIEF = 5.0
#: States of a step that a module is believed to have.
_AT_WORK = (StepState.ACCEPTED, StepState.RUNNING)


class Invariants:
    """Remembers what was said, to compare it with what follows."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self.saved = SavedInvariants(site)
        self.nodes = NodeInvariants(site)
        self._queue = QueueInvariants()
        self._history = HistoryInvariants()
        self._revision = 0
        self._at_work: set[int] = set()
        self._dropped: dict[tuple[Ticket, int], float] = {}
        self._fates: Counter[tuple[Ticket, int]] = Counter()
        self._published: set[tuple[object, ...]] = set()
        self._delivered: list[tuple[float, str, int]] = []

    def lost(self, *, rolled_back: bool, noticed: bool) -> None:
        """Commits are lost, see `SavedInvariants.lost`: what they held may be done again."""
        self.saved.lost(rolled_back=rolled_back, noticed=noticed)
        self._published.clear()

    def after_restart(self, core: Orchestrator) -> None:
        """A fresh core has been filled from the disk."""
        self._revision = core.store.revision
        self.saved.after_restart(core)
        self._history.after_restart(core)
        promised = self._site.process.disk.contents.promised
        self._queue.after_restart(core, promised)
        self._published = {key for key in self._published if _is_told(key, promised)}
        self._delivered = []
        self._at_work = set()
        self._dropped.clear()
        self.nodes.after_restart()

    # After every event #

    def after_event(self, core: Orchestrator, event: Event, commands: Sequence[Command]) -> None:
        """One event was handled."""
        withdrawn = isinstance(event, PersistFailed)
        # Else nothing happened but a heartbeat, or a moment passed.
        changed = bool(commands) or withdrawn or core.store.revision != self._revision
        standing_by = core.duplicate_check.superior is not None
        told: list[HistoryEvent] = []
        if changed:
            validate(core)
            told = self._history.after_event(core, withdrawn=withdrawn)
            assert core.store.revision >= self._revision, "revisions go back"
            self._revision = core.store.revision
            assert len(core.tasks.running) <= core.settings.max_active_tasks, "too many tasks run"
        if standing_by:  # it looks at nothing, see `_commands`
            self.nodes.after_restart()  # it commands no node meanwhile
            if changed:
                self._queue.check(core, event, commands)
            return
        self._check_event(core, event, commands)
        if changed:
            self._check_changes(core, event, commands, told)

    def _check_event(self, core: Orchestrator, event: Event, commands: Sequence[Command]) -> None:
        """What is seen at certain events even when they change nothing."""
        self.nodes.count_resets(event, commands)
        if isinstance(event, TimePassed):
            self.nodes.check(core)
            self._check_steps(core)
        elif isinstance(event, OutputReceived):
            self.saved.delivered(core, event)
        elif isinstance(event, StatusReceived) and event.task_id != NO_TASK:
            self._check_reminder(core, event, commands)
            self._check_success(core, event)

    def _check_changes(
        self,
        core: Orchestrator,
        event: Event,
        commands: Sequence[Command],
        told: list[HistoryEvent],
    ) -> None:
        """What an event has led to."""
        if self._site.faults.gentle:
            lost = losses(told)
            assert not lost, f"a healthy node is missed: {lost}"
        if self._site.faults.accountable:
            self._permit_tries(core, told)
        self._check_pace(core, commands)
        forgotten = {c.problem_id for c in commands if isinstance(c, ForgetProblem)}
        assert not forgotten & self._at_work, "a problem is forgotten at work"
        self._queue.check(core, event, commands)
        self._at_work = {t.problem_id for t in (*core.tasks.running, *self._queue.places)}
        self._check_retention(core)
        for command in commands:
            if isinstance(command, PublishBaseline):
                base = core.store.find(core.store.get(command.task_id).base_task)
                right = base.outputs[command.module] if base else None
                assert command.payload == right, f"not the output of its base: {command}"

    def _permit_tries(self, core: Orchestrator, told: Sequence[HistoryEvent]) -> None:
        """A try for which there is a reason now may be delivered later, and again."""
        for event in told:
            task = core.store.find(event.task_id)
            if event.event == STEP_RETRIED and task is not None:
                ticket = Ticket(task.task_id, task.attempt, core.session, task.token)
                index, failed = core.pipeline.by_name[event.node_name].index, event.try_number - 1
                permitted = self._site.permitted
                if self._site.misses(index, ticket) or permitted.justify(ticket, index, failed):
                    permitted.note(ticket, index, failed)

    def _check_pace(self, core: Orchestrator, commands: Sequence[Command]) -> None:
        """In no second more is redelivered than permitted, and what may come at once.

        A step that is assigned to an instance is redelivered from the second time on.
        """
        now, rate = core.context.now, core.settings.max_redeliveries_per_second
        sent = [c for c in commands if isinstance(c, SendControl)]
        resets = [c for c in sent if c.cmd_task is TaskCommand.RESET]
        if not resets:
            return
        self._delivered += [(now, c.target, c.token) for c in resets]
        self._delivered = [d for d in self._delivered if now - d[0] < 1.0]
        assigned = {d[1:] for d in self._delivered if d[1] not in core.pipeline.by_name}
        redelivered = len(self._delivered) - len(assigned)
        assert redelivered <= rate + max(1, rate * BURST), "redelivery without pace"

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

    def _check_success(self, core: Orchestrator, event: StatusReceived) -> None:
        """Whoever says that it is done is not believed to work on it until its time is over."""
        task = core.store.find(event.task_id)
        if event.task_status is not TaskStatus.SUCCEEDED or task is None or not task.steps:
            return
        if (event.session, event.token) != (core.session, task.token) or self._site.faults.twin:
            return
        step = task.steps[core.pipeline.by_name[event.node_name].index]
        if event.try_number == step.try_number and task.status is TaskStatus.RUNNING:
            assert step.state not in _AT_WORK, f"{event} is not believed"

    def _check_steps(self, core: Orchestrator) -> None:
        """No clock runs over; what a module is believed to have it has."""
        lost = core.settings.node_lost_timeout + _TOLERANCE
        for task in core.tasks.running.values():
            ticket = Ticket(task.task_id, task.attempt, self._site.process.session, task.token)
            for step in task.steps:
                assert step.absent <= lost, f"{ticket}: a module is awaited for too long"
                processes = self._site.modules_of(step.index)
                has = any(m.works_on(ticket) or m.frozen for m in processes)
                if has or step.state not in _AT_WORK:
                    self._dropped.pop((ticket, step.index), None)
                else:
                    self._check_belief(core, step, ticket)

    def _check_belief(self, core: Orchestrator, step: Step, ticket: Ticket) -> None:
        faults, node, now = self._site.faults, core.lifecycle.nodes[step.index], core.context.now
        seen = self._dropped.setdefault((ticket, step.index), now)
        dropped = now - max(seen, step.since)
        ignored = faults.unresponsive or faults.unresponsive_start
        noticed = faults.prompt and node.active and not ignored
        idle = 0.0
        if node.status is NodeStatus.IDLE and not (faults.freeze or faults.spike):
            idle = now - max(step.since, node.idle_since)
        late = idle >= _BELIEF or (noticed and dropped >= _BELIEF)
        assert not late, f"{ticket}: {node.name} is believed to have it, but has not"

    def _check_retention(self, core: Orchestrator) -> None:
        most = core.settings.max_problems
        if not most or len(core.store.problems) <= most + 1:
            return
        over = [all(not t.open for t in p) for p in core.store.problems.values()]
        assert sum(over) <= most + 2, "what is over is kept in spite of max_problems"

    # What goes out #

    def sent(self, command: SendControl) -> None:
        """A command goes to a module."""
        self._commands(command)
        faults = self._site.faults
        self.nodes.sent(command)
        again = command.cmd_node in (NodeCommand.RESET, NodeCommand.TERMINATE)
        if faults.gentle:
            assert not again, f"a healthy node is restarted: {command}"
        if faults.gentle or (faults.mild and faults.lose_nth):
            assert command.try_number <= 1, f"another try for no reason: {command}"
        if command.try_number > 1 and command.cmd_task is TaskCommand.RESET and faults.accountable:
            ticket = Ticket(
                command.task_id, command.attempt, self._site.process.session, command.token
            )
            module = next(
                m.spec.index for m in self._site.modules if command.target in (m.name, m.instance)
            )
            justified = self._site.permitted.justify(ticket, module, command.try_number - 1)
            assert justified, f"another try for no reason: {command}"

    def published(self, command: PublishUserInput | PublishBaseline) -> None:
        """An input goes to the modules; each once, unless a crash came before that was saved."""
        self._commands(command)
        if self._site.faults.disk_fails or self._site.faults.disk_hangs:
            return
        key = (type(command), command.task_id, command.attempt, self._site.process.session)
        if isinstance(command, PublishBaseline):
            key = (*key, command.module)
        assert key not in self._published, f"published twice: {key}"
        self._published.add(key)

    def _commands(self, command: Command) -> None:
        """The one that stands by because it has heard its superior leaves the modules alone."""
        check = self._site.process.last.duplicate_check
        assert not check.reason and not check.leaving, f"two orchestrators command: {command}"

    def user_input_published(self, commands: Sequence[Command]) -> None:
        """With each user input of a later iteration go all its baselines."""
        published = [c for c in commands if isinstance(c, PublishUserInput)]
        if not published:
            return
        baselines = (c for c in commands if isinstance(c, PublishBaseline))
        given = Counter((c.task_id, c.attempt) for c in baselines)
        for command in published:
            later = command.task_id.iteration_id > 1
            expected = len(self._site.pipeline.baselines) if later else 0
            assert given[command.task_id, command.attempt] == expected, (
                f"baselines of {command.task_id}"
            )

    def begun(self, module: Module, job: Job) -> None:
        """User code begins to work on a try. One that killed its process is not begun again."""
        faults, index = self._site.faults, module.spec.index
        blind = not faults.tidy and not (faults.twin and (faults.poison or faults.widow))
        if blind or faults.restart or faults.pause or faults.freeze or faults.task_command:
            return
        long_ago = self._site.permitted.since_death(job.ticket, index, job.try_number) > _TOLERANCE
        others = (m for m in self._site.modules_of(index) if m is not module)
        alone = not any(m.works_on(job.ticket) for m in others)
        assert not (long_ago and alone), f"{job.ticket} begins again as try {job.try_number}"

    def poisoned(self, ticket: Ticket, module: Module) -> None:
        """A task has killed a process; it must not kill one after the other."""
        self._fates[ticket, module.spec.index] += 1
        processes = len(self._site.modules_of(module.spec.index))
        most = module.spec.max_tries * (1 if processes == 1 else 2 * processes)
        assert self._fates[ticket, module.spec.index] <= most, f"{ticket} kills and kills"

    # In the end #

    def in_the_end(self) -> None:
        """All is over; nothing is lost, and nobody works for nothing."""
        core, site = self._site.process.last, self._site
        calls = site.front_end.calls(core)
        assert not calls, f"requests without an answer: {calls}"
        accepted = site.front_end.accepted
        assert len(set(accepted.values())) == len(accepted), "one id for two tasks"
        for name, task_id in accepted.items():
            task = core.store.find(task_id)
            if task is None:
                gone = task_id.problem_id in site.front_end.deleted or core.settings.max_problems
                assert gone, f"{name} ({task_id}) is lost"
                continue
            assert task.user_input == name.encode(), f"{name} is answered with {task.user_input!r}"
            if site.faults.mild:
                assert task.status is TaskStatus.SUCCEEDED, f"{task_id}: {task.outcome_reason}"
        tasks = [task for problem in core.store.problems.values() for task in problem]
        followed = {task.next_task for task in tasks} - {NO_TASK}
        for task in tasks:
            self.saved.check_task(task)
            self._check_outcome(task)
            alone = not task.request_id and task.task_id not in followed
            reset = any(
                s.front_end.resets for s in site.world.sites
            )  # a reset one is followed by another when it succeeds
            assert not alone or reset, f"nobody asked for {task.task_id}"
            if task.request_id:
                assert task.request_id in site.world.asked

    def _check_outcome(self, task: Task) -> None:
        assert task.open or task.outcome_reason, f"{task.task_id} ended without a word"
        more = getattr(task.goal, "num_outputs", 1) > 1
        if task.status is TaskStatus.SUCCEEDED and more:
            assert task.next_task != NO_TASK, f"nothing follows {task.task_id}"
        if task.status is TaskStatus.SUCCEEDED and task.next_task == NO_TASK:
            reasons = ("target of 0.4 kgCO2e met", "taken over", "max_auto")
            searched = getattr(task.goal, "auto", False)
            assert not searched or task.outcome_reason.startswith(reasons), task.outcome_reason
        if task.status is TaskStatus.ERROR and self._site.faults.accountable:
            self._check_failure(task)

    def _check_failure(self, task: Task) -> None:
        """A module has failed as often as it may."""
        ticket = Ticket(task.task_id, task.attempt, self._site.process.session, task.token)
        for spec, record in zip(self._site.pipeline.modules, task.records(), strict=True):
            if record.task_status is TaskStatus.ERROR and record.error_code == ErrorCode.TIMEOUT:
                assert record.tries == spec.max_tries, f"{ticket} failed too early"
            if record.error_code == ErrorCode.INTERNAL_ERROR:
                tries = range(1, spec.max_tries + 1)
                failed = all(self._site.permitted.noted(ticket, spec.index, n) for n in tries)
                assert record.tries == spec.max_tries and failed, f"{ticket} failed too early"

    def let_go(self) -> None:
        """Some time after the end no module has anything of a task that does not run.

        Unless the orchestrator died after it had kept the end of a task, before it told of it.
        """
        if self._site.faults.restart or "loop" in self._site.faults.lasting:
            return
        for module in self._site.modules:
            for job in module.state.jobs if module.up else ():
                task = self._site.process.last.store.find(job.ticket.task_id)
                known = task is not None and job.ticket.session == self._site.process.session
                runs = known and task is not None and task.status is TaskStatus.RUNNING
                assert runs or not known, f"{module.instance} still works on {job.ticket}"

    def share(self) -> None:
        """Some time after the end each of several processes works on what is assigned to it."""
        for module in self._site.modules if self._site.faults.sharing else ():
            several = len(self._site.modules_of(module.spec.index)) > 1
            assert module.state.addressed is several, f"{module.instance} is not told to share"


def _is_told(key: tuple[object, ...], promised: Mapping[TaskId, Summary]) -> bool:
    """Whether the disk holds that an input was published."""
    _, task_id, attempt, *_ = key
    found = promised.get(cast(TaskId, task_id))
    return found is not None and found[1] == attempt and bool(found[-2])
