"""Checks of requests; each refusal names the field and says what to do."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from sustainml_msgs.msg import TaskId as TaskIdMsg
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.contract import strict_json
from sustainml_orchestrator.contract.payloads import redacted
from sustainml_orchestrator.core import credentials
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import OptimisationGoal
from sustainml_orchestrator.core.ids import ErrorCode, TaskId
from sustainml_orchestrator.core.text import printable

#: The fields of UserInput that a user fills; the rest belongs to the orchestrator.
USER_FIELDS = tuple(
    name
    for name in UserInput.get_fields_and_field_types()
    if name not in ("task_id", "attempt", "session", "token", "header", "previous_iteration")
)
_TEXTS = tuple(
    name for name, kind in UserInput.get_fields_and_field_types().items() if kind == "string"
)
_LISTS = tuple(
    name
    for name, kind in UserInput.get_fields_and_field_types().items()
    if kind == "sequence<string>"
)
#: Bytes of a request_id, which is kept in memory.
MAX_REQUEST_ID = 1024
_MAX_DEPTH = 64


@dataclass(slots=True)
class Limits:
    """How large a request may be; see the parameters of the same names."""

    max_text_bytes: int = 2**20
    max_request_bytes: int = 64 * 2**20
    max_list_entries: int = 1000


def invalid(text: str) -> OrchestratorError:
    """The error of a request that can never be granted."""
    return OrchestratorError(ErrorCode.INVALID_REQUEST, text)


def shorten(value: object) -> str:
    """A value as it may stand in a message."""
    return printable(str(value), 80)


def check_text(name: str, text: str, limit: int) -> None:
    """A text must not be over-long.

    Raises:
        OrchestratorError: INVALID_REQUEST.
    """
    if len(text) * 4 > limit and len(text.encode("utf-8", "replace")) > limit:
        raise invalid(f"{name} is longer than {limit} bytes; shorten it")


def check_seconds(name: str, value: float, default: float) -> float:
    """A time in s; 0 means the default.

    Raises:
        OrchestratorError: INVALID_REQUEST.
    """
    if not math.isfinite(value) or value < 0:
        raise invalid(f"{name} is {value}; give seconds, 0 for the default of {default:g} s")
    return min(value, 30 * 86400.0) or default


def check_user_input(message: UserInput, extra_data_json: str, limits: Limits) -> OptimisationGoal:
    """Check a user input and bring its extra_data into place.

    Raises:
        OrchestratorError: INVALID_REQUEST that names the field.
    """
    for name in _TEXTS:
        check_text(name, getattr(message, name), limits.max_text_bytes)
    for name in _LISTS:
        entries = getattr(message, name)
        if len(entries) > limits.max_list_entries:
            raise invalid(
                f"{name} has {len(entries)} entries; at most {limits.max_list_entries} may be given"
            )
        for entry in entries:
            check_text(f"an entry of {name}", entry, limits.max_text_bytes)
    if not message.problem_short_description.strip() and not message.problem_definition.strip():
        raise invalid("problem_definition is empty; describe the problem in words")
    if message.minimum_samples > message.maximum_samples:
        raise invalid(
            f"minimum_samples ({message.minimum_samples}) is greater than maximum_samples "
            f"({message.maximum_samples}); exchange or correct them"
        )
    target = message.desired_carbon_footprint
    if not math.isfinite(target) or target < 0:
        raise invalid(f"desired_carbon_footprint is {target}; give kgCO2e, 0 for none")
    if extra_data_json:
        check_text("extra_data_json", extra_data_json, limits.max_request_bytes)
        message.extra_data = extra_data_json.encode("utf-8", "replace")
    return _goal(message, read_extra_data(bytes(message.extra_data), limits))


def read_extra_data(data: bytes, limits: Limits, field: str = "extra_data") -> dict[str, Any]:
    """The JSON object in extra_data, or in another field; empty bytes are an empty one.

    Raises:
        OrchestratorError: INVALID_REQUEST.
    """
    if not data:
        return {}
    if len(data) > limits.max_request_bytes:
        raise invalid(f"{field} has more than {limits.max_request_bytes} bytes; shorten it")
    try:
        value = strict_json.loads(data.decode("utf-8"))
        if b"\\ud" in data or b"\\uD" in data:  # half a character could not be passed on
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError) as error:
        text = f"{field} is not JSON ({shorten(error)}); give an object like {{}}"
        raise invalid(text) from error
    if not isinstance(value, dict):
        raise invalid(f"{field} is a JSON {type(value).__name__}; give an object like {{}}")
    if _is_deep(value):
        raise invalid(f"{field} is nested deeper than {_MAX_DEPTH} levels; flatten it")
    return value


def _is_deep(value: Any) -> bool:
    """Whether JSON data is nested so deep that walking it could exhaust the stack."""
    level = [value]
    for _ in range(_MAX_DEPTH):
        inner: list[Any] = []
        for item in level:
            if isinstance(item, dict):
                inner += item.values()
            elif isinstance(item, list):
                inner += item
        if not inner:
            return False
        level = inner
    return True


def _written(value: Any) -> str:
    """As it is written in JSON: "3" is no 3."""
    return shorten(json.dumps(value, ensure_ascii=False))


def _goal(message: UserInput, extra: dict[str, Any]) -> OptimisationGoal:
    number = extra.get("num_outputs", 1)
    if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number <= 100:
        raise invalid(f"extra_data.num_outputs is {_written(number)}; give a number from 1 to 100")
    models = extra.get("model_restrains") or []
    if not isinstance(models, list) or not all(isinstance(m, str) for m in models):
        raise invalid("extra_data.model_restrains must be a list of model names")
    memory = extra.get("max_memory_footprint") or 0
    if isinstance(memory, bool) or not isinstance(memory, (int, float)) or not 0 <= memory < 2**32:
        raise invalid(
            f"extra_data.max_memory_footprint is {_written(memory)}; give MiB, 0 for no limit"
        )
    return OptimisationGoal(
        auto=message.optimize_carbon_footprint_auto,
        desired_carbon_footprint=message.desired_carbon_footprint,
        num_outputs=max(1, number),
        model_restrains=tuple(models),
    )


def named_base(base: TaskId, message: UserInput) -> TaskId:
    """The iteration to build on: `previous_iteration` decides what `base_task` leaves open.

    Only where `optimize_carbon_footprint_manual` is set; -1 is the latest iteration.

    Raises:
        OrchestratorError: INVALID_REQUEST.
    """
    number = message.previous_iteration
    if base.iteration_id or not message.optimize_carbon_footprint_manual or number in (0, -1):
        return base
    if number < 0:
        raise invalid(f"previous_iteration is {number}; name an iteration, or -1 for the latest")
    return TaskId(base.problem_id, number)


def merge_overrides(
    base: bytes, message: UserInput, overrides: list[str], extra_data_json: str
) -> UserInput:
    """The base's user input with the named fields taken from `message`.

    Raises:
        OrchestratorError: INVALID_REQUEST, for an override that names no field, or for none while
            the whole user input, which then counts, is empty.
    """
    if not overrides:
        if message == UserInput():
            raise invalid(
                "overrides and user_input are empty; name in overrides the fields of user_input "
                "that differ from the base, such as [extra_data], or give user_input whole"
            )
        return message
    merged: UserInput = deserialize_message(base, UserInput)
    of_base = bytes(merged.extra_data)
    for name in overrides:
        if name not in USER_FIELDS:
            raise invalid(
                f"overrides names '{shorten(name)}', which is no field of UserInput; "
                f"use {', '.join(USER_FIELDS)}"
            )
        setattr(merged, name, getattr(message, name))
    if extra_data_json:
        merged.extra_data = extra_data_json.encode("utf-8", "replace")
    own = extra_data_json.encode("utf-8", "replace") or bytes(message.extra_data)
    merged.extra_data = _with_credentials(bytes(merged.extra_data), of_base, own)
    return merged


def _with_credentials(extra_data: bytes, of_base: bytes, own: bytes) -> bytes:
    """The extra_data of a new iteration with its own credentials; with those of its base if none.

    What is no JSON object stays as it is, to be refused later.
    """
    try:
        chosen, theirs, ours = (json.loads(data or b"{}") for data in (extra_data, of_base, own))
        if not credentials.only(ours):
            added = credentials.only(theirs)
        else:
            chosen, added = credentials.strip(chosen)[0], credentials.only(ours)
        if added == credentials.only(chosen):
            return extra_data
        return json.dumps({**chosen, **added}, ensure_ascii=False).encode("utf-8", "replace")
    except (ValueError, AttributeError, TypeError, RecursionError):
        return extra_data


def is_same(stored: bytes, payload: bytes) -> bool:
    """Whether two user inputs are the same apart from credentials, which are not stored."""
    if len(stored) == len(payload) and stored == payload:
        return True
    one, other = (
        deserialize_message(redacted(data, UserInput), UserInput) for data in (stored, payload)
    )
    return bool(one == other)


def to_payload(message: UserInput, author: str, previous_iteration: int, limits: Limits) -> bytes:
    """The user input as it is stored: ids are filled in when it is published.

    Raises:
        OrchestratorError: INVALID_REQUEST, when it is larger than a request may be.
    """
    message.task_id, message.header = TaskIdMsg(), Header(frame_id=author)
    message.attempt = message.session = message.token = 0
    message.previous_iteration = previous_iteration
    payload = serialize_message(message)
    if len(payload) > limits.max_request_bytes:
        raise invalid(
            f"user_input has {len(payload)} bytes; at most {limits.max_request_bytes} may be given"
        )
    return payload


def derive_user_input(
    payload: bytes, restrains: tuple[str, ...], num_outputs: int, previous_iteration: int
) -> bytes:
    """The user input of an iteration that follows by itself."""
    message: UserInput = deserialize_message(payload, UserInput)
    extra = json.loads(bytes(message.extra_data)) if len(message.extra_data) else {}
    extra["model_restrains"] = list(restrains)
    extra["num_outputs"] = num_outputs
    message.extra_data = json.dumps(extra, ensure_ascii=False).encode()
    message.previous_iteration = previous_iteration
    return serialize_message(message)
