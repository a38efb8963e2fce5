"""The command lines of the orchestrator and the modules of a pipeline."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sustainml_orchestrator.contract.enclaves import enclave
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.pipeline_reader import instances
from sustainml_orchestrator.processes.executables import ELSEWHERE, resolve
from sustainml_orchestrator.processes.fork_server import python_command
from sustainml_orchestrator.processes.instance_parameters import instance_parameters

#: The modules that come with the package.
MODULES = (
    "app_requirements",
    "ml_model_metadata",
    "hw_constraints",
    "ml_model_provider",
    "hw_resources",
    "carbon_tracker",
)


@dataclass(frozen=True)
class Program:
    """A process to supervise.

    Attributes:
        name: prefix of its log lines.
        command: its command line.
        module: the module of a command `python -m module …` that a fork server can run; else "".
    """

    name: str
    command: tuple[str, ...]
    module: str = ""


#: Size of the recording that `sustainml up` keeps beside its journal, in bytes.
RECORDING = 16 * 2**20


def programs(
    *,
    namespace: str,
    pipeline: Pipeline | None = None,
    without: Sequence[str] = (),
    replicas: Mapping[str, int] | None = None,
    params_file: str = "",
    pipeline_file: str = "",
    journal: str = "",
    isolation: str = "",
    log_level: str = "info",
) -> list[Program]:
    """The orchestrator and the modules, with these settings; "" leaves a setting unset.

    Args:
        pipeline: what `pipeline_file` describes; None = the standard modules.
        without: modules that are started by other means.
        replicas: how many instances of a module to start, in place of what the pipeline says.

    Raises:
        ExecutableError: an executable of the pipeline is not there.
    """
    common = ["--ros-args", "-r", f"__ns:=/{namespace.strip('/')}", "--log-level", log_level]
    if params_file:
        common += ["--params-file", _as_utf8(params_file)]
    settings = _given(journal_path=journal, pipeline_file=pipeline_file)
    own = common
    if journal or params_file:  # before the file, which may set another size
        own = [common[0], "-p", f"flight_recorder_bytes:={RECORDING}", *common[1:]]
    given = _given(isolation=isolation, pipeline_file=pipeline_file)
    found = [_program("orchestrator", "node.orchestrator_node", own, settings)]
    folder = Path(pipeline_file).parent
    modules = [(s.name, s.executable, s.replicas) for s in pipeline.modules] if pipeline else []
    for name, executable, count in modules or [(name, "", 1) for name in MODULES]:
        if name not in without and has_program(name, executable):
            module = _module(name, executable and resolve(executable, folder), common, given)
            number = (replicas or {}).get(name, count)
            found += _instances(module, number, params_file, namespace)
    return [_in_its_enclave(program, namespace) for program in found]


def has_program(name: str, executable: str) -> bool:
    """Whether a module of the pipeline is started with the orchestrator."""
    return executable != ELSEWHERE and bool(executable or name in MODULES)


def _module(
    name: str, command: Sequence[str], common: list[str], settings: dict[str, str]
) -> Program:
    if not command:
        return _program(name, f"reference_modules.{name}", common, settings)
    # The node has the name of its module, whichever its program is called.
    return Program(name, (*command, *common, *_parameters(settings), "-r", f"__node:={name}"))


def _instances(module: Program, count: int, params_file: str, namespace: str) -> Iterator[Program]:
    """Yield a program for each instance: MODULE, MODULE_2, MODULE_3 ….

    A parameter file has a section for the module only. The further instances get these parameters
    on their command lines.
    """
    yield module
    words = list(module.command)
    if words[-1] == f"__node:={module.name}":
        del words[-2:]
    # Of several values for a parameter the last one wins: that of our own command line.
    at = words.index("-p") if "-p" in words else len(words)
    for name in instances(module.name, count):
        own = {}
        if params_file:
            own = instance_parameters(params_file, namespace, module.name, name)
        command = (*words[:at], *_parameters(own), *words[at:], "-r", f"__node:={name}")
        yield replace(module, name=name, command=command)


def _in_its_enclave(program: Program, namespace: str) -> Program:
    words = list(program.command)
    first = words.index("--ros-args") + 1
    words[first:first] = ["--enclave", enclave(namespace, program.name)]
    return replace(program, command=tuple(words))


def _program(name: str, module: str, common: list[str], settings: dict[str, str]) -> Program:
    full = f"sustainml_orchestrator.{module}"
    return Program(name, (*python_command(full), *common, *_parameters(settings)), full)


def _given(**settings: str) -> dict[str, str]:
    return {name: value for name, value in settings.items() if value}


def _parameters(settings: Mapping[str, Any]) -> list[str]:
    return [word for key, value in settings.items() for word in ("-p", f"{key}:={_yaml(value)}")]


def _as_utf8(path: str) -> str:
    """A path as rcl reads it: as UTF-8, whichever the encoding of file names is."""
    return os.fsencode(path).decode("utf-8", "surrogateescape")


def _yaml(value: Any) -> str:
    """A value as YAML in ASCII: rcl reads parameter values as YAML, in any locale.

    JSON would not do: YAML knows no surrogate pairs, which JSON has for emoji.
    """
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, bool | int | float):
        return str(value).lower()
    escaped = str(value).encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
