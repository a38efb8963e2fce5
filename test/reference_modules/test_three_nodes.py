"""The three modules as real nodes: real messages, processes and DDS."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# The scripted orchestrator belongs to the tests of the SDK.
from std_msgs.msg import Header
from support.scripted_modules import ScriptedOrchestrator

from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskStatus
from sustainml_orchestrator.core.ids import NodeStatus as Status
from sustainml_orchestrator.reference_modules import carbon_tracker, hw_resources, ml_model_provider
from sustainml_orchestrator.reference_modules.estimate import requirements

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
SCRIPTS = {
    module.__name__.rpartition(".")[2]: Path(module.__file__ or "")
    for module in (ml_model_provider, hw_resources, carbon_tracker)
}
FIRST, SECOND = (1, 1), (1, 2)


class Stage:
    """One module node and what it is sent."""

    def __init__(self, module: str, folder: Path) -> None:
        self.module = module
        self.orchestrator = ScriptedOrchestrator(f"/three_{os.getpid()}_{module}", folder)
        self.orchestrator.launch("", script=SCRIPTS[module], module=module)
        self.orchestrator.order(node=NodeCommand.START)
        self.orchestrator.await_node(Status.IDLE)

    def solve(self, task_id: tuple[int, int], **inputs: dict[str, Any]) -> Any:
        """Send the inputs of a task; return the output."""
        for name, fields in inputs.items():
            self.orchestrator.send(name.replace("__", "/"), task_id, **fields)
        return self.orchestrator.output(task_id)

    def fail(self, task_id: tuple[int, int], **inputs: dict[str, Any]) -> tuple[int, str]:
        """Send the inputs of a task that cannot be done; return code and sentence."""
        for name, fields in inputs.items():
            self.orchestrator.send(name.replace("__", "/"), task_id, **fields)
        status = self.orchestrator.await_task(task_id, TaskStatus.ERROR)
        return status.error_code, status.error_description

    def configure(self, **configuration: Any) -> dict[str, Any]:
        """Call the configure service."""
        answer = self.orchestrator.configure(json.dumps(configuration), self.module)
        assert answer.success, answer.message
        content: dict[str, Any] = json.loads(answer.configuration)
        return content


@pytest.fixture
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Stage]:
    made = Stage(request.param, tmp_path)
    yield made
    made.orchestrator.close()


def extra(**content: Any) -> dict[str, Any]:
    return {"extra_data": requirements.json_bytes(content)}


@pytest.mark.parametrize("stage", ["ml_model_provider"], indirect=True)
def test_ml_model_provider(stage: Stage) -> None:
    """A proposal, a cheaper one from its baseline, a refusal that helps, and its configuration."""
    task = {"ml_model_metadata": ["image-classification"]}
    first = stage.solve(
        FIRST,
        app_requirements={"app_requirements": ["max_latency:100 ms"]},
        ml_model_metadata=task,
        hw_constraints={"hardware_required": ["Raspberry Pi 4"], "max_memory_footprint": 100},
    )
    assert first.model_path == f"https://huggingface.co/{first.model}"
    assert first.target_latency == pytest.approx(0.1)
    assert json.loads(first.model_properties)["benchmark"] == "ImageNet-1k validation"
    about = requirements.json_object(first.extra_data)
    assert 0.5 < about["quality"] < 1.0 and about["model_restrains"] == [first.model]

    node = Header(frame_id="/somewhere")
    second = stage.solve(
        SECOND,
        app_requirements=extra(
            optimize_carbon_footprint_auto=True,
            desired_carbon_footprint=0.5,
            model_restrains=[first.model],
        ),
        ml_model_metadata=task,
        hw_constraints={},
        baseline__ml_model_provider={"model": first.model, "header": node},
        baseline__hw_resources={"header": node},
        baseline__carbon_tracker={"carbon_footprint": 1.0, "header": node},
    )
    flops = [json.loads(m.model_properties)["flops"] for m in (first, second)]
    assert second.model != first.model and flops[1] < flops[0]

    code, sentence = stage.fail(
        (2, 1),
        app_requirements={},
        ml_model_metadata={"ml_model_metadata": ["text-generation"]},
        hw_constraints={"hardware_required": ["microcontroller"]},
    )
    assert code == ErrorCode.INVALID_REQUEST and "relax hardware_required" in sentence

    assert stage.configure(flops_weight=0.3)["flops_weight"] == 0.3
    listed = stage.configure(query="models", goal="image-classification", type="CNNs")
    assert "microsoft/resnet-50" in listed["models"].split(", ")
    refused = stage.orchestrator.configure('{"flops_weight": 7}', stage.module)
    assert not refused.success and "between 0 and 1" in refused.message


@pytest.mark.parametrize("stage", ["hw_resources"], indirect=True)
def test_hw_resources(stage: Stage) -> None:
    """The device asked for, the best of all, a model that is too large, one that is unknown."""
    bert = {"model": "google-bert/bert-base-uncased"}
    fixed = stage.solve(
        FIRST,
        app_requirements={},
        hw_constraints={"hardware_required": ["PIM_AI_1chip"]},
        ml_model_provider=bert,
    )
    assert fixed.hw_description == "PIM-AI-1chip"
    assert fixed.latency > 0.0 and fixed.power_consumption > 0.0
    assert 0.0 < fixed.memory_footprint_of_ml_model < fixed.max_hw_memory_footprint
    about = requirements.json_object(fixed.extra_data)
    assert about["energy_uncertainty_factor"] > about["uncertainty_factor"] > 1.0
    assert about["runtime"] == "compiled"

    own = {"model": "mine", "model_properties": '{"parameters": 1e6, "flops": 1e9}'}
    free = stage.solve((2, 1), app_requirements={}, hw_constraints={}, ml_model_provider=own)
    assert not requirements.json_object(free.extra_data)["simulated"]

    llama = {"model": "meta-llama/Llama-2-7b-hf"}
    code, sentence = stage.fail(
        (3, 1),
        app_requirements={},
        hw_constraints={"hardware_required": ["Raspberry Pi Pico"]},
        ml_model_provider=llama,
    )
    assert code == ErrorCode.INVALID_REQUEST and "Llama-2-7b-hf does not fit" in sentence
    _, sentence = stage.fail(
        (4, 1), app_requirements={}, hw_constraints={}, ml_model_provider={"model": "mine"}
    )
    assert "cannot estimate 'mine'" in sentence
    resnet = {"model": "microsoft/resnet-50"}
    h100 = {"hardware_required": ["NVIDIA H100 SXM5"]}
    asked = {"app_requirements": {}, "hw_constraints": h100, "ml_model_provider": resnet}
    compiled = stage.solve((6, 1), **asked)
    assert stage.configure(runtime="eager")["runtime"] == "eager"
    eager = stage.solve((7, 1), **asked)
    assert eager.latency > compiled.latency
    assert stage.configure(precision="fp32")["precision"] == "fp32"
    _, sentence = stage.fail(
        (5, 1),
        app_requirements={},
        hw_constraints={"hardware_required": ["Coral"]},
        ml_model_provider=resnet,
    )
    assert "cannot compute in fp32" in sentence
    assert "PIM-AI-1chip" in stage.configure(query="hardwares")["hardwares"].split(", ")


@pytest.mark.parametrize("stage", ["carbon_tracker"], indirect=True)
def test_carbon_tracker(stage: Stage) -> None:
    """The arithmetic, what front-ends read from extra_data, an unknown region, bad figures."""
    user = {
        "maximum_samples": 1000,
        "geo_location_region": "France",
        **extra(num_outputs=3, model_restrains=["a", "b"]),
    }
    hardware = {
        "latency": 0.5,
        "power_consumption": 72.0,
        **extra(energy_uncertainty_factor=3.0),
    }
    found = stage.solve(
        FIRST, user_input=user, ml_model_provider={"model": "b"}, hw_resources=hardware
    )
    assert found.energy_consumption == pytest.approx(10.0)
    assert found.carbon_footprint == pytest.approx(10.0 * found.carbon_intensity / 1e6)
    about = requirements.json_object(found.extra_data)
    assert about["num_outputs"] == 3 and about["model_restrains"] == ["b", "a"]
    assert about["inferences"] == 1000 and about["region"] == "France"
    assert about["uncertainty_factor"] == 3.0

    nowhere = stage.solve(
        (2, 1),
        user_input={"geo_location_region": "Atlantis"},
        ml_model_provider={"model": "b"},
        hw_resources=hardware,
    )
    about = requirements.json_object(nowhere.extra_data)
    assert nowhere.carbon_intensity == 475.0 and about["inferences"] == 1
    assert not about["region_known"] and "world mean" in about["note"]
    assert about["uncertainty_factor"] == 6.0

    code, sentence = stage.fail(
        (3, 1),
        user_input={},
        ml_model_provider={},
        hw_resources={"latency": float("nan"), "power_consumption": 1.0},
    )
    assert code == ErrorCode.INVALID_REQUEST and "latency of hw_resources is nan" in sentence
    assert stage.configure(carbon_intensity=20.0)["carbon_intensity"] == 20.0
