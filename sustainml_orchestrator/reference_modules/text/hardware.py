"""Hardware and memory that a problem names, in the words of the catalogue of devices."""

from __future__ import annotations

import math
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.numerals import in_digits
from sustainml_orchestrator.reference_modules.text.problem import (
    MAX_TEXT,
    Problem,
    UnclearError,
    choices,
)
from sustainml_orchestrator.reference_modules.text.products import Product, Products, without_makers
from sustainml_orchestrator.reference_modules.text.words import (
    clause_ends,
    fold,
    needle,
    places,
    plain,
)

_MAX_MIB = 2**32 - 1
#: More than these before a name are no number of devices.
_MOST_DEVICES = 64
_AMOUNT = re.compile(r"\d*[gm]i?b")
_Cue = tuple[str, str]  # a needle and what it names
#: Classes for which a general-purpose processor beside them is nothing of its own.
_SPECIAL = ("microcontroller", "edge", "mobile", "fpga", "pim")


@dataclass(frozen=True)
class Constraints:
    """What the hardware must be."""

    memory_mib: float  #: 0 = no limit
    hardware: tuple[str, ...]  #: names of devices or classes, any of which will do
    origin: str  #: where the hardware comes from: "extra_data", "text" or "" for none
    assumptions: tuple[str, ...] = ()  #: what was taken for what
    unknown: tuple[tuple[str, str], ...] = ()  #: products that the catalogue lacks: name, class
    used: tuple[str, ...] = ()  #: passages of the text that were understood
    memory_kind: str = ""  #: of which memory: "ram", "flash", or "" for all that the model takes
    devices: int = 1  #: how many of it are named
    flash_mib: float = 0.0  #: a limit of flash beside that of RAM; 0 = none

    @property
    def whole_mib(self) -> int:
        """The limit in whole MiB, rounded up: less than one would read as no limit."""
        return math.ceil(self.memory_mib)


@dataclass(frozen=True)
class _Memory:
    """Limits in MiB, 0 for none, and the passages that were understood."""

    mib: float
    kind: str
    flash_mib: float
    used: tuple[str, ...]


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
            for alias in (device.name, *device.aliases, *device.generic):
                into = self._sure_names if _distinctive(alias) else self._unsure_names
                into.append((needle(alias), device.name))
        self._products = Products(data["products"], devices, data["instances"])
        self._forms = frozenset(data["forms"])
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
        found = self.named(problem.text)
        named = [self.canonical(name) for name in given] or found.hardware
        memory = self._given_memory(problem.extra.get("max_memory_footprint"))
        in_text = self._memory_in(problem.text)
        return Constraints(
            memory_mib=memory or in_text.mib,
            hardware=tuple(dict.fromkeys(named)),
            origin="extra_data" if given else "text" if named else "",
            assumptions=(*self._taken_for(given), *(() if given else found.assumptions)),
            unknown=found.unknown,
            used=(*in_text.used, *found.used),
            memory_kind="" if memory else in_text.kind,
            devices=1 if given else found.devices,
            flash_mib=0.0 if memory else in_text.flash_mib,
        )

    def canonical(self, name: str) -> str:
        """The catalogue's name of a device or class; an unknown name as it is."""
        found = self.devices.find(name)
        if not found:
            return name
        return found[0].name if len(found) == 1 else found[0].device_class

    def in_text(self, text: str) -> list[str]:
        """The devices named, else the classes, else products that the catalogue lacks."""
        return list(self.named(text).hardware)

    def named(self, text: str) -> Constraints:
        """The hardware that a text names: the devices, else the classes, else unknown products."""
        words = _Passage(plain(text[:MAX_TEXT]), clause_ends(text[:MAX_TEXT]))
        products = self._products.find(words.text)
        unknown = [p for p in products if p.device is None]
        devices = self._spot(self._sure_names, words, sure=True)
        devices += self._spot(self._unsure_names, words, sure=False)
        devices += [(p.start, p.end, p.device.name) for p in products
                    if p.device and self._runs_on(words, p)]  # fmt: skip
        # "Raspberry Pi 5" also holds "Raspberry Pi": the longest name at a place is meant, also
        # where the catalogue lacks it: an Orin NX is no AGX Orin.
        devices = [spot for spot in devices if not any(p.meets(*spot[:2]) for p in unknown)]
        kept = self._without_forms(_longest(devices), words)
        lacking = {p.lacking: p.device_class for p in unknown}
        required = [p.lacking for p in unknown if self._runs_on(words, p)]
        hardware = [name for _, _, name in kept] or required or self._classes(words)
        many = _numbers(words, kept, {end for _, end, _ in devices})
        told = [
            f"{count} x {name} are named; the figures are for one of them"
            for name, count in many.items()
            if count > 1
        ]
        taken = (
            *self._taken_for(words.text[start:end].strip() for start, end, _ in kept),
            *(p.assumption for p in products if p.assumption),
        )
        return Constraints(
            memory_mib=0.0,
            hardware=tuple(dict.fromkeys(hardware)),
            origin="text",
            assumptions=(*taken, *told),
            unknown=tuple(lacking.items()),
            used=tuple(words.text[start:end].strip() for start, end, _ in devices),
            # Of several kinds any one will do: how many there are of each is not told apart.
            devices=max(many.values()) if len(many) == 1 else 1,
        )

    def _without_forms(
        self, spots: list[tuple[int, int, str]], words: _Passage
    ) -> list[tuple[int, int, str]]:
        """Without "laptop" where a processor or card is named: that is what computes in it."""
        inner = [s for s in spots if words.text[s[0] : s[1]].strip() not in self._forms]
        computes = {"cpu", "gpu"} & {self.devices.find(n)[0].device_class for _, _, n in inner}
        return inner if computes else spots

    def is_subject(self, after: Iterable[str]) -> bool:
        """Whether the words after a name show that it is what the problem is about."""
        return self._subject.hit(after)

    def products_in(self, text: str) -> list[Product]:
        """The products that a text names, known or not."""
        return self._products.find(plain(text[:MAX_TEXT]))

    def _classes(self, words: _Passage) -> list[str]:
        spots = self._spot(self._sure, words, sure=True)
        spots += self._spot(self._unsure, words, sure=False)
        classes = list(dict.fromkeys(name for _, _, name in sorted(spots)))
        special = [name for name in classes if name in _SPECIAL]
        return special or classes

    def _runs_on(self, words: _Passage, product: Product) -> bool:
        digits = any(letter.isdigit() for letter in product.name)
        sure = _distinctive(product.name) or (digits and len(product.name) > 3)
        return self._is_platform(words, product.start - 1, product.end, sure=sure, phrase="")

    def _taken_for(self, names: Iterable[str]) -> tuple[str, ...]:
        """Which device stands for names that several products share."""
        generic = {
            name: form
            for name in names
            for form in (name, without_makers(name))
            if self.devices.is_generic(form)
        }
        return tuple(
            f"{name!r} is taken for {self.devices.find(form)[0].name}"
            for name, form in generic.items()
        )

    def memory_in_text(self, text: str) -> float:
        """The smallest amount of memory named, in MiB; 0 for none."""
        return self._memory_in(text).mib

    def _memory_in(self, text: str) -> _Memory:
        """The smallest amounts of memory in a text: of flash by itself where RAM is limited too."""
        folded = fold(in_digits(text))
        own = self._own_memory(plain(folded))
        found = [(q, self._is_memory(q)) for q in quantities.memory(folded)]
        found = [(q, kind) for q, kind in found if kind and q.value]
        used = tuple(q.surface for q, _ in found)
        # What a device has anyway is no limit: "an A100 40GB".
        bounds = [(q, kind) for q, kind in found if not self._is_own(q, own)]
        sure = [q for q, kind in bounds if kind == "sure"] or [q for q, _ in bounds]
        flash = [q.value for q in sure if _memory_kind(q) == "flash"]
        others = [q for q in sure if _memory_kind(q) != "flash"]
        if not others:
            return _Memory(min(flash, default=0.0), "flash" if flash else "", 0.0, used)
        least = min(others, key=lambda q: q.value)
        return _Memory(least.value, _memory_kind(least), min(flash, default=0.0), used)

    def _own_memory(self, words: str) -> list[tuple[tuple[str, ...], float]]:
        """The words of each graphics card named, and its memory in MiB: its name may tell it."""
        products = [(p.name, p.device) for p in self._products.find(words) if p.device]
        return [(tuple(n.split()), d.memory_mib) for n, d in products if d.device_class == "gpu"]

    def _is_own(
        self, quantity: quantities.Quantity, own: Iterable[tuple[tuple[str, ...], float]]
    ) -> bool:
        for name, mib in own:
            # The name may hold the amount: "a100 40gb".
            near = {*quantity.before[-1:], *plain(quantity.surface).split()}
            if set(name[-2:]) & near and quantity.value >= 0.9 * mib:
                return True
        return False

    def _spot(
        self, cues: Iterable[_Cue], words: _Passage, *, sure: bool
    ) -> list[tuple[int, int, str]]:
        spots = []
        for cue, name in cues:
            for at in places(cue, words.text):
                end = at + len(cue.rstrip())
                if self._is_platform(words, at, end, sure=sure, phrase=cue):
                    spots.append((at, end, name))
        return spots

    def _is_platform(self, words: _Passage, at: int, end: int, *, sure: bool, phrase: str) -> bool:
        """Whether a name means where the solution runs, not what it is about."""
        before, after = words.before(at), words.after(end)
        if self._subject.hit(after[:2]):
            return False
        # Phrases such as "without a gpu" hold their negation themselves.
        holds_negation = self._ignored.hit(phrase.split()[:1])
        if not holds_negation and self._ignored.hit(words.clause_before(at)[-4:]):
            return False
        # "a laptop with 16 GB"
        sized = any(_AMOUNT.fullmatch(word) for word in after[1:3])
        # ", tablet" at the end of a text
        last = not after and end >= len(words.text) - 1 and not words.clause_before(at)
        sized = sized or (last and not words.text[at:end].strip().endswith("s"))
        # ", one L4, "
        alone = not after and all(map(quantities.numeral, words.clause_before(at)))
        sized = sized or (alone and any(letter.isdigit() for letter in words.text[at:end]))
        return sure or sized or self._before.hit(before[-3:]) or self._after.hit(after[:1])

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


@dataclass(frozen=True)
class _Passage:
    """A plain text and where its clauses end."""

    text: str
    ends: tuple[int, ...]

    def before(self, at: int) -> list[str]:
        """The last words before a place."""
        return self.text[max(0, at - 80) : at + 1].split()

    def clause_before(self, at: int) -> list[str]:
        """The last words before a place, in its clause."""
        following = bisect_right(self.ends, at)
        start = self.ends[following - 1] if following else 0
        return self.text[max(start, at - 80) : at + 1].split()

    def after(self, end: int) -> list[str]:
        """The first words after a name that ends there, in its clause."""
        following = bisect_left(self.ends, end)
        stop = self.ends[following] if following < len(self.ends) else len(self.text)
        return re.sub(r"^\w+", "", self.text[end : min(stop, end + 60)]).split()


def _numbers(
    words: _Passage, kept: Iterable[tuple[int, int, str]], names: set[int]
) -> dict[str, int]:
    """How many of each device there are; in "Pi 5 + Hailo-8L" the number is of the name before."""
    return {
        name: 1 if start in names else _how_many(words.before(start)) for start, _, name in kept
    }


def _longest(spots: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Those that stand in no longer one."""
    return [
        (start, end, name)
        for start, end, name in sorted(spots)
        if not any(s <= start and end <= e and e - s > end - start for s, e, _ in spots)
    ]


def _how_many(before: list[str]) -> int:
    """How many of a thing there are, by the word before its name."""
    number = quantities.numeral(before[-1]) if before else 0
    return number if 1 < number <= _MOST_DEVICES else 1


def _memory_kind(quantity: quantities.Quantity) -> str:
    """Of which memory an amount is, where the words beside it tell."""
    for words in (quantity.after[:2], quantity.before[-2:]):
        for word in words:
            if word in ("ram", "sram", "vram", "arbeitsspeicher"):
                return "ram"
            if word in ("flash", "rom"):
                return "flash"
    return ""


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
