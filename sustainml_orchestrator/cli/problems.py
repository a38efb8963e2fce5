"""A problem as a user writes it: YAML, JSON or FIELD=VALUE with the fields of UserInput.

The type of a value is that of its field in the message: text stays text, whatever it looks like.
In extra_data a value is JSON where it is valid JSON, else text.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput

_LISTS = ("inputs", "outputs")
_YAML_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


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
        raise typer.BadParameter(f"{source} cannot be read: {error}") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = _read_yaml(text, source)
    if not isinstance(data, dict):
        raise typer.BadParameter(f"{source} must hold fields like 'problem_definition: …'")
    return data


def _read_yaml(text: str, source: str) -> Any:
    import yaml

    try:
        node = yaml.compose(text, yaml.BaseLoader)
        if not isinstance(node, yaml.MappingNode):
            return None
        return {name: _value(each, name == "extra_data") for name, each in _entries(node)}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{source} cannot be read: {explain_yaml(error)}") from error


def _entries(node: Any) -> Iterator[tuple[str, Any]]:
    """The entries of a YAML mapping."""
    import yaml

    seen = set()
    for key, value in node.value:
        if key.id != "scalar" or key.value in seen:
            text = f"{key.value} is given twice" if key.id == "scalar" else "a key must be text"
            raise yaml.MarkedYAMLError(problem=text, problem_mark=key.start_mark)
        seen.add(key.value)
        yield key.value, value


def _value(node: Any, is_extra: bool) -> Any:
    """A YAML value as it is written; in extra_data, what is JSON without quotes is read as such."""
    import yaml

    if node.tag not in _YAML_TAGS:
        text = f"the tag {node.tag} is not supported; put the text in quotes"
        raise yaml.MarkedYAMLError(problem=text, problem_mark=node.start_mark)
    if node.id == "mapping":
        return {name: _value(each, is_extra) for name, each in _entries(node)}
    if node.id == "sequence":
        return [_value(each, is_extra) for each in node.value]
    if node.style is None and node.value in ("", "~", "null"):
        return None
    return _json_or_text(node.value) if is_extra and node.style is None else node.value


def explain_yaml(error: Exception) -> str:
    """Where a YAML file is wrong, and why: ``line 3: …``."""
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error) or "it is nested too deep"
    is_text = any(each in reason for each in ("mapping values", "alias", "token", "anchor"))
    hint = "; put the text in quotes" if is_text else ""
    return f"{f'line {mark.line + 1}: ' if mark else ''}{' '.join(reason.split())}{hint}"


def to_message(fields: Mapping[str, Any]) -> tuple[UserInput, dict[str, Any]]:
    """A user input, and its extra_data apart.

    Raises:
        typer.BadParameter: a field is unknown, or its value is not of its type.
    """
    from sustainml_msgs.msg import UserInput

    from sustainml_orchestrator.node.requests import USER_FIELDS

    message = UserInput()
    extra = fields.get("extra_data") or {}
    if not isinstance(extra, dict):
        raise typer.BadParameter("extra_data must be a mapping")
    kinds = message.get_fields_and_field_types()
    for name, value in fields.items():
        if name == "extra_data":
            continue
        if name not in USER_FIELDS:
            close = get_close_matches(str(name), USER_FIELDS, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; use {', '.join(USER_FIELDS)}"
            raise typer.BadParameter(f"'{name}' is no field of a problem{hint}")
        if value is not None:  # else it keeps its default
            setattr(message, name, _typed(name, kinds[name], value))
    return message, extra


def _typed(name: str, kind: str, value: Any) -> Any:
    """A value as its field takes it."""
    if kind == "sequence<string>":
        items = value if isinstance(value, list) else [value]
        return [_typed(f"an entry of {name}", "string", item) for item in items]
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    try:
        if value is None or isinstance(value, (list, dict)):
            raise ValueError("it is not one value")
        return _KINDS[kind][0](text)
    except UnicodeError as error:
        raise typer.BadParameter(f"{name} is not valid UTF-8; correct it") from error
    except (ValueError, KeyError) as error:
        shown = json.dumps(value, ensure_ascii=False, default=str)[:80]
        raise typer.BadParameter(f"{name} is {shown}; use {_KINDS[kind][1]} ({kind})") from error


def _text(text: str) -> str:
    """A text as it was typed: what the locale cannot decode is taken as UTF-8.

    Raises:
        UnicodeError: it is not UTF-8.
    """
    try:
        text.encode()
        return text
    except UnicodeEncodeError:
        return os.fsencode(text).decode()


def _number(text: str) -> float:
    if "_" in text or not math.isfinite(number := float(text)):
        raise ValueError("no number")
    return number


def _whole(text: str, low: int, high: int) -> int:
    number = _number(text)
    if not (low <= number <= high and number.is_integer()):
        raise ValueError("no whole number")
    return int(number)


_UINT32, _INT32 = (0, 2**32 - 1), (-(2**31), 2**31 - 1)
_RANGE = "a whole number from {} to {}"
_BOOLEANS = {"true": True, "false": False}
#: For each type of a field: what reads a value, and what a user must write.
_KINDS: dict[str, tuple[Callable[[str], Any], str]] = {
    "string": (_text, "a text"),
    "boolean": (lambda text: _BOOLEANS[text.lower()], "true or false"),
    "double": (_number, "a number"),
    "uint32": (lambda text: _whole(text, *_UINT32), _RANGE.format(*_UINT32)),
    "int32": (lambda text: _whole(text, *_INT32), _RANGE.format(*_INT32)),
}


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
            fields.setdefault("extra_data", {})[key] = _json_or_text(text)
        elif name == "extra_data":
            fields.setdefault("extra_data", {}).update(parse_json(text, "extra_data"))
        elif name in _LISTS:
            value = _json_or_text(text)
            fields.setdefault(name, []).extend(value if isinstance(value, list) else [text])
        else:
            fields[name] = text
    return fields


def _decoded(text: str) -> str:
    try:
        return _text(text)
    except UnicodeError as error:
        raise typer.BadParameter(f"'{text}' is not valid UTF-8; correct it") from error


def _json_or_text(text: str) -> Any:
    try:
        return json.loads(text, parse_constant=str)
    except (ValueError, RecursionError):
        return text


def parse_json(text: str, what: str) -> dict[str, Any]:
    """A JSON object as typed.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        value = json.loads(_decoded(text))
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f'{what} must be a JSON object like {{"key": 1}}')
    return value
