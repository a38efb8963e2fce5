"""A recording of the events of a core: what it needs to be run again elsewhere, as JSON data.

Payloads are replaced by their size and a checksum, credentials in texts are left out. What comes
from outside during an event (tokens, derived inputs) is recorded with it, and the revision after it
shows later whether a replay agrees.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, fields
from operator import attrgetter
from typing import Any

from sustainml_orchestrator.core import events
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.credentials import scrub
from sustainml_orchestrator.core.events import Event, OptimisationGoal, Restored, StatusReceived
from sustainml_orchestrator.core.ids import NodeCommand, NodeStatus, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.optimiser import Derive, Exhausted
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.record import from_record, to_record
from sustainml_orchestrator.core.task import Task

FORMAT = 1
#: Most tasks of a start that are recorded; of more, only the problems with open ones.
_MOST_TASKS = 2000

_KINDS: dict[str, type[Event]] = {
    kind.__name__: kind
    for kind in (
        events.TimePassed, StatusReceived, events.OutputReceived,
        events.UnreadableOutputReceived, events.ConsumersMatched, events.TaskSubmitted,
        events.HistoryRead, events.BatchEnded, events.Persisted, events.PersistFailed,
        events.PeerObserved, events.TaskCommanded, events.NodeCommanded, events.DeletionRequested,
        events.NodeConfigured, events.ConfigurationAnswered, events.ParametersChanged,
    )
}  # fmt: skip
#: Recordings of former versions have these names.
_FORMER_NAMES = {"PeerHeard": events.PeerObserved.__name__}
_NAMES = {kind: [field.name for field in fields(kind)] for kind in _KINDS.values()}  # type: ignore[arg-type]
#: The values of an event, one after the other.
_VALUES = {kind: attrgetter(*names) for kind, names in _NAMES.items() if len(names) > 1}


def _digest(payload: bytes) -> list[int]:
    return [len(payload), zlib.crc32(payload)]


def _scrubbed(text: str) -> str:
    return scrub(text) if text else text


#: How values are changed that are not recorded as they are, by name.
_ENCODERS: dict[str, Callable[[Any], Any]] = {
    "payload": _digest,
    "user_input": _digest,
    "facts": dict,
    "goal": lambda goal: list(asdict(goal).values()),
    "error_description": _scrubbed,
    "reason": _scrubbed,
    "settings": lambda settings: dict.fromkeys(settings, "null"),  # their names say enough
}
#: The same by kind of event and place: most have few.
_CHANGES = {
    kind: [(place, _ENCODERS[name]) for place, name in enumerate(names) if name in _ENCODERS]
    for kind, names in _NAMES.items()
}


def encode(event: Event) -> list[Any]:
    """The values of an event, for `decode`."""
    kind = type(event)
    if kind is Restored:
        return _encode_restored(event)  # type: ignore[arg-type]
    values = (
        list(_VALUES[kind](event))
        if kind in _VALUES
        else [getattr(event, name) for name in _NAMES[kind]]
    )
    for place, change in _CHANGES[kind]:
        values[place] = change(values[place])
    return values


def decode(name: str, values: Sequence[Any]) -> Event:
    """The event that `encode` was given, with stand-ins for payloads.

    Raises:
        ValueError, KeyError, TypeError, IndexError: it makes no sense.
    """
    if name == Restored.__name__:
        return _decode_restored(values)
    kind = _KINDS[_FORMER_NAMES.get(name, name)]
    made = dict(zip(_NAMES[kind], values, strict=True))
    for key, value in made.items():
        make = _DECODERS.get(key)
        if make is not None:
            made[key] = make(value)
    if "command" in made:
        of_task = kind is events.TaskCommanded
        made["command"] = (TaskCommand if of_task else NodeCommand)(made["command"])
    return kind(**made)


def stand_in(digest: Sequence[int]) -> bytes:
    """A payload of the same size; equal ones for equal ones."""
    size, crc = digest
    if not 0 <= size <= 2**31:
        raise ValueError(f"{size} is no size of a payload")
    return int(crc).to_bytes(4, "little").ljust(size, b"\0")[:size]


def _goal(values: Sequence[Any]) -> OptimisationGoal:
    auto, desired, num_outputs, restrains = values
    return OptimisationGoal(auto, desired, num_outputs, tuple(restrains))


_DECODERS: dict[str, Callable[[Any], Any]] = {
    "payload": stand_in,
    "user_input": stand_in,
    "task_id": lambda value: TaskId(*value),
    "base_task": lambda value: TaskId(*value),
    "node_status": NodeStatus,
    "task_status": TaskStatus,
    "goal": _goal,
}


# A start #


def _encode_restored(event: Restored) -> list[Any]:
    tasks = _chosen(event.tasks)
    return [
        [_encode_task(task) for task in tasks], event.revision, event.next_problem_id,
        event.reserved_problem_id, event.incomplete, [list(t) for t in event.without_credentials],
        dict(event.desired_active), len(tasks) == len(event.tasks),
        {name: dict.fromkeys(s, "null") for name, s in event.configurations.items()},
    ]  # fmt: skip


def _chosen(tasks: Sequence[Task]) -> Sequence[Task]:
    if len(tasks) <= _MOST_TASKS:
        return tasks
    open_ones = {task.task_id.problem_id for task in tasks if task.open}
    return [task for task in tasks if task.task_id.problem_id in open_ones]


def _encode_task(task: Task) -> list[Any]:
    *values, steps = to_record(task)
    outputs = [None if output is None else _digest(output) for output in task.outputs]
    return [[*values, steps.hex()], _digest(task.user_input), outputs]


def _decode_restored(values: Sequence[Any]) -> Restored:
    tasks, revision, next_id, reserved, incomplete, without, desired, _, *added = values
    made = []
    for (*record, steps), user_input, outputs in tasks:
        payloads = [None if output is None else stand_in(output) for output in outputs]
        row = (*record, bytes.fromhex(steps))
        made.append(from_record(row, stand_in(user_input), payloads))
    return Restored(
        made, revision, next_id, reserved, incomplete, [TaskId(*each) for each in without], desired,
        configurations=added[0] if added else {},
    )  # fmt: skip


class Recorder:
    """Collects records of events, with what came from outside meanwhile.

    A record is [steady s, stamp ns, name, values, answers, revision after it].
    """

    def __init__(self) -> None:
        self._records: list[list[Any]] = []
        self._answers: list[Any] = []
        self._settings: dict[str, Any] = {}

    # What comes from outside #

    def tokens(self, draw: Callable[[], int]) -> Callable[[], int]:
        """A function that draws tokens from `draw` and records them."""

        def drawn() -> int:
            token = draw()
            self._answers.append(token)
            return token

        return drawn

    def derived(self, derive: Derive) -> Derive:
        """A function that calls `derive` and records what it returns."""

        def derived(*arguments: Any) -> bytes:
            payload = derive(*arguments)
            self._answers.append(_digest(payload))
            return payload

        return derived

    def exhausted(self, exhausted: Exhausted) -> Exhausted:
        """A function that calls `exhausted` and records what it returns."""

        def judged(outputs: Sequence[bytes | None]) -> bool:
            is_so = exhausted(outputs)
            self._answers.append(is_so)
            return is_so

        return judged

    # Events #

    def begin(self, event: Event, now: Instant) -> None:
        """An event is about to be handled."""
        self._answers = []
        record = [now.steady, now.stamp, type(event).__name__, encode(event), self._answers, -1]
        self._records.append(record)

    def skip(self, event: Event, now: Instant) -> None:
        """An event that cannot be recorded is about to be handled."""
        self._answers = []
        self._records.append([now.steady, now.stamp, type(event).__name__, [], self._answers, -1])

    def end(self, revision: int) -> None:
        """The event was handled without an exception."""
        self._records[-1][-1] = revision

    def take(self) -> list[list[Any]]:
        """The records since the last call."""
        records, self._records = self._records, []
        return records


def header(core: Orchestrator) -> dict[str, Any]:
    """What a fresh core needs to start as this one did."""
    modules = {}
    for spec in core.pipeline.modules:
        values = asdict(spec)
        del values["name"], values["index"], values["executable"]
        modules[spec.name] = {**values, "inputs": list(spec.inputs)}
    return {
        "format": FORMAT,
        "modules": modules,
        "settings": asdict(core.settings),
        "session": core.session,
        "incarnation": core.duplicate_check.incarnation,
        "journalled": core.persistence.enabled,
        "exact": True,
    }


def snapshot(core: Orchestrator, now: Instant) -> list[list[Any]]:
    """Records that bring a fresh core near to the present state: the tasks, and who is there.

    What modules hold of them is learnt from their next reports.
    """
    tasks = [task for problem in core.store.problems.values() for task in problem]
    tasks.sort(key=attrgetter("serial"))
    restored = Restored(
        tasks, core.store.revision, core.store.next_problem_id, core.store.next_problem_id,
        desired_active={n.name: n.desired_active for n in core.lifecycle.nodes},
        configurations=core.lifecycle.configurations.settings,
    )  # fmt: skip
    told: list[Event] = [restored]
    for node in core.lifecycle.nodes:
        told += [
            StatusReceived(node.name, i.name, i.incarnation, i.last_command, i.status)
            for i in node.instances.values()
            if i.responsive
        ]
    return [[now.steady, now.stamp, type(e).__name__, encode(e), [], -1] for e in told]
