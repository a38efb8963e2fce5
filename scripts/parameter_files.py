"""Writes config/orchestrator.yaml and docs/parameters.md from the tables of parameters."""

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from textwrap import wrap

from sustainml_orchestrator.contract.parameters import Spec
from sustainml_orchestrator.node import parameters as orchestrator
from sustainml_orchestrator.processes.programs import MODULES
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.sdk import parameters as module

ROOT = Path(__file__).resolve().parents[1]
_HEAD = """\
# Every parameter of the orchestrator and its modules with its default, a section for each node;
# `make parameters` writes this file. For any namespace: --ros-args --params-file THIS, or
# params_file:=THIS of the launch file.
/**/orchestrator:
  ros__parameters:
"""
_DOCUMENT = """\
# Parameters

`make parameters` writes this file; `ros2 param describe` shows the same.
[config/orchestrator.yaml](../config/orchestrator.yaml) holds all, a section for each node; give a
copy of it to `ros2 launch … params_file:=` or `sustainml up --params`. A node warns of parameters
that it does not know, with the nearest name, and of its sections in another namespace; the
orchestrator warns of sections that name no node. A value of a wrong type, or out of range, ends
the node.

## Orchestrator

{}

## Module nodes

All are read at start only: set them when the node is started.

{}

## Settings of the reference modules

They are parameters of the node of each module: `ros2 param set /sustainml/carbon_tracker pue 1.2`
and `sustainml configure carbon_tracker '{{"pue": 1.2}}'` do the same, and each shows what the other
has set.
{}"""


def _yaml(spec: Spec) -> str:
    limits = f" ({spec.allowed})" if spec.allowed else ""
    note = "; read at start only" if spec.read_only else ""
    comment = wrap(f"{spec.description}{note}{limits}", 94)
    lines = [f"    # {line}\n" for line in comment]
    return "".join([*lines, f"    {spec.name}: {json.dumps(spec.default)}\n"])


def _table(table: Iterable[Spec]) -> str:
    rows = ["| parameter | default | allowed | |", "|---|---|---|---|"]
    for spec in table:
        note = "; read at start only" if spec.read_only else ""
        default = json.dumps(spec.default)
        rows.append(f"| `{spec.name}` | {default} | {spec.allowed} | {spec.description}{note} |")
    return "\n".join(rows)


def _section(node: str, table: Iterable[Spec]) -> str:
    return f"\n/**/{node}:\n  ros__parameters:\n" + "".join(map(_yaml, table))


def _modules() -> str:
    """Sections of the modules; `/**` for all would reach the orchestrator, too."""
    tables = {name: TABLE.get(name, ()) for name in MODULES}
    read_only = [replace(spec, read_only=True) for spec in module.TABLE]
    return "".join(_section(name, [*table, *read_only]) for name, table in tables.items())


def _settings() -> str:
    return "".join(f"\n### {name}\n\n{_table(table)}\n" for name, table in TABLE.items())


def generated() -> dict[Path, str]:
    """The content of each file."""
    return {
        ROOT / "config" / "orchestrator.yaml": _HEAD
        + "".join(map(_yaml, orchestrator.TABLE))
        + _modules(),
        ROOT / "docs" / "parameters.md": _DOCUMENT.format(
            _table(orchestrator.TABLE), _table(module.TABLE), _settings()
        ),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
