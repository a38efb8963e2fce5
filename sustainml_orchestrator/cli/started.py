"""What `sustainml up` starts: the programs of a pipeline, and how many of each."""

from __future__ import annotations

import typer

from sustainml_orchestrator.cli.console import err
from sustainml_orchestrator.core.pipeline_reader import (
    MAX_REPLICAS,
    PipelineError,
    instances,
    nearest,
)
from sustainml_orchestrator.processes.executables import ExecutableError
from sustainml_orchestrator.processes.programs import MODULES, Program, has_program, programs


def started(
    without: list[str], replicas: list[str], *, namespace: str, pipeline_file: str, **settings: str
) -> list[Program]:
    """The processes that `up` starts.

    Raises:
        typer.BadParameter: a module or the pipeline is wrong.
    """
    from sustainml_orchestrator.contract import pipeline_file as pipeline_files

    try:
        pipeline = pipeline_files.parse(pipeline_file) if pipeline_file else None
        modules = list(pipeline.by_name) if pipeline else list(MODULES)
        for name in without:
            _check_module(name, modules)
        for spec in pipeline.modules if pipeline else ():
            if spec.name not in without and not has_program(spec.name, spec.executable):
                err.say(f"{spec.name} is not started: its executable is not named in the pipeline")
        counts = dict(replicas_of(text, modules) for text in replicas)
        for name, count in counts.items():
            if taken := set(instances(name, count)) & set(modules):
                text = f"{name}={count} gives an instance the name of module {taken.pop()}"
                raise typer.BadParameter(f"replicas {text}; start fewer, or rename that")
        return programs(namespace=namespace, pipeline=pipeline, without=without,
                        replicas=counts,
                        pipeline_file=pipeline_file, **settings)  # fmt: skip
    except (PipelineError, ExecutableError) as error:
        raise typer.BadParameter(str(error)) from error


def _check_module(name: str, modules: list[str]) -> None:
    if name not in modules:
        hint = nearest(name, modules).strip() or f"use one of: {', '.join(modules)}"
        raise typer.BadParameter(f"'{name}' is no module; {hint}")


def replicas_of(text: str, modules: list[str]) -> tuple[str, int]:
    """A module and its number of instances, from MODULE=N.

    Raises:
        typer.BadParameter: it is none.
    """
    name, _, number = text.partition("=")
    _check_module(name, modules)
    if not number.isdecimal() or not 1 <= int(number) <= MAX_REPLICAS:
        raise typer.BadParameter(f"replicas {text}: write MODULE=N, N from 1 to {MAX_REPLICAS}")
    return name, int(number)
