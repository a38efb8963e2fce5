"""The jobs that a module holds: by task, in the queue, and in running calls. Pure."""

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

#: Maximum number of ids (of commands, stopped tasks, retired sessions) kept.
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
    """The jobs. Invariants: the queue holds those QUEUED; at most `workers` calls run.

    A call runs until its worker is free, even when its job was removed.
    """

    def __init__(self, *, workers: int) -> None:
        self._workers = workers
        self._jobs: dict[tuple[int, TaskId], Job] = {}
        self._queue: deque[Job] = deque()
        self._running: set[int] = set()
        self._created = 0
        #: Bytes of all inputs held.
        self.size = 0

    def __len__(self) -> int:
        """Number of jobs."""
        return len(self._jobs)

    def __iter__(self) -> Iterator[Job]:
        """A snapshot of all jobs, oldest first."""
        return iter(list(self._jobs.values()))

    def __contains__(self, job: Job) -> bool:
        """Whether this very job, not another attempt, is there."""
        return self._jobs.get(job.ticket.key) is job

    @property
    def abandoned(self) -> int:
        """Number of running calls whose job was removed."""
        return len(self._running) - sum(job.number in self._running for job in self._jobs.values())

    def get(self, ticket: Ticket) -> Job | None:
        """The job of a task, whichever its attempt."""
        return self._jobs.get(ticket.key)

    def create(self, ticket: Ticket, try_number: int) -> Job:
        """Add a job, whose inputs are not there yet."""
        self._created += 1
        job = self._jobs[ticket.key] = Job(self._created, ticket, try_number, Phase.FETCHING)
        return job

    def enqueue(self, job: Job, parts: Parts) -> None:
        """Queue a job, now that its inputs are there."""
        job.inputs = parts
        job.phase = Phase.QUEUED
        self.size += job.size
        self._queue.append(job)

    def next(self) -> Job | None:
        """Take the next job from the queue; None if there is none, or no worker is free."""
        if not self._queue or len(self._running) >= self._workers:
            return None
        job = self._queue.popleft()
        job.phase = Phase.RUNNING
        self._running.add(job.number)
        return job

    def forget(self, job: Job) -> None:
        """Remove a job."""
        del self._jobs[job.ticket.key]
        self.size -= job.size
        if job.phase is Phase.QUEUED:
            self._queue.remove(job)

    def call_is_over(self, job: Job) -> None:
        """The worker of a job is free."""
        self._running.discard(job.number)


class Memory(OrderedDict[K, V], Generic[K, V]):
    """A dictionary of the latest entries; beyond MEMORY the oldest is dropped."""

    def remember(self, key: K, value: V) -> None:
        """Set a value, as the newest."""
        self[key] = value
        self.move_to_end(key)
        while len(self) > MEMORY:
            self.popitem(last=False)
