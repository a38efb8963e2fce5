"""What users may set on the three modules that read texts, and what these tell of themselves.

`{}` asks for the settings. A query answers with lists and, for front-ends that read
strings, the same joined by ", ". Anything else sets values; a bad one changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from sustainml_orchestrator.reference_modules.estimate.devices import CLASSES
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue, checked
from sustainml_orchestrator.reference_modules.text.hardware import Constraints, HardwareWords
from sustainml_orchestrator.reference_modules.text.keywords import DEFAULT_MAX_KEYWORDS
from sustainml_orchestrator.reference_modules.text.problem import (
    MAX_TEXT,
    Problem,
    UnclearError,
    choices,
)
from sustainml_orchestrator.reference_modules.text.tasks import (
    DEFAULT_MIN_CONFIDENCE,
    TaskCatalogue,
)

#: Allowed beside settings: what a node remembers of its configuration holds past queries too.
_QUERY_KEYS = ("query", "modality", "goal", "text")


class TaskSettings:
    """Settings of ml_model_metadata.

    Queries: `modality` (all modalities and goals), `tasks` (and those that are unsupported),
    `goals` (of a `modality`), `metrics` (of a `goal` or a `modality`), `task` (of a `text`; the
    goal is empty where the text is unclear).
    """

    def __init__(self) -> None:
        self.min_confidence = DEFAULT_MIN_CONFIDENCE
        self.max_keywords = DEFAULT_MAX_KEYWORDS

    def apply(self, configuration: Mapping[str, Any], tasks: TaskCatalogue) -> dict[str, Any]:
        """Answer a query, or set values and return all.

        Raises:
            ValueError: an unknown key or query, or a value out of range.
        """
        known(configuration, "min_confidence", "max_keywords", *_QUERY_KEYS)
        confidence = number(configuration, "min_confidence", self.min_confidence, 0.0, 1.0)
        count = number(configuration, "max_keywords", self.max_keywords, 0, 50)
        answer = _answer(configuration, tasks)
        self.min_confidence, self.max_keywords = confidence, int(count)
        return answer or {
            "min_confidence": self.min_confidence,
            "max_keywords": self.max_keywords,
        }


class DemandSettings:
    """Settings of app_requirements."""

    def __init__(self) -> None:
        self.always: list[str] = []

    def complete(self, found: list[str]) -> list[str]:
        """What was found, and what is always asked for; a key found in the problem wins."""
        keys = {line.partition(":")[0] for line in found}
        return found + [line for line in self.always if line.partition(":")[0] not in keys]

    def apply(self, configuration: Mapping[str, Any], demands: DemandCatalogue) -> dict[str, Any]:
        """Set values and return all.

        Raises:
            ValueError: an unknown key, or a requirement that is no `key:value` string.
        """
        known(configuration, "always")
        always = configuration.get("always", self.always)
        if not isinstance(always, list):
            raise ValueError(f"always is {always!r}, not a list of key:value strings")
        self.always = checked(always)
        return {"always": self.always}


class HardwareSettings:
    """Settings of hw_constraints: what holds for problems that name no hardware or memory."""

    def __init__(self) -> None:
        self.default_hardware: list[str] = []
        self.default_memory = 0.0

    def complete(self, found: Constraints) -> Constraints:
        """What was found, else the defaults."""
        if not found.hardware and self.default_hardware:
            found = replace(found, hardware=tuple(self.default_hardware), origin="configuration")
        return replace(found, memory_mib=found.memory_mib or self.default_memory)

    def apply(self, configuration: Mapping[str, Any], words: HardwareWords) -> dict[str, Any]:
        """Answer a query, or set values and return all.

        Raises:
            ValueError: an unknown key or query, or a value out of range.
        """
        known(configuration, "default_hardware", "default_memory", "query")
        memory = number(configuration, "default_memory", self.default_memory, 0, 2**32 - 1)
        hardware = configuration.get("default_hardware", self.default_hardware)
        if not isinstance(hardware, (str, list)):
            raise ValueError(f"default_hardware is {hardware!r}, not a name or a list of names")
        if configuration.get("query", "hardwares") != "hardwares":
            raise ValueError(f"query {configuration['query']!r} is not hardwares")
        self.default_hardware = [words.canonical(name) for name in choices(hardware)]
        self.default_memory = memory
        names = [device.name for device in words.devices.devices]
        if "query" in configuration:
            return {**_listed("hardwares", names), "classes": list(CLASSES)}
        return {
            "default_hardware": self.default_hardware,
            "default_memory": self.default_memory,
        }


def _answer(configuration: Mapping[str, Any], tasks: TaskCatalogue) -> dict[str, Any]:
    query = configuration.get("query")
    if query is None:
        return {}
    modality, goal = (_string(configuration, key) for key in ("modality", "goal"))
    chosen = tasks.of_modality(modality)
    if query == "modality":
        return {**_listed("modalities", tasks.modalities), **_listed("goals", tasks.tasks)}
    if query == "tasks":
        return {
            "tasks": list(tasks.tasks),
            "thresholds": tasks.thresholds,
            "unsupported": list(tasks.unsupported),
        }
    if query == "goals":
        return _listed("goals", (task.tag for task in chosen))
    if query == "metrics":
        tag = tasks.find(goal)
        of = [tasks.tasks[tag]] if tag else chosen
        return _listed("metrics", dict.fromkeys(metric for task in of for metric in task.metrics))
    if query == "task":
        return _task_of(_string(configuration, "text"), modality, tasks)
    raise ValueError(f"query {query!r} is none of modality, tasks, goals, metrics, task")


def _task_of(text: str, modality: str, tasks: TaskCatalogue) -> dict[str, Any]:
    try:
        found = tasks.choose(Problem(definition=text[:MAX_TEXT], modality=modality))
    except UnclearError as error:
        return {"goal": "", "confidence": 0.0, "alternatives": [], "reason": str(error)}
    alternatives = list(found.alternatives)
    return {"goal": found.tag, "confidence": found.confidence, "alternatives": alternatives}


def _listed(key: str, names: Iterable[str]) -> dict[str, Any]:
    items = list(names)
    return {key: ", ".join(items), f"{key}_list": items}


def known(configuration: Mapping[str, Any], *keys: str) -> None:
    """Refuse settings that do not exist.

    Raises:
        ValueError: naming them and those that do.
    """
    unknown = sorted(set(configuration) - set(keys))
    if unknown:
        raise ValueError(f"unknown setting {', '.join(unknown)}; known are {', '.join(keys)}")


def number(
    configuration: Mapping[str, Any], key: str, default: float, low: float, high: float
) -> float:
    """A number of the configuration within bounds.

    Raises:
        ValueError: it is none, or lies outside.
    """
    value = configuration.get(key, default)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{key} is {value!r}, not a number")
    if not low <= value <= high:
        raise ValueError(f"{key} is {value:g}, outside {low:g} to {high:g}")
    return value


def _string(configuration: Mapping[str, Any], key: str) -> str:
    value = configuration.get(key, "")
    if not isinstance(value, str):
        raise ValueError(f"{key} is {value!r}, not a string")
    return value
