"""Credentials in extra_data: what they are called, and how they are left out."""

from __future__ import annotations

import re
from typing import Any

#: Part of the name of a credential, once "-" and "_" are left out.
_PARTS = (
    "password", "passwd", "pwd", "secret", "apikey", "credential", "authorization", "privatekey",
)  # fmt: skip
#: Before a host in a URL: user, colon, password.
_USER_INFO = re.compile(r"(?<=://)[^\s/?#@:]*:[^\s/?#@]*@")
#: Whether serialized JSON may hold a credential: cheap, and true wherever one is.
_MAYBE = re.compile(
    "|".join(
        [r"://", r"\\u", *("[-_]*".join(part) for part in ("token", "auth", *_PARTS))]
    ).encode(),
    re.IGNORECASE,
)


def is_credential(key: str) -> bool:
    """Whether a key of this name holds something that only modules may see."""
    lowered = re.sub("[-_]", "", key.lower())
    return lowered.endswith("token") or lowered == "auth" or any(p in lowered for p in _PARTS)


def may_hold(data: bytes | memoryview) -> bool:
    """Whether serialized JSON may hold credentials; if not, it need not be parsed."""
    return _MAYBE.search(data) is not None


def without_user_info(text: str) -> str:
    """A text without the user and password of the URLs in it."""
    return _USER_INFO.sub("", text) if "://" in text else text


def strip(value: Any) -> tuple[Any, bool]:
    """A copy of JSON data without credentials at any depth, and whether there were any."""
    if isinstance(value, dict):
        kept = {key: strip(item) for key, item in value.items() if not is_credential(key)}
        removed = len(kept) < len(value) or any(hit for _, hit in kept.values())
        return {key: item for key, (item, _) in kept.items()}, removed
    if isinstance(value, list):
        items = [strip(item) for item in value]
        return [item for item, _ in items], any(hit for _, hit in items)
    if isinstance(value, str):
        plain = without_user_info(value)
        return plain, plain != value
    return value, False


def only(value: dict[str, Any]) -> dict[str, Any]:
    """The credentials at the top of a JSON object."""
    return {key: item for key, item in value.items() if is_credential(key)}
