"""Responsibility 3: problem → sorted vector of iterations, and the ways to look at it.

The position of an iteration in its problem is its id − 1. Iterations by id are O(1); pages over
all of them, or of one status, are O(page). Payloads are opaque bytes.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from itertools import islice
from operator import attrgetter

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.task import Task

#: Newest request ids remembered, so that a repeated request returns the same task.
_MAX_REQUEST_IDS = 100_000
_MAX_ID = 2**32 - 1
_serial = attrgetter("serial")


class _BySerial:
    """Iterations in order of creation. Cheap where changes are near the end, as they are."""

    def __init__(self) -> None:
        self.items: list[Task] = []

    def add(self, iteration: Task) -> None:
        if not self.items or self.items[-1].serial < iteration.serial:
            self.items.append(iteration)
        else:
            self.items.insert(self._position(iteration), iteration)

    def remove(self, iteration: Task) -> None:
        del self.items[self._position(iteration)]

    def _position(self, iteration: Task) -> int:
        return bisect_left(self.items, iteration.serial, key=_serial)


class TaskStore:
    """All problems. Reads are for everyone, writes for the core.

    Attributes:
        session: names this life of the database; task ids of another session name other tasks.
    """

    def __init__(self, modules: int, session: int) -> None:
        self.session = session
        self._modules = modules
        self.problems: dict[int, list[Task]] = {}
        self.revision = 0
        self.next_problem_id = 1
        self.payload_bytes = 0
        self._next_serial = 0
        self._all = _BySerial()
        self._by_status = {status: _BySerial() for status in TaskStatus}
        self._requests: dict[str, TaskId] = {}
        #: of each task that was started automatically, the one that it follows
        self._previous: dict[TaskId, TaskId] = {}

    # Reading #

    def find(self, task_id: TaskId) -> Task | None:
        """The iteration of exactly this id, or None."""
        problem = self.problems.get(task_id[0])
        if problem is None or not 1 <= task_id[1] <= len(problem):
            return None
        return problem[task_id[1] - 1]

    def get(self, task_id: TaskId) -> Task:
        """The iteration of this id; (p, 0) is the latest of p, (0, 0) the newest of all.

        Raises:
            OrchestratorError: NOT_FOUND.
        """
        if task_id == NO_TASK and self._all.items:
            return self._all.items[-1]
        problem = self.problem(task_id.problem_id)
        iteration = self.find(task_id) if task_id.iteration_id else problem[-1]
        if iteration is None:
            raise OrchestratorError(
                ErrorCode.NOT_FOUND,
                f"problem {task_id.problem_id} has no iteration {task_id.iteration_id}; "
                f"it has 1 to {len(problem)}",
            )
        return iteration

    def problem(self, problem_id: int) -> list[Task]:
        """The iterations of a problem, sorted by id.

        Raises:
            OrchestratorError: NOT_FOUND.
        """
        problem = self.problems.get(problem_id)
        if problem is None:
            count = len(self.problems)
            text = f"there is no problem {problem_id}; list_tasks shows those that exist ({count})"
            if not self.problems:
                text = "there is no task yet; start one with start_task"
            raise OrchestratorError(ErrorCode.NOT_FOUND, text)
        return problem

    def count(self, status: TaskStatus) -> int:
        """How many tasks have this status."""
        return len(self._by_status[status].items)

    def page(
        self,
        problem_id: int,
        statuses: Iterable[TaskStatus],
        newest_first: bool,
        offset: int,
        limit: int,
    ) -> tuple[list[Task], int]:
        """A page of the matching iterations by creation, and how many match in all.

        Raises:
            OrchestratorError: NOT_FOUND, for an unknown problem.
        """
        wanted = set(statuses)
        if problem_id:
            matches: Sequence[Task] = self.problem(problem_id)
            if wanted:
                matches = [item for item in matches if item.status in wanted]
        elif len(wanted) > 1:
            return self._merged_page(wanted, newest_first, offset, limit)
        else:
            matches = (self._by_status[wanted.pop()] if wanted else self._all).items
        total = len(matches)
        if newest_first:
            stop = max(0, total - offset)
            return list(reversed(matches[max(0, stop - limit) : stop])), total
        return list(matches[offset : offset + limit]), total

    def _merged_page(
        self, wanted: set[TaskStatus], newest_first: bool, offset: int, limit: int
    ) -> tuple[list[Task], int]:
        lists = [self._by_status[status].items for status in wanted]
        total = sum(map(len, lists))
        start = max(0, total - offset - limit) if newest_first else min(offset, total)
        stop = max(0, total - offset) if newest_first else min(offset + limit, total)

        def before(serial: int) -> int:
            return sum(bisect_left(items, serial, key=_serial) for items in lists)

        # Not by merging up to there: that takes the longer the more is stored.
        first = bisect_left(range(self._next_serial), start, key=before)
        begins = (bisect_left(items, first, key=_serial) for items in lists)
        parts = (items[i : i + stop - start] for items, i in zip(lists, begins, strict=True))
        page = list(islice(heapq.merge(*parts, key=_serial), stop - start))
        return page[::-1] if newest_first else page, total

    def last_published(self, statuses: Iterable[TaskStatus], count: int) -> list[Task]:
        """Of the tasks of these statuses whose inputs were published, those changed last."""
        tasks = (t for status in statuses for t in self._by_status[status].items if t.published)
        return heapq.nlargest(count, tasks, key=attrgetter("revision"))

    def by_request(self, request_id: str) -> TaskId | None:
        """The task that an earlier request of this id started."""
        return self._requests.get(request_id) if request_id else None

    def previous(self, iteration: Task) -> Task | None:
        """The iteration that this one followed by itself; None when someone asked for it."""
        task_id = self._previous.get(iteration.task_id)
        return self.find(task_id) if task_id is not None else None

    # Writing, by the core alone #

    def add(self, base_task: TaskId, request_id: str) -> Task:
        """A new iteration: of a new problem, or of that of `base_task`.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED, when the ids are used up.
        """
        problem_id = base_task.problem_id or self.next_problem_id
        if problem_id > _MAX_ID:
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED, "problem ids are used up; begin a new journal"
            )
        number = len(self.problems.get(problem_id, ())) + 1
        iteration = Task(TaskId(problem_id, number), self._next_serial, self._modules)
        iteration.base_task = base_task
        iteration.request_id = request_id
        self.insert(iteration)
        return iteration

    def insert(self, iteration: Task) -> None:
        """Put in an iteration, new or read from a journal; ids of a problem come in order."""
        problem_id, number = iteration.task_id
        problem = self.problems.get(problem_id)
        size = len(problem) if problem else 0
        if number != size + 1:
            raise ValueError(f"iteration {iteration.task_id} does not follow {size}")
        if problem is None:
            self.problems[problem_id] = [iteration]
        else:
            problem.append(iteration)
        self._all.add(iteration)
        self._by_status[iteration.status].add(iteration)
        if iteration.serial >= self._next_serial:
            self._next_serial = iteration.serial + 1
        if problem_id >= self.next_problem_id:
            self.next_problem_id = problem_id + 1
        self.payload_bytes += _payload_bytes(iteration)
        if iteration.next_task is not NO_TASK:
            self._previous[iteration.next_task] = iteration.task_id
        if iteration.request_id:
            self._requests[iteration.request_id] = iteration.task_id
            if len(self._requests) > _MAX_REQUEST_IDS:
                del self._requests[next(iter(self._requests))]

    def set_status(self, iteration: Task, status: TaskStatus) -> None:
        """Move an iteration to another status."""
        self._by_status[iteration.status].remove(iteration)
        iteration.status = status
        self._by_status[status].add(iteration)
        self.touch(iteration)

    def link(self, iteration: Task, following: Task) -> None:
        """Note that one iteration followed another by itself."""
        iteration.next_task = following.task_id
        self._previous[following.task_id] = iteration.task_id

    def set_user_input(self, iteration: Task, payload: bytes) -> None:
        """Store the user input of an iteration."""
        self.payload_bytes += len(payload) - len(iteration.user_input)
        iteration.user_input = payload

    def set_output(self, iteration: Task, module: int, payload: bytes) -> None:
        """Store the output of a module."""
        self.payload_bytes += len(payload) - len(iteration.outputs[module] or b"")
        iteration.outputs[module] = payload

    def clear_outputs(self, iteration: Task) -> None:
        """Forget what an attempt brought; the next one begins anew."""
        self.payload_bytes -= sum(len(p) for p in iteration.outputs if p)
        iteration.reopen()

    def touch(self, iteration: Task) -> None:
        """Give a changed iteration the next revision."""
        self.revision += 1
        iteration.revision = self.revision

    def delete(self, problem_id: int) -> int:
        """Drop a problem; returns how many iterations it had. Its id is never used again."""
        problem = self.problems.pop(problem_id)
        for item in problem:
            self._drop(item)
        self.revision += 1
        return len(problem)

    def withdraw(self, iteration: Task) -> None:
        """Drop the last iteration of a problem, which nobody has heard of yet."""
        problem = self.problems[iteration.task_id.problem_id]
        if problem[-1] is not iteration:
            raise ValueError(f"{iteration.task_id} is not the last of its problem")
        problem.pop()
        if not problem:
            del self.problems[iteration.task_id.problem_id]
        self._drop(iteration)
        self.revision += 1

    def _drop(self, item: Task) -> None:
        self._all.remove(item)
        self._by_status[item.status].remove(item)
        self._previous.pop(item.task_id, None)
        if self._requests.get(item.request_id) == item.task_id:
            del self._requests[item.request_id]
        self.payload_bytes -= _payload_bytes(item)


def _payload_bytes(item: Task) -> int:
    try:
        return len(item.user_input) + sum(map(len, item.outputs))  # type: ignore[arg-type]
    except TypeError:  # not all of them are there
        return len(item.user_input) + sum(map(len, filter(None, item.outputs)))
