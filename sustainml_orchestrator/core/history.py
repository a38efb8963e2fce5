"""The history: what happened to tasks and nodes, when and why.

Every move of a task, a step or a node is recorded where it is made, and saved with the change. The
oldest events are dropped beyond a number and an age.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import islice
from operator import attrgetter
from typing import TYPE_CHECKING

from sustainml_orchestrator.core.commands import HistoryEvent, SavedHistory, SaveHistory
from sustainml_orchestrator.core.happenings import HAPPENINGS, of_step
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId
from sustainml_orchestrator.core.states import HELD_STEPS, StepMove, StepState
from sustainml_orchestrator.core.text import printable

if TYPE_CHECKING:
    from sustainml_orchestrator.core.context import Context
    from sustainml_orchestrator.core.step import Step
    from sustainml_orchestrator.core.task import Task
    from sustainml_orchestrator.core.task_store import TaskStore

#: Longest detail of an event, in characters: it may be the text of a module.
MAX_DETAIL = 300
#: How long an event may wait for a save of something else, in s.
_PATIENCE = 1.0
#: A clock that changes by more (s) at once was set, and its time is not trusted for a while (s).
_SET, _DISTRUST = 60.0, 86400.0
#: Events that are dropped before the list is cut.
_SLACK = 1000

#: The states that a report of a process brings a step into.
_REPORTED = HELD_STEPS | {StepState.DONE, StepState.FAILED}
_revision = attrgetter("revision")
_make_event = tuple.__new__


class History:
    """The events of the past, oldest first."""

    def __init__(self, context: Context, store: TaskStore) -> None:
        self._context = context
        self._settings = context.settings
        self._store = store
        self._events: list[HistoryEvent] = []
        self._first = 0  # those before it are dropped
        self._saved = self._in_save = 0
        self._unsaved_since = 0.0
        self._ahead: float | None = None  # of the clock of events before the steady one, in s
        self._clock_set = 0.0

    # Recording #

    def task(self, task: Task, name: str, detail: str = "", code: int = 0) -> None:
        """Record what happened to a task, which changes its revision."""
        self._store.touch(task)
        self._add(task.revision, task.task_id, "", "", task.attempt, 0, name, code, detail)

    def step(self, task: Task, step: Step, how: StepMove, detail: str = "", code: int = 0) -> None:
        """Record the move of a step into its present state, which changes the task's revision."""
        name = of_step(how, step.state)
        if name:
            instance = step.instance if step.state in _REPORTED else ""
            self.step_event(task, step.index, step.try_number, name, detail, code, instance)

    def step_event(
        self, task: Task, index: int, try_number: int, name: str, detail: str = "", code: int = 0,
        instance: str = "",
    ) -> None:  # fmt: skip
        """Record something else that happened to the step of a module."""
        self._store.touch(task)
        node_name = self._context.pipeline.modules[index].name
        self._add(task.revision, task.task_id, node_name, instance, task.attempt, try_number, name,
                  code, detail)  # fmt: skip

    def node(
        self, node_name: str, name: str, instance: str = "", detail: str = "", code: int = 0
    ) -> None:
        """Record what happened to a node, or to one of its processes."""
        self._store.revision += 1
        self._add(self._store.revision, NO_TASK, node_name, instance, 0, 0, name, code, detail)

    def _add(
        self, revision: int, task_id: TaskId, node_name: str, instance: str, attempt: int,
        try_number: int, name: str, code: int, detail: str,
    ) -> None:  # fmt: skip
        context, events = self._context, self._events
        if not events or events[-1].revision <= self._in_save:
            self._unsaved_since = context.now
        text = _cleaned(detail) if detail else HAPPENINGS[name].meaning
        # As `HistoryEvent(…)`, in half the time: this is done some 20 times per task.
        values = (
            context.stamp, revision, task_id, node_name, _cleaned(instance) if instance else "",
            attempt, try_number, name, int(code), text,
        )  # fmt: skip
        events.append(_make_event(HistoryEvent, values))
        surplus = len(events) - self._first - self._settings.history_max_events
        if surplus > 0:
            self._drop(surplus)

    def withdraw(self, task_id: TaskId) -> None:
        """Forget a task that was announced to nobody; its events are not saved."""
        at = bisect_right(self._events, self._saved, key=_revision)
        kept = [event for event in self._events[at:] if event.task_id != task_id]
        self._first = min(self._first, at)
        self._events[at:] = kept

    # Retention #

    def on_time(self) -> None:
        """Drop what is older than `history_max_age`; have saved what has waited for long enough."""
        if self._context.now - self._unsaved_since >= _PATIENCE:
            self.have_saved()
        oldest = self._context.stamp - int(self._settings.history_max_age * 1e9)
        trusted = self._is_clock_trusted()
        if trusted and self._first < len(self._events) and self._events[self._first].stamp < oldest:
            old = islice(self._events, self._first, self._first + _SLACK)
            self._drop(sum(event.stamp < oldest for event in old))

    def _is_clock_trusted(self) -> bool:
        """Whether it was not set of late: by a wrong clock, all that is kept looks old."""
        context = self._context
        ahead = context.stamp / 1e9 - context.now
        if self._ahead is None or abs(ahead - self._ahead) > _SET:
            self._clock_set = context.now
        self._ahead = ahead
        return context.stamp > 0 and context.now - self._clock_set >= self._distrust

    @property
    def _distrust(self) -> float:
        """For how long a clock that was set is not trusted, in s."""
        return min(_DISTRUST, self._settings.history_max_age)

    def _settled_for(self) -> float:
        """How long before this start, in s, the events show that the clock was not set.

        That is back to a pause that is long enough to be a leap of the clock.
        """
        later, gap = self._context.stamp, int(self._distrust * 1e9)
        for event in reversed(self._events):
            if not -_SET * 1e9 <= later - event.stamp < gap:
                break
            later = event.stamp
            if self._context.stamp - later >= gap:
                break
        return (self._context.stamp - later) / 1e9

    def _drop(self, count: int) -> None:
        self._first += count
        if self._first > _SLACK + len(self._events) // 10:
            del self._events[: self._first]
            self._first = 0

    # Reading #

    def __len__(self) -> int:
        return len(self._events) - self._first

    @property
    def last(self) -> int:
        """The revision of the latest event; 0 if there was none."""
        return self._events[-1].revision if self._events else 0

    @property
    def last_saved(self) -> int:
        """The revision up to which events are saved; at first, that of the last one restored."""
        return self._saved

    def since(self, revision: int) -> list[HistoryEvent]:
        """The events after a revision, oldest first."""
        at = bisect_right(self._events, revision, key=_revision)
        return self._events[max(at, self._first) :]

    def find(
        self,
        task_id: TaskId = NO_TASK,
        node_name: str = "",
        *,
        after_revision: int = 0,
        limit: int,
        newest_first: bool = False,
    ) -> list[HistoryEvent]:
        """Events of a task and of a node; (p, 0) means every task of problem p, unset means any."""
        events = self.since(after_revision)
        if newest_first:
            events.reverse()
        return list(islice(_matching(events, task_id, node_name), limit))

    def story(self, task_id: TaskId | None) -> list[str]:
        """The latest events as lines for the text of an error; of one task where given."""
        latest = self._events[max(self._first, len(self._events) - 4 * _SLACK) :]
        return [describe(e) for e in latest if task_id is None or e.task_id == task_id]

    # Saving #

    def restore(self, events: Iterable[HistoryEvent]) -> None:
        """Begin with events that a journal holds."""
        self._events = list(events)
        self._first = max(0, len(self._events) - self._settings.history_max_events)
        self._saved = self._in_save = self.last
        # Else nothing would be dropped by age where an orchestrator is started every day.
        self._ahead = self._context.stamp / 1e9 - self._context.now
        self._clock_set = self._context.now - self._settled_for()

    def have_saved(self) -> None:
        """Have a save made, if there are events that are in none yet."""
        if self.last > self._in_save:
            self._context.do(SaveHistory())

    def shift(self, missed: float) -> None:
        """Move all times on by a pause of this process (s), see `Context.begin`."""
        self._unsaved_since += missed

    def to_save(self) -> SavedHistory:
        """What the journal is to add."""
        floor = self._events[self._first].revision if len(self) else self.last + 1
        self._in_save = max(self.last, self._saved)
        return SavedHistory(tuple(self.since(self._saved)), self._saved, floor)

    def saved(self) -> None:
        """What was to be saved is."""
        self._saved = self._in_save


def _matching(
    events: Iterable[HistoryEvent], task_id: TaskId, node_name: str
) -> Iterator[HistoryEvent]:
    problem_id, iteration_id = task_id
    for event in events:
        if problem_id and event.task_id[0] != problem_id:
            continue
        if iteration_id and event.task_id[1] != iteration_id:
            continue
        if not node_name or event.node_name == node_name:
            yield event


@lru_cache(maxsize=1024)
def _cleaned(text: str) -> str:
    """A text without control characters and credentials; most repeat."""
    return printable(text, MAX_DETAIL)


def describe(event: HistoryEvent) -> str:
    """An event as a line of the log: what, which task, module and try, why."""
    parts = [event.event]
    if event.task_id != NO_TASK:
        parts.append(f"{event.task_id}")
    if event.node_name:
        parts.append(event.node_name)
    if event.instance and event.task_id == NO_TASK:
        parts.append(f"({event.instance})")
    if event.attempt > 1:
        parts.append(f"attempt {event.attempt}")
    if event.try_number > 1:
        parts.append(f"try {event.try_number}")
    code = f" [{_code(event.error_code)}]" if event.error_code else ""
    return f"{' '.join(parts)}: {event.detail}{code}"


def _code(number: int) -> str:
    try:
        return ErrorCode(number).name
    except ValueError:
        return str(number)
