"""Hardware and memory that a problem names, in the words of the catalogue of devices."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.problem import (
    MAX_TEXT,
    Problem,
    UnclearError,
    choices,
)
from sustainml_orchestrator.reference_modules.text.words import fold, needle, places, plain

_MAX_MIB = 2**32 - 1
_Cue = tuple[str, str]  # a needle and what it names
#: Classes for which a general-purpose processor beside them is nothing of its own.
_SPECIAL = ("microcontroller", "edge", "mobile", "fpga", "pim")


@dataclass(frozen=True)
class Constraints:
    """What the hardware must be."""

    memory_mib: float  #: 0 = no limit
    hardware: tuple[str, ...]  #: names of devices or classes, any of which will do
    origin: str  #: where the hardware comes from: "extra_data", "text" or "" for none
    memory_kind: str = ""  #: of which memory: "ram", "flash", or "" for all that the model takes

    @property
    def whole_mib(self) -> int:
        """The limit in whole MiB, rounded up: less than one would read as no limit."""
        return math.ceil(self.memory_mib)


class HardwareWords:
    """Finds hardware in texts."""

    def __init__(self, data: Mapping[str, Any], devices: DeviceCatalogue) -> None:
        """Read the parsed `constraints.yaml`.

        Raises:
            KeyError: it lacks a part.
        """
        self.devices = devices
        self._sure = [(needle(c), name) for name, cues in data["phrases"].items() for c in cues]
        self._unsure = [(needle(c), name) for name, cues in data["words"].items() for c in cues]
        self._sure_names: list[_Cue] = []
        self._unsure_names: list[_Cue] = []
        for device in devices.devices:
            for alias in (device.name, *device.aliases):
                into = self._sure_names if _distinctive(alias) else self._unsure_names
                into.append((needle(alias), device.name))
        self._before, self._after, self._subject, self._ignored = (
            _Words(data[key]) for key in ("before", "after", "subject", "ignored_after")
        )
        self._memory, self._not_memory, self._of = (
            frozenset(data[key]) for key in ("memory", "not_memory", "of")
        )

    def read(self, problem: Problem) -> Constraints:
        """The constraints of a problem; what `extra_data` says outranks the text.

        Raises:
            UnclearError: a value in extra_data has no meaning; the message says which has.
        """
        given = choices(problem.extra.get("hardware_required"))
        named = [self.canonical(name) for name in given] or self.in_text(problem.text)
        memory = self._given_memory(problem.extra.get("max_memory_footprint"))
        return Constraints(
            memory_mib=memory or self.memory_in_text(problem.text),
            hardware=tuple(dict.fromkeys(named)),
            origin="extra_data" if given else "text" if named else "",
        )

    def canonical(self, name: str) -> str:
        """The catalogue's name of a device or class; an unknown name as it is."""
        found = self.devices.find(name)
        if not found:
            return name
        return found[0].name if len(found) == 1 else found[0].device_class

    def in_text(self, text: str) -> list[str]:
        """The devices named, else the classes."""
        words = plain(text[:MAX_TEXT])
        devices = self._spot(self._sure_names, words, sure=True)
        devices += self._spot(self._unsure_names, words, sure=False)
        # "Raspberry Pi 5" also holds "Raspberry Pi": the longest name at a place is meant.
        kept = [
            (start, end, name)
            for start, end, name in devices
            if not any(s <= start and end <= e and e - s > end - start for s, e, _ in devices)
        ]
        if kept:
            return list(dict.fromkeys(name for _, _, name in sorted(kept)))
        spots = self._spot(self._sure, words, sure=True)
        spots += self._spot(self._unsure, words, sure=False)
        classes = list(dict.fromkeys(name for _, _, name in sorted(spots)))
        special = [name for name in classes if name in _SPECIAL]
        return special or classes

    def memory_in_text(self, text: str) -> float:
        """The smallest amount of memory named, in MiB; 0 for none."""
        found = [(q.value, self._is_memory(q)) for q in quantities.memory(fold(text))]
        sure = [value for value, kind in found if kind == "sure" and value]
        return min(sure or [value for value, kind in found if kind and value], default=0.0)

    def _spot(self, cues: Iterable[_Cue], words: str, *, sure: bool) -> list[tuple[int, int, str]]:
        spots = []
        for cue, name in cues:
            for at in places(cue, words):
                end = at + len(cue.rstrip())
                if self._is_platform(words, at, end, sure=sure, phrase=cue):
                    spots.append((at, end, name))
        return spots

    def _is_platform(self, words: str, at: int, end: int, *, sure: bool, phrase: str) -> bool:
        """Whether a name means where the solution runs, not what it is about."""
        before = words[max(0, at - 80) : at + 1].split()
        after = re.sub(r"^\w+", "", words[end : end + 60]).split()
        if self._subject.hit(after[:2]):
            return False
        # Phrases such as "without a gpu" hold their negation themselves.
        holds_negation = self._ignored.hit(phrase.split()[:1])
        if not holds_negation and self._ignored.hit(before[-4:]):
            return False
        return sure or self._before.hit(before[-3:]) or self._after.hit(after[:1])

    def _is_memory(self, quantity: quantities.Quantity) -> str:
        after, before = quantity.after[:3], quantity.before[-3:]
        if set(after[:2]) & self._memory:
            return "sure"
        if set(after) & self._not_memory or (after and after[0] in self._of):
            return ""
        if set(before) & self._not_memory:
            return ""
        return "sure" if set(before) & self._memory else "likely"

    def _given_memory(self, value: Any) -> float:
        """`max_memory_footprint` in MiB: a number, or a string such as "8 GB"; 0 = no limit."""
        if value is None or (isinstance(value, str) and not choices(value)):
            return 0.0
        amount = value
        if isinstance(value, str):
            text = fold(value.strip())
            found = quantities.memory(text)
            amount = found[0].value if found else _float(text)
        if isinstance(amount, bool) or not isinstance(amount, (int, float)):
            amount = math.nan
        if not 0 <= amount <= _MAX_MIB:
            raise UnclearError(
                f"max_memory_footprint {str(value)[:40]!r} is no amount of memory; give a number "
                'of MiB such as 512, or a text such as "8 GB" (0 for no limit)'
            )
        return float(amount)


class _Words:
    """A set of words, some with a star at their end."""

    def __init__(self, cues: Iterable[str]) -> None:
        cues = list(cues)
        self._exact = frozenset(cue for cue in cues if not cue.endswith("*"))
        self._starts = tuple(cue[:-1] for cue in cues if cue.endswith("*"))

    def hit(self, words: Iterable[str]) -> bool:
        return any(word in self._exact or word.startswith(self._starts) for word in words)


def _distinctive(alias: str) -> bool:
    """Whether a name can hardly mean anything but that device."""
    text = plain(alias).strip()
    return " " in text or (len(text) >= 5 and any(letter.isdigit() for letter in text))


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
