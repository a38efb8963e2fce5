"""A problem as a user writes it: YAML, JSON or FIELD=VALUE with the fields of UserInput.

The type of a value is that of its field in the message: text stays text, whatever it looks like.
"""

from __future__ import annotations

import json
import math
import re
import sys
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput

_LISTS = ("inputs", "outputs")


def read(path: str) -> dict[str, Any]:
    """The fields in a YAML or JSON file, those of the message as text; ``-`` is standard input.

    Raises:
        typer.BadParameter: it cannot be read, or holds no fields.
    """
    try:
        octets = sys.stdin.buffer.read() if path == "-" else Path(path).read_bytes()
        text = octets.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {error}") from error
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = _read_yaml(text, path)
    if not isinstance(data, dict):
        raise typer.BadParameter(f"{path} must hold fields like 'problem_definition: …'")
    return data


def _read_yaml(text: str, path: str) -> Any:
    import yaml

    try:
        loader = _loader()(text)
        node = loader.get_single_node()
        if not isinstance(node, yaml.MappingNode):
            return None
        fields: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in fields:
                line = key.start_mark.line + 1
                raise typer.BadParameter(f"{path}, line {line}: {name} is given twice")
            is_extra = name == "extra_data"
            fields[name] = loader.construct_object(value, deep=True) if is_extra else _raw(value)
        return fields
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{path} cannot be read: {explain_yaml(error)}") from error


def explain_yaml(error: Exception) -> str:
    """Where a YAML file is wrong, and why: ``line 3: …``."""
    mark = getattr(error, "problem_mark", None)
    reason = getattr(error, "problem", None) or str(error) or "it is nested too deep"
    hint = "; put the text in quotes" if "mapping values" in reason else ""
    return f"{f'line {mark.line + 1}: ' if mark else ''}{' '.join(reason.split())}{hint}"


def _loader() -> type[Any]:
    """A loader for which a value is text unless JSON or YAML 1.2 says otherwise: NO is no False."""
    import yaml

    class Loader(yaml.SafeLoader):
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012

    number = r"-?(0|[1-9][0-9]*)"
    for kind, pattern, first in (
        ("bool", r"true|false", "tf"),
        ("null", r"null|~|", "n~\0"),
        ("int", number, "-0123456789"),
        ("float", rf"{number}(\.[0-9]+)?([eE][+-]?[0-9]+)?", "-0123456789"),
    ):
        places = ["" if sign == "\0" else sign for sign in first]
        Loader.add_implicit_resolver(
            f"tag:yaml.org,2002:{kind}", re.compile(f"(?:{pattern})$"), places
        )
    Loader.add_constructor("tag:yaml.org,2002:float", lambda _, node: float(node.value))
    return Loader


def _raw(node: Any) -> Any:
    """A node as it is written: text, a list of texts, or None."""
    if node.id == "scalar":
        return None if node.tag.endswith(":null") else node.value
    if node.id == "sequence":
        return [_raw(item) for item in node.value]
    return {}


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
        if isinstance(value, (list, dict)):
            raise ValueError("it is not one value")
        return _READERS[kind](text)
    except UnicodeEncodeError as error:
        raise typer.BadParameter(f"{name} is not valid UTF-8; correct it") from error
    except (ValueError, KeyError) as error:
        shown = json.dumps(value, ensure_ascii=False, default=str)[:80]
        raise typer.BadParameter(f"{name} is {shown}; use {_WANTED[kind]} ({kind})") from error


def _text(text: str) -> str:
    text.encode("utf-8")
    return text


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
_READERS: dict[str, Callable[[str], Any]] = {
    "string": _text,
    "boolean": lambda text: {"true": True, "false": False}[text.lower()],
    "double": _number,
    "uint32": lambda text: _whole(text, *_UINT32),
    "int32": lambda text: _whole(text, *_INT32),
}
_WANTED = {
    "string": "a text",
    "boolean": "true or false",
    "double": "a number",
    "uint32": "a whole number from {} to {}".format(*_UINT32),
    "int32": "a whole number from {} to {}".format(*_INT32),
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
        name, equals, text = pair.partition("=")
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
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"{what} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise typer.BadParameter(f'{what} must be a JSON object like {{"key": 1}}')
    return value
