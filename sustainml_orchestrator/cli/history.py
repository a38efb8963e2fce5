"""`sustainml history`: what happened to tasks and nodes."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sustainml_orchestrator.cli.console import Table, line, out, write_json
from sustainml_orchestrator.cli.context import AsJson, Interrupted, connected, print_json
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.happenings import HAPPENINGS
from sustainml_orchestrator.core.ids import NO_TASK, ErrorCode, TaskId

if TYPE_CHECKING:
    from sustainml_msgs.msg import HistoryEvent

_COLOURS = {"warning": "yellow", "error": "red"}


def history(
    subject: Annotated[
        str | None,
        typer.Argument(help="A task (1/1), a problem (1), or a module; by default everything."),
    ] = None,
    node: Annotated[str, typer.Option("--node", help="Only events of this module.")] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most events, the latest ones.")] = 50,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with new events until Ctrl-C.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what happened to a task or a node, when and why.

    Times are local. With --follow, --json prints one object per line.

    sustainml history 1/1

    sustainml history hw_resources --limit 20
    """
    task_id, name = _subject(subject, node)
    with connected() as client:
        events = client.get_history(task_id, name, limit=limit, newest_first=True)[::-1]
        if not follow:
            _show(events, as_json)
            return
        for event in events:
            _print(event, as_json)
        last = events[-1].revision if events else 0
        with suppress(Interrupted):
            for event in client.follow_history(task_id, name, after_revision=last):
                _print(event, as_json)


def _subject(text: str | None, node: str) -> tuple[TaskId, str]:
    """The task and the module that are meant."""
    if text is None:
        return NO_TASK, node
    with suppress(ValueError):
        return TaskId.parse(text), node
    if node:
        raise typer.BadParameter(f"'{text}' is no task; name one module only")
    return NO_TASK, text


def _show(events: list[HistoryEvent], as_json: bool) -> None:
    if as_json:
        print_json({"events": events})
    elif not events:
        out.say("no event is kept of it")
    else:
        table = Table(("time", "event", "task", "node", "try", "detail"))
        for event in events:
            table.add(*_cells(event))
        out.print(table)


def _print(event: HistoryEvent, as_json: bool) -> None:
    if as_json:
        write_json(plain(event), indent=None)
        out.file.flush()
    else:
        when, _, task, node, tries, detail = _cells(event)
        again = f"try {tries}" if tries not in ("–", "1") else ""
        words = [part for part in (task, node, again) if part not in ("", "–")]
        out.say(f"{when} ", _event_name(event), f" {' '.join(words)}: {detail}")


def _event_name(event: HistoryEvent) -> tuple[str, str]:
    known = HAPPENINGS.get(event.event)
    return event.event, _COLOURS.get(known.severity if known else "", "")


def _cells(event: HistoryEvent) -> tuple[Any, ...]:
    """Time, event, task, node, try and detail of an event."""
    about_task = bool(event.task_id.problem_id)
    task = f"{event.task_id.problem_id}/{event.task_id.iteration_id}" if about_task else "–"
    tries = f"{event.attempt}.{event.try_number}" if event.attempt > 1 else f"{event.try_number}"
    detail = event.detail
    if event.error_code:
        detail += f" [{_code(event.error_code)}]"
    if not about_task and event.instance:
        detail = f"{event.instance}: {detail}"
    return (local_time(event.stamp), line(_event_name(event)), task, event.node_name or "–",
            tries if event.try_number else "–", detail)  # fmt: skip


def local_time(stamp: Any) -> str:
    """A ROS time as local time with ms; with the date unless it is today."""
    when = datetime.fromtimestamp(stamp.sec + stamp.nanosec * 1e-9)
    clock = f"{when:%H:%M:%S}.{when.microsecond // 1000:03}"
    return clock if when.date() == datetime.now().date() else f"{when:%F} {clock}"


def _code(number: int) -> str:
    try:
        return ErrorCode(number).name
    except ValueError:
        return str(number)
