"""Names of hardware products in a text, known to the catalogue of devices or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sustainml_orchestrator.reference_modules.estimate.devices import Device, DeviceCatalogue

#: Words that tell nothing apart: makers, forms and what the thing is.
_IDLE = frozenset({"nvidia", "geforce", "tesla", "samsung", "google", "apple", "intel", "amd",
                   "radeon", "sxm", "sxm2", "sxm4", "sxm5", "pcie", "model"})  # fmt: skip
#: In place of what computes in a rented machine that is sold with one processor or another.
_UNNAMED = "processor"
#: "two A100s"; a V100S and an L40S are cards of their own.
_SEVERAL = re.compile(r"\b((?!v100|l40)(?:[ablpt]|gh|gb|h)\d{1,3})s\b")
_MEMORY = re.compile(r" (\d+) ?gb$")


@dataclass(frozen=True)
class Product:
    """A name in a plain text."""

    start: int
    end: int
    name: str  #: as it stands there, folded
    device: Device | None  #: what the catalogue has under exactly that name
    device_class: str  #: of such products
    stands_for: str = ""  #: what computes in a rented machine of that name

    @property
    def assumption(self) -> str:
        """What is assumed of a rented machine; empty for all others."""
        if self.device is None or not self.stands_for:
            return ""
        same = self.stands_for == self.device.name
        other = "" if same else f", taken for {self.device.name}"
        return f"{self.name!r} computes on {self.stands_for}{other}; the figures are for one of it"

    @property
    def lacking(self) -> str:
        """The name under which it is told that the catalogue lacks it."""
        return f"{self.stands_for} ({self.name})" if self.stands_for else self.name

    def meets(self, start: int, end: int) -> bool:
        """Whether another place shares letters with its own."""
        return self.start < end and start + 1 < self.end


class Products:
    """Finds names of products by the patterns of their makers."""

    def __init__(
        self,
        patterns: Mapping[str, Iterable[str]],
        devices: DeviceCatalogue,
        instances: Mapping[str, Mapping[str, Iterable[str]]] | None = None,
    ) -> None:
        """Take regular expressions over plain text (words between blanks), by class of device.

        `instances`: those of the names of rented machines, by class and by what computes in them.
        """
        self._patterns = [
            (re.compile(rf"(?<= ){pattern}(?= )"), name)
            for name, several in patterns.items()
            for pattern in several
        ]
        self._instances = [
            (re.compile(rf"(?<= ){pattern}(?= )"), name, processor)
            for name, processors in (instances or {}).items()
            for processor, several in processors.items()
            for pattern in several
        ]
        self._devices = devices

    def find(self, words: str) -> list[Product]:
        """The products named in a plain text, in its order, the longest name at each place."""
        spans = {m.span(): (name, "") for p, name in self._patterns for m in p.finditer(words)}
        for pattern, name, processor in self._instances:
            spans.update({m.span(): (name, processor) for m in pattern.finditer(words)})
        longest = [
            (start, end)
            for start, end in sorted(spans)
            if not any(s <= start and end <= e and (s, e) != (start, end) for s, e in spans)
        ]
        return [self._product(words, start, end, *spans[start, end]) for start, end in longest]

    def _product(
        self, words: str, start: int, end: int, device_class: str, processor: str
    ) -> Product:
        name, computes = words[start:end], "" if processor == _UNNAMED else processor
        device = None if processor == _UNNAMED else self._device(processor.casefold() or name)
        return Product(start, end, name, device, device_class, computes)

    def _device(self, name: str) -> Device | None:
        joined = _MEMORY.sub(r" \1gb", name)
        plain = without_makers(joined)
        more = _MEMORY.search(name)
        joined, plain = (_SEVERAL.sub(r"\1", form) for form in (joined, plain))
        for form in (joined, plain, _MEMORY.sub("", joined), _MEMORY.sub("", plain)):
            found = self._devices.find(form) if form else ()
            if len(found) == 1:
                # One with another memory than the catalogue's is another product.
                share = float(more[1]) * 1024.0 / found[0].memory_mib if more else 1.0
                return found[0] if 0.8 <= share <= 1.25 else None
        return None


def without_makers(name: str) -> str:
    """The words of a name that tell it from others."""
    return " ".join(word for word in name.split() if word not in _IDLE)
