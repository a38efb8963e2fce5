"""Plain values of YAML files have the types that people mean."""

from __future__ import annotations

import math

import pytest
import yaml

from sustainml_orchestrator.contract.yaml_loader import load


@pytest.mark.parametrize(
    "text", ["NO", "no", "on", "y", "12:30", "1_0", "010", "0x3", "0b1", "2026-01-31", "1e", "+"]
)
def test_these_are_texts(text: str) -> None:
    assert load(text) == text and load(f"[{text}]") == [text] and load(f"{text}: 1") == {text: 1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0), ("-12", -12), ("+7", 7), ("1.5", 1.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0),
        ("-.inf", -math.inf), ("true", True), ("False", False), ("null", None), ("~", None),
        ("", None),
    ],
)  # fmt: skip
def test_these_are_no_texts(text: str, value: object) -> None:
    assert load(text) == value and type(load(text)) is type(value)


def test_references_and_merges_work_and_objects_are_refused() -> None:
    assert load("a: &a {b: 1}\nc: {<<: *a, d: 2}")["c"] == {"b": 1, "d": 2}
    with pytest.raises(yaml.YAMLError):
        load("!!python/object/apply:os.getcwd []")
