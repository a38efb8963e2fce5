"""The three modules that read texts as real nodes: real messages, processes and DDS."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

# The scripted orchestrator belongs to the tests of the SDK.
from support.scripted_modules import ScriptedOrchestrator
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskStatus
from sustainml_orchestrator.core.ids import NodeStatus as Status
from sustainml_orchestrator.reference_modules import (
    app_requirements,
    hw_constraints,
    ml_model_metadata,
)

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
SCRIPTS = {
    module.__name__.rpartition(".")[2]: Path(module.__file__ or "")
    for module in (ml_model_metadata, app_requirements, hw_constraints)
}
EXAMPLES = Path(__file__).parents[2] / "config" / "examples"
Start = Callable[[str], ScriptedOrchestrator]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts one module and waits until it is idle; ends it after the test."""
    made: list[ScriptedOrchestrator] = []

    def _start(module: str) -> ScriptedOrchestrator:
        orchestrator = ScriptedOrchestrator(f"/reading_{os.getpid()}_{module}", tmp_path)
        made.append(orchestrator)
        orchestrator.launch("", script=SCRIPTS[module], module=module)
        orchestrator.order(node=NodeCommand.START)
        orchestrator.await_node(Status.IDLE)
        return orchestrator

    yield _start
    for orchestrator in made:
        orchestrator.close()


def example(name: str) -> dict[str, Any]:
    """The fields of an example problem, as they are sent."""
    fields = yaml.safe_load((EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    assert set(fields) <= set(UserInput.get_fields_and_field_types())
    fields["extra_data"] = json.dumps(fields.get("extra_data", {})).encode()
    return fields


def about(message: Any) -> dict[str, Any]:
    """The JSON object in extra_data."""
    return json.loads(bytes(message.extra_data))


def test_ml_model_metadata(start: Start) -> None:
    """Each example gets its task; an unclear text is refused with advice; queries are answered."""
    orchestrator = start("ml_model_metadata")
    tasks = {
        "circuit_boards": "object-detection",
        "customer_reviews": "text-classification",
        "voice_commands": "audio-classification",
    }
    for number, (name, tag) in enumerate(tasks.items(), start=1):
        orchestrator.send("user_input", (number, 1), **example(name))
        output = orchestrator.output((number, 1))
        assert output.ml_model_metadata[0] == about(output)["ml_task"] == tag
        assert 0.5 < about(output)["confidence"] <= 1.0
        assert output.keywords

    orchestrator.send("user_input", (9, 1), problem_definition="flurb the snazzle")
    status = orchestrator.await_task((9, 1), TaskStatus.ERROR)
    assert status.error_code == ErrorCode.INVALID_REQUEST
    assert "extra_data.goal" in status.error_description

    answer = orchestrator.configure('{"query": "modality"}', "ml_model_metadata")
    assert answer.success
    assert json.loads(answer.configuration)["modalities"].startswith("image, text")
    answer = orchestrator.configure('{"min_confidence": 2}', "ml_model_metadata")
    assert not answer.success
    assert "outside 0 to 1" in answer.message


def test_app_requirements(start: Start) -> None:
    orchestrator = start("app_requirements")
    fields = example("circuit_boards")
    fields["extra_data"] = b'{"goal": "object-detection", "hf_token": "t"}'
    orchestrator.send("user_input", (1, 1), **fields)
    output = orchestrator.output((1, 1))
    assert {"max_latency:0.2", "connectivity:offline", "maximum_samples:250000"} <= set(
        output.app_requirements
    )
    assert about(output)["goal"] == "object-detection"
    assert "hf_token" not in about(output)
    answer = orchestrator.configure('{"always": ["licence:permissive"]}', "app_requirements")
    assert json.loads(answer.configuration)["always"] == ["licence:permissive"]
    orchestrator.send("user_input", (2, 1))
    assert orchestrator.output((2, 1)).app_requirements == ["licence:permissive"]


def test_hw_constraints(start: Start) -> None:
    orchestrator = start("hw_constraints")
    orchestrator.send("user_input", (1, 1), **example("circuit_boards"))
    output = orchestrator.output((1, 1))
    assert (output.max_memory_footprint, output.hardware_required) == (4096, ["edge"])
    orchestrator.send("user_input", (2, 1), problem_definition="on an ESP32-S3 with 512 KB RAM")
    output = orchestrator.output((2, 1))
    assert (output.max_memory_footprint, output.hardware_required) == (1, ["ESP32-S3"])
    assert about(output)["max_memory_footprint_mib"] == 0.5
    orchestrator.send("user_input", (3, 1), extra_data=b'{"max_memory_footprint": -5}')
    status = orchestrator.await_task((3, 1), TaskStatus.ERROR)
    assert status.error_code == ErrorCode.INVALID_REQUEST
    assert "give a number of MiB" in status.error_description
