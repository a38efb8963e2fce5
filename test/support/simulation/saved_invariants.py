"""What is saved, told and comes back: nothing is lost that was promised, nothing is mixed up."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

from support.simulation.disk import Summary
from support.simulation.modules import is_of
from sustainml_orchestrator.core.commands import (
    AnnounceTask,
    Command,
    PublishBaseline,
    PublishUserInput,
    Reply,
    Save,
)
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import OutputReceived
from sustainml_orchestrator.core.ids import ErrorCode, TaskId
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.task import Task

if TYPE_CHECKING:
    from support.simulation.site import Site


class SavedInvariants:
    """Remembers what was told of which task.

    A task is known by its user input: each request has its own, and every output names it.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._requests: dict[str, TaskId] = {}
        self._in_session: dict[tuple[int, TaskId], bytes] = {}
        self._by_token: dict[tuple[int, TaskId, int, int], bytes] = {}
        self._problems: dict[int, bytes] = {}
        self._undone: set[tuple[int, TaskId, int, int]] = set()

    @property
    def _promised(self) -> dict[TaskId, Summary]:
        return self._site.process.disk.contents.promised

    def lost(self, *, rolled_back: bool, noticed: bool) -> None:
        """Commits are lost.

        Args:
            rolled_back: to an older copy, in which fewer ids are reserved.
            noticed: the journal has begun a new session by itself.
        """
        self._requests.clear()
        if rolled_back:
            self._problems.clear()
        if not noticed:  # until a module shows it, ids may be given again, with other tokens
            self._in_session.clear()
        known = {(task_id, s[1], s[-1]) for task_id, s in self._promised.items()}
        self._undone = {key for key in self._by_token if key[1:] not in known}

    def saving(self, core: Orchestrator, save: Save) -> dict[TaskId, Summary]:
        """What this save carries, as far as it must be true after a restart.

        Without the tasks that its event has changed after it was made, see `committed`.
        """
        serials = _serials(save)
        tasks = [t for problem in core.store.problems.values() for t in problem]
        changed = [task for task in tasks if task.serial in serials]
        for task in changed:
            self.check_task(task)
        later = core.persistence._changes.touched
        return {task.task_id: summary(task) for task in changed if task.task_id not in later}

    def committed(self, save: Save, promised: Container[TaskId]) -> None:
        """It is on disk. The next save has what is new of a task that was changed since."""
        disk = self._site.process.disk
        for serial in _serials(save) & disk.contents.records.keys():
            task = disk.task(serial, self._site.pipeline)
            if task.task_id not in promised:
                self._promised[task.task_id] = summary(task)

    def at_commit(self, core: Orchestrator, save: Save) -> None:
        """It is about to be on disk."""
        for problem_id in save.forgotten:
            asked = problem_id in self._site.front_end.deleted
            assert asked or core.settings.max_problems, f"problem {problem_id} is forgotten"

    def refused(self, core: Orchestrator, about: object, error: OrchestratorError) -> None:
        """A task that is refused as it cannot be saved does not run, unless it may be repeated."""
        if error.code is not ErrorCode.RESOURCE_EXHAUSTED or "repeat the request" in error.message:
            return
        task_id = core.store.by_request(about) if isinstance(about, str) else None
        task = core.store.find(task_id) if task_id is not None else None
        assert task is None or not task.open, f"{about} is refused, but {task_id} is open"

    def delivered(self, core: Orchestrator, event: OutputReceived) -> None:
        """An output of what was undone by a rollback shows the rollback."""
        key = event.session, event.task_id, event.attempt, event.token
        deleted = event.task_id.problem_id in self._site.front_end.deleted
        if key not in self._undone or deleted or core.settings.max_problems:
            return
        task = core.store.find(event.task_id)
        if task is None or task.attempt <= event.attempt:
            assert core.session != event.session, f"{event} shows a rollback"

    def check_published(self, core: Orchestrator, commands: Iterable[Command]) -> None:
        """A crash takes back nothing that was announced, answered or given to modules."""
        if self._site.faults.amnesia:
            return
        for command in commands:
            task_id = command.value if isinstance(command, Reply) else None
            if isinstance(command, (AnnounceTask, PublishUserInput, PublishBaseline)):
                task_id = command.task_id
            task = core.store.find(task_id) if isinstance(task_id, TaskId) else None
            if task is None:
                continue
            assert task.task_id in self._promised, f"{command}: {task_id} is not saved"
            if isinstance(command, Reply) and task.request_id:
                assert self._requests.setdefault(task.request_id, task.task_id) == task.task_id
            told = isinstance(command, AnnounceTask) and not core.persistence.failed
            saved = self._promised[task.task_id]
            assert not told or saved == summary(task), (
                f"{task_id} {saved} {summary(task)} is not saved"
            )
            self._check_names(core, task)

    def _check_names(self, core: Orchestrator, task: Task) -> None:
        """An id that was told names no other task."""
        told, task_id = task.user_input, task.task_id
        before = self._in_session.setdefault((core.session, task_id), told)
        assert before == told, f"{task_id} was {before!r}, is {told!r} in one session"
        key = core.session, task_id, task.attempt, task.token
        before = self._by_token.setdefault(key, told)
        assert before == told, f"{key} was {before!r}, is {told!r}"
        if task_id.iteration_id == 1:
            before = self._problems.setdefault(task_id.problem_id, told)
            assert before == told, f"problem {task_id.problem_id} was {before!r}, is {told!r}"

    def check_task(self, task: Task) -> None:
        """Outputs come from this task, stay, and are of one attempt."""
        for spec, output in zip(self._site.pipeline.modules, task.outputs, strict=True):
            right = output is None or is_of(output, spec.name, task, task.user_input)
            assert right, f"{task.task_id}, {task.user_input!r}: {output!r}"
        _, attempt, outputs, *_ = self._promised.get(task.task_id, (None, 0, ()))
        if attempt == task.attempt:
            for before, after in zip(outputs, task.outputs, strict=True):
                assert before in (None, after), f"{task.task_id}: {before!r} became {after!r}"
        resets = sum(s.front_end.resets.get(task.task_id, 0) for s in self._site.world.sites)
        assert attempt <= task.attempt <= 1 + resets, f"{task.task_id}: attempt {task.attempt}"

    def after_restart(self, core: Orchestrator) -> None:
        """All that was promised is there."""
        contents = self._site.process.disk.contents
        assert core.store.revision >= contents.revision, "revisions go back in a restart"
        for task_id, promised in contents.promised.items():
            task = core.store.find(task_id)
            assert task is not None, f"{task_id} is lost in a restart"
            assert summary(task) == promised, f"{task_id} was {promised}, is {summary(task)}"
        for name, wanted in contents.wanted.items():
            assert core.lifecycle.by_name[name].desired_active is wanted, f"{name} is forgotten"


def summary(task: Task) -> Summary:
    """What a front-end was told of a task, as far as it must be true after a restart."""
    if task.open:
        tries = tuple(step.try_number for step in task.steps)
    else:
        tries = tuple(record.tries for record in task.records())
    return (
        task.status, task.attempt, tuple(task.outputs), task.priority, task.base_task,
        task.next_task, task.outcome_reason, tries, task.request_id, task.published, task.token,
    )  # fmt: skip


def _serials(save: Save) -> set[int]:
    """Of the tasks in a save."""
    return {saved.record[0] for saved in save.tasks} | {o.serial for o in save.outputs}
