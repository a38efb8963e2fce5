"""What `/results` says of a task: one object for each node, in the units of the front-end.

Carbon is in gCO2e, energy in kWh, latency in ms; power in W and memory in MiB are as they are.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_msgs.msg import Task, TaskSummary, UserInput

from sustainml_orchestrator.compat.requests import GRAMS
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.core.states import FINAL_TASKS

_MILLISECONDS, _KILO = 1000.0, 1000.0
ORCHESTRATOR, ALL = 7, 9


@dataclass(frozen=True)
class Node:
    """A module under the name that the front-end knows.

    Attributes:
        name: in JSON.
        module: its name in the pipeline.
        field: of a `Task`, that holds its output.
        fill: the answer to an output.
        failed: the answer where there is none, for a sentence that says why.
    """

    name: str
    module: str
    field: str
    fill: Callable[[Any], dict[str, Any]]
    failed: Callable[[str], dict[str, Any]]


def answer(node: Node, task: Task) -> dict[str, Any]:
    """What a node answers for a task."""
    output = getattr(task, node.field)
    if output.task_id.problem_id:
        value = node.fill(output)
    else:
        reason = why_missing(node.module, task.summary)
        value = {**node.failed(reason), "Error": reason}
    if node.name == "CARBON_FOOTPRINT":
        value["extra_data"] |= _following(task)
    return {"task_id": identity(task.summary.task_id), **value}


def identity(task_id: Any) -> dict[str, int]:
    """A task id as JSON."""
    return {"problem_id": task_id.problem_id, "iteration_id": task_id.iteration_id}


def is_ready(node: Node, summary: TaskSummary) -> bool:
    """Whether the answer can be given: it has its output, or will never have one.

    Carbon is the last: with its answer the front-end asks for the task that follows, so it waits
    for the end of the task, at which that one exists.
    """
    if TaskStatus(summary.task_status) in FINAL_TASKS:
        return True
    if node.name == "CARBON_FOOTPRINT":
        return False
    return any(step.node_name == node.module and step.has_output for step in summary.modules)


def why_missing(module: str, summary: TaskSummary) -> str:
    """Why a task that is over has no output of a module, as a sentence for the user."""
    status = TaskStatus(summary.task_status)
    if status in (TaskStatus.STOPPED, TaskStatus.TERMINATED):
        return f"Stopped: {summary.outcome_reason or status.name.lower()}"
    for step in summary.modules:
        if step.node_name == module and step.error_description:
            return f"Error: {step.error_description}"
    reason = summary.error_description or summary.outcome_reason or "the task has no such output"
    return f"Error: {reason}"


def lost(node: Node, task_id: TaskId, reason: str) -> dict[str, Any]:
    """What a node answers for a task that nobody knows any more."""
    text = f"Error: {reason}"
    return {"task_id": identity(task_id), **node.failed(text), "Error": text}


def _following(task: Task) -> dict[str, Any]:
    """Whether another task follows by itself: the front-end asks for its results then."""
    summary = task.summary
    wanted = task.user_input.optimize_carbon_footprint_auto
    if not summary.next_task.problem_id:
        return {"num_outputs": 1, "auto_reiterate": False}
    left = _object(task.user_input.extra_data).get("num_outputs")
    left = left if isinstance(left, int) else 1
    return {"num_outputs": max(2, left), "auto_reiterate": bool(wanted)}


# The nodes #


def _requirements(output: Any) -> dict[str, Any]:
    return {"app_requirements": ", ".join(output.app_requirements)}


def _metadata(output: Any) -> dict[str, Any]:
    # The first is the task that was chosen; the others are its runners-up.
    return {
        "keywords": list(output.keywords),
        "metadata": next(iter(output.ml_model_metadata), ""),
    }


def _constraints(output: Any) -> dict[str, Any]:
    return {
        "hardware_required": ", ".join(output.hardware_required),
        "max_memory_footprint": output.max_memory_footprint,
    }


def _hardware(output: Any) -> dict[str, Any]:
    return {
        "hw_description": output.hw_description,
        "power_consumption": _figure(output.power_consumption),
        "latency": _figure(output.latency * _MILLISECONDS),
        "memory_footprint_of_ml_model": _figure(output.memory_footprint_of_ml_model),
        "max_hw_memory_footprint": _figure(output.max_hw_memory_footprint),
    }


def _model(output: Any) -> dict[str, Any]:
    return {
        "model": output.model,
        "model_path": output.model_path,
        "model_properties": output.model_properties,
        "model_properties_path": output.model_properties_path,
        "input_batch": list(output.input_batch),
        "target_latency": _figure(output.target_latency * _MILLISECONDS),
    }


def _carbon(output: Any) -> dict[str, Any]:
    return {
        "carbon_footprint": _figure(output.carbon_footprint * GRAMS),
        "energy_consumption": _figure(output.energy_consumption / _KILO),
        "carbon_intensity": _figure(output.carbon_intensity),
        "extra_data": _object(output.extra_data),
    }


def _no_metadata(reason: str) -> dict[str, Any]:
    is_error = reason.startswith("Error")
    return {"keywords": [reason], "metadata": "Error" if is_error else reason}


def _no_hardware(reason: str) -> dict[str, Any]:
    figures = (
        "power_consumption", "latency", "memory_footprint_of_ml_model", "max_hw_memory_footprint",
    )  # fmt: skip
    return {"hw_description": reason, **dict.fromkeys(figures, 0.0)}


def _no_model(reason: str) -> dict[str, Any]:
    is_error = reason.startswith("Error")
    return {
        "model": "Error" if is_error else reason,  # exactly this makes the front-end show it
        "model_path": "",
        "model_properties": reason,
        "model_properties_path": "",
        "input_batch": [],
        "target_latency": 0.0,
    }


def _no_carbon(reason: str) -> dict[str, Any]:
    figures = ("carbon_footprint", "energy_consumption", "carbon_intensity")
    extra = {"num_outputs": 1, "auto_reiterate": False, "note": reason}
    return {**dict.fromkeys(figures, 0.0), "extra_data": extra}


#: By the number that the front-end gives them.
NODES: Mapping[int, Node] = {
    0: Node(
        "APP_REQUIREMENTS", "app_requirements", "app_requirements", _requirements,
        lambda reason: {"app_requirements": reason},
    ),
    1: Node("CARBON_FOOTPRINT", "carbon_tracker", "carbon_footprint", _carbon, _no_carbon),
    2: Node(
        "HW_CONSTRAINTS", "hw_constraints", "hw_constraints", _constraints,
        lambda reason: {"hardware_required": reason, "max_memory_footprint": 0},
    ),
    3: Node("HW_RESOURCES", "hw_resources", "hw_resource", _hardware, _no_hardware),
    4: Node("ML_MODEL_METADATA", "ml_model_metadata", "ml_model_metadata", _metadata, _no_metadata),
    5: Node("ML_MODEL", "ml_model_provider", "ml_model", _model, _no_model),
}  # fmt: skip


# The user input #

_EXTRA_DEFAULTS = {
    "goal": "", "metric": "", "hardware_required": "", "max_memory_footprint": 0, "num_outputs": 1,
    "type": "", "dataset_metadata_description": "", "dataset_metadata_topic": "",
    "dataset_metadata_profile": "", "dataset_metadata_keywords": "",
    "dataset_metadata_applications": "",
}  # fmt: skip


def stated(task: Task) -> dict[str, Any]:
    """The user input of a task, with which the front-end fills its form."""
    user: UserInput = task.user_input
    extra = {**_EXTRA_DEFAULTS, **_object(user.extra_data)}
    if isinstance(extra["hardware_required"], list):
        extra["hardware_required"] = ", ".join(map(str, extra["hardware_required"]))
    return {
        "task_id": identity(task.summary.task_id),
        "modality": user.modality,
        "problem_short_description": user.problem_short_description,
        "problem_definition": user.problem_definition,
        "inputs": " ".join(user.inputs),
        "outputs": " ".join(user.outputs),
        "minimum_samples": user.minimum_samples,
        "maximum_samples": user.maximum_samples,
        "optimize_carbon_footprint_manual": user.optimize_carbon_footprint_manual,
        "optimize_carbon_footprint_auto": user.optimize_carbon_footprint_auto,
        "previous_iteration": user.previous_iteration,
        "desired_carbon_footprint": _figure(user.desired_carbon_footprint * GRAMS),
        "geo_location_continent": user.geo_location_continent,
        "geo_location_region": user.geo_location_region,
        "extra_data": extra,
    }


def _figure(value: float) -> float:
    """A number that JSON can hold, without digits that only conversion made."""
    return float(f"{value:.12g}") if math.isfinite(value) else 0.0


def _object(octets: Any) -> dict[str, Any]:
    try:
        value = json.loads(bytes(octets) or b"{}")
    except (ValueError, RecursionError):
        return {}
    found: Any = plain(value)
    return found if isinstance(found, dict) else {}
