"""Following the history: events as they happen, also over a restart of the orchestrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sustainml_msgs.msg import HistoryEvent

from sustainml_orchestrator.client.errors import OrchestratorUnavailable, RequestTimeout

#: Between two looks for new events, and longest absence of the orchestrator, in s.
_PERIOD, _PATIENCE = 0.5, 30.0

#: Returns the events after a revision, the oldest first.
Get = Callable[[int], list[HistoryEvent]]


def follow(get: Get, page: int, after_revision: int) -> Iterator[HistoryEvent]:
    """Events as they happen, without end.

    Args:
        get: returns at most `page` events.

    Raises:
        OrchestratorUnavailable, RequestTimeout: no orchestrator answers, or none any more.
    """
    answered_at = 0.0
    while True:
        try:
            events = get(after_revision)
            answered_at = time.monotonic()
        except (OrchestratorUnavailable, RequestTimeout):
            if not answered_at or time.monotonic() - answered_at > _PATIENCE:
                raise
            events = []
        for event in events:
            after_revision = event.revision
            yield event
        if len(events) < page:
            time.sleep(_PERIOD)
