"""`/cancel`: stops what runs for the front-end, with all that would follow by itself."""

from __future__ import annotations

import time
from typing import Any

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.compat import requests
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.rest.calls import Calls

#: The next task of a chain may start while this one is stopped: look again, so long (s).
_DEADLINE = 10.0


class Cancelling:
    """Stops the chain of tasks that was started last.

    Args:
        calls: to the orchestrator.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self.last = NO_TASK

    async def cancel(self, body: dict[str, Any]) -> dict[str, Any]:
        """Stop all unfinished tasks of a problem: that of `task_id`, else the last one.

        Raises:
            ClientError: the orchestrator does not answer.
        """
        wanted = requests.task_id(body) or self.last
        stopped = await self._calls.run_command(self._stop, wanted.problem_id)
        if not stopped:
            return {"status": "not_found", "message": "no task runs"}
        return {"status": "cancelled", "task_ids": [task._asdict() for task in stopped]}

    def _stop(self, problem: int) -> list[TaskId]:
        client = self._calls.client
        if not problem:  # this server was restarted since
            newest, _ = client.list_tasks(newest_first=True, limit=1)
            problem = newest[0].task_id.problem_id if newest else 0
        stopped: list[TaskId] = []
        deadline = time.monotonic() + _DEADLINE
        while problem and time.monotonic() < deadline:
            open_ones, _ = client.list_tasks(problem, [TaskStatus.WAITING, TaskStatus.RUNNING])
            if not open_ones:
                break
            for summary in open_ones:
                task_id = TaskId(summary.task_id.problem_id, summary.task_id.iteration_id)
                try:
                    client.control_task(task_id, TaskCommand.STOP)
                    stopped.append(task_id)
                except ClientError as error:
                    if error.code not in (ErrorCode.REJECTED, ErrorCode.NOT_FOUND):
                        raise  # else it has just ended, or was deleted
        return stopped
