"""Detects that modules have seen more of a session than the journal held at the start."""

from __future__ import annotations

from sustainml_orchestrator.core.events import TaskReport
from sustainml_orchestrator.core.task_store import TaskStore


class RollbackCheck:
    """Compares what modules report with the store.

    Nothing reaches a module before it is saved. So an id, an attempt or a token of this session
    that the store does not know shows that an older copy of the journal was put in its place, or
    that another orchestrator works with a copy of it. Where the session began in this process, or
    a rollback was noticed, such a message can only be forged, and is no more than stale.

    Attributes:
        armed: whether an earlier process has used this session.
    """

    def __init__(self, store: TaskStore) -> None:
        self._store = store
        self.armed = False

    def shown_by(self, event: TaskReport) -> bool:
        """Whether a message of the present session shows a rollback; True once."""
        if not self.armed or not event.token:
            return False
        store, (problem_id, iteration_id) = self._store, event.task_id
        task = store.find(event.task_id)
        if task is not None:
            other_token = event.attempt == task.attempt and event.token != task.token
            shown = event.attempt > task.attempt or other_token
        else:
            known = len(store.problems.get(problem_id, ()))
            shown = problem_id >= store.next_problem_id or 0 < known < iteration_id
        self.armed = not shown
        return shown

    def describe(self, event: TaskReport) -> str:
        """What a message has shown; to be called after a new session was drawn."""
        return (
            f"a module knows attempt {event.attempt} (token {event.token}) of task "
            f"{event.task_id} in session {event.session}, which this journal does not hold: it was "
            "rolled back or copied. What was submitted since may be missing; session "
            f"{self._store.session} begins, and the tasks that run are delivered again"
        )
