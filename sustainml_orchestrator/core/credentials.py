"""Credentials in extra_data: their names, and how they are removed."""

from __future__ import annotations

import base64
import json
import re
from contextlib import suppress
from typing import Any

#: Part of the name of a credential, without what separates words.
_PARTS = (
    "password", "passwd", "passphrase", "pwd", "secret", "apikey", "accesskey", "credential",
    "authorization", "privatekey", "sshkey", "connectionstring",
)  # fmt: skip
#: How the name of a credential ends.
_ENDS = ("token", "auth", "cookie", "bearer", "jwt")
#: In texts: user and password of a URL; keys of well-known forms; headers; signatures of URLs;
#: assignments and options, of which the name decides.
_USER_INFO = re.compile(r"(?<=://)[^\s/?#@:]*:[^\s/?#]*@")
_KEYS = re.compile(
    r"\b(?:hf_|sk-|gh[pousr]_|github_pat_|glpat-|xox[a-z]-|AKIA)[\w-]{16,}"
    r"|\beyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    r"|(?i:(?<=\bbearer )[\w.~+/=-]{16,})"
    r"|(?s:(?<=PRIVATE KEY-----).+?(?=-----END|$))"
)
_BASE64 = re.compile(r"\beyJ[\w+/-]{16,}={0,2}")
_HEADER = re.compile(
    r"(?i)(\bauthorization['\"]?\s*[:=]\s*['\"]?)"
    r"(?:(?:apikey|basic|bearer|digest|negotiate|token) )?[^\s'\",;}]+"
)
_COOKIE = re.compile(r"(?i)(\bcookie: )[\w.-]+=[^\s;'\"]*(?:; ?[\w.-]+(?:=[^\s;'\"]*)?)*")
_SIGNATURE = re.compile(r"(?i)([?&](?:x-\w+-)?sig(?:nature)?=)[^\s&#'\"]+")
_ASSIGNED = re.compile(
    r"(?<![\w-])(?P<name>[\w-]+)(?: ?= ?(?!=)|%3[dD]|\\*['\"]\s*:\s*|(?P<colon>: ))"
)
_VALUE = re.compile(
    r"(?P<open>b?(?P<quote>\\*['\"]))(?P<quoted>.+?)(?P=quote)|(?P<bare>['\"]?[^\s&;,'\"}\]]+)"
)
_OPTION = re.compile(
    r"(?P<head>(?<![\w-])--(?P<name>[\w-]+)(?: |['\"], ?['\"]))(?P<bare>[^\s'\"]+)"
)
#: Shortest value after "token: " and the like in a sentence, which may be no more than a word.
_LEAST = 6
_HIDDEN = "…"
#: Matches all texts and serialized JSON that hold a credential, and little else. Searched in lower
#: case, as `re.IGNORECASE` takes nine times as long.
_PATTERN = "|".join(
    [r"://", r"\\u", "hf_", "sk-", "g(?:h[pousr]_|lpat-|ithub_pat_)", "akia", "eyj", "xox"]
    + ["bearer", "jwt", "cookie"]
    + ["[-_. ]*".join(part) for part in ("token", "auth", *_PARTS)]
)
_MAYBE = re.compile(_PATTERN.encode())
_MAYBE_TEXT = re.compile(_PATTERN)
_LOWER = bytes(range(256)).lower()
_URL_SAFE = str.maketrans("-_", "+/")


def is_credential(key: str) -> bool:
    """Whether this is the name of a credential, which only modules may see."""
    lowered = re.sub("[-_. ]", "", key.lower())
    return lowered.endswith(_ENDS) or any(part in lowered for part in _PARTS)


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
    text = _BASE64.sub(_hide_encoded, text)
    for pattern in (_HEADER, _COOKIE, _SIGNATURE):
        text = pattern.sub(rf"\1{_HIDDEN}", text)
    return _without_assigned(_OPTION.sub(_hide_option, text))


def _without_assigned(text: str) -> str:
    """A text without the values that are assigned to names of credentials."""
    kept, done = [], 0
    for name in _ASSIGNED.finditer(text):
        if name.start() < done or not is_credential(name["name"]):
            continue
        found = _VALUE.match(text, name.end())
        if found is None or (name["colon"] and _is_word(found)):
            continue
        kept += [text[done : name.end()], found["open"] or "", _HIDDEN, found["quote"] or ""]
        done = found.end()
    return "".join(kept) + text[done:]


def _is_word(found: re.Match[str]) -> bool:
    """Whether it is a part of a sentence: "unexpected token: identifier"."""
    value = found["quoted"] or found["bare"]
    return len(value) < _LEAST or (not found["quote"] and value.isalpha())


def _hide_option(match: re.Match[str]) -> str:
    is_word = match["bare"].isalpha()  # a sentence: "--token needs a value"
    hidden = is_credential(match["name"]) and not is_word
    return match["head"] + _HIDDEN if hidden else match[0]


def _hide_encoded(match: re.Match[str]) -> str:
    """In place of JSON in base64: hidden as a whole where it may hold credentials."""
    text = match[0].rstrip("=").translate(_URL_SAFE)
    data = base64.b64decode(text[: len(text) - (len(text) % 4 == 1)] + "===")
    return _HIDDEN if may_hold(data) else match[0]


def strip(value: Any) -> tuple[Any, bool]:
    """A copy of JSON data without credentials at any depth, and whether there were any."""
    if isinstance(value, dict):
        hidden = "value" if is_credential(str(value.get("name", value.get("key", "")))) else None
        kept = {
            scrub(key): strip(item)
            for key, item in value.items()
            if key != hidden and not is_credential(key)
        }
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
    if text.lstrip()[:1] in ("{", "[", '"'):
        with suppress(ValueError):
            plain, removed = strip(json.loads(text))
            return json.dumps(plain, ensure_ascii=False) if removed else text
    return scrub(text)


def only(value: dict[str, Any]) -> dict[str, Any]:
    """The credentials at the top of a JSON object."""
    return {key: item for key, item in value.items() if is_credential(key)}
