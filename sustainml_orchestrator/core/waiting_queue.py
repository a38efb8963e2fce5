"""The waiting tasks: by priority, then by age; a preempted one goes behind its equals."""

from __future__ import annotations

import heapq
from itertools import count

from sustainml_orchestrator.core.task import Task


class WaitingQueue:
    """A priority queue from which a task can be taken out at any place."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, Task]] = []
        self._places: dict[Task, int] = {}
        self._tickets = count()

    def __len__(self) -> int:
        return len(self._places)

    def __contains__(self, iteration: Task) -> bool:
        return iteration in self._places

    def add(self, iteration: Task) -> None:
        """Queue a task behind those of its priority."""
        ticket = next(self._tickets)
        self._places[iteration] = ticket
        heapq.heappush(self._heap, (-iteration.priority, ticket, iteration))

    def remove(self, iteration: Task) -> None:
        """Take a task out; nothing happens when it is not in."""
        self._places.pop(iteration, None)
        if len(self._heap) > 2 * len(self._places) + 64:  # more ghosts than tasks
            self._heap = [e for e in self._heap if self._places.get(e[2]) == e[1]]
            heapq.heapify(self._heap)

    def pop(self) -> Task:
        """The next task.

        Raises:
            IndexError: none is waiting.
        """
        while True:
            _, ticket, iteration = heapq.heappop(self._heap)
            if self._places.get(iteration) == ticket:
                self.remove(iteration)
                return iteration
