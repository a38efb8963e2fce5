"""A table of what runs where, apart from the catalogue under test."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml

BYTES = {"fp32": 4.0, "fp16": 2.0, "int8": 1.0, "int4": 0.5}
MIB = 2.0**20


@cache
def table(name: str) -> dict[str, Any]:
    """A YAML file beside this one."""
    path = Path(__file__).with_name(f"{name}.yaml")
    content: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def kind(model: str) -> str:
    """Of what a model is made."""
    return next(k for pattern, k in table("where")["kinds"] if re.search(pattern, model))


def device(name: str) -> dict[str, Any]:
    """What is known of a device."""
    found: dict[str, Any] = next(d for d in table("where")["devices"] if re.search(d["name"], name))
    return found


def runs(model: str, hardware: str) -> bool:
    """Whether the runtime of a device executes a model."""
    return kind(model) in device(hardware).get("kinds", [kind(model)])


def fits(model: str, hardware: str, precision: str, unit: str) -> bool:
    """Whether weights and one input fit: a lower bound of what is needed."""
    about = device(hardware)
    millions = next((p for pattern, p in table("where")["parameters"]
                     if re.search(pattern, model)), 0.0)  # fmt: skip
    weights = millions * 1e6 * BYTES[precision] / MIB
    size = re.search(table("where")["pixels"], unit)
    picture = int(size[1]) * int(size[2]) * 3 * BYTES[precision] / MIB if size else 0.0
    if "flash_mib" in about:
        return bool(weights <= about["flash_mib"] and picture <= about["memory_mib"])
    return bool(weights + picture <= about["memory_mib"])


def speaks(model: str, codes: set[str]) -> bool:
    """Whether a model knows languages."""
    pattern, known = next((p, k) for p, k in table("where")["languages"] if re.search(p, model))
    if known == ["any"]:
        return True
    if known == ["pair"]:
        known = list(re.search(pattern, model).groups())  # type: ignore[union-attr]
    return codes <= set(known)
