"""Retention: the oldest finished problems are deleted first, open ones never."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from sustainml_orchestrator.core.commands import AnnounceSystem, ForgetProblem
from sustainml_orchestrator.core.context import Context
from sustainml_orchestrator.core.happenings import TASK_DELETED
from sustainml_orchestrator.core.task_store import TaskStore

_WHY = "by retention (max_problems, max_payload_bytes)"
#: Candidates looked up at a time: usually one is deleted, but there may be a million.
_BATCH = 100


class Retention:
    """Keeps the database within `max_problems` and `max_payload_bytes`.

    A problem that changed in the present event stays, so that its end can be announced.
    """

    def __init__(self, context: Context, store: TaskStore) -> None:
        self._settings = context.settings
        self._store = store
        self._context = context
        self._fresh: set[int] = set()

    def note(self, problem_id: int) -> None:
        """A task of this problem was created or has ended: the limits may be exceeded."""
        if self._settings.max_problems or self._settings.max_payload_bytes:
            self._fresh.add(problem_id)

    def enforce(self) -> None:
        """Delete problems until the limits hold; nothing to do unless something was noted."""
        if not self._fresh:
            return
        fresh, self._fresh = self._fresh, set()
        if not self._exceeded():
            return
        while oldest := list(islice(self._finished(fresh), _BATCH)):
            for problem_id in oldest:
                for task in self._store.problem(problem_id):
                    self._context.history.task(task, TASK_DELETED, _WHY)
                self._store.delete(problem_id)
                self._context.do(ForgetProblem(problem_id))
                self._context.do(AnnounceSystem())
                if not self._exceeded():
                    return

    def _finished(self, fresh: set[int]) -> Iterator[int]:
        """Problems without open tasks, the oldest first."""
        for problem_id, problem in self._store.problems.items():
            if problem_id not in fresh and not any(item.open for item in problem):
                yield problem_id

    def _exceeded(self) -> bool:
        settings, store = self._settings, self._store
        return (
            0 < settings.max_problems < len(store.problems)
            or 0 < settings.max_payload_bytes < store.payload_bytes
        )
