"""The commands on nodes, and who may use a framework."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from support.system import wait_for
from support.up_process import Up, sustainml
from sustainml_msgs.srv import Configure

from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.processes.programs import MODULES


def test_a_stopped_node_and_its_task(running: Up) -> None:
    assert "INACTIVE" in sustainml(running, "node", "stop", "hw_resources").stdout
    findings = json.loads(sustainml(running, "doctor", "--json", code=1).stdout)["findings"]
    assert any(f["remedy"] == "sustainml node start hw_resources" for f in findings)
    submitted = sustainml(
        running, "submit", "--define", "tell cats from dogs [in photos]", "--json"
    )
    name = json.loads(submitted.stdout)["task"]
    assert "WAITING" in sustainml(running, "list", "--status", "waiting").stdout
    refused = sustainml(running, "task", "preempt", name, code=1)
    assert "REJECTED" in refused.stderr
    assert "STOPPED" in sustainml(running, "task", "stop", name).stdout
    assert "hw_resources" in sustainml(running, "node", "start", "all").stdout
    assert "WAITING" in sustainml(running, "task", "reset", name).stdout
    assert "succeeded" in sustainml(running, "watch", name).stdout
    assert "version" in sustainml(running, "doctor").stdout


def test_nodes_and_their_configuration(running: Up) -> None:
    states = json.loads(sustainml(running, "nodes", "--json").stdout)
    assert [state["node_name"] for state in states] == list(MODULES)
    assert "pue" in json.loads(sustainml(running, "configure", "carbon_tracker").stdout)
    assert "use one of" in sustainml(running, "configure", "carbon", code=1).stderr


def set_past_the_orchestrator(namespace: str, pue: float, inferences: int) -> None:
    """Set a parameter, as `ros2 param set` does, and call the configure service of a module."""
    with OrchestratorClient(namespace) as client:
        parameters = AsyncParameterClient(client.node, f"{namespace}/carbon_tracker")
        service = client.node.create_client(Configure, "carbon_tracker/configure")
        wait_for(lambda: parameters.services_are_ready() and service.service_is_ready(), 20.0)
        done = parameters.set_parameters([Parameter("pue", value=pue)])
        wait_for(done.done, 20.0)
        assert done.result().results[0].successful
        request = Configure.Request(configuration=json.dumps({"inferences": inferences}))
        answered = service.call_async(request)
        wait_for(answered.done, 20.0)
        assert answered.result().success, answered.result().message


def test_nodes_show_losses_and_a_new_process_has_the_settings(running: Up) -> None:
    set_past_the_orchestrator(running.namespace, 1.75, 12345)
    sustainml(running, "configure", "carbon_tracker", '{"lifetime_years": 7}')
    process = running.leader("carbon_tracker")
    assert process is not None
    process.kill()

    def restarted() -> bool:
        nodes = json.loads(sustainml(running, "nodes", "--json").stdout)
        (node,) = (n for n in nodes if n["node_name"] == "carbon_tracker")
        return node["restarts"] == 1 and node["status_text"] == "IDLE"

    wait_for(restarted, 20.0)
    (row,) = re.findall(r"carbon_tracker +IDLE.*", sustainml(running, "nodes").stdout)
    assert re.search(r" 1 +[\d.]+ .* ago +carbon_tracker: ", row), row
    settings = json.loads(sustainml(running, "configure", "carbon_tracker").stdout)
    assert settings["lifetime_years"] == 7.0
    assert (settings["pue"], settings["inferences"]) == (1.75, 12345)
    assert "node.configured" in sustainml(running, "history", "carbon_tracker").stdout


AS_ANOTHER_USER = """
import os, sys
from sustainml_orchestrator.cli.main import app
domain, namespace, timeout = os.environ["ROS_DOMAIN_ID"], sys.argv[1], sys.argv[3]
os.environ["ROS_DOMAIN_ID"] = sys.argv[2]
for command in ("list", "doctor"):  # loads what the user cannot read
    app(["--timeout", "0.2", command], standalone_mode=False)
os.environ["ROS_DOMAIN_ID"] = domain
os.setgroups([])
os.setresgid(65534, 65534, 65534)
os.setresuid(65534, 65534, 65534)
sys.stdout = sys.stderr
for command in sys.argv[4:]:
    words = ["--namespace", namespace, "--timeout", timeout, command]
    print("code", app(words, standalone_mode=False), file=sys.stderr)
"""
#: A profile of the user that has the transports of Fast DDS by default, shared memory among them.
THEIRS = """<dds xmlns="http://www.eprosima.com"><profiles>
<participant profile_name="theirs"><rtps/></participant></profiles></dds>"""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def as_another_user(up: Up, timeout: int, *words: str, **environment: str) -> str:
    """What commands say to the user nobody; after each comes its exit code."""
    other = str(domain.free(range(1, domain.LAST_SAFE)))
    command = [sys.executable, "-c", AS_ANOTHER_USER, up.namespace, other, str(timeout), *words]
    return subprocess.run(
        command, env={**os.environ, **environment},
        capture_output=True, text=True, timeout=60, check=False,
    ).stderr  # fmt: skip


@as_root
def test_another_user_is_answered(running: Up) -> None:
    said = as_another_user(running, 20, "list", "doctor", HOME="/", ROS_HOME="/tmp")
    assert re.findall(r"^code \d", said, re.MULTILINE)[-2:] == ["code 0", "code 0"], said
    assert "another user" not in said


@as_root
def test_another_user_learns_that_an_orchestrator_was_stopped(running: Up) -> None:
    process = running.leader("orchestrator")
    assert process is not None
    process.suspend()
    try:
        said = as_another_user(running, 3, "list", "doctor")
    finally:
        process.resume()
    wait_for(lambda: sustainml(running, "list"), 20.0)
    text = f"another user (root) of namespace {running.namespace} runs here in domain "
    assert said.count(text) >= 2 and "was stopped by a signal" in said, said
    assert said.count(f"kill -CONT {process.pid}") == 2 and "shared memory" not in said
    assert re.findall(r"^code \d", said, re.MULTILINE)[-2:] == ["code 3", "code 3"]


@as_root
def test_another_user_learns_why_shared_memory_is_not_answered(running: Up, tmp_path: Path) -> None:
    """Also where an orchestrator of another namespace runs here."""
    assert running.leader("orchestrator") is not None
    theirs = tmp_path / "theirs.xml"
    theirs.write_text(THEIRS)
    names = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
    up = Up("--isolation", "thread", variables={name: str(theirs) for name in names})
    try:
        up.wait_for_line("[up] ready")
        works = {
            "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET",
            "FASTDDS_BUILTIN_TRANSPORTS": "UDPv4",
        }
        for command in ("list", "doctor"):
            said = as_another_user(up, 3, command)
            assert "shared memory of another user cannot be read" in said, said
            assert "(root)" in said and said.splitlines()[-1] in ("code 1", "code 3")
            assert all(f"{name}={value}" in said for name, value in works.items())
        said = as_another_user(up, 30, "list", **works)
        assert said.splitlines()[-1] == "code 0", said
    finally:
        up.end()


def test_a_second_system_in_the_same_place_is_refused(running: Up) -> None:
    second = Up(namespace=running.namespace)
    try:
        second.wait_for_line("runs already")
        assert second.process.wait(10.0) == ExitCode.NAME_TAKEN
    finally:
        second.end()
