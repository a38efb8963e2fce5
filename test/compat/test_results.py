"""What `/results` answers where nobody can tell of the task."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.compat.results import Results
from sustainml_orchestrator.compat.saved import LoadedTasks
from sustainml_orchestrator.core.ids import ErrorCode, TaskId

TASK = TaskId(1, 1)


def results(code: ErrorCode) -> Results:
    """The orchestrator never published an update of this task."""

    async def wait_for(*_: Any) -> Any:
        raise ClientError(code, "no orchestrator answers")

    calls: Any = SimpleNamespace(wait_for=wait_for)
    return Results(calls, LoadedTasks())


@pytest.mark.parametrize("code", [ErrorCode.NODE_UNAVAILABLE, ErrorCode.TIMEOUT])
def test_an_orchestrator_that_stays_away_ends_the_wait(code: ErrorCode) -> None:
    for node_id in range(6):
        (answer,) = asyncio.run(results(code).of(node_id, TASK)).values()
        assert answer["task_id"] == TASK._asdict()
        assert answer["Error"] == "Error: no orchestrator answers"


def test_a_task_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ClientError):
        asyncio.run(results(ErrorCode.NOT_FOUND).of(1, TASK))
