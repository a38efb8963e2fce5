"""What a module has finished, kept to be repeated when the orchestrator asks again. Pure."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from sustainml_orchestrator.core.ids import ErrorCode, TaskId
from sustainml_orchestrator.sdk.wire_ids import Ticket


@dataclass(frozen=True, slots=True)
class Finished:
    """How a task ended here: with an output, or with an error and no output."""

    ticket: Ticket
    try_number: int
    output: bytes | None
    error_code: ErrorCode = ErrorCode.NO_ERROR
    error_description: str = ""


class FinishedTasks:
    """The latest finished tasks, up to so many bytes of output and so many tasks."""

    def __init__(self, *, max_bytes: int, max_tasks: int = 10_000) -> None:
        """Keep ``max_bytes`` of output and ``max_tasks`` ends at most."""
        self._max_bytes = max_bytes
        self._max_tasks = max_tasks
        self._tasks: OrderedDict[tuple[int, TaskId], Finished] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        """How many ends are known."""
        return len(self._tasks)

    @property
    def size(self) -> int:
        """Bytes of output held."""
        return self._bytes

    def get(self, ticket: Ticket) -> Finished | None:
        """How the latest attempt at this task ended, or None if not known (any more).

        Its ticket may differ from the one asked for: an output is repeated for its own token alone.
        """
        return self._tasks.get(ticket.key)

    def add(self, finished: Finished) -> None:
        """Remember an end; it replaces what was known of the task."""
        self.drop(finished.ticket)
        self._tasks[finished.ticket.key] = finished
        self._bytes += len(finished.output or b"")
        while self._bytes > self._max_bytes or len(self._tasks) > self._max_tasks:
            self.drop(next(iter(self._tasks.values())).ticket)

    def drop(self, ticket: Ticket) -> None:
        """Forget a task, if known."""
        finished = self._tasks.pop(ticket.key, None)
        if finished is not None:
            self._bytes -= len(finished.output or b"")

    def keep_session(self, session: int) -> None:
        """Forget what belongs to any other session."""
        for finished in list(self._tasks.values()):
            if finished.ticket.session != session:
                self.drop(finished.ticket)

    def clear(self) -> None:
        """Forget everything."""
        self._tasks.clear()
        self._bytes = 0
