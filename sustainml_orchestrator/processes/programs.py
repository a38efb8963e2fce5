"""The command lines of the orchestrator and the standard modules."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from sustainml_orchestrator.processes.fork_server import python_command

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


def programs(
    *,
    namespace: str,
    without: Sequence[str] = (),
    params_file: str = "",
    pipeline_file: str = "",
    journal: str = "",
    isolation: str = "",
    log_level: str = "info",
) -> list[Program]:
    """The orchestrator and the modules, with these settings; "" leaves a setting unset."""
    common = ["--ros-args", "-r", f"__ns:=/{namespace.strip('/')}", "--log-level", log_level]
    if params_file:
        # rcl reads it as UTF-8, whichever the encoding of file names is.
        common += ["--params-file", os.fsencode(params_file).decode("utf-8", "surrogateescape")]
    modules = {name: {"isolation": isolation} for name in MODULES if name not in without}
    settings = {"journal_path": journal, "pipeline_file": pipeline_file}
    return [
        _program("orchestrator", "node.orchestrator_node", common, settings),
        *(
            _program(name, f"reference_modules.{name}", common, given)
            for name, given in modules.items()
        ),
    ]


def _program(name: str, module: str, common: list[str], settings: dict[str, str]) -> Program:
    given = [word for k, v in settings.items() if v for word in ("-p", f"{k}:={_quoted(v)}")]
    full = f"sustainml_orchestrator.{module}"
    return Program(name, (*python_command(full), *common, *given), full)


def _quoted(text: str) -> str:
    """A text as a YAML scalar in ASCII: rcl reads parameter values as YAML, in any locale."""
    escaped = text.encode("unicode_escape").decode("ascii").replace('"', '\\"')
    return f'"{escaped}"'
