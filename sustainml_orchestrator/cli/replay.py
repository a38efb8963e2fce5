"""`sustainml replay`: the last events of an orchestrator, run again without it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from sustainml_orchestrator.cli.console import err, out
from sustainml_orchestrator.cli.context import EXIT_FAILED, Failure, readable, task_id
from sustainml_orchestrator.core.commands import (
    AnnounceSystem,
    AnnounceTask,
    Command,
    HistoryEvent,
    Save,
)
from sustainml_orchestrator.core.errors import IllegalTransition
from sustainml_orchestrator.core.events import BatchEnded, Event, Persisted, TimePassed
from sustainml_orchestrator.core.excerpt import excerpt
from sustainml_orchestrator.core.history import describe
from sustainml_orchestrator.core.ids import NO_TASK, TaskId
from sustainml_orchestrator.core.replay import Moment, Replay, ReplayError
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.core.validation import BrokenInvariant

#: Events and commands that are shown only where something follows from them.
_QUIET = (TimePassed, BatchEnded, Persisted)
_BACKGROUND = (Save, AnnounceTask, AnnounceSystem)
_WIDTH = 96  # characters in a line of the records
_INEXACT = (
    "The recording does not hold the start of the orchestrator: it begins with the tasks as they "
    "were then, and learns from reports what modules hold of them."
)
_DIFFERS = (
    "from here on the replay differs from the recorded core: it is another version, or the content "
    "of a payload has decided; what follows may not be so"
)
_TEST = '''"""A recorded run as a test. RECORDS is JSON, compressed by zlib, in base64.

STATES is what the core has made of it. Where that was wrong, write what is right.
"""

import base64
import json
import zlib

from sustainml_orchestrator.core.replay import Replay

HEAD = json.loads({head!r})
STATES = {states!r}
RECORDS = """
{records}
"""


def test_the_recording_breaks_no_invariant() -> None:
    replay = Replay(HEAD)
    records = json.loads(zlib.decompress(base64.b64decode(RECORDS)))
    disagreeing = [m.event for m in replay.run(records) if m.agrees is False]
    assert not disagreeing, disagreeing[0]
    states = {{node.name: node.status.name for node in replay.core.lifecycle.nodes}}
    for problem in replay.core.store.problems.values():
        states |= {{str(task.task_id): task.status.name for task in problem}}
    assert {{name: states.get(name) for name in STATES}} == STATES
'''


class Until(NamedTuple):
    """Where to stop: at a revision, or at a time (ns); None = nowhere."""

    revision: int | None = None
    stamp: int | None = None

    def reached(self, moment: Moment, revision: int) -> bool:
        """Whether the replay has come so far."""
        if self.revision is not None:
            return revision >= self.revision
        return self.stamp is not None and moment.now.stamp >= self.stamp


def replay(
    file: Annotated[
        Path,
        typer.Argument(help="A recording: JOURNAL.flight, JOURNAL.flight.1; - is standard input."),
    ],
    until: Annotated[
        str, typer.Option("--until", help="Stop at a revision (4711) or a time (12:30:05).")
    ] = "",
    task: Annotated[str, typer.Option("--task", help="Show only what concerns this task.")] = "",
    as_test: Annotated[
        bool, typer.Option("--as-test", help="Print what is needed of it as a test in Python.")
    ] = False,
) -> None:
    """Run the recorded events of an orchestrator again, and check every invariant.

    Shows each event, what the core recorded of tasks and nodes, and its commands; at the end, what
    the open tasks wait for. Needs neither ROS nor the orchestrator. The recording is beside the
    journal; an older part of it, if there is one, is run first. With --as-test, events that the
    story does not need are left out, and with --task those of other problems.
    """
    wanted = task_id(task) if task else NO_TASK
    with readable(file) as source:
        _replay(source, until, wanted, as_test=as_test)


def _replay(file: Path, until: str, wanted: TaskId, *, as_test: bool) -> None:
    head, records = _read(file)
    try:
        machine = Replay(head)
        if as_test:
            _print_test(head, list(records), wanted)
            return
        if not machine.exact:
            out.say(_INEXACT)
        _run(machine, records, wanted, until)
    except ReplayError as error:
        raise Failure(str(error)) from error
    _say_what_is_missing(file)
    _show_state(machine, wanted)


def _read(file: Path) -> tuple[dict[str, Any], Iterator[list[Any]]]:
    """The records of both files; the state at the head of the later one is left out."""
    from sustainml_orchestrator.storage.flight_recorder import older, read

    try:
        head, records = read(file)
        if head.get("exact") or not older(file).exists():
            return head, records
        first, before = read(older(file))
    except (OSError, ValueError) as error:
        raise Failure(
            f"{file} cannot be read as a recording: {cause(error)}; name JOURNAL.flight"
        ) from error
    if first.get("incarnation") != head.get("incarnation") or first["settings"] != head["settings"]:
        return head, records
    return first, _joined(before, records)


def _say_what_is_missing(file: Path) -> None:
    from sustainml_orchestrator.storage.flight_recorder import unread

    if size := unread(file):
        text = f"the last {size} bytes of {file} are torn or damaged: what they tell is missing"
        err.say((text, "yellow"))


def _joined(before: Iterator[list[Any]], after: Iterator[list[Any]]) -> Iterator[list[Any]]:
    last = [0.0]
    for record in before:
        last = record
        yield record
    in_snapshot = True
    for record in after:
        # The snapshot has no revisions, as it was handled by no core.
        in_snapshot = in_snapshot and record[-1] == -1 and record[0] <= last[0]
        if not in_snapshot:
            yield record


def _run(machine: Replay, records: Iterator[list[Any]], wanted: TaskId, text: str) -> None:
    until: Until | None = None
    disagreed = concerned = False
    try:
        for moment in machine.run(records):
            until = until or _until(text, moment)
            concerned = _print(moment, machine, wanted) or concerned
            if moment.agrees is False and not disagreed:
                disagreed = True
                err.say((_DIFFERS, "yellow"))
            if until.reached(moment, machine.core.store.revision):
                out.say(("stopped ", "bold"), f"at revision {machine.core.store.revision}")
                return
    except (BrokenInvariant, IllegalTransition) as bug:
        err.say(("an invariant is broken: ", "red"), str(bug))
        raise typer.Exit(EXIT_FAILED) from bug
    except (ArithmeticError, AttributeError, LookupError, TypeError, RuntimeError) as bug:
        err.say(("the core has failed: ", "red"), repr(bug))
        raise typer.Exit(EXIT_FAILED) from bug
    if not concerned and wanted != NO_TASK:
        raise _unknown(wanted)
    out.say(f"the end of the recording, at revision {machine.core.store.revision}; "
            "every invariant holds")  # fmt: skip


def _until(text: str, first: Moment) -> Until:
    if not text:
        return Until()
    if text.isdecimal():
        return Until(revision=int(text))
    with suppress(ValueError):
        return Until(stamp=int(datetime.fromisoformat(text).timestamp() * 1e9))
    day = datetime.fromtimestamp(first.now.stamp / 1e9).date()
    with suppress(ValueError):
        return Until(stamp=int(datetime.fromisoformat(f"{day}T{text}").timestamp() * 1e9))
    raise typer.BadParameter(f"'{text}' is neither a revision nor a time such as 12:30:05")


def _unknown(wanted: TaskId) -> Failure:
    name = str(wanted) if wanted.iteration_id else f"problem {wanted.problem_id}"
    return Failure(f"no event of the recording concerns {name}", name="NOT_FOUND", error_code=3)


def _print(moment: Moment, machine: Replay, wanted: TaskId) -> bool:
    """Print an event if it is of interest; return whether it was."""
    commands = [c for c in moment.commands if not isinstance(c, _BACKGROUND)]
    history = moment.history
    if wanted != NO_TASK:
        commands = [c for c in commands if _concerns(c, wanted)]
        history = [event for event in history if _concerns(event, wanted)]
        if not (commands or history or _concerns(moment.event, wanted)):
            return False
    if isinstance(moment.event, _QUIET) and not commands and not history:
        return False
    when = datetime.fromtimestamp(moment.now.stamp / 1e9)
    clock = f"{when:%H:%M:%S}.{when.microsecond // 1000:03}"
    revision = machine.core.store.revision
    out.say((f"{clock} ", "dim"), f"{_shown(moment.event)}  (revision {revision})")
    for event in history:
        out.say("    ", (describe(event), "green"))
    for command in commands:
        out.say("    → ", _shown(command))
    return True


def _concerns(what: Event | Command | HistoryEvent, wanted: TaskId) -> bool:
    found = getattr(what, "task_id", None) or getattr(what, "value", None)
    if not isinstance(found, tuple) or not found:
        return False
    return tuple(found) == wanted if wanted[1] else found[0] == wanted[0]


def _shown(what: Event | Command) -> str:
    """An event or a command with its values that are set; payloads by their size."""
    parts = []
    for name in (field.name for field in fields(what)):  # type: ignore[arg-type]
        value = getattr(what, name)
        if isinstance(value, bytes):
            value = f"{len(value)} bytes"
        elif hasattr(value, "name") and hasattr(value, "value"):
            value = value.name
        elif isinstance(value, (list, dict)) and len(value) > 3:
            value = f"{len(value)} entries"
        if value not in (None, "", 0, NO_TASK, (), {}):
            parts.append(f"{name}={value}")
    return f"{type(what).__name__} {', '.join(parts)}"


def _show_state(machine: Replay, wanted: TaskId) -> None:
    core = machine.core
    for node in core.lifecycle.nodes:
        out.say(f"node {node.name}: {node.status.name}, {len(node.instances)} processes")
    tasks = (task for problem in core.store.problems.values() for task in problem if task.open)
    for task in tasks:
        if wanted in (NO_TASK, task.task_id):
            out.say(f"task {task.task_id}: {task.status.name}, {core.outcome_reason(task)}")


def _print_test(head: dict[str, Any], records: list[list[Any]], wanted: TaskId) -> None:
    head, needed = excerpt(head, records, wanted.problem_id)
    states = _states(head, needed, wanted.problem_id)
    what = f"problem {wanted.problem_id}" if wanted.problem_id else "all problems"
    err.say(f"{len(needed)} of {len(records)} events are needed to tell the story of {what}")
    # Compression leaves about an eighth: records are alike.
    packed = base64.b64encode(zlib.compress(json.dumps(needed).encode(), 9)).decode()
    lines = (packed[at : at + _WIDTH] for at in range(0, len(packed), _WIDTH))
    test = _TEST.format(head=json.dumps(head), states=states, records="\n".join(lines))
    out.file.write(test)


def _states(head: dict[str, Any], records: list[list[Any]], problem_id: int) -> dict[str, str]:
    """How the nodes and the tasks, those of one problem or all, are at the end."""
    machine = Replay(head)
    for _ in machine.run(records, lambda _: None):
        pass
    nodes = {node.name: node.status.name for node in machine.core.lifecycle.nodes}
    tasks = [t for p in machine.core.store.problems.values() for t in p]
    shown = [t for t in tasks if problem_id in (0, t.task_id.problem_id)]
    return nodes | {str(task.task_id): task.status.name for task in shown}
