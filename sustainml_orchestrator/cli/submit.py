"""`sustainml submit` and `iterate`: new tasks."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sustainml_orchestrator.cli import problems
from sustainml_orchestrator.cli.console import out
from sustainml_orchestrator.cli.context import EXIT_FAILED, AsJson, connected, print_json, task_id

if TYPE_CHECKING:
    from sustainml_orchestrator.cli.descent import Descent
    from sustainml_orchestrator.cli.tables import Bars
    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.core.ids import TaskId

_Text = str | None
File = Annotated[
    _Text, typer.Argument(help="YAML or JSON file with fields of a problem; - = stdin.")
]
Define = Annotated[_Text, typer.Option("--define", "-d", help="The problem in your words.")]
Name = Annotated[_Text, typer.Option(help="A short name for it.")]
Modality = Annotated[_Text, typer.Option(help="image, text, audio, tabular …")]
Region = Annotated[_Text, typer.Option(help="Where the model will run: Spain, US-CA …")]
Target = Annotated[float | None, typer.Option(help="Desired carbon footprint, in kgCO2e.")]
Auto = Annotated[bool, typer.Option("--auto", help="Start iterations until the target is met.")]
_SET_HELP = "Any field of a problem, or extra_data.KEY; may be repeated."
Set = Annotated[
    list[str] | None, typer.Option("--set", "-s", metavar="FIELD=VALUE", help=_SET_HELP)
]
RequestId = Annotated[str, typer.Option(help="A request repeated with it gives the same task.")]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show the progress until the end.")]
Within = Annotated[float, typer.Option(min=0.1, help="With --watch: longest time to wait, in s.")]
Priority = Annotated[int, typer.Option(min=0, max=255, help="Higher runs first.")]


def submit(
    file: File = None,
    define: Define = None,
    name: Name = None,
    modality: Modality = None,
    region: Region = None,
    target: Target = None,
    auto: Auto = False,
    settings: Set = None,
    priority: Priority = 0,
    request_id: RequestId = "",
    watch: Watch = False,
    within: Within = 600.0,
    as_json: AsJson = False,
) -> None:
    """Submit a problem, in words or as a YAML or JSON file.

    A VALUE of --set is text or a number as its field requires; that of extra_data.KEY is JSON
    where it is valid JSON, else text.

    sustainml submit config/examples/circuit_boards.yaml --watch

    sustainml submit -d "tell cats from dogs in photos" -s maximum_samples=1000 --region Spain

    sustainml submit -d "translate French news" -s extra_data.num_outputs=2 --json
    """
    given = {"problem_definition": define, "problem_short_description": name,
             "modality": modality, "geo_location_region": region,
             "desired_carbon_footprint": target,
             "optimize_carbon_footprint_auto": auto or None}  # fmt: skip
    fields = problems.read(file) if file else {}
    message, extra = problems.to_message(_merged(fields, given, settings or []))
    with connected() as client:
        task = client.start_task(message, extra_data=extra, priority=priority,
                                 request_id=request_id)  # fmt: skip
        _report(client, task, watch, within, as_json)


def _merged(fields: dict[str, Any], given: dict[str, Any], settings: list[str]) -> dict[str, Any]:
    """The fields of a file, of options and of --set; the later ones take precedence."""
    more = problems.parse_settings(settings)
    extra, more_extra = fields.get("extra_data") or {}, more.pop("extra_data", {})
    fields |= {name: value for name, value in given.items() if value is not None} | more
    if more_extra and isinstance(extra, dict):
        fields["extra_data"] = extra | more_extra
    if not fields:
        raise typer.BadParameter("name a FILE, or describe the problem with --define TEXT")
    return fields


def iterate(
    base: Annotated[
        str, typer.Argument(help="Base task: 3/2; 3 or 3/-1 is the latest of problem 3.")
    ],
    manual: Annotated[
        bool, typer.Option("--manual", help="Search once for a model with less carbon.")
    ] = False,
    settings: Set = None,
    priority: Priority = 0,
    watch: Watch = False,
    within: Within = 600.0,
    as_json: AsJson = False,
) -> None:
    """Start another iteration of a problem.

    It takes over the fields of an earlier iteration, except those given by --set.

    sustainml iterate 1/1 --set extra_data.max_memory_footprint=512 --watch

    sustainml iterate 2/1 --manual --watch
    """
    fields = problems.parse_settings(settings or [])
    if manual:
        modes = "optimize_carbon_footprint_manual", "optimize_carbon_footprint_auto"
        fields = dict(zip(modes, (True, False), strict=True)) | fields
    message, extra = problems.to_message(fields)
    overrides = [name for name in fields if name != "extra_data"]
    with connected() as client:
        base_id = task_id(base)
        if extra:
            extra = _base_extra_data(client, base_id) | extra
        if not overrides and extra:
            overrides = ["extra_data"]
        user_input = message if overrides else None
        task = client.start_iteration(
            base_id, user_input, overrides=overrides, extra_data=extra or None, priority=priority
        )
        _report(client, task, watch, within, as_json)


def _base_extra_data(client: OrchestratorClient, base: TaskId) -> dict[str, Any]:
    user_input = client.get_task(base, include_binary=True).user_input
    text = bytes(user_input.extra_data).decode("utf-8", "replace")
    return problems.parse_json(text, "extra_data of the base") if text else {}


def _report(
    client: OrchestratorClient, task: TaskId, watch: bool, within: float, as_json: bool
) -> None:
    if not watch:
        print_json({"task": str(task)}) if as_json else out.say(f"task {task}")
        return
    if not follow(client, [task], within, quiet=as_json):
        raise typer.Exit(EXIT_FAILED)


def follow(
    client: OrchestratorClient, tasks: list[TaskId], within: float, *, quiet: bool = False
) -> bool:
    """Show tasks until they and the tasks that start from them are over.

    Returns:
        Whether of each problem at least one iteration has succeeded.
    """
    from sustainml_orchestrator.cli.tables import print_results
    from sustainml_orchestrator.core.ids import TaskId, TaskStatus

    seen: dict[TaskId, None] = {}
    with nullcontext() if quiet else _view(client, tasks) as view:
        for summary in client.watch(tasks, timeout=within):
            seen[TaskId(summary.task_id.problem_id, summary.task_id.iteration_id)] = None
            if view is not None:
                view.show(summary)
    results = [client.get_task(task, include_binary=True) for task in sorted(seen)]
    print_json(results) if quiet else print_results(results)
    good = [t.summary for t in results if t.summary.task_status == TaskStatus.SUCCEEDED]
    return {task.problem_id for task in seen} == {s.task_id.problem_id for s in good}


def _view(client: OrchestratorClient, tasks: list[TaskId]) -> Bars | Descent:
    from sustainml_orchestrator.cli.descent import Descent
    from sustainml_orchestrator.cli.tables import Bars

    if len(tasks) == 1:
        user_input = client.get_task(tasks[0]).user_input
        if user_input.optimize_carbon_footprint_auto:
            return Descent(user_input.desired_carbon_footprint)
    return Bars()
