"""Who follows tasks or the history outlasts a restart, and hears at once that nobody is there."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, repeat

import pytest
from sustainml_msgs.msg import HistoryEvent, TaskSummary

from sustainml_orchestrator.client import patience
from sustainml_orchestrator.client.errors import (
    ClientError,
    OrchestratorUnavailable,
    RequestRefused,
    RequestTimeout,
)
from sustainml_orchestrator.client.following import Follower
from sustainml_orchestrator.client.watching import Watch
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus

AWAY = OrchestratorUnavailable(ErrorCode.NODE_UNAVAILABLE, "away")
LATE = RequestTimeout(ErrorCode.TIMEOUT, "late")


class Updates:
    """A subscription to which these come."""

    def __init__(self, *summaries: TaskSummary) -> None:
        self._summaries = list(summaries)

    def get(self, timeout: float) -> TaskSummary | None:
        return self._summaries.pop(0) if self._summaries else None


def watched(
    results: Iterator[TaskSummary | ClientError], has_answered: bool, *updates: TaskSummary
) -> list[TaskStatus]:
    watch = Watch([TaskId(1, 1)], lambda _: given(results), False, has_answered)
    return [TaskStatus(each.task_status) for each in watch.until_over(Updates(*updates), 20.0)]


def followed(
    pages: Iterator[list[HistoryEvent] | ClientError], has_answered: bool
) -> Iterator[HistoryEvent]:
    return Follower(lambda **_: given(pages), lambda: 6, 6, has_answered).events()


def given(results: Iterator[object]) -> object:
    result = next(results)
    if isinstance(result, ClientError):
        raise result
    return result


def summary(status: TaskStatus, revision: int) -> TaskSummary:
    found = TaskSummary(task_status=status, revision=revision)
    found.task_id.problem_id = found.task_id.iteration_id = 1
    return found


RUNNING, DONE = summary(TaskStatus.RUNNING, 3), summary(TaskStatus.SUCCEEDED, 5)


@pytest.mark.parametrize("errors", [[AWAY], [LATE], [AWAY, LATE, AWAY]])
def test_one_that_has_answered_may_be_away_for_a_while(errors: list[ClientError]) -> None:
    assert watched(chain(errors, [DONE]), True) == [TaskStatus.SUCCEEDED]
    seen = watched(chain([RUNNING], errors, [DONE]), False)
    assert seen == [TaskStatus.RUNNING, TaskStatus.SUCCEEDED]
    seven, eight = HistoryEvent(revision=7), HistoryEvent(revision=8)
    pages = chain(errors, [[seven]], errors, [[seven, eight]])
    events = followed(pages, True)
    assert [next(events), next(events)] == [seven, eight]


def test_a_restored_database_has_lower_revisions() -> None:
    late = summary(TaskStatus.WAITING, 90)
    seen = watched(iter([RUNNING, DONE]), True, late)
    assert seen == [TaskStatus.RUNNING, TaskStatus.WAITING, TaskStatus.SUCCEEDED]


def test_a_task_of_another_orchestrator_is_not_taken_for_the_one_waited_for() -> None:
    other, early = summary(TaskStatus.SUCCEEDED, 90), summary(TaskStatus.SUCCEEDED, 91)
    other.created.sec = early.created.sec = 7
    with pytest.raises(RequestRefused, match=r"task 1/1 is another one .* submit that again") as no:
        watched(iter([RUNNING, other]), True, early)
    assert no.value.code is ErrorCode.NOT_FOUND
    assert watched(iter([RUNNING, DONE]), True, early)[-1] is TaskStatus.SUCCEEDED


def test_nobody_was_ever_there() -> None:
    with pytest.raises(OrchestratorUnavailable):
        watched(iter([AWAY]), False)
    with pytest.raises(OrchestratorUnavailable):
        next(followed(iter([AWAY]), False))


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "_LONGEST", 0.3)
    with pytest.raises(OrchestratorUnavailable):
        watched(repeat(AWAY), True)
    with pytest.raises(RequestTimeout):
        next(followed(repeat(LATE), True))
