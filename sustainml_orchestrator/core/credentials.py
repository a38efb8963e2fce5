"""Credentials in extra_data: their names, and how they are removed."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from typing import Any

#: Part of the name of a credential, without what separates words.
_PARTS = (
    "password", "passwd", "passphrase", "pwd", "secret", "apikey", "accesskey", "credential",
    "authorization", "privatekey",
)  # fmt: skip
#: In texts: user and password of a URL; keys of well-known forms; headers; assignments, of which
#: the name decides.
_USER_INFO = re.compile(r"(?<=://)[^\s/?#@:]*:[^\s/?#@]*@")
_KEYS = re.compile(r"\b(?:hf_|sk-|gh[pousr]_|AKIA)[\w-]{16,}|(?i:(?<=\bbearer )[\w.~+/=-]{16,})")
_HEADER = re.compile(
    r"(?i)(\bauthorization['\"]?\s*[:=]\s*['\"]?)(?:(?:basic|bearer) )?[^\s'\",;}]+"
)
_ASSIGNMENT = re.compile(
    r"(?P<head>(?<![\w-])(?P<name>[\w-]+)(?:=|['\"]\s*:\s*)['\"]?)[^\s&;,'\"}\]]+"
)
_HIDDEN = "…"
#: Matches all texts and serialized JSON that hold a credential, and little else. Searched in lower
#: case, as `re.IGNORECASE` takes nine times as long.
_PATTERN = "|".join(
    [r"://", r"\\u", "hf_", "sk-", "gh[pousr]_", "akia", "bearer"]
    + ["[-_. ]*".join(part) for part in ("token", "auth", *_PARTS)]
)
_MAYBE = re.compile(_PATTERN.encode())
_LOWER = bytes(range(256)).lower()
_MAYBE_TEXT = re.compile(_PATTERN)


def is_credential(key: str) -> bool:
    """Whether this is the name of a credential, which only modules may see."""
    lowered = re.sub("[-_. ]", "", key.lower())
    return lowered.endswith("token") or lowered == "auth" or any(p in lowered for p in _PARTS)


def may_hold(data: bytes | memoryview) -> bool:
    """Whether JSON, or a message that has some in it, may hold credentials.

    If not, it need not be parsed. Without its NULs, a name in UTF-16 or UTF-32 looks as in
    UTF-8.
    """
    return _MAYBE.search(bytes(data).translate(_LOWER, b"\0")) is not None


def scrub(text: str) -> str:
    """A text without passwords in URLs, API keys, authorization headers and secrets assigned."""
    if not _MAYBE_TEXT.search(text.lower()):
        return text
    text = _KEYS.sub(_HIDDEN, _USER_INFO.sub("", text))
    return _ASSIGNMENT.sub(_hide, _HEADER.sub(rf"\1{_HIDDEN}", text))


def _hide(match: re.Match[str]) -> str:
    return match["head"] + _HIDDEN if is_credential(match["name"]) else match[0]


def strip(value: Any) -> tuple[Any, bool]:
    """A copy of JSON data without credentials at any depth, and whether there were any."""
    if isinstance(value, dict):
        kept = {scrub(key): strip(item) for key, item in value.items() if not is_credential(key)}
        removed = not kept.keys() >= value.keys() or any(hit for _, hit in kept.values())
        return {key: item for key, (item, _) in kept.items()}, removed
    if isinstance(value, list):
        items = [strip(item) for item in value]
        return [item for item, _ in items], any(hit for _, hit in items)
    if isinstance(value, str):
        plain = _strip_text(value)
        return plain, plain != value
    return value, False


def _strip_text(text: str) -> str:
    """A text without credentials; it may be JSON itself."""
    if text[:1] in ("{", "["):
        with suppress(ValueError):
            plain, removed = strip(json.loads(text))
            return json.dumps(plain, ensure_ascii=False) if removed else text
    return scrub(text)


def only(value: dict[str, Any]) -> dict[str, Any]:
    """The credentials at the top of a JSON object."""
    return {key: item for key, item in value.items() if is_credential(key)}
