"""A graph of one's own: fewer modules, and new ones as `sustainml new module` writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from support.up_process import Up, sustainml
from sustainml_msgs.msg import UserInput
from typer.testing import CliRunner

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.core.ids import TaskId, TaskStatus

#: Modules of the standard graph that are left out.
LEFT_OUT = ("hw_resources", "carbon_tracker")


def new_module(folder: Path, *words: str) -> None:
    result = CliRunner().invoke(app, ["new", "module", "--folder", str(folder), *words])
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline file with modules as they were written, and one that is never there."""
    folder = tmp_path_factory.mktemp("graph")
    new_module(folder, "noise_meter", "--optional")
    new_module(folder, "ghost", "--optional", "--output-type", "HWConstraints")
    file = folder / "pipeline.yaml"
    data = yaml.safe_load(file.read_text())
    for name in LEFT_OUT:
        del data["modules"][name]
    data["modules"]["ghost"]["executable"] = "none"
    file.write_text(yaml.safe_dump(data, sort_keys=False))
    inputs = ("--input", "noise_meter", "--input", "ghost")
    new_module(folder, "verdict", *inputs, "--output-type", "HWResource")
    return file


@pytest.fixture(scope="module")
def system(graph: Path) -> Iterator[Up]:
    up = Up("--pipeline", str(graph), "--replicas", "noise_meter=2")
    try:
        up.wait_for_line("[up] ready")
        yield up
    finally:
        up.end()


def test_what_is_written_passes_its_own_tests(graph: Path) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(graph.parent)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=50, check=False)
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout + done.stderr


def test_tasks_are_done_by_that_graph(system: Up) -> None:
    with OrchestratorClient(system.namespace, timeout=20.0) as client:
        first = client.start_task(UserInput(problem_definition="tell cats from dogs"))
        again = client.start_iteration(TaskId(first.problem_id, 1))
        for task_id in (first, again):  # the second one joins the only baseline that is left
            (*_, last) = client.watch([task_id], timeout=40.0)
            assert last.task_status == TaskStatus.SUCCEEDED, last.outcome_reason
            assert last.outcome_reason.startswith("every required module delivered; done without")
            assert last.progress == 1.0
        task = client.get_task(first)
    steps = {step.node_name: step for step in task.summary.modules}
    assert not set(LEFT_OUT) & set(steps)
    assert not steps["ghost"].has_output and "never been seen" in steps["ghost"].error_description
    assert steps["noise_meter"].finished.sec > 0 and steps["verdict"].tries == 1
    outputs = {output.node_name: json.loads(output.json) for output in task.extra_outputs}
    assert outputs["noise_meter"]["keywords"] == ["cats", "dogs", "from", "tell"]
    assert outputs["verdict"]["hw_description"] == "my board"


def test_the_command_line_shows_that_graph(system: Up, graph: Path) -> None:
    nodes = json.loads(sustainml(system, "nodes", "--json").stdout)
    instances = {node["node_name"]: len(node["instances"]) for node in nodes}
    assert instances["ghost"] == 0 and instances["noise_meter"] == 2
    drawing = sustainml(system, "pipeline", "show", str(graph)).stdout
    assert "optional, waited for 5 s" in drawing and "verdict" in drawing
    configured = sustainml(system, "configure", "noise_meter", '{"factor": 3}', "--json").stdout
    assert json.loads(configured)["factor"] == 3.0
    sustainml(system, "configure", "verdict", '{"factor": 3}')
    with OrchestratorClient(system.namespace, timeout=20.0) as client:
        assert client.get_parameters("verdict", ["factor"], timeout=20.0) == {"factor": 3.0}
