"""What modules say beside their figures: assumptions, notes, and what they did not understand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

#: Title, output and key of extra_data, in the order in which they are shown.
_REMARKS = (
    ("result", "carbon_footprint", "summary"),
    ("note", "ml_model", "notes"),
    ("note", "hw_resource", "notes"),
    ("assumed", "hw_constraints", "assumptions"),
    ("hardware", "hw_constraints", "not_in_catalogue"),
    ("not understood", "app_requirements", "not_understood"),
)
#: Lines of one kind that are shown.
_MOST = 10


def remarks(task: Any) -> Iterator[str]:
    """Lines for people, of the extra_data of a task's outputs."""
    for title, text in titled(task):
        yield f"{title}: {text}"


def titled(task: Any) -> Iterator[tuple[str, str]]:
    """The same in two parts: of what kind a remark is, and its text."""
    for title, output, key in _REMARKS:
        told = _object(getattr(task, output).extra_data).get(key)
        lines = [told] if isinstance(told, str) else told if isinstance(told, list) else []
        texts = [line for line in lines if isinstance(line, str) and line.strip()]
        if key == "not_understood" and texts:
            texts = [", ".join(texts)]
        for text in texts[:_MOST]:
            yield title, text


def told(output: Any, key: str) -> Any:
    """What an output says in its extra_data under a key; None where nothing."""
    return _object(output.extra_data).get(key)


def _object(data: Any) -> dict[str, Any]:
    try:
        content = json.loads(bytes(data) or b"{}")
    except (ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
