"""Further instances of the modules of sustainml.launch.xml, which includes this file.

replicas:=ml_model_provider=3 starts /sustainml/ml_model_provider_2 and _3 beside the node that the
launch file starts itself. They have the parameters of their module in params_file.
"""

from __future__ import annotations

from typing import Any

from launch.actions import OpaqueFunction
from launch_ros.actions import Node

from launch import LaunchContext, LaunchDescription
from sustainml_orchestrator.cli.started import replicas_of
from sustainml_orchestrator.contract.enclaves import enclave
from sustainml_orchestrator.processes.instance_parameters import instance_parameters
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
    own = instance_parameters(values["params_file"], values["namespace"], module, name)
    return Node(
        package="sustainml_orchestrator",
        executable=module,
        exec_name=name,
        name=name,
        namespace=values["namespace"],
        output="screen",
        respawn=values["use_respawn"].lower() == "true",
        respawn_delay=1.0,
        prefix="env --block-signal=INT",  # until the node handles it
        ros_arguments=[
            *("--enclave", enclave(values["namespace"], name)),
            *("--log-level", values["log_level"]),
        ],
        parameters=[
            values["params_file"],
            *([own] if own else []),
            values["overrides_file"],
        ],
    )


def generate_launch_description() -> LaunchDescription:
    """The further instances."""
    return LaunchDescription([OpaqueFunction(function=_start)])
