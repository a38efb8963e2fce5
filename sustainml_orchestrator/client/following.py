"""Following the history: events as they happen, also over a restart of the orchestrator."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from sustainml_msgs.msg import HistoryEvent

from sustainml_orchestrator.client.errors import OrchestratorUnavailable, RequestTimeout
from sustainml_orchestrator.client.patience import Patience

#: Between two looks for new events, in s.
_PERIOD = 0.5

#: Returns the events after a revision, the oldest first.
Get = Callable[[int], list[HistoryEvent]]


def follow(get: Get, page: int, after_revision: int, has_answered: bool) -> Iterator[HistoryEvent]:
    """Events as they happen, without end.

    Args:
        get: returns at most `page` events.
        has_answered: whether the orchestrator has answered a request before.

    Raises:
        OrchestratorUnavailable, RequestTimeout: no orchestrator answers, or none any more.
    """
    patience = Patience(has_answered)
    while True:
        try:
            events = get(after_revision)
            patience.note_answer()
        except (OrchestratorUnavailable, RequestTimeout) as error:
            if patience.is_over(error):
                raise
            events = []
        for event in events:
            after_revision = event.revision
            yield event
        if len(events) < page:
            time.sleep(_PERIOD)
