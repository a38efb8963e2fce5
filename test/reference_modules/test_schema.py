"""The form of the catalogues: keys, types, words and sources of every entry."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import (
    BYTES_PER_PARAMETER,
    OPERATORS,
    USES,
    ModelCatalogue,
)
from sustainml_orchestrator.reference_modules.estimate.validation import held_out_table, pairs

NUMBER, TEXT, LIST, MAP, FLAG = (int, float), str, list, dict, bool
MEASUREMENT: dict[str, tuple[Any, bool]] = {
        "model": (TEXT, True), "device": (TEXT, True), "precision": (TEXT, True),
        "flops": (NUMBER, False), "passes": (int, False), "pass_parameters": (NUMBER, False),
        "why": (TEXT, False), "runtime": (TEXT, False), "fit": (FLAG, False),
        "latency_s": (NUMBER, False), "energy_j": (NUMBER, False), "source": (TEXT, True),
}  # fmt: skip
#: key -> (type, whether every entry has it)
SCHEMAS: dict[tuple[str, str], dict[str, tuple[Any, bool]]] = {
    ("models", "models"): {
        "name": (TEXT, True), "tasks": (MAP, True), "family": (TEXT, True),
        "parameters": (NUMBER, True), "pass_parameters": (NUMBER, False), "flops": (NUMBER, True),
        "flops_from": (TEXT, True), "passes": (int, False), "autoregressive": (FLAG, False),
        "launches": (int, False), "depthwise": (FLAG, False), "operators": (LIST, True),
        "peak_activations": (NUMBER, True), "use": (TEXT, True), "languages": ((LIST, TEXT), False),
        "to": (LIST, False), "topic": (TEXT, False), "languages_of": (MAP, False),
        "lacks": (LIST, False), "only_on": (TEXT, False), "weak": (LIST, False),
        "data": (LIST, False),
        "kv_per_token": (int, False), "precisions": (LIST, True), "input": (TEXT, True),
        "licence": (TEXT, True), "note": (TEXT, False), "source": (LIST, True),
        "checked": (TEXT, False),
    },
    ("hardware", "devices"): {
        "name": (TEXT, True), "class": (TEXT, True), "simulated": (FLAG, False),
        "place": (TEXT, False), "engine": (TEXT, True), "runtime": (TEXT, False),
        "aliases": (LIST, True), "generic": (LIST, False), "near": (LIST, False),
        "peak": (MAP, True),
        "efficiency": (MAP, False), "memory_mib": (NUMBER, True), "flash_mib": (NUMBER, False),
        "cache_mib": (NUMBER, False), "bandwidth": (NUMBER, True), "power": (MAP, True),
        "least_mode_w": (NUMBER, False), "power_of": (TEXT, True), "derived": (LIST, False),
        "note": (TEXT, False), "source": (LIST, True), "checked": (TEXT, False),
    },
    ("measurements", "measurements"): MEASUREMENT,
    ("measurements", "held_out"): MEASUREMENT,
}  # fmt: skip


@pytest.mark.parametrize(("file", "key"), SCHEMAS, ids=lambda name: str(name))
def test_every_entry_has_the_form(file: str, key: str) -> None:
    schema = SCHEMAS[file, key]
    for entry in catalog.load(file)[key]:
        name = entry.get("name", entry)
        assert not set(entry) - set(schema), name
        assert {k for k, (_, always) in schema.items() if always} <= set(entry), name
        for field, value in entry.items():
            assert isinstance(value, schema[field][0]), (name, field)
        assert entry["source"] and all(entry["source"]), name


def test_what_was_checked_names_the_day() -> None:
    for file, key in (("models", "models"), ("hardware", "devices")):
        for entry in catalog.load(file)[key]:
            assert re.fullmatch(r"20\d\d-\d\d-\d\d", entry.get("checked", "2026-01-01")), entry


def test_words_are_those_that_exist() -> None:
    for model in catalog.load("models")["models"]:
        assert set(model["operators"]) <= set(OPERATORS), model["name"]
        assert set(model["precisions"]) <= set(BYTES_PER_PARAMETER), model["name"]
        assert model["use"] in USES, model["name"]
        assert not model.get("autoregressive") or model["passes"] > 1, model["name"]
    hardware = catalog.load("hardware")
    for device in hardware["devices"]:
        assert device["engine"] in hardware["engines"], device["name"]
        assert device.get("runtime", "tflm") in hardware["runtimes"], device["name"]
        assert ("flash_mib" in device) == (device["class"] == "microcontroller"), device["name"]
        assert device.get("place", "server") in ("server", "office"), device["name"]
        assert set(device["power"]) == {"idle", "max"}, device["name"]


def test_forty_measurements_and_more_never_set_a_factor() -> None:
    rows = catalog.load("measurements")["held_out"]
    assert len(rows) >= 40
    assert not any("fit" in row for row in rows)
    found = pairs(rows, ModelCatalogue(catalog.load("models")),
                  DeviceCatalogue(catalog.load("hardware")))  # fmt: skip
    assert sum(p.error <= p.uncertainty for p in found) >= 0.8 * len(found)
    document = Path(__file__).parents[2] / "docs" / "reference_modules.md"
    assert held_out_table(found) in document.read_text(encoding="utf-8")
