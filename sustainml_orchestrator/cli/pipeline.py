"""`sustainml pipeline`: shows a module graph, and finds the mistakes in one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sustainml_orchestrator.cli import pipeline_drawing as drawing
from sustainml_orchestrator.cli.console import Table, err, out, write_json
from sustainml_orchestrator.cli.context import EXIT_FAILED, AsJson, Failure
from sustainml_orchestrator.core.pipeline_reader import Mistake, PipelineError, Reader, refusal
from sustainml_orchestrator.processes.executables import ELSEWHERE, ExecutableError, resolve

if TYPE_CHECKING:
    from sustainml_orchestrator.core.pipeline import Pipeline

pipeline_app = typer.Typer(no_args_is_help=True, help="Show or check a module graph.")

_File = Annotated[
    Path | None,
    typer.Argument(exists=True, dir_okay=False, help="Pipeline file; by default the standard one."),
]


@pipeline_app.command()
def show(
    file: _File = None,
    dot: Annotated[bool, typer.Option("--dot", help="For Graphviz.")] = False,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="For Mermaid.")] = False,
    as_json: AsJson = False,
) -> None:
    """Draw a module graph.

    sustainml pipeline show

    sustainml pipeline show config/pipeline.yaml --dot > graph.dot
    """
    from sustainml_orchestrator.contract import pipeline_file

    try:
        pipeline = pipeline_file.parse(str(file or ""))
    except PipelineError as error:
        raise Failure(str(error)) from error
    if as_json:
        write_json({"modules": [_plain(spec) for spec in pipeline.modules]})
    elif dot:
        out.print(drawing.as_dot(pipeline), soft_wrap=True)
    elif mermaid:
        out.print(drawing.as_mermaid(pipeline), soft_wrap=True)
    else:
        _print_drawing(pipeline)


def _print_drawing(pipeline: Pipeline) -> None:
    table = Table(["", "module", "output", ""])
    for lines, name in drawing.as_text(pipeline):
        spec = pipeline.by_name.get(name)
        rest = (spec.output_type, drawing.details(spec)) if spec else ("", "")
        table.add(lines, name, *rest)
    out.print(table)


def _plain(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__slots__}


@pipeline_app.command()
def check(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="Pipeline file.")],
    as_json: AsJson = False,
) -> None:
    """Name every mistake in a pipeline file, with its line and what to do.

    sustainml pipeline check config/pipeline.yaml
    """
    from sustainml_orchestrator.contract import pipeline_file

    texts = mistakes(file)
    if as_json:
        write_json({"success": not texts, "mistakes": texts})
    else:
        for text in texts:
            err.say(text)
    if texts:
        raise typer.Exit(EXIT_FAILED)
    if not as_json:
        count = len(pipeline_file.parse(str(file)).modules)
        out.say(f"{file}: {count} module{'s' * (count > 1)}, no mistakes")


def mistakes(file: Path) -> tuple[str, ...]:
    """Every mistake in a pipeline file, in the order of their lines."""
    from sustainml_orchestrator.contract import pipeline_file

    try:
        data, lines, found = pipeline_file.read(str(file))
    except PipelineError as error:
        return error.texts
    reader = Reader()
    modules = reader.modules(data)
    reader.order(modules)
    known = {mistake.path for mistake in reader.mistakes}
    found = [*found, *reader.mistakes]
    for name, values in modules.items():
        for key, flaw in (("output_type", _type_flaw), ("executable", _executable_flaw)):
            path = "modules", name, key
            if path in known or key not in values:
                continue
            if remedy := flaw(values[key], file):
                found.append(Mistake(path, remedy))
    return refusal(str(file), found, lines).texts if found else ()


def _type_flaw(name: str, file: Path) -> str:
    from sustainml_orchestrator.contract.module_graph import type_flaw  # loads ROS

    flaw = type_flaw(name)
    return f"{name} {flaw}" if flaw else ""


def _executable_flaw(executable: str, file: Path) -> str:
    if executable not in ("", ELSEWHERE):
        try:
            resolve(executable, file.parent)
        except ExecutableError as error:
            return str(error)
    return ""
