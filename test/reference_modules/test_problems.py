"""Varied problem texts and the answers expected; the data files tell the format."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue
from sustainml_orchestrator.reference_modules.text.hardware import HardwareWords
from sustainml_orchestrator.reference_modules.text.likeness import Likeness
from sustainml_orchestrator.reference_modules.text.problem import Problem, UnclearError
from sustainml_orchestrator.reference_modules.text.tasks import TaskCatalogue

ROOT = Path(__file__).parents[2]
TASKS = TaskCatalogue(catalog.load("ml_tasks"), Likeness())
DEMANDS = DemandCatalogue(catalog.load("requirements"))
HARDWARE = HardwareWords(catalog.load("constraints"), DeviceCatalogue(catalog.load("hardware")))
FIELDS = {
    "modality": "", "problem_short_description": "", "problem_definition": "", "inputs": (),
    "outputs": (), "minimum_samples": 0, "maximum_samples": 0,
    "optimize_carbon_footprint_manual": False, "optimize_carbon_footprint_auto": False,
    "desired_carbon_footprint": 0.0, "extra_data": b"",
}  # fmt: skip


def _load(name: str) -> list[dict[str, Any]]:
    text = (ROOT / "test" / "data" / f"{name}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text)["problems"]


def _read(entry: dict[str, Any]) -> Problem:
    fields = {**FIELDS, **{key: value for key, value in entry.items() if key in FIELDS}}
    fields["problem_definition"] *= entry.get("repeat", 1)
    return Problem.read(SimpleNamespace(**fields))


def _task(entry: dict[str, Any]) -> str | None:
    try:
        return TASKS.choose(_read(entry)).tag
    except UnclearError:
        return None


def _is_right(entry: dict[str, Any], tag: str | None) -> bool:
    wanted = entry["task"]
    return tag in (wanted if isinstance(wanted, list) else [wanted])


def test_there_are_thirty() -> None:
    assert len(_load("problems")) == 30


@pytest.mark.parametrize("entry", _load("problems"), ids=lambda entry: entry["name"])
def test_problem(entry: dict[str, Any]) -> None:
    problem = _read(entry)
    assert _task(entry) == entry["task"]
    constraints = HARDWARE.read(problem)
    assert list(constraints.hardware) == entry.get("hardware", [])
    assert constraints.memory_mib == entry.get("memory_mib", 0)
    assert set(entry.get("demands", [])) <= set(DEMANDS.read(problem))


def test_short_problems() -> None:
    """Nearly all are right, and what is wrong is refused."""
    entries = _load("short_problems")
    wrong = [entry for entry in entries if _task(entry) != entry["task"]]
    assert len(wrong) <= 1
    assert [entry["problem_definition"] for entry in wrong if _task(entry) is not None] == []
    for entry in entries:
        assert list(HARDWARE.read(_read(entry)).hardware) == entry.get("hardware", []), entry


@pytest.mark.parametrize(("half", "right", "wrong"), [("work", 0.98, 0.01), ("test", 0.81, 0.1)])
def test_free_problems(half: str, right: float, wrong: float) -> None:
    """The level reached, as a bound: share of right answers, and of wrong ones not refused."""
    entries = [entry for entry in _load("free_problems") if entry["half"] == half]
    given = [_task(entry) for entry in entries]
    judged = [_is_right(entry, tag) for entry, tag in zip(entries, given, strict=True)]
    answered = [tag is not None for tag in given]
    assert sum(judged) >= right * len(entries)
    mistaken = sum(a and not j for a, j in zip(answered, judged, strict=True))
    assert mistaken <= wrong * len(entries)


def test_what_is_no_problem_is_refused() -> None:
    """Greetings and wishes of all kinds; one of the half to test on may be taken for a problem."""
    entries = [e for e in _load("free_problems") if e["half"] == "test" and e["task"] is None]
    taken = [e["problem_definition"] for e in entries if _task(e) is not None]
    assert len(entries) >= 20
    assert len(taken) <= 1, taken


def test_constraints_in_free_problems() -> None:
    """Hardware, memory and demands, of all that name some or are long."""
    entries = [e for e in _load("free_problems") if {"hardware", "memory_mib", "demands"} & set(e)]
    wrong = []
    for entry in entries:
        found = HARDWARE.read(_read(entry))
        missing = set(entry.get("demands", [])) - set(DEMANDS.read(_read(entry)))
        if (list(found.hardware), found.memory_mib, missing) != (
            entry.get("hardware", []),
            entry.get("memory_mib", 0),
            set(),
        ):
            wrong.append(entry["problem_definition"])
    assert len(entries) >= 40
    assert len(wrong) <= len(entries) // 20, wrong
