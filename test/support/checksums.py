"""What the output of a scripted module must be, derived from the text of the problem alone."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

import yaml

_PIPELINE = Path(__file__).parents[2] / "config" / "pipeline.yaml"
#: Inputs of each module, by its name.
SOURCES: dict[str, list[str]] = {
    name: spec["inputs"] for name, spec in yaml.safe_load(_PIPELINE.read_text())["modules"].items()
}


def combine(module: str, inputs: Iterable[str]) -> str:
    """The checksum of a module's output from those of its inputs, in any order."""
    return hashlib.sha256("\n".join([module, *sorted(inputs)]).encode()).hexdigest()


def checksum(module: str, text: str) -> str:
    """The checksum that the output of a module must have for a problem of this text."""
    if module == "user_input":
        return hashlib.sha256(text.encode()).hexdigest()
    return combine(module, (checksum(source, text) for source in SOURCES[module]))
