"""The part of a recording that a test needs: what concerns one problem, or had any effect.

A part is kept only if a run of it ends as the run of the whole recording does.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum, auto
from typing import Any

from sustainml_orchestrator.core.commands import AnnounceSystem, AnnounceTask, Command, Save
from sustainml_orchestrator.core.events import (
    BatchEnded,
    ConfigurationAnswered,
    ConsumersMatched,
    DeletionRequested,
    Event,
    HistoryRead,
    NodeCommanded,
    NodeConfigured,
    PeerObserved,
    Persisted,
    PersistFailed,
    Restored,
    StatusReceived,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import NO_TASK
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.recording import decode, encode
from sustainml_orchestrator.core.replay import Moment, Replay, ReplayError
from sustainml_orchestrator.core.validation import Validation

#: Always kept: there are few, and what they change is not seen at once.
_KEPT = (Restored, NodeCommanded, NodeConfigured, ConfigurationAnswered, ConsumersMatched)
#: Of saving: nothing waits for it in a part that is of one problem.
_OF_SAVING = (BatchEnded, Persisted, PersistFailed, HistoryRead)
#: Of statuses that repeat the last one, and of checks of deadlines, one is kept in so many s,
#: where something happens within so many s.
_PERIOD, _NEAR = 1.0, 5.0
_MS = 10**6  # ns

Record = list[Any]


class _Use(Enum):
    """What a record is good for."""

    NONE = auto()
    PULSE = auto()  # it says that time passes, or that a process is alive
    EFFECT = auto()


@dataclass
class _Account:
    """What happened in a run.

    Attributes:
        uses: of each record up to the failure.
        story: of the problem and the nodes.
        failure: the bug that ended the run; "" if none did.
        revisions: of the database after each record.
        events: that were handled.
    """

    uses: list[_Use] = field(default_factory=list)
    story: list[tuple[Any, ...]] = field(default_factory=list)
    failure: str = ""
    revisions: list[int] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def is_like(self, other: _Account) -> bool:
        return self.story == other.story and self.failure == other.failure


def excerpt(
    head: dict[str, Any], records: Iterable[Record], problem_id: int = 0
) -> tuple[dict[str, Any], list[Record]]:
    """The smallest part that runs to the same end, and to the same bug if there is one.

    Args:
        head: of the recording.
        problem_id: only what concerns this problem; 0 = all problems.

    Returns:
        Head and records of an exact recording; of the whole one if no part does.

    Raises:
        ReplayError: the recording makes no sense, or tells nothing of the problem.
    """
    whole = list(records)
    told = _run(head, whole, problem_id)
    if problem_id and not told.failure and not any(each[0][0] == problem_id for each in told.story):
        raise ReplayError(f"nothing happened to problem {problem_id} in this recording")
    whole = whole[: len(told.uses)]
    short = {**head, "exact": False, "journalled": head["journalled"] and not problem_id}
    for is_steady in (False, True):
        chosen = _chosen(whole, told.uses, is_steady)
        part = [_reduced(record, problem_id) for record in chosen]
        found = _run(short, part, problem_id)
        if found.is_like(told):
            return _exact(short, part, found)
    return head, whole


def _exact(
    head: dict[str, Any], part: Sequence[Record], account: _Account
) -> tuple[dict[str, Any], list[Record]]:
    events = [*account.events, None]  # the core may not have handled the last one
    made = []
    for record, event, revision in zip(part, events, account.revisions, strict=False):
        steady, stamp, name, values, answers, _ = record
        if isinstance(event, Persisted | PersistFailed):
            values = encode(event)  # saves have other numbers than in the whole
        made.append([steady, stamp, name, values, answers, revision])
    return {**head, "exact": True}, made


# A run #


def _run(head: dict[str, Any], records: Sequence[Record], problem_id: int) -> _Account:
    account, judge = _Account(), _Judge(problem_id)
    machine = Replay(head)
    moments = machine.run(records, _Check(problem_id))
    while len(account.uses) < len(records) and not account.failure:
        use, revision = _Use.EFFECT, -1
        try:
            moment = next(moments)
        except ReplayError:
            raise
        except Exception as bug:  # whatever the core raises is what the test is for
            account.failure = f"{type(bug).__name__}: {str(bug).split(chr(10))[0]}"
        else:
            use, story = judge.judge(moment, machine.core)
            account.story += story
            revision = machine.core.store.revision
            account.events.append(moment.event)
        account.uses.append(use)
        account.revisions.append(revision)
    account.story.sort(key=lambda told: told[:2])  # their order among different steps may differ
    return account


class _Check:
    """Checks the invariants: from time to time, and whenever the problem has changed."""

    def __init__(self, problem_id: int) -> None:
        self._problem_id = problem_id
        self._checked: list[int] = []
        self._validation = Validation()

    def __call__(self, core: Orchestrator) -> None:
        present = [task.revision for task in core.store.problems.get(self._problem_id, ())]
        if present != self._checked:
            self._checked = present
            self._validation.check(core)
        else:
            self._validation(core)


class _Judge:
    """Finds out what each record is good for.

    Args:
        problem_id: of which problem; 0 = of all.
    """

    def __init__(self, problem_id: int) -> None:
        self._problem_id = problem_id
        self._iterations = 0
        self._told: dict[object, object] = {}  # the last of each process and each peer

    def judge(self, moment: Moment, core: Orchestrator) -> tuple[_Use, list[tuple[Any, ...]]]:
        """The use of an event, and what was recorded of the problem and the nodes."""
        history = [e for e in moment.history if e.task_id == NO_TASK or self._is_ours(e.task_id)]
        story = [(e.task_id, e.node_name, e.event, e.try_number, e.attempt) for e in history]
        event = moment.event
        # Without the outcomes of saving the disk seems to hang.
        kept = _KEPT if self._problem_id else (*_KEPT, Persisted, PersistFailed)
        if history or isinstance(event, kept) or self._concerns(event, core):
            use = _Use.EFFECT
        elif isinstance(event, _OF_SAVING) and self._problem_id:
            use = _Use.NONE
        elif any(map(self._matters, moment.commands)) or self._is_new(event):
            use = _Use.EFFECT
        else:
            use = _Use.PULSE if isinstance(event, TimePassed | StatusReceived) else _Use.NONE
        return use, story

    def _is_ours(self, task_id: Any) -> bool:
        return task_id != NO_TASK and self._problem_id in (0, task_id[0])

    def _concerns(self, event: Event, core: Orchestrator) -> bool:
        """Whether an event names the problem, or has made an iteration of it."""
        iterations = len(core.store.problems.get(self._problem_id, ()))
        has_grown, self._iterations = iterations > self._iterations, iterations
        if isinstance(event, TaskSubmitted):
            return has_grown or not self._problem_id
        if isinstance(event, DeletionRequested):
            return self._problem_id in (0, event.problem_id)
        return has_grown or self._is_ours(getattr(event, "task_id", NO_TASK))

    def _matters(self, command: Command) -> bool:
        if isinstance(command, AnnounceSystem | AnnounceTask | Save):
            return not self._problem_id and isinstance(command, Save)
        task_id = getattr(command, "task_id", NO_TASK)
        return not self._problem_id or task_id == NO_TASK or self._is_ours(task_id)

    def _is_new(self, event: Event) -> bool:
        """Whether a process or an orchestrator says something else than before."""
        key: object
        if isinstance(event, StatusReceived):
            key, value = event.process, (event.last_command, int(event.node_status))
        elif isinstance(event, PeerObserved):
            key, value = event.incarnation, (event.session, 0)
        else:
            return False
        is_new = self._told.get(key) != value
        self._told[key] = value
        return is_new


# A part of it #


def _chosen(whole: Sequence[Record], uses: Sequence[_Use], is_steady: bool) -> Iterator[Record]:
    """The records with an effect, and between them as much of the others as keeps time.

    Args:
        is_steady: also where nothing happens for long.
    """
    next_effect, near = math.inf, []
    for record, use in zip(reversed(whole), reversed(uses), strict=True):
        next_effect = record[0] if use is _Use.EFFECT else next_effect
        near.append(next_effect - record[0] <= _NEAR or (is_steady and next_effect < math.inf))
    last: dict[object, float] = {}
    for record, use, is_near in zip(whole, uses, reversed(near), strict=True):
        source = record[3][1] if record[2] == StatusReceived.__name__ else record[2]
        is_due = is_near and record[0] - last.get(source, -math.inf) >= _PERIOD
        if use is _Use.EFFECT or (use is _Use.PULSE and is_due):
            last[source] = record[0]
            yield record


def _reduced(record: Record, problem_id: int) -> Record:
    """A record without other problems, and with times in whole ms: they take the most space."""
    steady, stamp, name, values, answers, revision = record
    event = decode(name, values) if problem_id else None
    if isinstance(event, StatusReceived) and event.task_id[0] not in (0, problem_id):
        values = encode(StatusReceived(
            event.node_name, event.instance, event.incarnation, event.last_command,
            event.node_status,
        ))  # fmt: skip
    elif isinstance(event, Restored):
        values = encode(_restored(event, problem_id))
    return [round(steady, 3), stamp - stamp % _MS, name, values, answers, revision]


def _restored(event: Restored, problem_id: int) -> Restored:
    tasks = [task for task in event.tasks if task.task_id.problem_id == problem_id]
    next_id = event.next_problem_id if tasks else problem_id
    return replace(
        event, tasks=tasks, next_problem_id=next_id,
        reserved_problem_id=max(event.reserved_problem_id, next_id),
        without_credentials=[t for t in event.without_credentials if t[0] == problem_id],
    )  # fmt: skip
