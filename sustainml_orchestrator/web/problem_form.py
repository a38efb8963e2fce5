"""The form of a new problem: its fields with help and choices, and what is wrong with a value."""

from __future__ import annotations

import json
import math
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import yaml
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.contract import share_directory
from sustainml_orchestrator.contract.problem_input import ProblemError, parse, to_message

#: Where the choices of a field come from: module, query, key of the answer, field.
_CHOICES: tuple[tuple[str, dict[str, str], str, str], ...] = (
    ("ml_model_metadata", {"query": "modality"}, "modalities_list", "modality"),
    ("ml_model_metadata", {"query": "tasks"}, "tasks", "goal"),
    ("ml_model_metadata", {"query": "metrics"}, "metrics_list", "metric"),
    ("hw_resources", {"query": "hardwares"}, "classes", "hardware_required"),
    ("hw_resources", {"query": "hardwares"}, "hardwares_list", "hardware_required"),
    ("ml_model_provider", {"query": "models"}, "models_list", "model_selected"),
    ("carbon_tracker", {"query": "regions"}, "regions_list", "geo_location_region"),
)
_QUERY_TIMEOUT = 3.0  # s
_MOST_CHOICES = 2000


def choices(client: OrchestratorClient) -> dict[str, list[str]]:
    """What the modules offer for each field; a module that does not answer offers nothing."""
    questions = {(module, json.dumps(query)) for module, query, _, _ in _CHOICES}

    def ask(question: tuple[str, str]) -> dict[str, Any]:
        module, query = question
        try:
            return client.configure_node(module, json.loads(query), _QUERY_TIMEOUT)
        except (ClientError, ValueError):
            return {}

    with ThreadPoolExecutor(len(questions)) as pool:
        answers = dict(zip(questions, pool.map(ask, questions), strict=True))
    found: dict[str, list[str]] = {}
    for module, query, key, field in _CHOICES:
        offered = answers[module, json.dumps(query)].get(key, [])
        if isinstance(offered, list):
            texts = [each for each in offered if isinstance(each, str)]
            known = found.setdefault(field, [])
            known += [text for text in texts[:_MOST_CHOICES] if text not in known]
    return found


def examples() -> list[dict[str, Any]]:
    """The problems that come with the package, as text and as fields."""
    folder = share_directory.directory() / "config" / "examples"
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.yaml"))]
    return [{"text": text, "fields": parse(text, "the example")} for text in texts]


def read(text: str) -> dict[str, Any]:
    """The fields of a YAML or JSON text, with the types of the message.

    Raises:
        ProblemError: it is no problem.
    """
    message, extra = to_message(parse(text, "this text"))
    return as_fields(message, extra)


def as_fields(message: UserInput, extra: dict[str, Any]) -> dict[str, Any]:
    """The fields of a problem as data."""
    return {
        name: list(value) if isinstance(value := getattr(message, name), list) else value
        for name in UserInput.get_fields_and_field_types()
        if name not in ("task_id", "attempt", "session", "token", "header", "previous_iteration")
        and name != "extra_data"
    } | {"extra_data": extra}


def as_yaml(fields: dict[str, Any]) -> str:
    """The fields as YAML, less those that are unset."""
    set_ones = {name: value for name, value in fields.items() if value}
    return str(yaml.safe_dump(set_ones, allow_unicode=True, sort_keys=False, width=100))


def mistakes(fields: dict[str, Any]) -> dict[str, str]:
    """For each field with a wrong value what is wrong with it."""
    found: dict[str, str] = {}
    for name, value in fields.items():
        try:
            to_message({name: value})
        except ProblemError as error:
            found[name] = _beside(name, str(error))
    if not found:
        found = _senseless(to_message(fields)[0], fields.get("extra_data") or {})
    return found


def _beside(name: str, text: str) -> str:
    """A sentence as it stands beside its field: without the name, the value and the type of ROS."""
    start, _, advice = text.partition("; ")
    text = advice if advice and start.startswith(f"{name} is ") else text
    return re.sub(r" \((u?int\d+|float|double)\)$", "", text)


def _senseless(message: UserInput, extra: dict[str, Any]) -> dict[str, str]:
    """Values that fit their types and make no sense."""
    found: dict[str, str] = {}
    texts = (message.problem_definition, message.problem_short_description)
    if not any(text.strip() for text in texts):
        found["problem_definition"] = "say in a sentence what shall be solved"
    if message.maximum_samples and message.maximum_samples < message.minimum_samples:
        least = message.minimum_samples
        found["maximum_samples"] = f"it is below the minimum of {least}; raise it, or set 0"
    if message.desired_carbon_footprint < 0 or not math.isfinite(message.desired_carbon_footprint):
        found["desired_carbon_footprint"] = "use a number from 0; 0 = no target"
    count = extra.get("num_outputs", 1)
    if not isinstance(count, int) or isinstance(count, bool) or not 1 <= count <= 100:
        found["num_outputs"] = "use a whole number from 1 to 100"
    memory = extra.get("max_memory_footprint") or 0
    if not isinstance(memory, (int, float)) or not 0 <= memory < 2**32:
        found["max_memory_footprint"] = "use a number of MiB; 0 = no limit"
    return found
