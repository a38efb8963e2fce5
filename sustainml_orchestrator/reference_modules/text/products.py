"""Names of hardware products in a text, known to the catalogue of devices or not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sustainml_orchestrator.reference_modules.estimate.devices import Device, DeviceCatalogue

#: Words that tell nothing apart: makers, forms and what the thing is.
_IDLE = frozenset({"nvidia", "geforce", "tesla", "samsung", "google", "apple", "intel", "amd",
                   "radeon", "sxm", "sxm2", "sxm4", "sxm5", "pcie", "nvl", "model"})  # fmt: skip
_MEMORY = re.compile(r" (\d+) ?gb$")


@dataclass(frozen=True)
class Product:
    """A name in a plain text."""

    start: int
    end: int
    name: str  #: as it stands there, folded
    device: Device | None  #: what the catalogue has under exactly that name
    device_class: str  #: of such products

    def meets(self, start: int, end: int) -> bool:
        """Whether another place shares letters with its own."""
        return self.start < end and start + 1 < self.end


class Products:
    """Finds names of products by the patterns of their makers."""

    def __init__(self, patterns: Mapping[str, Iterable[str]], devices: DeviceCatalogue) -> None:
        """Take regular expressions over plain text (words between blanks), by class of device."""
        self._patterns = [
            (re.compile(rf"(?<= ){pattern}(?= )"), name)
            for name, several in patterns.items()
            for pattern in several
        ]
        self._devices = devices

    def find(self, words: str) -> list[Product]:
        """The products named in a plain text, in its order, the longest name at each place."""
        spans = {m.span(): name for p, name in self._patterns for m in p.finditer(words)}
        longest = [
            (start, end)
            for start, end in sorted(spans)
            if not any(s <= start and end <= e and (s, e) != (start, end) for s, e in spans)
        ]
        return [
            Product(start, end, words[start:end], self._device(words[start:end]), spans[start, end])
            for start, end in longest
        ]

    def _device(self, name: str) -> Device | None:
        joined = _MEMORY.sub(r" \1gb", name)
        plain = " ".join(word for word in joined.split() if word not in _IDLE)
        more = _MEMORY.search(name)
        for form in (joined, plain, _MEMORY.sub("", joined), _MEMORY.sub("", plain)):
            found = self._devices.find(form) if form else ()
            if len(found) == 1:
                # One with more memory than the catalogue's is another product.
                larger = more and float(more[1]) * 1024.0 > 1.2 * found[0].memory_mib
                return None if larger else found[0]
        return None
