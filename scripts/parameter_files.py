"""Writes config/orchestrator.yaml and docs/parameters.md from the tables of parameters."""

import json
from collections.abc import Iterable
from pathlib import Path
from textwrap import wrap

from sustainml_orchestrator.contract.parameters import Spec
from sustainml_orchestrator.node import parameters as orchestrator
from sustainml_orchestrator.sdk import parameters as module

ROOT = Path(__file__).resolve().parents[1]
_HEAD = """\
# Every parameter of the orchestrator with its default; `make parameters` writes this file.
# For any namespace: --ros-args --params-file THIS, or params_file:=THIS of the launch file.
/**/orchestrator:
  ros__parameters:
"""
_DOCUMENT = """\
# Parameters

`make parameters` writes this file; `ros2 param describe` shows the same.
[config/orchestrator.yaml](../config/orchestrator.yaml) holds those of the orchestrator.

## Orchestrator

{}

## Module nodes

All are read at start only: set them when the node is started.

{}
"""


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


def generated() -> dict[Path, str]:
    """The content of each file."""
    return {
        ROOT / "config" / "orchestrator.yaml": _HEAD + "".join(map(_yaml, orchestrator.TABLE)),
        ROOT / "docs" / "parameters.md": _DOCUMENT.format(
            _table(orchestrator.TABLE), _table(module.TABLE)
        ),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text, encoding="utf-8")
