"""The tasks: the queue, and steps that run for long."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from statistics import median
from typing import TYPE_CHECKING, Any

from sustainml_orchestrator.cli.examination.finding import Finding
from sustainml_orchestrator.cli.figures import age, seconds_of, si
from sustainml_orchestrator.cli.tables import name_of
from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.core.text import duration

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient

#: Finished tasks that say how long a step usually takes.
_SAMPLE = 50
#: A step is slow when it runs longer than so many s, and so many times as long as usual.
_LEAST, _FACTOR = 10.0, 5.0
#: Without any finished one: a step that runs longer (s) is worth a look.
_LONG = 60.0
#: Number of tasks that are named of those that wait behind a slow step.
_NAMED = 5
#: A queue is long from this share of `max_waiting_tasks` on, old when the first waits so many s.
_LONG_QUEUE, _OLD_QUEUE = 0.8, 600.0
#: Its default, where the parameter cannot be asked for.
_MAX_WAITING = 10_000


def work(client: OrchestratorClient) -> Iterator[Finding]:
    """What hangs, and what waits."""
    state = client.system_state()
    counts = f"{state.waiting} waiting, {state.running} running, {state.succeeded} succeeded"
    yield Finding("ok", f"tasks: {counts}, {state.failed} failed, {state.stopped} stopped")
    now = time.time()
    if state.running:
        running, _ = client.list_tasks(statuses=[TaskStatus.RUNNING], limit=1000)
        finished, _ = client.list_tasks(
            statuses=[TaskStatus.SUCCEEDED], newest_first=True, limit=_SAMPLE
        )
        yield from slow_steps(running, _usual(finished), now)
        yield from idle(running, now)
    if state.waiting:
        first, _ = client.list_tasks(statuses=[TaskStatus.WAITING], limit=1)
        yield from queue(state.waiting, _max_waiting(client), first, now, is_ready=state.ready)


def _usual(finished: Iterable[Any]) -> dict[str, float]:
    """Median time (s) of the steps of each module."""
    times: dict[str, list[float]] = {}
    for summary in finished:
        for step in summary.modules:
            took = seconds_of(step.finished) - seconds_of(step.started)
            if math.isfinite(took):
                times.setdefault(step.node_name, []).append(took)
    return {name: median(each) for name, each in times.items()}


def slow_steps(running: Iterable[Any], usual: dict[str, float], now: float) -> Iterator[Finding]:
    """Steps that run much longer than those before them.

    Args:
        running: summaries of tasks.
        usual: median time of the steps of each module, in s.
        now: seconds since 1970.
    """
    tasks = list(running)
    for summary in tasks:
        for step in summary.modules:
            if TaskStatus(step.task_status) is not TaskStatus.RUNNING or step.has_output:
                continue
            for_s = now - seconds_of(step.started)
            known = usual.get(step.node_name, math.nan)
            limit = _LONG if math.isnan(known) else max(_LEAST, _FACTOR * known)
            if not for_s > limit:
                continue
            task, where = name_of(summary), step.instance or step.node_name
            than = "" if math.isnan(known) else f"; usually {si(known, 's')}"
            text = f"{task}: {where} works on it for {duration(for_s)}{than}, try {step.tries}"
            text += _behind(step.node_name, tasks, now)
            yield Finding(
                "warning",
                text,
                f"look at sustainml logs {step.node_name}; if its code hangs: sustainml node reset "
                f"{step.node_name} (the step is tried again), or sustainml task terminate {task}",
            )


def _behind(node: str, tasks: Iterable[Any], now: float) -> str:
    """Phrase that names the running tasks whose next step waits for this module; "" if none."""
    names = []
    for summary in tasks:
        status = _statuses(summary)
        if TaskStatus.RUNNING not in status.values() and status.get(node) is TaskStatus.WAITING:
            names.append(f"{name_of(summary)} for {duration(_idle_for(summary, now))}")
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"; tasks that wait behind it: {', '.join(names[:_NAMED])}{more}" if names else ""


def idle(running: Iterable[Any], now: float) -> Iterator[Finding]:
    """Tasks of which no module does anything, as when a process of it is missing.

    Those that wait for a module that works on another task are named with that one.

    Args:
        running: summaries of tasks.
        now: seconds since 1970.
    """
    tasks = list(running)
    busy = {name for summary in tasks for name, status in _statuses(summary).items()
            if status is TaskStatus.RUNNING}  # fmt: skip
    found = []
    for summary in tasks:
        status, for_s = _statuses(summary), _idle_for(summary, now)
        waits = {name for name, each in status.items() if each is TaskStatus.WAITING}
        if TaskStatus.RUNNING not in status.values() and not waits & busy and for_s > _LEAST:
            found.append((for_s, summary))
    for for_s, summary in sorted(found, key=lambda each: -each[0])[:_NAMED]:
        text = f"{name_of(summary)}: nothing happens for {duration(for_s)}"
        why = f": {summary.outcome_reason}" if summary.outcome_reason else ""
        yield Finding("warning", text + why, f"see the nodes above; sustainml history "
                      f"{name_of(summary)} tells what came before")  # fmt: skip
    if len(found) > _NAMED:
        text = f"nothing happens to {len(found) - _NAMED} more tasks either"
        yield Finding("warning", text, "sustainml list --state RUNNING")


def _statuses(summary: Any) -> dict[str, TaskStatus]:
    """The state of a task at each module."""
    return {step.node_name: TaskStatus(step.task_status) for step in summary.modules}


def _idle_for(summary: Any, now: float) -> float:
    """The time (s) since a module finished with a task, or since its work began."""
    stamps = [summary.created, summary.started, *(step.finished for step in summary.modules)]
    last = max((at for at in map(seconds_of, stamps) if math.isfinite(at)), default=now)
    return max(0.0, now - last)


def queue(
    waiting: int, most: int, first: Iterable[Any], now: float, *, is_ready: bool = True
) -> Iterator[Finding]:
    """A queue that is full, long, or old, or that waits for the modules; `most` may wait."""
    for summary in first:
        text = f"{waiting} tasks wait, the first for {age(summary.created, now)}"
        why = f": {summary.outcome_reason}" if summary.outcome_reason else ""
        if waiting >= most:
            remedy = "see to what they wait for, end some, or raise max_waiting_tasks"
            yield Finding("error", f"the queue is full, new tasks are refused: {text}{why}", remedy)
        elif not is_ready:
            text = f"{waiting} task{'s are' if waiting > 1 else ' is'} not begun, the first, "
            text += f"{name_of(summary)}, waits for {age(summary.created, now)}"
            remedy = "see the nodes above; once they are active, it begins by itself"
            yield Finding("warning", text, remedy)
        elif waiting >= _LONG_QUEUE * most or now - seconds_of(summary.created) > _OLD_QUEUE:
            remedy = "add instances of the slowest module, raise max_active_tasks, or end some"
            yield Finding("warning", text + why, remedy)


def _max_waiting(client: OrchestratorClient) -> int:
    """The orchestrator's parameter `max_waiting_tasks`."""
    from sustainml_orchestrator.client import ClientError
    from sustainml_orchestrator.contract import names

    try:
        node = f"{client.namespace}/{names.ORCHESTRATOR}"
        return int(client.get_parameters(node, ["max_waiting_tasks"])["max_waiting_tasks"])
    except (ClientError, LookupError, TypeError):
        return _MAX_WAITING
