"""The task that is measured: what is asked, what no-op modules answer, and whether it is right.

Every task has a number, and its ten digits are all that it is about: modules hand them on from
what they get to what they give, so that a mixed-up, lost or invented result shows in its summary.
"""

from __future__ import annotations

import json
from typing import Any

from sustainml_msgs.msg import (
    AppRequirements,
    CO2Footprint,
    HWConstraints,
    HWResource,
    MLModel,
    MLModelMetadata,
    ModuleProgress,
    NodeStatus,
    TaskSummary,
    UserInput,
)

TYPES: dict[str, type] = {
    "app_requirements": AppRequirements,
    "ml_model_metadata": MLModelMetadata,
    "hw_constraints": HWConstraints,
    "ml_model_provider": MLModel,
    "hw_resources": HWResource,
    "carbon_tracker": CO2Footprint,
}
LAST = "carbon_tracker"
DIGITS = 10

_PROPERTIES = json.dumps({"parameters": 2.5e6, "precision": "int8", "accuracy": 0.71})


def text(number: int) -> str:
    """What a task is about."""
    return f"{number:0{DIGITS}}"


def user_input(number: int) -> UserInput:
    """A problem of a usual size."""
    return UserInput(
        modality="image",
        problem_short_description=text(number),
        problem_definition="Log ripe fruit from spoiled on photographs of a conveyor belt; what "
        "it costs in energy matters more to us than the last per cent of accuracy.",
        inputs=["camera frame, 224x224 RGB"],
        outputs=["class", "confidence"],
        minimum_samples=100,
        maximum_samples=10_000,
        geo_location_continent="Europe",
        geo_location_region="Spain",
    )


def answer(module: str, about: str) -> Any:
    """What a module says of a problem, of a usual size."""
    if module == "app_requirements":
        return AppRequirements(app_requirements=[about, "latency below 0.1 s", "no network"])
    if module == "ml_model_metadata":
        return MLModelMetadata(keywords=[about, "fruit", "photographs"], ml_model_metadata=["CNN"])
    if module == "hw_constraints":
        return HWConstraints(max_memory_footprint=4096, hardware_required=[about])
    if module == "ml_model_provider":
        return MLModel(
            model=about,
            model_path="/var/lib/models/mobilenet-v3-small.onnx",
            model_properties=_PROPERTIES,
            input_batch=["1", "3", "224", "224"],
            target_latency=0.1,
        )
    if module == "hw_resources":
        return HWResource(hw_description=about, power_consumption=9.5, latency=0.021)
    return CO2Footprint(
        carbon_footprint=float(about), energy_consumption=0.055, carbon_intensity=230.0
    )


def about(module: str, inputs: Any) -> str:
    """What the inputs of a module are about.

    Raises:
        ValueError: they are not all about the same.
    """
    if module == "ml_model_provider":
        said = {
            inputs.app_requirements.app_requirements[0],
            inputs.ml_model_metadata.keywords[0],
            inputs.hw_constraints.hardware_required[0],
        }
    elif module == "hw_resources":
        said = {inputs.ml_model_provider.model}
    elif module == "carbon_tracker":
        said = {inputs.hw_resources.hw_description}
    else:
        said = {inputs.user_input.problem_short_description}
    if len(said) != 1:
        raise ValueError(f"the inputs of {module} belong to several tasks: {said}")
    return said.pop()


def summary() -> TaskSummary:
    """One as large as that of a real task, for the reference to publish."""
    progress = [
        ModuleProgress(node_name=name, instance=f"/bench_12345_1/{name}", tries=1) for name in TYPES
    ]
    return TaskSummary(model=text(0), hw_description=text(0), modules=progress)


def check(number: int, summary: TaskSummary) -> None:
    """Whether this is what the task of that number must end with.

    Raises:
        RuntimeError: it is not.
    """
    said = {summary.problem_short_description, summary.model, summary.hw_description}
    right = (
        said == {text(number)}
        and summary.carbon_footprint == number
        and summary.task_status == NodeStatus.TASK_SUCCEEDED
        and [module.node_name for module in summary.modules if module.has_output] == list(TYPES)
    )
    if not right:
        raise RuntimeError(f"a wrong result of task {number}: {summary}")
