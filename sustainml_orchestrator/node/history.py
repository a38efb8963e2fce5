"""`get_history`: requests checked, events as messages."""

from __future__ import annotations

from typing import Any

from sustainml_msgs.msg import HistoryEvent as HistoryEventMsg

from sustainml_orchestrator.core.commands import HistoryEvent
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import NO_TASK, TaskId
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.node import conversions
from sustainml_orchestrator.node.requests import invalid

DEFAULT_PAGE, MAX_PAGE = 100, 1000


def find(core: Orchestrator, request: Any) -> list[HistoryEvent]:
    """The events that a request asks for.

    Raises:
        OrchestratorError: INVALID_REQUEST; NOT_FOUND, for what neither the history nor the store
            knows.
    """
    task_id = conversions.id_from_msg(request.task_id)
    if request.limit > MAX_PAGE:
        raise invalid(f"limit is {request.limit}; at most {MAX_PAGE}, then use after_revision")
    if not task_id.problem_id and task_id.iteration_id:
        raise invalid("task_id.problem_id is 0; name the problem, or leave iteration_id 0 as well")
    events = core.context.history.find(
        task_id,
        request.node_name,
        after_revision=request.after_revision,
        limit=request.limit or DEFAULT_PAGE,
        newest_first=request.newest_first,
    )
    if not events:
        _check_known(core, task_id, request.node_name)
    return events


def _check_known(core: Orchestrator, task_id: TaskId, node_name: str) -> None:
    """What has no events must at least be known.

    Raises:
        OrchestratorError: NOT_FOUND.
    """
    if node_name:
        core.operations.targets(node_name)
    if task_id == NO_TASK or core.context.history.find(task_id, limit=1):
        return
    try:
        core.store.get(task_id)
    except OrchestratorError as error:
        text = f"{error.message}; the history has no event of it"
        raise OrchestratorError(error.code, text) from None


def event_to_msg(event: HistoryEvent) -> HistoryEventMsg:
    """One event."""
    return HistoryEventMsg(
        stamp=conversions.time_to_msg(event.stamp),
        revision=event.revision,
        task_id=conversions.id_to_msg(event.task_id),
        node_name=event.node_name,
        instance=event.instance,
        attempt=event.attempt,
        try_number=event.try_number,
        event=event.event,
        error_code=event.error_code & 0xFF,
        detail=event.detail,
    )
