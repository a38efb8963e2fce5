"""`sustainml watch`, `list`, `show`, `delete` and `task …`: tasks and problems."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group
from rich.text import Text

from sustainml_orchestrator.cli import live
from sustainml_orchestrator.cli.console import Table, line, out, write_yaml
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    AsJson,
    Interrupted,
    check_form,
    connected,
    print_json,
    task_id,
)  # fmt: skip
from sustainml_orchestrator.cli.figures import since as earliest
from sustainml_orchestrator.cli.live import WatchOption
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import TaskCommand, TaskId, TaskStatus

if TYPE_CHECKING:
    from sustainml_msgs.msg import Task

    from sustainml_orchestrator.client import OrchestratorClient

TaskArgument = Annotated[str, typer.Argument(help="PROBLEM/ITERATION, or PROBLEM: its latest.")]


def watch(
    task: Annotated[
        str | None, typer.Argument(help="PROBLEM/ITERATION; by default all tasks.")
    ] = None,
    within: Annotated[float, typer.Option(min=0.1, help="Longest time to wait, in s.")] = 86400.0,
) -> None:
    """Show the progress of a task until its end.

    Without a task, show every update of any task until Ctrl-C.

    sustainml watch 1/1
    """
    from sustainml_orchestrator.cli.submit import follow
    from sustainml_orchestrator.cli.tables import Bars

    with connected() as client:
        if task is not None:
            if not follow(client, [task_id(task)], within):
                raise typer.Exit(EXIT_FAILED)
            return
        client.list_tasks(limit=1)  # raises if there is no orchestrator
        with Bars() as bars, client.updates() as updates, suppress(Interrupted):
            deadline = time.monotonic() + within
            while (left := deadline - time.monotonic()) > 0:
                update = updates.get(left)
                if update is not None:
                    bars.show(update)


StatusOption = Annotated[
    list[str] | None,
    typer.Option("--status", "--state", help="Only these: waiting, running, succeeded …"),
]
TextOption = Annotated[str, typer.Option("--text", help="Only with this text, in any case.")]
ModelOption = Annotated[str, typer.Option("--model", help="Only with this in the model.")]
HardwareOption = Annotated[str, typer.Option("--hardware", help="The same for the hardware.")]
SinceOption = Annotated[
    str, typer.Option("--since", help="Only younger ones: 30min, 2h, 3d, or since a date.")
]
OffsetOption = Annotated[int, typer.Option(min=0, help="Tasks to skip.")]
LimitOption = Annotated[int, typer.Option(min=1, max=1000, help="Most tasks to list.")]
OldestOption = Annotated[
    bool, typer.Option("--oldest-first", help="By creation; else the newest first.")
]
WideOption = Annotated[bool, typer.Option("--wide", help="More columns.")]
CsvOption = Annotated[bool, typer.Option("--csv", help="Print CSV with all columns.")]


def list_tasks(
    problem: Annotated[int, typer.Argument(min=0, help="Only this problem; 0 = all.")] = 0,
    status: StatusOption = None,
    text: TextOption = "",
    model: ModelOption = "",
    hardware: HardwareOption = "",
    since: SinceOption = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    oldest_first: OldestOption = False,
    wide: WideOption = False,
    as_csv: CsvOption = False,
    watch: WatchOption = False,
    as_json: AsJson = False,
) -> None:
    """List tasks, the newest first.

    sustainml list --status succeeded --status running --limit 10

    sustainml list --text cats --since 2h --wide
    """
    from sustainml_orchestrator.cli import listing
    from sustainml_orchestrator.cli.selection import Filter, select

    check_form(json=as_json, csv=as_csv, watch=watch)
    wanted = Filter(text, model, hardware, earliest(since) if since else 0.0)
    statuses = [_status(name) for name in status or []]
    with connected() as client:
        look = partial(select, client, problem, statuses, wanted,
                       newest_first=not oldest_first, offset=offset, limit=limit)  # fmt: skip
        if watch:
            live.watch(lambda: Group(listing.shown(*look(), wide=wide)))
        listing.show(*look(), wide=wide, as_csv=as_csv, as_json=as_json)


def _status(text: str) -> TaskStatus:
    try:
        return TaskStatus[text.upper()]
    except KeyError:
        known = ", ".join(status.name.lower() for status in TaskStatus)
        raise typer.BadParameter(f"'{text}' is no status; use one of: {known}") from None


def show(
    task: TaskArgument,
    as_json: AsJson = False,
    as_yaml: Annotated[bool, typer.Option("--yaml", help="Print YAML.")] = False,
    watch: WatchOption = False,
) -> None:
    """Show all data of a task.

    sustainml show 1/1

    sustainml show 1 --json    # the latest iteration of problem 1
    """
    check_form(json=as_json, yaml=as_yaml, watch=watch)
    wanted = task_id(task)
    with connected() as client:
        if watch:
            live.watch(lambda: Group(*_lines(client, client.get_task(wanted, include_binary=True))))
        data = client.get_task(wanted, include_binary=True)
        shown = () if as_json or as_yaml else tuple(_lines(client, data))
    if as_json:
        print_json(data)
    elif as_yaml:
        write_yaml(plain(data))
    else:
        for each in shown:
            out.print(each, soft_wrap=isinstance(each, Text))


def _lines(client: OrchestratorClient, task: Task) -> Iterator[Text | Table]:
    """All that people may want to know of a task."""
    from sustainml_orchestrator.cli import description
    from sustainml_orchestrator.cli.tables import name_of, status_of
    from sustainml_orchestrator.client.remarks import remarks

    item = task.summary
    exact = TaskId(item.task_id.problem_id, item.task_id.iteration_id)
    events = client.get_history(exact, limit=1000, newest_first=True)
    yield line(f"task {name_of(item)}: {item.problem_short_description}")
    yield line("status: ", status_of(item), f" {item.outcome_reason}")
    yield line(description.ages(item))
    for text in description.figures(task):
        yield line(text)
    for title, values in (
        ("metadata", task.ml_model_metadata.ml_model_metadata),
        ("requirements", task.app_requirements.app_requirements),
        ("hardware asked for", task.hw_constraints.hardware_required),
    ):
        yield line(f"{title}: {', '.join(values) or '–'}")
    for text in remarks(task):
        yield line(text)
    for output in task.extra_outputs:
        yield line(f"output of {output.node_name} ({output.type_name}): {_shown(output.json)}")
    yield description.step_table(item, events)


def _shown(text: str) -> str:
    """The fields of an output that are set, without those that all messages have."""
    common = ("task_id", "attempt", "session", "token", "header", "extra_data", "raw_model")
    fields = json.loads(text or "{}").items()
    set_ones = {name: value for name, value in fields if name not in common and value}
    return json.dumps(set_ones, ensure_ascii=False)


def delete(
    problem: Annotated[int, typer.Argument(min=1, help="Number of the problem.")],
    as_json: AsJson = False,
) -> None:
    """Delete a problem and all its iterations.

    None of them may be waiting or running. They cannot be restored.

    sustainml delete 3
    """
    with connected() as client:
        count = client.delete_problem(problem)
    if as_json:
        print_json({"success": True, "deleted_iterations": count})
    else:
        out.say(f"{count} iterations deleted")


task_app = typer.Typer(no_args_is_help=True, help="Command a task.")


def _add_command(command: TaskCommand, text: str) -> None:
    def run(task: TaskArgument, as_json: AsJson = False) -> None:
        with connected() as client:
            status = client.control_task(task_id(task), command)
        if as_json:
            print_json({"success": True, "task_status": int(status), "status": status.name})
        else:
            out.say(f"task {task} is {status.name}")

    run.__doc__ = text
    task_app.command(command.name.lower())(run)


for _command, _text in {
    TaskCommand.STOP: "Stop a task and keep its outputs.",
    TaskCommand.RESET: """Delete the outputs of a task and run it again.

    sustainml task reset 1/1
    """,
    TaskCommand.PREEMPT: "Put a task back into the queue and keep its outputs.",
    TaskCommand.TERMINATE: "End a task; it cannot be run again.",
}.items():
    _add_command(_command, _text)
