"""What requests of the original front-end say: ids, and the problem that is stated.

Each function raises `RequestError` for what makes no sense, with a sentence.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from typing import Any

from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.contract import strict_json
from sustainml_orchestrator.core.ids import TaskId

Body = Mapping[str, Any]

_MAX_ID = 2**32 - 1
#: Grams in one kilogram: the front-end states carbon in gCO2e.
GRAMS = 1000.0
#: What lists of the front-end offer for "no choice".
NO_CHOICE = "(empty)"
_TEXTS = (
    "modality", "problem_short_description", "problem_definition", "geo_location_continent",
    "geo_location_region",
)  # fmt: skip
_FLAGS = ("optimize_carbon_footprint_auto", "optimize_carbon_footprint_manual")
_COUNTS = ("minimum_samples", "maximum_samples")


class RequestError(Exception):
    """A request that makes no sense; the message says what to change."""


def integer(body: Body, key: str, default: int | None = None) -> int:
    """A whole number from 0 of a body.

    Raises:
        RequestError: it is missing, negative or something else.
    """
    value = body.get(key, default)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise RequestError(f"{key} must be a whole number, not {_shown(value)}")
    if not 0 <= value <= _MAX_ID:
        raise RequestError(f"{key} is {_shown(value)}; it must lie between 0 and {_MAX_ID}")
    return value


def text(body: Body, key: str, default: str = "") -> str:
    """A text of a body.

    Raises:
        RequestError: it is something else.
    """
    value = body.get(key, default)
    if not isinstance(value, str):
        raise RequestError(f"{key} must be a text, not {_shown(value)}")
    return value


def task_id(body: Body) -> TaskId | None:
    """The task that a body names; None = it names none.

    Raises:
        RequestError: the id is malformed, negative or 0.
    """
    value = body.get("task_id")
    if value is None:
        return None
    if not isinstance(value, Mapping):
        raise RequestError('task_id must be {"problem_id": 1, "iteration_id": 1}')
    found = TaskId(integer(value, "problem_id"), integer(value, "iteration_id"))
    if not all(found):
        raise RequestError(f"there is no task {found}: problems and iterations count from 1")
    return found


def base_task(body: Body) -> TaskId | None:
    """The iteration to build upon; None = a new problem. Problem 0 is the newest one.

    Raises:
        RequestError: a wrong type or a negative id.
    """
    iteration = integer(body, "previous_iteration", 0)
    return TaskId(integer(_extra(body), "previous_problem_id", 0), iteration) if iteration else None


def user_input(body: Body) -> tuple[UserInput, dict[str, Any]]:
    """The problem, in the units of the orchestrator, and its extra_data.

    Raises:
        RequestError: a field has a wrong type.
    """
    fields: dict[str, Any] = {key: text(body, key) for key in _TEXTS}
    fields |= {key: _flag(body, key) for key in _FLAGS}
    fields |= {key: integer(body, key, 0) for key in _COUNTS}
    # The front-end sends 1 or 3 for a maximum that nobody has entered, and does not show refusals.
    fields["maximum_samples"] = max(fields["minimum_samples"], fields["maximum_samples"])
    fields |= {key: _words(body, key) for key in ("inputs", "outputs")}
    if fields["modality"] == NO_CHOICE:
        fields["modality"] = ""
    fields["desired_carbon_footprint"] = _number(body, "desired_carbon_footprint") / GRAMS
    return UserInput(**fields), _extra_to_send(body)


def _extra(body: Body) -> dict[str, Any]:
    """The extra_data: an object, or an object as JSON text."""
    value = body.get("extra_data") or {}
    if isinstance(value, str):
        try:
            value = strict_json.loads(value)
        except (ValueError, RecursionError) as error:
            raise RequestError(f"extra_data is a text that is no JSON: {error}") from error
    if not isinstance(value, dict):
        raise RequestError(f"extra_data must be an object, not {_shown(value)}")
    return value


def _extra_to_send(body: Body) -> dict[str, Any]:
    extra = dict(_extra(body))
    for key in ("goal", "hardware_required"):
        if extra.get(key) == NO_CHOICE:
            extra[key] = ""
    if str(extra.get("hardware_required", "")).startswith(("Error: ", "Stopped: ")):
        extra["hardware_required"] = ""  # a row without hardware that is iterated
    extra["num_outputs"] = max(1, integer(extra, "num_outputs", 1))
    family = extra.get("model_family") or body.get("type") or extra.get("type")
    if family:
        extra["model_family"] = family
    token = os.environ.get("HF_TOKEN")
    if token and not extra.get("hf_token"):
        extra["hf_token"] = token
    return extra


def _flag(body: Body, key: str) -> bool:
    value = body.get(key, False)
    if not isinstance(value, bool):
        raise RequestError(f"{key} must be true or false, not {_shown(value)}")
    return value


def _number(body: Body, key: str) -> float:
    value = body.get(key, 0)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise RequestError(f"{key} must be a number, not {_shown(value)}")
    try:
        number = float(value)
    except OverflowError as error:
        raise RequestError(f"{key} is too large") from error
    if not math.isfinite(number) or number < 0:
        raise RequestError(f"{key} is {number:g}; it must be 0 or more")
    return number


def _words(body: Body, key: str) -> list[str]:
    """A list of words; the front-end splits at each space, which leaves empty ones."""
    value = body.get(key, [])
    items = value.split() if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise RequestError(f"{key} must be a list of texts, not {_shown(value)}")
    return [item for item in items if item.strip()]


def _shown(value: Any) -> str:
    try:
        shown = json.dumps(value)
    except (ValueError, RecursionError):
        return "that"
    return shown if len(shown) <= 60 else f"{shown[:60]}…"
