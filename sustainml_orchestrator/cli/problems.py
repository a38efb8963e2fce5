"""A problem as a user writes it: YAML or JSON with the fields of UserInput."""

from __future__ import annotations

import json
import sys
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
import yaml

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput


def read(path: str) -> dict[str, Any]:
    """The mapping in a file; ``-`` is standard input. JSON is YAML, too."""
    try:
        text = sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8")
        data = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise typer.BadParameter(f"{path} cannot be read: {reason}") from error
    if not isinstance(data, dict):
        raise typer.BadParameter(f"{path} must hold fields like 'problem_definition: …'")
    return data


def to_message(fields: dict[str, Any]) -> tuple[UserInput, dict[str, Any]]:
    """A user input, and its extra_data apart.

    Raises:
        typer.BadParameter: a field is unknown, or of the wrong kind.
    """
    from sustainml_msgs.msg import UserInput

    from sustainml_orchestrator.node.requests import USER_FIELDS

    message = UserInput()
    extra = fields.get("extra_data") or {}
    if not isinstance(extra, dict):
        raise typer.BadParameter("extra_data must be a mapping")
    for name, value in fields.items():
        if name == "extra_data":
            continue
        if name not in USER_FIELDS:
            close = get_close_matches(str(name), USER_FIELDS, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; use {', '.join(USER_FIELDS)}"
            raise typer.BadParameter(f"'{name}' is no field of a problem{hint}")
        _set(message, name, value)
    return message, extra


def _set(message: UserInput, name: str, value: Any) -> None:
    current = getattr(message, name)
    try:
        if isinstance(current, str):
            setattr(message, name, "" if value is None else str(value))
        elif isinstance(current, bool):
            if not isinstance(value, bool):
                raise ValueError("use true or false")
            setattr(message, name, value)
        elif isinstance(current, list):
            items = value if isinstance(value, list) else [value]
            setattr(message, name, [str(item) for item in items])
        else:
            setattr(message, name, _number(message, name, value))
    except (AssertionError, TypeError, ValueError) as error:
        raise typer.BadParameter(f"{name}: {value!r} does not fit ({error})") from error


#: rclpy checks the range of integers in debug mode only.
_RANGES = {"uint32": (0, 2**32 - 1), "int32": (-(2**31), 2**31 - 1)}


def _number(message: UserInput, name: str, value: Any) -> float | int:
    kind = message.get_fields_and_field_types()[name]
    if kind not in _RANGES:
        return float(value)
    low, high = _RANGES[kind]
    number = int(value)
    if not low <= number <= high:
        raise ValueError(f"give a whole number from {low} to {high}")
    return number


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """``field=value`` pairs; values are YAML, ``extra_data.key=value`` reaches into extra_data."""
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise typer.BadParameter(f"'{pair}' is no field=value")
        value = yaml.safe_load(text) if text else ""
        where, _, key = name.partition(".")
        if where == "extra_data" and key:
            fields.setdefault("extra_data", {})[key] = value
        else:
            fields[name] = value
    return fields


def parse_json(text: str, what: str) -> dict[str, Any]:
    """A JSON object as typed.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise typer.BadParameter(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f'{what} must be a JSON object like {{"key": 1}}')
    return value
