"""`sustainml new module`: writes a module, its test, and its lines in a pipeline file."""

from __future__ import annotations

import importlib.util
import keyword
from pathlib import Path
from typing import Annotated, Any

import typer

from sustainml_orchestrator.cli.console import out, quoted
from sustainml_orchestrator.cli.context import Failure
from sustainml_orchestrator.cli.module_template import Template
from sustainml_orchestrator.cli.pipeline import mistakes
from sustainml_orchestrator.core.pipeline import USER_INPUT, Pipeline
from sustainml_orchestrator.core.pipeline_reader import PipelineError, name_flaw, nearest

_LAUNCH_PLUGINS = ("launch_testing", "launch_ros", "launch_pytest")

new_app = typer.Typer(no_args_is_help=True, help="Write what you need to begin.")


@new_app.callback()
def _group() -> None:
    """Write what you need to begin."""


@new_app.command()
def module(
    name: Annotated[str, typer.Argument(help="Name of the module, in lower case: noise_meter.")],
    output_type: Annotated[
        str, typer.Option(help="Message type of its output: one of ours, or package/msg/Type.")
    ] = "MLModelMetadata",
    inputs: Annotated[
        list[str] | None, typer.Option("--input", help="What it consumes; may be repeated.")
    ] = None,
    folder: Annotated[
        Path, typer.Option(file_okay=False, help="Where to write; it is made if need be.")
    ] = Path(),
    pipeline: Annotated[
        str, typer.Option(help="Pipeline file in that folder; it is made if need be.")
    ] = "pipeline.yaml",
    required: Annotated[
        bool, typer.Option("--required/--optional", help="Whether tasks fail without it.")
    ] = True,
) -> None:
    """Write a module that works, its test, and its lines in a pipeline file.

    sustainml new module noise_meter

    sustainml new module verdict --input noise_meter --output-type HWResource --optional
    """
    graph_file = folder / pipeline
    text, graph = _graph(graph_file)
    consumed = inputs or [USER_INPUT]
    _check(name, consumed, graph, graph_file)
    types = {spec.name: spec.output_type for spec in graph.modules}
    template = Template(name, output_type, {one: types.get(one, "UserInput") for one in consumed})
    files = {
        folder / f"{name}.py": template.module(),
        folder / f"test_{name}.py": template.test(),
        graph_file: with_lines(text, template.lines(required)),
    }
    _write(files, graph_file, text if graph_file.exists() else None)
    out.say(f"try it: python -m pytest{_without_launch()} {quoted(folder / f'test_{name}.py')}")
    out.say(f"run it: sustainml up --pipeline {quoted(graph_file)}")


def _without_launch() -> str:
    """Options for pytest: the plugins of ROS 2 Jazzy's launch end pytest 9 before any test."""
    if importlib.util.find_spec("launch_testing") is None:
        return ""
    return "".join(f" -p no:{plugin}" for plugin in _LAUNCH_PLUGINS)


def _graph(file: Path) -> tuple[str, Pipeline]:
    """The text of a pipeline file, the standard one where there is none, and what it describes."""
    from sustainml_orchestrator.contract import pipeline_file

    source = str(file) if file.exists() else ""
    try:
        return pipeline_file.locate(source).read_text(encoding="utf-8"), pipeline_file.parse(source)
    except PipelineError as error:
        raise Failure(str(error)) from error


def _check(name: str, inputs: list[str], graph: Pipeline, file: Path) -> None:
    if flaw := name_flaw(name) or _foreign_flaw(name):
        raise Failure(f"'{name}' {flaw}", name="INVALID_REQUEST", error_code=2)
    if name in graph.by_name:
        raise Failure(f"{file} has a module {name} already; choose another name")
    known = [USER_INPUT, *graph.by_name]
    for one in inputs:
        if one not in known:
            hint = nearest(one, known).strip() or f"use {', '.join(known)}"
            raise typer.BadParameter(f"there is no input '{one}'; {hint}")


def _foreign_flaw(name: str) -> str:
    """What else than ROS takes the name."""
    if name in ("true", "false", "null"):
        return "is a value of YAML; choose another name"
    if name == "conftest" or name.startswith("test_") or name.endswith("_test"):
        return "is for files of pytest; choose another name"
    if keyword.iskeyword(name) or importlib.util.find_spec(name):
        return "could not be imported: Python has one already; choose another name"
    return ""


def with_lines(text: str, lines: list[str]) -> str:
    """The text of a pipeline file with one more module: at its end, as deep as the others are.

    Raises:
        Failure: the modules are not written one below the other.
    """
    import yaml

    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    modules = next(value for key, value in root.value if key.value == "modules")
    if modules.flow_style or root.flow_style:
        shown = "\n".join(lines)
        raise Failure(f"the modules do not stand one below the other; add these lines: {shown}")
    indent = " " * modules.value[0][0].start_mark.column
    return "\n".join([text.rstrip("\n"), *(indent + line for line in lines), ""])


def _write(files: dict[Path, str], graph_file: Path, before: str | None) -> None:
    """Write the files; if the pipeline is wrong then, as if nothing had been done."""
    for path in files:
        if path != graph_file and path.exists():
            raise Failure(f"{path} exists already; choose another name, or remove it")
    graph_file.parent.mkdir(parents=True, exist_ok=True)
    for path, text in files.items():
        path.write_text(text, encoding="utf-8")
    wrong = mistakes(graph_file)
    if not wrong:
        for path in files:
            out.say(f"wrote {path}")
        return
    for path in files:
        if path != graph_file or before is None:
            path.unlink()
    if before is not None:
        graph_file.write_text(before, encoding="utf-8")
    raise Failure("; ".join(wrong))
