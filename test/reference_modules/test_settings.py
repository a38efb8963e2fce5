"""What users may configure on the three modules that read texts."""

from __future__ import annotations

from typing import Any

import pytest

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue
from sustainml_orchestrator.reference_modules.text.hardware import Constraints, HardwareWords
from sustainml_orchestrator.reference_modules.text.likeness import Likeness
from sustainml_orchestrator.reference_modules.text.settings import (
    DemandSettings,
    HardwareSettings,
    TaskSettings,
)
from sustainml_orchestrator.reference_modules.text.tasks import TaskCatalogue

TASKS = TaskCatalogue(catalog.load("ml_tasks"), Likeness())
DEMANDS = DemandCatalogue(catalog.load("requirements"))
HARDWARE = HardwareWords(catalog.load("constraints"), DeviceCatalogue(catalog.load("hardware")))
EACH = [(TaskSettings, TASKS), (DemandSettings, DEMANDS), (HardwareSettings, HARDWARE)]


def test_queries_of_front_ends() -> None:
    answer = TaskSettings().apply({"query": "modality"}, TASKS)
    assert answer["modalities"].startswith("image, text, audio")
    assert "image-classification" in answer["goals"].split(", ")
    metrics = TaskSettings().apply({"query": "metrics", "modality": "image"}, TASKS)["metrics"]
    assert metrics.startswith("accuracy, f1")
    assert "wer" not in metrics.split(", ")
    speech = {"query": "metrics", "goal": "automatic-speech-recognition"}
    assert TaskSettings().apply(speech, TASKS)["metrics"] == "wer, cer"
    goals = TaskSettings().apply({"query": "goals", "modality": "Audio"}, TASKS)["goals_list"]
    assert "audio-classification" in goals
    assert "anomaly-detection" in goals
    assert "translation" not in goals
    asked = {"query": "task", "text": "tell cats from dogs in photos"}
    assert TaskSettings().apply(asked, TASKS)["goal"] == "image-classification"
    unclear = TaskSettings().apply({"query": "task", "text": "cats"}, TASKS)
    assert unclear["goal"] == "" and unclear["reason"]
    several = TaskSettings().apply({"query": "goals", "modality": "multimodal"}, TASKS)
    assert "visual-question-answering" in several["goals_list"]
    names = HardwareSettings().apply({"query": "hardwares"}, HARDWARE)["hardwares"]
    assert "PIM-AI-1chip" in names.split(", ")


def test_settings_are_kept_beside_an_old_query() -> None:
    settings = TaskSettings()
    settings.apply({"min_confidence": 0.7, "query": "metrics", "modality": "image"}, TASKS)
    current = settings.apply({}, TASKS)
    assert (current["min_confidence"], current["max_keywords"]) == (0.7, 10)


@pytest.mark.parametrize(("kind", "catalogue"), EACH)
def test_an_unknown_key_is_named(kind: Any, catalogue: Any) -> None:
    with pytest.raises(ValueError, match="unknown setting colour; known are "):
        kind().apply({"colour": "green"}, catalogue)


@pytest.mark.parametrize(
    ("kind", "catalogue", "bad"),
    [
        (TaskSettings, TASKS, {"max_keywords": 5, "min_confidence": 1.5}),
        (TaskSettings, TASKS, {"max_keywords": 5, "min_confidence": float("nan")}),
        (TaskSettings, TASKS, {"max_keywords": 5, "min_confidence": "high"}),
        (TaskSettings, TASKS, {"max_keywords": 5, "query": "colours"}),
        (TaskSettings, TASKS, {"max_keywords": 5, "query": "metrics", "modality": 3}),
        (DemandSettings, DEMANDS, {"always": "licence:mit"}),
        (DemandSettings, DEMANDS, {"always": ["licence"]}),
        (DemandSettings, DEMANDS, {"always": [3]}),
        (HardwareSettings, HARDWARE, {"default_memory": 8, "default_hardware": 3}),
        (HardwareSettings, HARDWARE, {"default_memory": -1}),
        (HardwareSettings, HARDWARE, {"default_memory": 8, "query": "goals"}),
    ],
)
def test_a_bad_value_changes_nothing(kind: Any, catalogue: Any, bad: dict[str, Any]) -> None:
    settings = kind()
    before = settings.apply({}, catalogue)
    with pytest.raises(ValueError, match=r"\w"):
        settings.apply(bad, catalogue)
    assert settings.apply({}, catalogue) == before


def test_what_is_always_demanded_gives_way_to_the_problem() -> None:
    settings = DemandSettings()
    settings.apply({"always": ["licence:mit", "max_latency:1"]}, DEMANDS)
    assert settings.complete(["max_latency:0.1"]) == ["max_latency:0.1", "licence:mit"]


def test_default_hardware_stands_in() -> None:
    settings = HardwareSettings()
    settings.apply({"default_hardware": "rpi 5", "default_memory": 512}, HARDWARE)
    assert settings.complete(Constraints(0.0, (), "")) == Constraints(
        512, ("Raspberry Pi 5",), "configuration"
    )
    named = Constraints(64.0, ("gpu",), "text")
    assert settings.complete(named) == named
