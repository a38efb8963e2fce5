"""The commands of docker/compose.yaml as processes: containers need an engine."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from sustainml_orchestrator.cli import web
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.processes.programs import MODULES

ROOT = Path(__file__).parents[2]
ENTRYPOINT = str(ROOT / "docker" / "entrypoint.sh")


def compose() -> dict[str, dict[str, object]]:
    text = (ROOT / "docker" / "compose.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text)["services"])


def test_one_container_for_each_node() -> None:
    services = compose()
    assert set(services) == {"orchestrator", "web", *MODULES}
    for name in MODULES:
        assert services[name]["command"] == [name]
    assert services["web"]["ports"] == ["127.0.0.1:8080:8080"], "on this machine alone"


def test_the_web_page_of_the_image_can_be_published() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    (command,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    assert json.loads(command) == ["sustainml", "up", "--web-host", "0.0.0.0"]
    shown = web.program("/x", 8080, "", "0.0.0.0").command
    assert shown[-5:] == ("web", "--host", "0.0.0.0", "--port", "8080")


@pytest.mark.timeout(90)
def test_the_commands_make_a_system(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        **dict(compose()["orchestrator"]["environment"]),  # type: ignore[call-overload]
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
        "ROS_DOMAIN_ID": str(domain.free(range(1, 100))),
        "ROS_HOME": str(tmp_path),
    }
    commands = [service["command"] for name, service in compose().items() if name != "web"]
    processes = [
        subprocess.Popen([ENTRYPOINT, *map(str, command)], env=environment,  # type: ignore[call-overload]
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]  # fmt: skip
    try:
        look = [ENTRYPOINT, "sustainml", "nodes", "--json"]
        states: set[str] = set()
        deadline = time.monotonic() + 60
        while states != {"IDLE"} and time.monotonic() < deadline:
            found = subprocess.run(
                look, env=environment, capture_output=True, text=True, check=False
            )
            if found.returncode == 0:
                states = {node["status_text"] for node in json.loads(found.stdout)}
        assert states == {"IDLE"}
    finally:
        for process in processes:
            process.terminate()
        assert [process.wait(15) for process in processes] == [0] * len(processes)
