"""Figures and times for people: SI prefixes, ages, "–" for what is not known."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime
from typing import Any

import typer

from sustainml_orchestrator.core.text import duration

UNKNOWN = "–"
_PREFIXES = ((1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n"))
_SECONDS = {"s": 1.0, "min": 60.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 7 * 86400.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d|w)")


def si(value: float, unit: str, *, zero_is_unknown: bool = False) -> str:
    """A figure with three digits, a prefix and its unit: 12.3 mWh."""
    if not math.isfinite(value) or (zero_is_unknown and value == 0):
        return UNKNOWN
    if value == 0:
        return f"0 {unit}"
    fits = (each for each in _PREFIXES if abs(value) >= each[0] * 0.9995)
    size, prefix = next(fits, _PREFIXES[-1])
    return f"{value / size:.3g} {prefix}{unit}"


def seconds_of(stamp: Any) -> float:
    """A ROS time in s; NaN for a zero stamp."""
    return stamp.sec + stamp.nanosec * 1e-9 if stamp.sec or stamp.nanosec else math.nan


def age(stamp: Any, until: float | None = None) -> str:
    """How long ago a ROS time was, or how long before `until` (s)."""
    seconds = (time.time() if until is None else until) - seconds_of(stamp)
    return UNKNOWN if math.isnan(seconds) else duration(max(0.0, seconds))


def since(text: str) -> float:
    """The time (s since 1970) that is meant by "90 s", "2h", "3d", or a date as in ISO 8601.

    Raises:
        typer.BadParameter: it is neither.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is not None:
        return time.time() - float(match[1]) * _SECONDS[match[2]]
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except ValueError:
        raise typer.BadParameter(
            f"'{text}' is no time; write an age such as 30min, 2h or 3d, or a date: "
            "2026-01-31T08:00"
        ) from None
