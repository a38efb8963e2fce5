"""Asks the framework to optimise each problem, and searches for the best there is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from bench.loop.exhaustive import Best, Search, best
from bench.loop.framework import Framework
from sustainml_orchestrator.core.ids import TaskStatus
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.devices import CLASSES
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
from sustainml_orchestrator.reference_modules.estimate.selection import DEFAULT_KEPT_QUALITY

PROBLEMS = Path(__file__).parents[2] / "test" / "data" / "problems.yaml"
#: Of the keys of the file, those that are a user's.
_FIELDS = (
    "modality", "problem_short_description", "problem_definition", "inputs", "outputs",
    "minimum_samples", "maximum_samples", "geo_location_region", "extra_data",
)  # fmt: skip
#: What counts as a hit: so near to the best possible carbon, within so many iterations.
NEAR, SOON = 1.05, 5


@dataclass(frozen=True)
class Question:
    """How all problems are asked.

    Attributes:
        target: share of the first iteration's carbon; 0 = no target.
        quality: share of the first iteration's quality; 0 = none but what the problem asks.
    """

    title: str
    target: float = 0.0
    quality: float = 0.0


QUESTIONS = (
    Question("A target of half the first iteration's carbon", target=0.5),
    Question("The same target, and at least 95 % of the first iteration's quality", 0.5, 0.95),
    Question("Neither a target nor a quality: as little carbon as possible"),
)


@dataclass(frozen=True)
class Row:
    """What became of one problem; without `possible`, nothing in the catalogue solves it."""

    name: str
    chain: list[Task]
    chosen: Task
    possible: Best | None = None

    @property
    def ratio(self) -> float:
        """Carbon of the chosen iteration over the least possible."""
        assert self.possible is not None
        return self.chosen.carbon / self.possible.carbon

    @property
    def met(self) -> bool:
        """Whether the target is met."""
        return self.chain[-1].outcome_reason.startswith("target of")

    @property
    def hit(self) -> bool:
        """Whether the loop came near the best possible, soon, at the quality asked."""
        assert self.possible is not None
        good = self.chosen.quality >= self.possible.quality
        return good and self.ratio <= NEAR and len(self.chain) <= SOON


def problems() -> list[dict[str, Any]]:
    """The problems that are not to be refused."""
    entries = yaml.safe_load(PROBLEMS.read_text(encoding="utf-8"))["problems"]
    return [entry for entry in entries if entry["task"] is not None]


def everything() -> list[dict[str, Any]]:
    """Every task of the catalogue, on any hardware and on every class of it."""
    tasks = ModelCatalogue(catalog.load("models")).tasks
    return [
        {
            "name": f"{task} on {device_class or 'any hardware'}",
            "problem_definition": f"{task}, to see how near the loop comes",
            "extra_data": requirements.json_bytes({"goal": task, "hardware_required": hardware}),
        }
        for task in tasks
        for device_class in ("", *CLASSES)
        for hardware in [[device_class] if device_class else []]
    ]


def ask(
    question: Question, framework: Framework, entries: Iterable[Mapping[str, Any]]
) -> Iterator[Row]:
    """Each problem, one after the other."""
    search = Search(framework)
    for entry in entries:
        fields = {key: entry[key] for key in _FIELDS if key in entry}
        fields["problem_definition"] *= entry.get("repeat", 1)
        (first,) = framework.solve(fields)
        solutions = search.solutions(first)
        if first.status is not TaskStatus.SUCCEEDED:
            missed = best(solutions, search.asked(first), 0.0, 0.0) if solutions else None
            yield Row(entry["name"], [first], first, missed)
            continue
        always = [f"min_quality:{question.quality * first.quality}"] if question.quality else []
        framework.configure("app_requirements", always=always)
        target = question.target * first.carbon
        fields |= {
            "optimize_carbon_footprint_auto": True,
            "desired_carbon_footprint": target,
        }
        chain = framework.solve(fields)
        framework.configure("app_requirements", always=[])
        kept = DEFAULT_KEPT_QUALITY * first.quality
        possible = best(solutions, search.asked(chain[0]), target, kept)
        yield Row(entry["name"], chain, framework.best(chain), possible)
