"""Following the history: events as they happen, also over a restart of the orchestrator.

Revisions grow over restarts, but not where the orchestrator goes on with an older copy of its
journal, or with another one. So each look begins at the last event that was told: where it is gone,
what was told may be undone, which is told, too.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Protocol

from sustainml_msgs.msg import HistoryEvent

from sustainml_orchestrator.client.errors import OrchestratorUnavailable, RequestTimeout
from sustainml_orchestrator.client.patience import Patience
from sustainml_orchestrator.core.happenings import HAPPENINGS, JOURNAL_CHANGED

#: Between two looks for new events, in s.
_PERIOD = 0.5
#: Events of a look, and most of those that happened between the last one told and another journal.
_PAGE, _LONG_PAGE = 500, 1000


class Get(Protocol):
    """Reads the history that is followed."""

    def __call__(
        self, *, after_revision: int = 0, limit: int, newest_first: bool = False
    ) -> list[HistoryEvent]:
        """Events of it, at most 1000."""


class Follower:
    """Follows the history without end.

    Args:
        get: returns events of it.
        newest: returns the revision of the latest event of all.
        after_revision: of the last event that is known already.
        has_answered: whether the orchestrator has answered a request before.
    """

    def __init__(
        self, get: Get, newest: Callable[[], int], after_revision: int, has_answered: bool
    ) -> None:
        self._get = get
        self._newest = newest
        self._revision = after_revision
        self._last: HistoryEvent | None = None  # the event of that revision, once it was seen
        self._patience = Patience(has_answered)

    def events(self) -> Iterator[HistoryEvent]:
        """Events as they happen, and `journal.changed` where earlier ones may be undone.

        Raises:
            OrchestratorUnavailable, RequestTimeout: no orchestrator answers, or none any more.
        """
        while True:
            try:
                events = self._look()
                self._patience.note_answer()
            except (OrchestratorUnavailable, RequestTimeout) as error:
                if self._patience.is_over(error):
                    raise
                events = []
            for event in events:
                self._revision = event.revision
                if event.event != JOURNAL_CHANGED:
                    self._last = event
                yield event
            if len(events) < _PAGE - 1:
                time.sleep(_PERIOD)

    def _look(self) -> list[HistoryEvent]:
        """The events after the last one."""
        if not self._revision:
            return self._get(limit=_PAGE)
        page = self._get(after_revision=self._revision - 1, limit=_PAGE)
        is_there = bool(page) and page[0].revision == self._revision
        if is_there and self._last in (None, page[0]):
            self._last = page[0]
            return page[1:]
        if self._may_be_dropped(page):
            return page
        return self._begin_anew()

    def _may_be_dropped(self, page: list[HistoryEvent]) -> bool:
        """Whether the last event, which is not there, may be too old to be kept, or of others."""
        if self._last is None:
            return bool(page) or self._newest() >= self._revision
        kept = self._get(limit=1)
        return not kept or kept[0].revision > self._revision

    def _begin_anew(self) -> list[HistoryEvent]:
        """Return a `journal.changed` event, then the events of the new journal that followed."""
        recent = self._get(limit=_LONG_PAGE, newest_first=True)[::-1] or [HistoryEvent()]
        told = _time(self._last or recent[-1])
        new = [event for event in recent if _time(event) > told]
        self._last = None
        notice = HistoryEvent(
            stamp=recent[-1].stamp,
            revision=new[0].revision - 1 if new else recent[-1].revision,
            event=JOURNAL_CHANGED,
            detail=HAPPENINGS[JOURNAL_CHANGED].meaning,
        )
        return [notice, *new]


def _time(event: HistoryEvent) -> tuple[int, int]:
    return event.stamp.sec, event.stamp.nanosec
