"""Messages as JSON data."""

from __future__ import annotations

import base64
import json
import math
from typing import Any


def plain(value: Any) -> Any:
    """A message as JSON data: NaN is null, embedded JSON is an object, other bytes are base64."""
    if hasattr(value, "get_fields_and_field_types"):
        names = value.get_fields_and_field_types()
        data = {name: plain(getattr(value, name)) for name in names}
        if "extra_data" in data:
            data["extra_data"] = _object(bytes(value.extra_data))
        if "json" in data:
            data["json"] = _object(value.json.encode())
        return data
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)) or getattr(value, "typecode", "") == "B":
        return base64.b64encode(bytes(value)).decode()
    return [plain(item) for item in value]


def _object(octets: bytes) -> Any:
    try:
        return plain(json.loads(octets or b"{}"))
    except (ValueError, RecursionError):  # modules may put anything there
        return plain(octets)
