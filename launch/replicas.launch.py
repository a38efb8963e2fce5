"""Further instances of the modules of sustainml.launch.xml, which includes this file.

replicas:=ml_model_provider=3 starts /sustainml/ml_model_provider_2 and _3 beside the node that the
launch file starts itself. They have the parameters of their module in params_file.
"""

from __future__ import annotations

import atexit
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from sustainml_orchestrator.cli.started import replicas_of
from sustainml_orchestrator.processes.programs import MODULES


def _start(context: LaunchContext) -> list[Node]:
    """One action for each further instance.

    Raises:
        typer.BadParameter: the argument is no list of MODULE=N.
    """
    values = context.launch_configurations
    counts = dict(
        replicas_of(text, list(MODULES)) for text in filter(None, values["replicas"].split(","))
    )
    return [
        _instance(values, module, number)
        for module, count in counts.items()
        if values.get(module, "true").lower() == "true"
        for number in range(2, count + 1)
    ]


def _instance(values: dict[str, Any], module: str, number: int) -> Node:
    name = f"{module}_{number}"
    return Node(
        package="sustainml_orchestrator",
        executable=module,
        exec_name=name,
        name=name,
        namespace=values["namespace"],
        output="screen",
        respawn=values["use_respawn"].lower() == "true",
        respawn_delay=1.0,
        prefix="env --block-signal=INT",  # until the node can end in order
        ros_arguments=["--log-level", values["log_level"]],
        parameters=[
            values["params_file"],
            _renamed(values["params_file"], module, name),
            values["overrides_file"],
        ],
    )


def _renamed(params_file: str, module: str, name: str) -> str:
    """A file with the parameters of a module for a node of another name."""
    data = yaml.safe_load(Path(params_file).read_text(encoding="utf-8"))
    parameters: dict[str, Any] = {}
    for section in _sections(data, module):
        parameters |= section
    with tempfile.NamedTemporaryFile(
        "w", prefix="sustainml_", suffix=".yaml", delete=False
    ) as file:
        file.write(json.dumps({f"/**/{name}": {"ros__parameters": parameters}}))
    atexit.register(Path(file.name).unlink, missing_ok=True)
    return file.name


def _sections(data: Any, module: str) -> Iterator[dict[str, Any]]:
    """The parameters of a node, in whichever namespace, of a file of parameters."""
    for key, value in data.items() if isinstance(data, dict) else ():
        if str(key).rpartition("/")[2] == module and isinstance(value, dict):
            found = value.get("ros__parameters")
            if isinstance(found, dict):
                yield found
        yield from _sections(value, module)


def generate_launch_description() -> LaunchDescription:
    """The further instances."""
    return LaunchDescription([OpaqueFunction(function=_start)])
