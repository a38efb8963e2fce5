"""The jobs that a module holds: by task, in the queue, and in calls that are alive. Pure."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.sdk.actions import Job, Phase
from sustainml_orchestrator.sdk.input_joiner import Parts
from sustainml_orchestrator.sdk.wire_ids import Ticket

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

#: How many ids (of commands, stopped tasks, retired sessions) are remembered.
MEMORY = 10_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Bounds of what a module holds: calls at a time, tasks, bytes."""

    workers: int = 1
    output_cache: int = 256 << 20
    max_pending_joins: int = 1000
    max_held_tasks: int = 1000
    max_held_bytes: int = 1 << 30


class JobTable:
    """Jobs held. Invariants: the queue is what is QUEUED; at most ``workers`` calls are alive.

    A call stays alive until its worker is free again, even when its job is no longer held.
    """

    def __init__(self, *, workers: int) -> None:
        """Hold nothing yet."""
        self._workers = workers
        self._jobs: dict[tuple[int, TaskId], Job] = {}
        self._queue: deque[Job] = deque()
        self._alive: set[int] = set()
        self._created = 0
        #: Bytes of all inputs held.
        self.size = 0

    def __len__(self) -> int:
        """How many jobs are held."""
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """All jobs held, oldest first; any may be forgotten meanwhile."""
        return iter(list(self._jobs.values()))

    def __contains__(self, job: Job) -> bool:
        """Whether this very job is held."""
        return self._jobs.get(job.ticket.key) is job

    @property
    def abandoned(self) -> int:
        """How many calls are alive whose job is no longer held."""
        return len(self._alive) - sum(job.number in self._alive for job in self._jobs.values())

    def get(self, ticket: Ticket) -> Job | None:
        """The job of a task, whatever its attempt."""
        return self._jobs.get(ticket.key)

    def create(self, ticket: Ticket, try_number: int) -> Job:
        """Hold a task, of which the inputs are not there yet."""
        self._created += 1
        job = self._jobs[ticket.key] = Job(self._created, ticket, try_number, Phase.FETCHING)
        return job

    def enqueue(self, job: Job, parts: Parts) -> None:
        """The inputs of a job are there: let it wait for its turn."""
        job.inputs = parts
        job.phase = Phase.QUEUED
        self.size += job.size
        self._queue.append(job)

    def next(self) -> Job | None:
        """Take the next job into work, if there is one and a worker is free."""
        if not self._queue or len(self._alive) >= self._workers:
            return None
        job = self._queue.popleft()
        job.phase = Phase.RUNNING
        self._alive.add(job.number)
        return job

    def forget(self, job: Job) -> None:
        """Hold a job no more."""
        del self._jobs[job.ticket.key]
        self.size -= job.size
        if job.phase is Phase.QUEUED:
            self._queue.remove(job)

    def call_is_over(self, job: Job) -> None:
        """The worker of a job is free again."""
        self._alive.discard(job.number)


class Memory(OrderedDict[K, V], Generic[K, V]):
    """What was remembered last; the oldest is forgotten."""

    def remember(self, key: K, value: V) -> None:
        """Remember a value as the newest."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > MEMORY:
            self.popitem(last=False)
