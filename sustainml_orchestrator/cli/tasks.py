"""`sustainml watch`, `list`, `show`, `delete` and `task …`: tasks and problems."""

from __future__ import annotations

import json
import time
from contextlib import suppress
from typing import Annotated

import typer

from sustainml_orchestrator.cli.console import out, write_yaml
from sustainml_orchestrator.cli.context import (
    EXIT_FAILED,
    AsJson,
    Interrupted,
    connected,
    print_json,
    task_id,
)  # fmt: skip
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import TaskCommand, TaskStatus

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


def list_tasks(
    problem: Annotated[int, typer.Argument(min=0, help="Only this problem; 0 = all.")] = 0,
    status: Annotated[
        list[str] | None,
        typer.Option("--status", help="Only these: waiting, running, succeeded, error …"),
    ] = None,
    offset: Annotated[int, typer.Option(min=0, help="Tasks to skip.")] = 0,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Most tasks to list.")] = 50,
    oldest_first: Annotated[
        bool, typer.Option("--oldest-first", help="By creation; else the newest first.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List tasks, the newest first.

    sustainml list --status succeeded --status running --limit 10
    """
    from sustainml_orchestrator.cli.tables import task_table

    statuses = [_status(text) for text in status or []]
    with connected() as client:
        page, total = client.list_tasks(
            problem, statuses, newest_first=not oldest_first, offset=offset, limit=limit
        )
    if as_json:
        print_json({"tasks": page, "total": total})
        return
    if page:
        out.print(task_table(page, f"{len(page)} of {total} tasks"))
    else:
        out.say(f"{total} tasks match, none on this page" if total else "no task matches")


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
) -> None:
    """Show all data of a task.

    sustainml show 1/1

    sustainml show 1 --json    # the latest iteration of problem 1
    """
    from sustainml_orchestrator.cli.remarks import remarks
    from sustainml_orchestrator.cli.tables import result_table, status_of

    with connected() as client:
        data = client.get_task(task_id(task), include_binary=as_json or as_yaml)
    if as_json:
        print_json(data)
    elif as_yaml:
        write_yaml(plain(data))
    else:
        out.print(result_table([data]))
        item = data.summary
        out.say("status: ", status_of(item), f" {item.outcome_reason}")
        for title, values in (
            ("metadata", data.ml_model_metadata.ml_model_metadata),
            ("requirements", data.app_requirements.app_requirements),
            ("hardware asked for", data.hw_constraints.hardware_required),
        ):
            out.say(f"{title}: {', '.join(values) or '–'}")
        for line in remarks(data):
            out.say(line)
        for module in item.modules:
            state = TaskStatus(module.task_status).name
            out.say(f"  {module.node_name:<20}{state:<12}{module.error_description}")
        for output in data.extra_outputs:
            out.say(f"output of {output.node_name} ({output.type_name}): {_shown(output.json)}")


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
