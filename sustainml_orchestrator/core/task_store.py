"""The tasks in memory: problem → sorted list of tasks, and indexes over all of them.

The position of a task in its problem is its iteration id − 1. Finding a task by id is O(1); a page
of all tasks, or of those of some statuses, is O(page). Payloads are opaque bytes.
"""

from __future__ import annotations

import heapq
from bisect import bisect_left
from collections.abc import Iterable
from itertools import islice
from operator import attrgetter

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.core.task import Task

#: Newest request ids remembered, so that a repeated request returns the same task.
_MAX_REQUEST_IDS = 100_000
_MAX_ID = 2**32 - 1
#: Most tasks of one problem: a bound of memory, not of the contract.
_MAX_ITERATIONS = 100_000
_serial = attrgetter("serial")


class _BySerial:
    """Tasks in order of creation. Fast, since nearly all changes are near the end."""

    def __init__(self) -> None:
        self.items: list[Task] = []

    def add(self, task: Task) -> None:
        if not self.items or self.items[-1].serial < task.serial:
            self.items.append(task)
        else:
            self.items.insert(self._position(task), task)

    def remove(self, task: Task) -> None:
        del self.items[self._position(task)]

    def _position(self, task: Task) -> int:
        return bisect_left(self.items, task.serial, key=_serial)


class TaskStore:
    """All problems and their tasks. Anyone may read; only the core writes.

    Attributes:
        session: number of the database; the task ids of another session name other tasks.
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
        #: for each task that was started automatically, the task that it follows
        self._previous: dict[TaskId, TaskId] = {}

    # Reading #

    def find(self, task_id: TaskId) -> Task | None:
        """The task of exactly this id, or None."""
        problem = self.problems.get(task_id[0])
        if problem is None or not 1 <= task_id[1] <= len(problem):
            return None
        return problem[task_id[1] - 1]

    def get(self, task_id: TaskId) -> Task:
        """The task of this id; (p, 0) is the latest of problem p, (0, 0) the newest of all.

        Raises:
            OrchestratorError: NOT_FOUND.
        """
        if task_id == NO_TASK and self._all.items:
            return self._all.items[-1]
        problem = self.problem(task_id.problem_id)
        task = self.find(task_id) if task_id.iteration_id else problem[-1]
        if task is None:
            raise OrchestratorError(
                ErrorCode.NOT_FOUND,
                f"problem {task_id.problem_id} has no iteration {task_id.iteration_id}; "
                f"it has 1 to {len(problem)}",
            )
        return task

    def problem(self, problem_id: int) -> list[Task]:
        """The tasks of a problem, sorted by id.

        Raises:
            OrchestratorError: NOT_FOUND.
        """
        problem = self.problems.get(problem_id)
        if problem is None:
            count = len(self.problems)
            text = (
                f"there is no problem {problem_id}; list_tasks shows which exist ({count} in all)"
            )
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
        """A page of the matching tasks in order of creation, and how many match in all.

        Raises:
            OrchestratorError: NOT_FOUND, for an unknown problem.
        """
        wanted = set(statuses)
        lists = [self._by_status[status].items for status in wanted] or [self._all.items]
        if problem_id:
            problem = self.problem(problem_id)
            lists = [[task for task in problem if not wanted or task.status in wanted]]
        total = sum(map(len, lists))
        start = max(0, total - offset - limit) if newest_first else min(offset, total)
        stop = max(0, total - offset) if newest_first else min(offset + limit, total)
        page = lists[0][start:stop] if len(lists) == 1 else self._merged(lists, start, stop)
        return page[::-1] if newest_first else page, total

    def _merged(self, lists: list[list[Task]], start: int, stop: int) -> list[Task]:
        """A slice of all these tasks together, by creation."""

        def before(serial: int) -> int:
            return sum(bisect_left(items, serial, key=_serial) for items in lists)

        # Search for the first task of the page: merging up to it would take O(offset).
        first = bisect_left(range(self._next_serial), start, key=before)
        begins = (bisect_left(items, first, key=_serial) for items in lists)
        parts = (items[i : i + stop - start] for items, i in zip(lists, begins, strict=True))
        return list(islice(heapq.merge(*parts, key=_serial), stop - start))

    def last_published(self, statuses: Iterable[TaskStatus], count: int) -> list[Task]:
        """Of the tasks of these statuses whose inputs were published, those changed last."""
        tasks = (t for status in statuses for t in self._by_status[status].items if t.published)
        return heapq.nlargest(count, tasks, key=attrgetter("revision"))

    def by_request(self, request_id: str) -> TaskId | None:
        """The task that an earlier request of this id started."""
        return self._requests.get(request_id) if request_id else None

    def previous(self, task: Task) -> Task | None:
        """The task after which this one was started automatically; None for a requested one."""
        task_id = self._previous.get(task.task_id)
        return self.find(task_id) if task_id is not None else None

    # Writing, by the core only #

    def add(self, base_task: TaskId, request_id: str, user_input: bytes) -> Task:
        """Create a task, of a new problem or of that of `base_task`.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED, when there are no ids left.
        """
        problem_id = base_task.problem_id or self.next_problem_id
        if problem_id > _MAX_ID:
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED, "problem ids are used up; begin a new journal"
            )
        number = len(self.problems.get(problem_id, ())) + 1
        if number > _MAX_ITERATIONS:
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED,
                f"problem {problem_id} has {number - 1} iterations, the most there can be; "
                "start a new problem",
            )
        task = Task(TaskId(problem_id, number), self._next_serial, self._modules)
        task.base_task = base_task
        task.request_id, task.user_input = request_id, user_input
        self.insert(task)
        return task

    def insert(self, task: Task) -> None:
        """Add a task, new or restored; the tasks of a problem come in order of their ids.

        Raises:
            ValueError: its predecessor is missing.
        """
        problem_id, number = task.task_id
        problem = self.problems.get(problem_id)
        size = len(problem) if problem else 0
        if number != size + 1:
            raise ValueError(f"task {task.task_id} does not follow iteration {size}")
        if problem is None:
            self.problems[problem_id] = [task]
        else:
            problem.append(task)
        self._all.add(task)
        self._by_status[task.status].add(task)
        if task.serial >= self._next_serial:
            self._next_serial = task.serial + 1
        if problem_id >= self.next_problem_id:
            self.next_problem_id = problem_id + 1
        self.payload_bytes += _payload_bytes(task)
        if task.next_task is not NO_TASK:
            self._previous[task.next_task] = task.task_id
        if task.request_id:
            self._requests[task.request_id] = task.task_id
            if len(self._requests) > _MAX_REQUEST_IDS:
                del self._requests[next(iter(self._requests))]

    def set_status(self, task: Task, status: TaskStatus) -> None:
        """Change the status of a task."""
        self._by_status[task.status].remove(task)
        task.status = status
        self._by_status[status].add(task)
        self.touch(task)

    def link(self, task: Task, following: Task) -> None:
        """Note that one task was started automatically after another."""
        task.next_task = following.task_id
        self._previous[following.task_id] = task.task_id

    def set_output(self, task: Task, module: int, payload: bytes) -> None:
        """Store the output of a module."""
        self.payload_bytes += len(payload) - len(task.outputs[module] or b"")
        task.outputs[module] = payload

    def clear_outputs(self, task: Task) -> None:
        """Begin another attempt at a task, without outputs."""
        self.payload_bytes -= sum(len(p) for p in task.outputs if p)
        task.reopen()

    def touch(self, task: Task) -> None:
        """Give a changed task the next revision."""
        self.revision += 1
        task.revision = self.revision

    def delete(self, problem_id: int) -> int:
        """Delete a problem; returns the number of its tasks. Its id is never used again."""
        problem = self.problems.pop(problem_id)
        for task in problem:
            self._drop(task)
        self.revision += 1
        return len(problem)

    def withdraw(self, task: Task) -> None:
        """Delete the last task of a problem, which was announced to nobody."""
        problem = self.problems[task.task_id.problem_id]
        if problem[-1] is not task:
            raise ValueError(f"{task.task_id} is not the last of its problem")
        problem.pop()
        if not problem:
            del self.problems[task.task_id.problem_id]
        self._drop(task)
        self.revision += 1

    def _drop(self, task: Task) -> None:
        self._all.remove(task)
        self._by_status[task.status].remove(task)
        self._previous.pop(task.task_id, None)
        if self._requests.get(task.request_id) == task.task_id:
            del self._requests[task.request_id]
        self.payload_bytes -= _payload_bytes(task)


def _payload_bytes(task: Task) -> int:
    try:
        return len(task.user_input) + sum(map(len, task.outputs))  # type: ignore[arg-type]
    except TypeError:  # not all of them are there
        return len(task.user_input) + sum(map(len, filter(None, task.outputs)))
