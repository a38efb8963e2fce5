"""A problem as plain values, bounded and safe to compute with."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

#: Characters of a text that are looked at; more of them never told more.
MAX_TEXT = 20_000
#: No word is longer, also in a script without blanks; a search in one takes its length squared.
_TOO_LONG = re.compile(r"(\w{300})\w+")
#: What front-ends send for a choice not made.
_NO_CHOICE = frozenset({"", "(empty)", "none", "null", "unknown", "any"})


class UnclearError(ValueError):
    """The problem cannot be answered as it stands; the text says what to change."""


@dataclass(frozen=True)
class Problem:
    """What a user states; empty and zero fields state nothing."""

    title: str = ""
    definition: str = ""
    modality: str = ""
    inputs: str = ""
    outputs: str = ""
    minimum_samples: int = 0
    maximum_samples: int = 0
    optimise_auto: bool = False
    optimise_manual: bool = False
    desired_carbon_kg: float = 0.0
    extra: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, message: Any) -> Problem:
        """Read a UserInput message (anything with its fields)."""
        return cls(
            title=_text(message.problem_short_description),
            definition=_text(message.problem_definition),
            modality=choice(message.modality),
            # Some front-ends split these at each blank: joined, they are phrases again.
            inputs=_text(" ".join(message.inputs)),
            outputs=_text(" ".join(message.outputs)),
            minimum_samples=message.minimum_samples,
            maximum_samples=message.maximum_samples,
            optimise_auto=message.optimize_carbon_footprint_auto,
            optimise_manual=message.optimize_carbon_footprint_manual,
            desired_carbon_kg=message.desired_carbon_footprint,
            extra=read_object(message.extra_data),
        )

    @property
    def text(self) -> str:
        """Title and definition, as sentences."""
        return f"{self.title}. {self.definition}"[:MAX_TEXT] if self.title else self.definition


def choice(value: Any) -> str:
    """A name chosen by the user, stripped; empty for none and for what is no string."""
    name = _sendable(value).strip() if isinstance(value, str) else ""
    return "" if name.casefold() in _NO_CHOICE else name


def choices(value: Any) -> list[str]:
    """A list of names, or one name; without blanks and repetitions."""
    items = value if isinstance(value, list) else [value]
    return [name for name in dict.fromkeys(map(choice, items)) if name]


def read_object(data: bytes | Iterable[int]) -> dict[str, Any]:
    """The JSON object in an `extra_data` field; empty when there is none or it is unreadable."""
    try:
        # What JSON has no words for (NaN, Infinity) must not be passed on as if it had.
        content = json.loads(bytes(data) or b"{}", parse_constant=lambda _: None)
    except (ValueError, RecursionError):  # ValueError: no UTF-8, no JSON, a number too long
        return {}
    return content if isinstance(content, dict) else {}


def write_object(content: dict[str, Any]) -> bytes:
    """JSON for an `extra_data` field: pure ASCII, hence UTF-8 whatever the user typed."""
    return json.dumps(content).encode("ascii")


def _text(value: str) -> str:
    # Some single characters stand for whole phrases: cut again after writing them out.
    written = _sendable(unicodedata.normalize("NFKC", value[:MAX_TEXT]))
    return _TOO_LONG.sub(r"\1", written)


def _sendable(value: str) -> str:
    # Half a surrogate pair, which JSON can smuggle in, cannot be sent on.
    return value[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
