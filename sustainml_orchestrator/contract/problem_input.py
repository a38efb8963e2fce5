"""Problems as people write them: YAML or JSON with the fields of a UserInput.

The type of a value is that of its field in the message: text stays text, whatever it looks like.
In extra_data a value is JSON where it is valid JSON, else text.
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from sustainml_orchestrator.contract import strict_json

if TYPE_CHECKING:
    from sustainml_msgs.msg import UserInput

#: The fields of UserInput that belong to the orchestrator; a user fills the rest.
_NOT_OF_THE_USER = ("task_id", "attempt", "session", "token", "header", "previous_iteration")
#: Most values in a YAML text: one with aliases may stand for far more than it holds.
_MOST_VALUES = 20_000
_YAML_TAGS = tuple(f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map"))


class ProblemError(ValueError):
    """A text is no problem: one sentence says where and why.

    Attributes:
        field: of the message that is wrong; "" where it is the text as a whole.
    """

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(message)
        self.field = field


def parse(text: str, source: str) -> dict[str, Any]:
    """The fields in a YAML or JSON text, those of the message as text.

    Args:
        text: of the file.
        source: its name, for messages.

    Raises:
        ProblemError: it cannot be read, or holds no fields.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = _read_yaml(text, source)
    if not isinstance(data, dict):
        raise ProblemError(f"{source} must hold fields like 'problem_definition: …'")
    return data


def _read_yaml(text: str, source: str) -> Any:
    import yaml

    try:
        node = _compose(text)
        if not isinstance(node, yaml.MappingNode):
            return None
        _count(node, [0])
        return {name: _value(each, name == "extra_data") for name, each in _entries(node)}
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProblemError(f"{source} cannot be read: {explain_yaml(error)}") from error


def _compose(text: str) -> Any:
    """The nodes of a YAML text, of which there are not too many."""
    import yaml

    class Loader(yaml.BaseLoader):
        count = 0

        def compose_node(self, *args: Any) -> Any:
            Loader.count += 1
            if Loader.count > _MOST_VALUES:
                raise ValueError(f"it holds more than {_MOST_VALUES} values; shorten it")
            return super().compose_node(*args)

    return yaml.compose(text, Loader)


def _count(node: Any, count: list[int]) -> None:
    """Refuse nodes of which aliases make too many."""
    count[0] += 1
    if count[0] > _MOST_VALUES:
        raise ValueError(
            f"with its references it holds more than {_MOST_VALUES} values; shorten it"
        )
    if node.id == "mapping":
        for _, value in node.value:
            _count(value, count)
    elif node.id == "sequence":
        for value in node.value:
            _count(value, count)


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
    return json_or_text(node.value) if is_extra and node.style is None else node.value


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
        ProblemError: a field is unknown, or its value is not of its type.
    """
    from sustainml_msgs.msg import UserInput

    message = UserInput()
    extra = fields.get("extra_data") or {}
    if not isinstance(extra, dict):
        raise ProblemError("extra_data must be a mapping")
    kinds = message.get_fields_and_field_types()
    known = [name for name in kinds if name not in _NOT_OF_THE_USER]
    for name, value in fields.items():
        if name == "extra_data":
            continue
        if name not in known:
            close = get_close_matches(str(name), known, 1)
            hint = f"; did you mean {close[0]}?" if close else f"; use {', '.join(known)}"
            raise ProblemError(f"'{name}' is no field of a problem{hint}")
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
        raise ProblemError(f"{name} is not valid UTF-8; correct it") from error
    except (ValueError, KeyError) as error:
        shown = json.dumps(value, ensure_ascii=False, default=str)[:80]
        raise ProblemError(f"{name} is {shown}; use {_KINDS[kind][1]} ({kind})") from error


def as_text(text: str) -> str:
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
    "string": (as_text, "a text"),
    "boolean": (lambda text: _BOOLEANS[text.lower()], "true or false"),
    "double": (_number, "a number"),
    "uint32": (lambda text: _whole(text, *_UINT32), _RANGE.format(*_UINT32)),
    "int32": (lambda text: _whole(text, *_INT32), _RANGE.format(*_INT32)),
}


def json_or_text(text: str) -> Any:
    """JSON where it is valid JSON, else the text."""
    try:
        return strict_json.loads(text)
    except (ValueError, RecursionError):
        return text
