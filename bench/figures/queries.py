"""Services over few and many stored iterations, beside one that returns the same from nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, NamedTuple

import sustainml_msgs.srv
from sustainml_msgs.msg import TaskId

from bench.asking import Asker, bare_service, fresh_namespace, orchestrator
from bench.figure import Figure, Run
from bench.filling import filled
from sustainml_orchestrator.contract import names

PAGE = 100
#: A call takes less than a ms or some 10 ms: this share of a window is plenty for each.
_SHARE = 5


class Query(NamedTuple):
    """One kind of question.

    Attributes:
        make: a request, given how many iterations are stored.
        check: raises when a response does not answer its request.
    """

    label: str
    kind: str
    service: str
    make: Callable[[int], Any]
    check: Callable[[Any, Any], None]


def _ask_task(stored: int) -> Any:
    task_id = TaskId(problem_id=random.randint(1, stored), iteration_id=1)
    return sustainml_msgs.srv.GetTask.Request(task_id=task_id)


def _check_task(request: Any, response: Any) -> None:
    task = response.task
    if task.summary.task_id != request.task_id or not task.carbon_footprint.carbon_footprint:
        raise RuntimeError(f"a wrong answer to {request}: {response}")


def _ask_page(stored: int) -> Any:
    return sustainml_msgs.srv.ListTasks.Request(
        newest_first=True, offset=random.randint(0, stored - PAGE), limit=PAGE
    )


def _check_page(request: Any, response: Any) -> None:
    newest = response.total - request.offset
    if len(response.tasks) != PAGE or response.tasks[0].task_id.problem_id != newest:
        raise RuntimeError(f"a wrong answer to {request}")


QUERIES = (
    Query("get_task", "GetTask", "get_task", _ask_task, _check_task),
    Query(f"list_tasks ({PAGE})", "ListTasks", "list_tasks", _ask_page, _check_page),
)


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Time of a call; then how it grows with what is stored."""
    sizes = (1_000, 100_000, 1_000_000) if full else (1_000, 100_000)
    with ExitStack() as stack:
        asker = stack.enter_context(Asker())
        spaces = {size: fresh_namespace() for size in sizes}
        for size, namespace in spaces.items():
            stack.enter_context(orchestrator(filled(size), namespace, size))
        for query in QUERIES:
            yield from _measure(query, asker, spaces, runs, window / _SHARE)


def _measure(
    query: Query, asker: Asker, spaces: dict[int, str], runs: int, window: float
) -> Iterator[Figure]:
    kind = getattr(sustainml_msgs.srv, query.kind)
    clients = {
        size: asker.client(kind, f"{namespace}/{names.service(query.service)}")
        for size, namespace in spaces.items()
    }
    sizes = list(clients)
    example = asker.call(clients[sizes[0]], query.make(sizes[0]))
    times: dict[int, list[float]] = {size: [] for size in sizes}
    bare_times: dict[int, list[float]] = {size: [] for size in sizes}
    with bare_service(query.kind, example) as name:
        bare = asker.client(kind, name)
        for _ in range(runs):
            for size, client in clients.items():
                make = _maker(query, size)
                times[size].append(asker.latency(client, make, query.check, window) * 1e3)
                taken = asker.latency(bare, make, lambda request, response: None, window)
                bare_times[size].append(taken * 1e3)
    for size in sizes:
        pairs = [Run(*pair) for pair in zip(times[size], bare_times[size], strict=True)]
        yield Figure(f"{query.label}, {size:,} stored", "ms", 1.2, "lower", pairs)
    few, many = sizes[0], sizes[-1]
    pairs = [Run(*pair) for pair in zip(times[many], times[few], strict=True)]
    yield Figure(f"{query.label}, {many:,} beside {few:,} stored", "ms", 1.1, "lower", pairs)


def _maker(query: Query, size: int) -> Callable[[], Any]:
    return lambda: query.make(size)
