"""The latest finished tasks of a module, to be reported again when the orchestrator asks. Pure."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from sustainml_orchestrator.core.ids import ErrorCode, TaskId
from sustainml_orchestrator.sdk.wire_ids import Ticket


class Finished(NamedTuple):
    """How a task ended here: with an output, or with an error and no output."""

    ticket: Ticket
    try_number: int
    output: bytes | None
    error_code: ErrorCode = ErrorCode.NO_ERROR
    error_description: str = ""


class FinishedTasks:
    """The latest finished tasks, up to so many bytes of output and so many tasks."""

    def __init__(self, *, max_bytes: int, max_tasks: int = 10_000) -> None:
        """Limit the outputs to `max_bytes` in all, and the tasks to `max_tasks`."""
        self._max_bytes = max_bytes
        self._max_tasks = max_tasks
        self._tasks: OrderedDict[tuple[int, TaskId], Finished] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """Number of tasks."""
        return len(self._tasks)

    @property
    def size(self) -> int:
        """Bytes of all outputs."""
        return self._bytes

    def get(self, ticket: Ticket) -> Finished | None:
        """How the latest attempt at a task ended; None if that is not known.

        Its ticket may be of another attempt or token than the one asked for.
        """
        return self._tasks.get(ticket.key)

    def add(self, finished: Finished) -> None:
        """Add a task, in place of an earlier attempt; drop the oldest beyond the limits."""
        self.drop(finished.ticket)
        self._tasks[finished.ticket.key] = finished
        self._bytes += len(finished.output or b"")
        while self._bytes > self._max_bytes or len(self._tasks) > self._max_tasks:
            self.drop(next(iter(self._tasks.values())).ticket)

    def drop(self, ticket: Ticket) -> None:
        """Remove a task, if it is there."""
        finished = self._tasks.pop(ticket.key, None)
        if finished is not None:
            self._bytes -= len(finished.output or b"")

    def keep_session(self, session: int) -> None:
        """Remove all tasks of other sessions."""
        for finished in list(self._tasks.values()):
            if finished.ticket.session != session:
                self.drop(finished.ticket)

    def clear(self) -> None:
        """Remove all tasks."""
        self._tasks.clear()
        self._bytes = 0
