"""Which tasks `sustainml list` shows: filters on their summaries, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from sustainml_orchestrator.cli.figures import seconds_of
from sustainml_orchestrator.core.ids import TaskStatus

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient

_PAGE = 500


class Filter(NamedTuple):
    """What a task must have; texts are parts, in any case.

    Attributes:
        since: created at this time (s since 1970) or later; 0 = whenever.
    """

    text: str = ""
    model: str = ""
    hardware: str = ""
    since: float = 0.0

    def matches(self, summary: Any) -> bool:
        """Whether a task has all of it."""
        texts = (summary.problem_short_description, summary.outcome_reason,
                 summary.error_description, summary.model, summary.hw_description)  # fmt: skip
        return (
            (not self.text or any(_has(each, self.text) for each in texts))
            and (not self.model or _has(summary.model, self.model))
            and (not self.hardware or _has(summary.hw_description, self.hardware))
            and (not self.since or seconds_of(summary.created) >= self.since)
        )


def _has(text: str, part: str) -> bool:
    return part.casefold() in text.casefold()


def select(
    client: OrchestratorClient, problem: int, statuses: Sequence[TaskStatus], wanted: Filter,
    *, newest_first: bool, offset: int, limit: int,
) -> tuple[list[Any], int]:  # fmt: skip
    """A page of the tasks that match, and how many match in all."""
    if wanted == Filter():
        return client.list_tasks(
            problem, statuses, newest_first=newest_first, offset=offset, limit=limit
        )
    found = [s for s in _all(client, problem, statuses, newest_first, wanted) if wanted.matches(s)]
    return found[offset : offset + limit], len(found)


def _all(
    client: OrchestratorClient, problem: int, statuses: Sequence[TaskStatus], newest_first: bool,
    wanted: Filter,
) -> Iterator[Any]:  # fmt: skip
    """Every summary of these; of the newest first, those that are old enough to end are left."""
    offset, total = 0, 1
    while offset < total:
        page, total = client.list_tasks(
            problem, statuses, newest_first=newest_first, offset=offset, limit=_PAGE
        )
        yield from page
        offset += len(page) or total
        if newest_first and page and seconds_of(page[-1].created) < wanted.since:
            return
