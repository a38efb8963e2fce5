"""The waiting tasks, by priority, then by age; a preempted one goes behind its equals."""

from __future__ import annotations

import heapq
from itertools import count

from sustainml_orchestrator.core.task import Task


class WaitingQueue:
    """A priority queue from which any task can be removed."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Task]] = []
        self._places: dict[Task, int] = {}
        self._tickets = count()
        self._order: dict[Task, int] | None = None

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, task: Task) -> bool:
        return task in self._places

    @property
    def oldest(self) -> Task | None:
        """The one that has been in the queue for longest."""
        return next(iter(self._places), None)

    def add(self, task: Task) -> None:
        """Queue a task behind those of its priority."""
        self._order = None
        ticket = next(self._tickets)
        self._places[task] = ticket
        heapq.heappush(self._heap, (-task.priority, ticket, task))

    def remove(self, task: Task) -> None:
        """Remove a task, if it is in the queue."""
        self._order = None
        self._places.pop(task, None)
        if len(self._heap) > 2 * len(self._places) + 64:  # most entries are of removed tasks
            self._heap = [e for e in self._heap if self._places.get(e[2]) == e[1]]
            heapq.heapify(self._heap)

    def place(self, task: Task) -> int:
        """How many tasks go before it, itself included; takes O(n) after a change."""
        if self._order is None:
            entries = sorted(e[:2] for e in self._heap if self._places.get(e[2]) == e[1])
            owners = {ticket: task for task, ticket in self._places.items()}
            self._order = {owners[e[1]]: place for place, e in enumerate(entries, 1)}
        return self._order[task]

    def pop(self) -> Task:
        """The next task.

        Raises:
            IndexError: none is waiting.
        """
        while True:
            _, ticket, task = heapq.heappop(self._heap)
            if self._places.get(task) == ticket:
                self.remove(task)
                return task
