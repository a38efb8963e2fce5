"""The core: `Orchestrator.handle(event) -> list[Command]` is the only way to change its state.

Pure: the same events at the same instants give the same commands and state.
"""

from __future__ import annotations

from collections.abc import Callable

from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    ChangeLifecycle,
    Command,
    ConfigureNode,
    ForgetProblem,
    Leave,
    Log,
    PublishBaseline,
    PublishUserInput,
    Reply,
    SendControl,
)
from sustainml_orchestrator.core.context import Context, Instant
from sustainml_orchestrator.core.duplicate_check import DuplicateCheck
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import (
    BatchEnded,
    ConfigurationAnswered,
    ConsumersMatched,
    DeletionRequested,
    Event,
    HistoryRead,
    NodeCommanded,
    NodeConfigured,
    OutputReceived,
    ParametersChanged,
    PeerObserved,
    Persisted,
    PersistFailed,
    Request,
    Restored,
    StatusReceived,
    TaskCommanded,
    TaskSubmitted,
    TimePassed,
    UnreadableOutputReceived,
)
from sustainml_orchestrator.core.happenings import TASK_DELETED
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.lifecycle import Lifecycle
from sustainml_orchestrator.core.node_changes import NodeChanges
from sustainml_orchestrator.core.operations import Operations
from sustainml_orchestrator.core.optimiser import Derive, Exhausted, Optimiser
from sustainml_orchestrator.core.persistence import Persistence
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.reports import Reports
from sustainml_orchestrator.core.restore import restore
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.states import OPEN_STEPS
from sustainml_orchestrator.core.step import Step
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_manager import TaskManager
from sustainml_orchestrator.core.task_store import TaskStore
from sustainml_orchestrator.core.text import printable
from sustainml_orchestrator.core.waiting import waiting_for

_OF_PERSISTENCE = (BatchEnded, Persisted, PersistFailed)
#: Commands that only one orchestrator of a namespace may execute.
_FOR_MODULES = (
    SendControl, ChangeLifecycle, ConfigureNode, PublishUserInput, PublishBaseline
)  # fmt: skip


class Orchestrator:
    """Dispatches events to the nodes, the tasks and the persistence.

    Args:
        pipeline: the modules.
        settings: limits and periods; may be changed between two events.
        session: number of the database; not 0.
        incarnation: of this process, see `make_incarnation`; 0 = takes no notice of others.
        draw_token: a random uint32, not 0, for each attempt at a task.
        derive: makes the user input of an iteration that is started automatically.
        exhausted: whether the outputs of an iteration show that no model is left to propose.
        journalled: whether `Save` is executed; else nothing is saved, and nothing waits for it.
    """

    def __init__(
        self,
        *,
        pipeline: Pipeline,
        settings: Settings,
        session: int,
        incarnation: int = 0,
        draw_token: Callable[[], int],
        derive: Derive,
        exhausted: Exhausted = lambda outputs: False,
        journalled: bool = False,
    ) -> None:
        self.pipeline = pipeline
        self.settings = settings
        self.store = TaskStore(len(pipeline), session)
        self.context = context = Context(pipeline, settings, self.store)
        self.duplicate_check = DuplicateCheck(incarnation)
        self._standing_by = False
        self.lifecycle = Lifecycle(context)
        self.optimiser = Optimiser(settings, self.store, derive, exhausted)
        self.tasks = TaskManager(context, self.lifecycle, self.store, self.optimiser, draw_token)
        self.reports = Reports(context, self.lifecycle, self.store, self.tasks, draw_token)
        self._node_changes = NodeChanges(context, self.tasks.steps)
        self.operations = Operations(self.lifecycle, self.context)
        self.persistence = Persistence(
            self.store, self.context, enabled=journalled, withdraw=self.tasks.withdraw
        )
        self._handlers = self._event_handlers()

    def _event_handlers(self) -> dict[type, Callable[..., None]]:
        return {
            TimePassed: self._on_time,
            StatusReceived: self._on_status,
            OutputReceived: self._on_output,
            UnreadableOutputReceived: self.reports.refuse_output,
            ConsumersMatched: self._on_match,
            TaskSubmitted: self._on_submission,
            TaskCommanded: self.tasks.command,
            NodeCommanded: self.operations.begin,
            NodeConfigured: self._on_configured,
            ParametersChanged: self._on_parameters_changed,
            ConfigurationAnswered: self._on_configuration_answered,
            DeletionRequested: self._on_deletion,
            PeerObserved: lambda event: None,
            HistoryRead: self._on_history_read,
            Restored: lambda event: restore(self, event),
            BatchEnded: self.persistence.on_batch_ended,
            Persisted: self.persistence.on_persisted,
            PersistFailed: self.persistence.on_persist_failed,
        }

    @property
    def session(self) -> int:
        """Number of the database; not 0."""
        return self.store.session

    def handle(self, event: Event, now: Instant) -> list[Command]:
        """Apply an event; returns the commands to execute now.

        A request that is refused is answered with its error and changes nothing. With a journal,
        commands that depend on a change are returned later, when `Persisted` is handled.

        Raises:
            IllegalTransition: a bug; the text lists the last transitions.
        """
        context = self.context
        if type(event) is PeerObserved:
            self.duplicate_check.observe(event, now.steady)
        if self.duplicate_check.yielding(now.steady):
            return self._stand_by(event, now)
        missed = context.begin(now)  # also the time of standing by
        if self._standing_by:
            self._standing_by = False
            context.do(Log("warning", "the other orchestrator is gone; this one commands again"))
            context.do(AnnounceSystem())
        if missed:
            self._shift(missed)
        if type(event) in _OF_PERSISTENCE:  # the commands that it releases must not change
            self._handlers[type(event)](event)
            return self.persistence.sort(context.commands)
        try:
            self._handlers[type(event)](event)
        except OrchestratorError as refusal:
            assert isinstance(event, Request)
            context.commands = [Reply(event.call, error=refusal)]
        else:
            self.tasks.admit()
            self.tasks.retention.enforce()
        return self.persistence.sort(context.commands)

    def _stand_by(self, event: Event, now: Instant) -> list[Command]:
        """Another orchestrator commands the modules: no deadlines run, reports are ignored."""
        context, check = self.context, self.duplicate_check
        context.begin(Instant(context.now, now.stamp))
        if type(event) in _OF_PERSISTENCE:
            self._handlers[type(event)](event)
        elif type(event) is PeerObserved:
            if not self._standing_by:
                context.do(Log("error", check.reason))
                context.do(AnnounceSystem())
            if check.leaving:
                context.do(Leave(check.reason))
            self._standing_by = True
        elif isinstance(event, Request):
            refusal = OrchestratorError(ErrorCode.REJECTED, check.reason)
            context.do(Reply(event.call, error=refusal))
        released = self.persistence.sort(context.commands)
        return [command for command in released if not isinstance(command, _FOR_MODULES)]

    def _shift(self, missed: float) -> None:
        """Move all times on by a pause of this process (s), see `Context.begin`."""
        self.lifecycle.shift(missed)
        self.tasks.steps.shift(self.tasks.running.values(), missed)
        self.operations.shift(missed)
        self.context.history.shift(missed)
        self.persistence.shift(missed)

    def _on_time(self, event: TimePassed) -> None:
        for change in self.lifecycle.tick():
            self._node_changes.apply(change)
        # Modules do not know a task before it is saved.
        self.tasks.steps.tick([t for t in self.tasks.running.values() if self.persistence.holds(t)])
        self.operations.advance()
        self.context.history.on_time()
        self.persistence.on_time(event)

    def _on_submission(self, event: TaskSubmitted) -> None:
        if self.store.by_request(event.request_id) is None:
            self.persistence.check_room()
        self.tasks.submit(event)

    def _on_status(self, event: StatusReceived) -> None:
        if event.node_name not in self.lifecycle.by_name:
            self.reports.dropped["status of an unknown node"] += 1
            return
        for change in self.lifecycle.observe(event):
            self._node_changes.apply(change)
        if event.task_id != NO_TASK:
            if self.lifecycle.by_name[event.node_name].hosts(event.process):
                self.reports.on_report(event)
                self._assign(event.node_name)
            else:
                self.reports.dropped["status of a process that is gone"] += 1
        if not self.operations.idle:
            self.operations.advance()

    def _on_output(self, event: OutputReceived) -> None:
        self.reports.take_output(event)
        modules = self.pipeline.modules
        for index in (event.module, *self.pipeline.consumers[event.module]):
            self._assign(modules[index].name)

    def _assign(self, name: str) -> None:
        """An instance of several may be free for another step, or there is one more."""
        node = self.lifecycle.by_name[name]
        if len(node.instances) > 1 and node.addressed:
            self.tasks.steps.delivery.assign(node, self.persistence.holds)

    def _on_configured(self, event: NodeConfigured) -> None:
        if event.node_name in self.lifecycle.by_name:
            self.lifecycle.configurations.accept(event)

    def _on_parameters_changed(self, event: ParametersChanged) -> None:
        for node in self.lifecycle.nodes:
            # One of several instances alone may have been set: it is not known which is replaced.
            if [i.name for i in node.instances.values() if i.responsive] == [event.instance]:
                self.lifecycle.configurations.learn(node, event)

    def _on_configuration_answered(self, event: ConfigurationAnswered) -> None:
        node = self.lifecycle.by_name.get(event.node_name)
        if node is not None:
            self.lifecycle.configurations.answered(node, event)

    def _on_match(self, event: ConsumersMatched) -> None:
        self.tasks.matched = event.count

    def _on_history_read(self, event: HistoryRead) -> None:
        self.context.history.have_saved()
        self.context.do(Reply(event.call))

    def _on_deletion(self, event: DeletionRequested) -> None:
        for task in self.store.problem(event.problem_id):
            if task.open:
                raise OrchestratorError(
                    ErrorCode.REJECTED,
                    f"task {task.task_id} is {task.status.name}; "
                    "stop or terminate it, then delete the problem",
                )
        for task in self.store.problem(event.problem_id):
            self.context.history.task(task, TASK_DELETED, "on request")
        deleted = self.store.delete(event.problem_id)
        self.context.do(ForgetProblem(event.problem_id))
        self.context.do(AnnounceSystem())
        self.context.do(Reply(event.call, deleted))

    # Queries #

    def inputs_owed(
        self, task_id: TaskId, attempt: int, session: int, token: int, node_name: str
    ) -> tuple[Task, Step]:
        """The task and step for which a module may fetch its inputs.

        Raises:
            OrchestratorError: NOT_FOUND, or REJECTED when it has no open step in it.
        """
        node = self.lifecycle.by_name.get(node_name)
        if node is None:
            known = ", ".join(self.lifecycle.by_name)
            raise OrchestratorError(
                ErrorCode.NOT_FOUND, f"no module '{printable(node_name, 80)}'; use one of: {known}"
            )
        task = self.store.find(task_id)
        if task is None:
            raise OrchestratorError(
                ErrorCode.NOT_FOUND, f"there is no task {TaskId(*task_id)}; discard it"
            )
        if (session, attempt, token) != (self.session, task.attempt, task.token):
            raise OrchestratorError(
                ErrorCode.REJECTED,
                f"task {task.task_id} is at attempt {task.attempt} (token {task.token}) of session "
                f"{self.session}; discard every other attempt",
            )
        step = task.steps[node.spec.index] if task.status is TaskStatus.RUNNING else None
        if step is None or step.state not in OPEN_STEPS:
            raise OrchestratorError(
                ErrorCode.REJECTED,
                f"{node_name} has no open step in task {task.task_id} ({task.status.name}); "
                "discard it",
            )
        return task, step

    def outcome_reason(self, task: Task, *, with_place: bool = False) -> str:
        """Why a task ended; for one that is open, what it waits for.

        Args:
            with_place: whether to say its place in the queue, which is dear after each change.
        """
        if task.status is TaskStatus.RUNNING:
            return waiting_for(task, self.lifecycle, self.settings, self.context.now)
        return (
            self.waiting_reason(task if with_place else None)
            if task.open
            else (task.outcome_reason)
        )

    def waiting_reason(self, task: Task | None = None) -> str:
        """What all WAITING tasks wait for, and the place of one of them where given."""
        if not self.lifecycle.ready and self.settings.admission != "always":
            return f"waits for the modules: {self.lifecycle.reason()}"
        if task is not None:
            place = f"place {self.tasks.waiting.place(task)} of {len(self.tasks.waiting)}"
            return f"queued at {place}; {len(self.tasks.running)} tasks run"
        return f"queued: {len(self.tasks.running)} tasks run, {len(self.tasks.waiting)} wait"
