"""The saved perspective of rqt names plugins, topics and services that exist."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

from sustainml_msgs.msg import SystemState

from sustainml_orchestrator.contract import names

FILE = Path(__file__).parents[2] / "config" / "rqt" / "sustainml.perspective"
PLUGINS = {
    "rqt_graph/RosGraph", "rqt_robot_monitor/RobotMonitor", "rqt_service_caller/ServiceCaller",
    "rqt_plot/Plot", "rqt_console/Console",
}  # fmt: skip


def value(*path: str) -> Any:
    """A value of the file: rqt evaluates it as Python."""
    group = json.loads(FILE.read_text(encoding="utf-8"))
    *groups, key = path
    for name in groups:
        group = group["groups"][name]
    return ast.literal_eval(group["keys"][key]["repr"])


def test_it_opens_the_plugins_of_the_guide() -> None:
    assert value("pluginmanager", "running-plugins") == {name: [1] for name in PLUGINS}


def test_what_it_plots_and_calls_exists() -> None:
    prefix = f"/{names.DEFAULT_NAMESPACE.strip('/')}/orchestrator"
    topics = value("pluginmanager", "plugin__rqt_plot__Plot__1", "plugin", "topics")
    for topic in topics:
        path, _, field = topic.rpartition("/")
        assert path == f"{prefix}/system_state"
        assert field in SystemState.get_fields_and_field_types()
    service = value(
        "pluginmanager", "plugin__rqt_service_caller__ServiceCaller__1", "plugin",
        "current_service_name",
    )  # fmt: skip
    assert service == f"{prefix}/get_task"
