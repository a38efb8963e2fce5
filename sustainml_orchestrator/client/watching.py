"""Following tasks until they are over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

from sustainml_msgs.msg import TaskSummary

from sustainml_orchestrator.client.errors import (
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
)
from sustainml_orchestrator.client.feed import Feed
from sustainml_orchestrator.client.patience import Patience
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS

#: Periods of the queries for the state, in s: short at first, until the subscription is matched.
_FIRST_PERIOD, _PERIOD = 0.1, 1.0
#: Longest rate of queries, in tasks per s.
_RATE = 50.0
#: Timeout of a query, in s: an orchestrator that was restarted meanwhile never answers it.
LOOK_WAIT = 2.0


class Watch:
    """Follows tasks by their updates, and by queries, for updates that were missed.

    Args:
        get: returns the current summary of a task.
        follow: whether to go on with tasks that start by themselves from these.
        has_answered: whether the orchestrator has answered a request before.
    """

    def __init__(
        self, tasks: Iterable[TaskId], get: Callable[[TaskId], TaskSummary], follow: bool,
        has_answered: bool,
    ) -> None:  # fmt: skip
        self._seen = dict.fromkeys(tasks, 0)  # the newest revision of each
        self._created: dict[TaskId, tuple[int, int]] = {}  # tells tasks of the same id apart
        self._get = get
        self._follow = follow
        self._period = _FIRST_PERIOD
        self._query_at = time.monotonic()
        self._patience = Patience(has_answered)

    def until_over(self, updates: Feed[TaskSummary], timeout: float) -> Iterator[TaskSummary]:
        """Every change, until all tasks are over.

        Raises:
            RequestTimeout: they are not after so many s.
            RequestRefused: another orchestrator answers now, which has other tasks of these ids.
        """
        deadline = time.monotonic() + timeout
        while self._seen:
            now = time.monotonic()
            if now >= deadline:
                unfinished = ", ".join(map(str, self._seen))
                text = f"not over after {timeout:g} s: {unfinished}"
                raise RequestTimeout(ErrorCode.TIMEOUT, text)
            if now >= self._query_at:
                yield from self._new(self._query(), is_answer=True)
            else:
                update = updates.get(min(self._query_at, deadline) - now)
                yield from self._new([update] if update else [])

    def _query(self) -> list[TaskSummary]:
        try:
            summaries = [self._get(task_id) for task_id in self._seen]
            self._patience.note_answer()
        except (OrchestratorUnavailable, RequestTimeout) as error:
            if self._patience.is_over(error):
                raise
            summaries = []
        self._period = min(2 * self._period, _PERIOD)
        self._query_at = time.monotonic() + max(self._period, len(self._seen) / _RATE)
        return summaries

    def _new(
        self, news: Iterable[TaskSummary], *, is_answer: bool = False
    ) -> Iterator[TaskSummary]:
        """The summaries that are new; a task that is over is no longer followed.

        An answer counts also with a lower revision: the database may be a restored one.
        """
        for summary in news:
            task_id = TaskId(summary.task_id.problem_id, summary.task_id.iteration_id)
            if task_id not in self._seen:
                continue
            if not self._is_same(task_id, summary):
                if is_answer:
                    raise _replaced(task_id)
                continue
            seen = self._seen[task_id]
            if summary.revision == seen or (summary.revision < seen and not is_answer):
                continue
            self._seen[task_id] = summary.revision
            if TaskStatus(summary.task_status) in FINAL_TASKS:
                del self._seen[task_id]
                following = TaskId(summary.next_task.problem_id, summary.next_task.iteration_id)
                if self._follow and all(following):
                    self._seen[following] = 0
            yield summary

    def _is_same(self, task_id: TaskId, summary: TaskSummary) -> bool:
        """Whether a summary is of the task that was seen first with this id."""
        created = summary.created.sec, summary.created.nanosec
        return self._created.setdefault(task_id, created) == created


def _replaced(task_id: TaskId) -> RequestRefused:
    text = (
        f"task {task_id} is another one than before: another orchestrator answers, or one with "
        "another journal, which does not know the task that was waited for; submit that again"
    )
    return RequestRefused(ErrorCode.NOT_FOUND, text)
