"""A problem as a user writes it: YAML, JSON or FIELD=VALUE with the fields of UserInput.

The type of a value is that of its field in the message: text stays text, whatever it looks like.
In extra_data a value is JSON where it is valid JSON, else text.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from sustainml_orchestrator.contract import problem_input, strict_json
from sustainml_orchestrator.contract.problem_input import ProblemError, as_text, json_or_text
from sustainml_orchestrator.core.text import cause

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput

_LISTS = ("inputs", "outputs")


def read(path: str) -> dict[str, Any]:
    """The fields in a YAML or JSON file, those of the message as text; ``-`` is standard input.

    Raises:
        typer.BadParameter: it cannot be read, or holds no fields.
    """
    source = "standard input" if path == "-" else path
    try:
        octets = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = octets.decode("utf-8-sig")
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{source} cannot be read: {cause(error)}") from error
    try:
        return problem_input.parse(text, source)
    except ProblemError as error:
        raise typer.BadParameter(str(error)) from error


def to_message(fields: Mapping[str, Any]) -> tuple[UserInput, dict[str, Any]]:
    """A user input, and its extra_data apart.

    Raises:
        typer.BadParameter: a field is unknown, or its value is not of its type.
    """
    try:
        return problem_input.to_message(fields)
    except ProblemError as error:
        raise typer.BadParameter(str(error)) from error


def parse_settings(pairs: list[str]) -> dict[str, Any]:
    """The fields in ``FIELD=VALUE`` pairs; values are text as typed, with two exceptions.

    A value of ``extra_data.KEY`` is JSON where it is valid JSON. A list field may be given as a
    JSON list, or several times.

    Raises:
        typer.BadParameter: one is no such pair.
    """
    fields: dict[str, Any] = {}
    for pair in pairs:
        name, equals, text = _decoded(pair).partition("=")
        if not equals:
            raise typer.BadParameter(f"'{pair}' is not FIELD=VALUE")
        where, _, key = name.partition(".")
        if where == "extra_data" and key:
            fields.setdefault("extra_data", {})[key] = json_or_text(text)
        elif name == "extra_data":
            fields.setdefault("extra_data", {}).update(parse_json(text, "extra_data"))
        elif name in _LISTS:
            value = json_or_text(text)
            fields.setdefault(name, []).extend(value if isinstance(value, list) else [text])
        else:
            fields[name] = text
    return fields


def _decoded(text: str) -> str:
    try:
        return as_text(text)
    except UnicodeError as error:
        raise typer.BadParameter(f"'{text}' is not valid UTF-8; correct it") from error


def parse_json(text: str, what: str) -> dict[str, Any]:
    """A JSON object as typed.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        value = strict_json.loads(_decoded(text))
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f'{what} must be a JSON object like {{"key": 1}}')
    return value
