"""Joins the inputs of a task as they arrive. Pure; bounded in tasks and bytes."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Set
from dataclasses import dataclass, field

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.sdk.wire_ids import Ticket

Parts = dict[str, bytes]


@dataclass(slots=True)
class _Partial:
    ticket: Ticket
    parts: Parts = field(default_factory=dict)

    @property
    def size(self) -> int:
        return sum(map(len, self.parts.values()))


class InputJoiner:
    """Collects the parts of each task until none is missing.

    A newer attempt, or another token, replaces what was collected. Beyond `max_tasks` or
    `max_bytes` the oldest task is dropped; the orchestrator redelivers it after its ack_timeout.

    Attributes:
        evicted: number of tasks dropped because of the limits.
    """

    def __init__(
        self,
        needed: Callable[[int], Set[str]],
        *,
        max_tasks: int = 1000,
        max_bytes: int = 256 << 20,
    ) -> None:
        """`needed` returns the names of all parts for an iteration_id."""
        self._needed = needed
        self._max_tasks = max_tasks
        self._max_bytes = max_bytes
        self._partial: OrderedDict[tuple[int, TaskId], _Partial] = OrderedDict()
        self._bytes = 0
        self.evicted = 0

    def __len__(self) -> int:
        """Number of tasks that wait for inputs."""
        return len(self._partial)

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return self._bytes

    def add(self, ticket: Ticket, name: str, payload: bytes) -> Parts | None:
        """Add one part; returns all parts when none is missing."""
        needed = self._needed(ticket.task_id.iteration_id)
        if name not in needed:
            return None
        if len(needed) == 1:
            return {name: payload}
        partial = self._partial.get(ticket.key)
        if partial is None or ticket.replaces(partial.ticket):
            self.drop(ticket.key)
            partial = self._partial[ticket.key] = _Partial(ticket)
        elif partial.ticket != ticket:
            return None  # of an older attempt
        self._bytes += len(payload) - len(partial.parts.get(name, b""))
        partial.parts[name] = payload
        if len(partial.parts) == len(needed):
            self.drop(ticket.key)
            return partial.parts
        self._make_room()
        return None

    def drop(self, key: tuple[int, TaskId]) -> None:
        """Remove the parts of a task, if there are any."""
        partial = self._partial.pop(key, None)
        if partial is not None:
            self._bytes -= partial.size

    def keep_session(self, session: int) -> None:
        """Remove all tasks of other sessions."""
        for key in [key for key in self._partial if key[0] != session]:
            self.drop(key)

    def clear(self) -> None:
        """Remove all tasks."""
        self._partial.clear()
        self._bytes = 0

    def _make_room(self) -> None:
        while len(self._partial) > self._max_tasks or self._bytes > self._max_bytes:
            self.drop(next(iter(self._partial)))
            self.evicted += 1
