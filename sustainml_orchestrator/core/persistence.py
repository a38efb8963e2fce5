"""What is to be saved, and which commands wait until it is.

The changes of events are collected and returned as one `Save` at a time. Commands that show tasks
to anyone (replies, announcements, commands for modules) are held back until `Persisted`, so that a
crash cannot take back what they show. Inputs show a task and its attempt alone: they wait where the
journal does not hold that yet. While the journal cannot be written, tasks that it holds go on, and
new ones are refused.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Sequence
from typing import TypeVar

from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    AnnounceTask,
    Change,
    Command,
    ForgetProblem,
    Leave,
    Log,
    PublishBaseline,
    PublishUserInput,
    Reply,
    Save,
    SavedOutput,
    SavedTask,
    SaveNode,
    SaveOutput,
    SaveTask,
)
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import BatchEnded, Persisted, PersistFailed, TimePassed
from sustainml_orchestrator.core.ids import ErrorCode, TaskId
from sustainml_orchestrator.core.record import to_delivery, to_record
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.core.task_store import TaskStore

#: Problem ids reserved at a time, so that few commits must be synchronous.
ID_BLOCK = 1000
#: Revisions reserved at a time: those of progress alone are announced unsaved.
REVISION_BLOCK = 2**20
#: Between two attempts to save after a failure, in s.
RETRY_PERIOD = 1.0
#: Longest time that commands wait for a save that neither succeeds nor fails, in s; less than the
#: time in which a node must confirm a command.
LONGEST_SAVE = 2.0

#: These depend on no task.
_NEVER_HELD = frozenset({AnnounceSystem, Leave, Log})
#: These show no more than an attempt; modules that receive it again after a crash know it.
_NEVER_HELD_IF_STORED = frozenset({PublishBaseline, PublishUserInput})


C = TypeVar("C", bound=Change)


class _Changes:
    """What one `Save` will hold, by name: the data are read from the store when it is made."""

    def __init__(self) -> None:
        self.items: dict[Change, None] = {}
        self.touched: set[TaskId] = set()
        self.withdrawn: list[int] = []
        self.held: list[Command] = []

    def note(self, change: Change) -> None:
        self.items.pop(change, None)  # so that the latest of a kind comes last
        self.items[change] = None
        if isinstance(change, SaveTask | SaveOutput):
            self.touched.add(change.task_id)

    def add(self, later: _Changes) -> None:
        for change in later.items:
            self.note(change)
        self.withdrawn += later.withdrawn
        self.held += later.held

    def of(self, kind: type[C]) -> list[C]:
        """The changes of a kind, in order."""
        return [change for change in self.items if isinstance(change, kind)]


class Persistence:
    """Collects changes and holds back the commands that depend on them.

    Args:
        enabled: False without a journal: nothing is saved, and nothing waits.
        withdraw: undoes the submission of a task that was not announced.

    Attributes:
        enabled: whether there is a journal.
        number: of the latest `Save`; they count from 1.
        settled: number of the latest one with a known outcome.
        failed: why the journal cannot be written at present; "" while all is well.
        id_block: problem ids reserved at a time.
    """

    id_block = ID_BLOCK

    def __init__(
        self,
        store: TaskStore,
        context: Context,
        *,
        enabled: bool,
        withdraw: Callable[[Task, str], None],
    ) -> None:
        self._store = store
        self._context = context
        self.enabled = enabled
        self._withdraw = withdraw
        self._changes = _Changes()
        self._saving: _Changes | None = None
        self._released: list[Command] = []
        self._durable_serial = 0  # tasks from this serial on are not saved yet
        self._serial_in_save = 0
        self._reserved = self._reserved_in_save = 0
        self._last_revision = REVISION_BLOCK
        self._began = self._retry_at = 0.0
        self.number = self.settled = 0
        self.failed = ""

    def resume(self, durable_serial: int, reserved: int) -> None:
        """Continue a journal that holds the tasks up to a serial, and has reserved some ids."""
        self._durable_serial, self._reserved = durable_serial, reserved
        self._last_revision = self._store.revision  # so reserve more

    def holds(self, task: Task) -> bool:
        """Whether the journal holds the present attempt of a task; True without a journal."""
        if not self.enabled:
            return True
        attempt = SaveTask(task.task_id, new_attempt=True)
        saving = self._saving is not None and attempt in self._saving.items
        return self._is_stored(task) and not saving and attempt not in self._changes.items

    def _is_stored(self, task: Task) -> bool:
        return task.serial < self._durable_serial

    @property
    def unsaved(self) -> int:
        """Number of the `Save` after which the whole store is persistent; 0 = it is now."""
        if self._changes.items:
            return self.number + 1
        return self.number if self._saving is not None else 0

    def shows_unsaved(self, task_id: TaskId) -> bool:
        """Whether a summary of a task would show what a crash could take back."""
        if self.failed:
            return False
        saving = self._saving is not None and task_id in self._saving.touched
        return saving or task_id in self._changes.touched

    def check_room(self) -> None:
        """Whether a new task can be saved.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED.
        """
        if self.failed:
            raise OrchestratorError(ErrorCode.RESOURCE_EXHAUSTED, self.failed)

    # After each event #

    def sort(self, commands: Sequence[Command]) -> list[Command]:
        """Collect the changes among the commands of an event; returns what may be executed now."""
        released, self._released = self._released, []
        if not commands:
            return released
        others = []
        for command in commands:
            if not isinstance(command, Change):
                others.append(command)
            elif self.enabled:
                self._changes.note(command)
        if self._saving is None and not self._changes.items and not self._changes.held:
            return released + others
        for command in others:
            kind = type(command)
            may_go = self.failed or kind in _NEVER_HELD_IF_STORED
            if kind in _NEVER_HELD or (may_go and not self._is_new(command)):
                released.append(command)
            else:
                self._changes.held.append(command)
        return released

    def _is_new(self, command: Command) -> bool:
        """Whether a command shows a task, or an attempt, that the journal does not hold."""
        value = command.value if isinstance(command, Reply) else None
        task_id = value if isinstance(value, TaskId) else getattr(command, "task_id", None)
        task = self._store.find(task_id) if task_id is not None else None
        return task is not None and not self.holds(task)

    def _is_submission(self, reply: Reply) -> bool:
        """Whether a reply returns a task that the journal does not hold at all."""
        task = self._store.find(reply.value) if isinstance(reply.value, TaskId) else None
        return task is not None and not self._is_stored(task)

    # Saving #

    def on_batch_ended(self, event: BatchEnded) -> None:
        """Save what has changed, unless an earlier save is under way."""
        if self._changes.items and self._saving is None and not self.failed:
            self._save()

    def on_time(self, event: TimePassed) -> None:
        """Try again after a failure; stop waiting for a disk that hangs."""
        now = self._context.now
        if self._saving is None:
            spent = self._store.revision + REVISION_BLOCK // 2 > self._last_revision
            if now >= self._retry_at if self.failed else self.enabled and spent:
                self._save()
        elif not self.failed and now - self._began >= LONGEST_SAVE:
            self._hang()

    def shift(self, missed: float) -> None:
        """Move all times on by a pause of this process (s), see `Context.begin`."""
        self._began += missed
        self._retry_at += missed

    def _save(self) -> None:
        store = self._store
        changes = self._saving = self._changes
        self._changes = _Changes()
        self._began = self._context.now
        self.number += 1
        self._last_revision = store.revision + REVISION_BLOCK
        self._reserved_in_save = self._reserved
        if store.next_problem_id + self.id_block // 2 > self._reserved:
            self._reserved_in_save = store.next_problem_id + self.id_block
        task_ids = dict.fromkeys(change.task_id for change in changes.of(SaveTask))
        for change in changes.of(SaveOutput):
            task = store.find(change.task_id)
            if task is not None and not task.open:
                task_ids[change.task_id] = None  # the record of an ended task holds its deliveries
        tasks = [task for task in map(store.find, task_ids) if task is not None]
        serials = (task.serial + 1 for task in tasks)
        self._serial_in_save = max([self._durable_serial, *serials])
        self._released.append(
            Save(
                number=self.number,
                session=store.session,
                tasks=[self._saved_task(task) for task in tasks],
                outputs=list(self._saved_outputs(changes, task_ids)),
                withdrawn=changes.withdrawn,
                forgotten=tuple(change.problem_id for change in changes.of(ForgetProblem)),
                desired_active={c.name: c.desired_active for c in changes.of(SaveNode)},
                last_revision=self._last_revision,
                next_problem_id=store.next_problem_id,
                reserved_problem_id=self._reserved_in_save,
                synchronous=self._reserved_in_save > self._reserved,
                history=self._context.history.to_save(),
            )
        )

    def _saved_task(self, task: Task) -> SavedTask:
        delivered = sum(output is not None for output in task.outputs)
        user_input = None if self._is_stored(task) else task.user_input
        return SavedTask(to_record(task), delivered, user_input)

    def _saved_outputs(self, changes: _Changes, saved: Container[TaskId]) -> Iterable[SavedOutput]:
        for change in changes.of(SaveOutput):
            module, task = change.module, self._store.find(change.task_id)
            payload = task.outputs[module] if task is not None else None
            if task is not None and payload is not None:
                delivery = None if change.task_id in saved else to_delivery(task, module)
                yield SavedOutput(task.serial, module, task.attempt, payload, delivery)

    # Its outcome #

    def on_persisted(self, event: Persisted) -> None:
        """Release the commands that waited for this save; save what has changed meanwhile."""
        saved = self._saving
        if saved is None or event.number != self.number:
            return
        self._saving, self.failed = None, ""
        self.settled = event.number
        self._durable_serial = self._serial_in_save
        self._reserved = self._reserved_in_save
        self._context.history.saved()
        changes = self._changes
        waiting, changes.held = changes.held, []
        for command in saved.held:  # a summary shows the task as it is now
            late = isinstance(command, AnnounceTask) and command.task_id in changes.touched
            (changes.held if late else self._released).append(command)
        if changes.items:
            changes.held += waiting
            self._save()
        else:
            self._released += waiting

    def on_persist_failed(self, event: PersistFailed) -> None:
        """Refuse and undo the submissions that are not saved; all else goes on in memory."""
        changes = self._saving
        if changes is None or event.number != self.number:
            return
        self._saving = None
        self.settled = event.number
        changes.add(self._changes)
        self._changes = changes
        self._retry_at = self._context.now + RETRY_PERIOD
        self.failed = event.reason
        replies = [c for c in changes.held if isinstance(c, Reply) and self._is_submission(c)]
        refused = {reply.value for reply in replies}
        for task_id in sorted(refused, reverse=True):
            task = self._store.get(task_id)
            self._withdraw(task, event.reason)
            if self._store.find(task_id) is None:
                changes.withdrawn.append(task.serial)
        changes.held = [c for c in changes.held if getattr(c, "task_id", None) not in refused]
        self._let_out(changes, replies)

    def _let_out(self, changes: _Changes, replies: Sequence[Reply]) -> None:
        """Release the commands about tasks that the journal holds; refuse these replies."""
        refusal = OrchestratorError(ErrorCode.RESOURCE_EXHAUSTED, self.failed)
        held, changes.held = changes.held, []
        for command in held:
            if isinstance(command, Reply) and command in replies:
                self._released.append(Reply(command.call, error=refusal))
            elif self._is_new(command):
                changes.held.append(command)
            else:
                self._released.append(command)

    def _hang(self) -> None:
        """The save neither succeeds nor fails: refuse new tasks until its outcome is known."""
        self.failed = (
            f"the journal's disk has not answered for {LONGEST_SAVE:g} s; look at the disk, then "
            "repeat the request with the same request_id"
        )
        for changes in filter(None, (self._saving, self._changes)):
            replies = [c for c in changes.held if isinstance(c, Reply) and self._is_submission(c)]
            self._let_out(changes, replies)
