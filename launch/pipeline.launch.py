"""The orchestrator and the modules of a pipeline file, with the executables that it names.

ros2 launch sustainml_orchestrator pipeline.launch.py pipeline_file:=/path/to/my_pipeline.yaml
ros2 launch sustainml_orchestrator pipeline.launch.py replicas:=ml_model_provider=3,hw_resources=2
"""

from __future__ import annotations

from pathlib import Path

from launch.actions import (
    DeclareLaunchArgument,
    ExecuteProcess,
    IncludeLaunchDescription,
    OpaqueFunction,
)
from launch.substitutions import LaunchConfiguration

from launch import LaunchContext, LaunchDescription
from sustainml_orchestrator.cli.started import started

#: Default and description of each argument.
ARGUMENTS = {
    "namespace": ("sustainml", "namespace of all nodes"),
    "pipeline_file": ("", "the module graph; empty = the standard one"),
    "params_file": ("", "parameters of all nodes"),
    "journal_path": (
        "",
        "SQLite file of the database; auto = in its usual place; none; empty = as params_file "
        "says, else auto",
    ),
    "isolation": (
        "",
        "where the modules' user code runs: process or thread; empty = as params_file says",
    ),
    "use_sim_time": ("false", "whether stamps are those of the topic /clock"),
    "use_respawn": ("true", "whether processes that end are started again"),
    "log_level": ("info", "debug, info, warn, error or fatal"),
    "replicas": ("", "how many instances of modules to start: MODULE=N,MODULE=N"),
    "without": ("", "modules not to start: MODULE,MODULE"),
}


#: Ctrl-C waits until a node of this package handles it. Other programs may never unblock it.
_PREFIX = "env --block-signal=INT"


def _start(context: LaunchContext) -> list[ExecuteProcess]:
    """One action for each process."""
    values = {name: LaunchConfiguration(name).perform(context) for name in ARGUMENTS}
    pipeline = values["pipeline_file"]
    programs = started(
        list(filter(None, values["without"].split(","))),
        list(filter(None, values["replicas"].split(","))),
        namespace=values["namespace"],
        pipeline_file=str(Path(pipeline).absolute()) if pipeline else "",
        params_file=values["params_file"],
        journal=values["journal_path"],
        isolation=values["isolation"],
        log_level=values["log_level"],
    )
    use_sim_time = values["use_sim_time"].lower() == "true"
    sim_time = ["-p", "use_sim_time:=true"] if use_sim_time else []
    return [
        ExecuteProcess(
            cmd=[*program.command, *sim_time],
            name=program.name,
            output="screen",
            prefix=_PREFIX if program.module else None,
            respawn=values["use_respawn"].lower() == "true",
            respawn_delay=1.0,
        )
        for program in programs
    ]


def generate_launch_description() -> LaunchDescription:
    """The arguments, then the processes."""
    arguments = [
        DeclareLaunchArgument(name, default_value=default, description=text)
        for name, (default, text) in ARGUMENTS.items()
    ]
    shared = IncludeLaunchDescription(str(Path(__file__).with_name("shared.launch.py")))
    return LaunchDescription([*arguments, shared, OpaqueFunction(function=_start)])
