"""JSON from outside: Python's own reader also takes NaN, Infinity, and numbers that become inf."""

from __future__ import annotations

import json
import math
from typing import Any


def loads(data: str | bytes | bytearray) -> Any:
    """The value of a JSON text.

    Raises:
        ValueError: it is no JSON, no UTF-8, or a number in it is not finite; the text says why.
        RecursionError: it is nested too deeply.
    """
    infinite = False

    def number(text: str) -> float:
        nonlocal infinite
        value = float(text)
        infinite = infinite or math.isinf(value)
        return value

    value = json.loads(data, parse_constant=_refuse, parse_float=number)
    if infinite:
        raise ValueError(f"{_first_infinite(value)} is inf; JSON numbers are finite")
    return value


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is no JSON number")


def _first_infinite(value: Any) -> str:
    """The place of a number that is infinite, such as ``limits[2].memory``."""
    rest = [("", value)]
    while rest:
        place, item = rest.pop()
        if isinstance(item, float) and math.isinf(item):
            return place or "it"
        if isinstance(item, dict):
            rest += [(f"{place}.{key}" if place else key, each) for key, each in item.items()]
        elif isinstance(item, list):
            rest += [(f"{place}[{number}]", each) for number, each in enumerate(item)]
    return "a number"
