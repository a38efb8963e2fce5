"""Credentials in a user's extra_data: what they are called, and how they are left out."""

from __future__ import annotations

from typing import Any

_MARKS = ("token", "password", "secret", "api_key", "apikey", "api-key")


def is_credential(key: str) -> bool:
    """Whether a key of this name holds something that only modules may see."""
    lowered = key.lower()
    return any(mark in lowered for mark in _MARKS)


def strip(value: Any) -> tuple[Any, bool]:
    """A copy of JSON data without credentials at any depth, and whether there were any."""
    if isinstance(value, dict):
        kept = {key: strip(item) for key, item in value.items() if not is_credential(key)}
        removed = len(kept) < len(value) or any(hit for _, hit in kept.values())
        return {key: item for key, (item, _) in kept.items()}, removed
    if isinstance(value, list):
        items = [strip(item) for item in value]
        return [item for item, _ in items], any(hit for _, hit in items)
    return value, False
