"""Asks the framework each problem and judges the answer on every count."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.answers import where
from bench.loop.framework import Framework
from sustainml_orchestrator.core.ids import TaskStatus


@dataclass(frozen=True)
class Answer:
    """What came out of the six modules for one problem."""

    refusal: str  #: empty where there is an answer
    task: str
    model: str
    hardware: str
    latency_s: float
    power_w: float
    energy_wh: float
    carbon_kg: float
    requirements: tuple[str, ...]
    said: Mapping[str, dict[str, Any]] = field(default_factory=dict)  #: extra_data by module

    @property
    def notes(self) -> str:
        """All notes in one line."""
        modules = ("ml_model_provider", "hw_resources", "hw_constraints")
        keys = ("notes", "assumptions", "not_in_catalogue")
        return " | ".join(line for m in modules for k in keys for line in self.said[m].get(k, ()))


def ask(framework: Framework, problem: Mapping[str, Any]) -> Answer:
    """Let the framework solve one problem."""
    fields = {"problem_definition": problem["text"], "modality": problem.get("modality", "")}
    task = framework.solve({**fields, "extra_data": b"{}"})[-1]

    def output(module: str) -> Any:
        return framework.output(task, module)

    modules = ("ml_model_metadata", "app_requirements", "hw_constraints", "ml_model_provider",
               "hw_resources", "carbon_tracker")  # fmt: skip
    said = {m: json.loads(bytes(output(m).extra_data) or b"{}") for m in modules}
    hardware, carbon = output("hw_resources"), output("carbon_tracker")
    named = list(output("ml_model_metadata").ml_model_metadata) or [""]
    done = task.status is TaskStatus.SUCCEEDED
    return Answer(
        refusal="" if done else task.outcome_reason,
        task=said["ml_model_provider"].get("task") or named[0],
        model=output("ml_model_provider").model,
        hardware=hardware.hw_description,
        latency_s=hardware.latency,
        power_w=hardware.power_consumption,
        energy_wh=carbon.energy_consumption,
        carbon_kg=carbon.carbon_footprint,
        requirements=tuple(output("app_requirements").app_requirements),
        said=said,
    )


_Problem = Mapping[str, Any]


def _task(p: _Problem, a: Answer) -> bool:
    return a.task in p["task"]


def _runs(_: _Problem, a: Answer) -> bool:
    return where.runs(a.model, a.hardware)


def _fits(_: _Problem, a: Answer) -> bool:
    unit = str(a.said["carbon_tracker"].get("functional_unit", ""))
    return where.fits(a.model, a.hardware, a.said["hw_resources"]["precision"], unit)


def _asked(p: _Problem, a: Answer) -> bool:
    both = f"{a.model} on {a.hardware}"
    return (
        re.search(p.get("model", ""), a.model) is not None
        and re.search(p.get("hardware", ""), a.hardware) is not None
        and not ("never" in p and re.search(p["never"], both))
    )


def _limits(p: _Problem, a: Answer) -> bool:
    return a.power_w <= p.get("watts", float("inf")) and a.latency_s <= p.get(
        "latency", float("inf")
    )


def _volume(p: _Problem, a: Answer) -> bool:
    about = a.said["carbon_tracker"]
    return about["inferences"] == p.get("count", 1) and about["region"] == p.get("region", "world")


def _lost(p: _Problem, a: Answer) -> bool:
    listed = a.said["app_requirements"].get("not_understood", [])
    wanted = p.get("lost", [])
    return len(listed) == len(wanted) and all(
        any(each in line for line in listed) for each in wanted
    )


def _languages(_: _Problem, a: Answer) -> bool:
    if a.task.startswith(("image-cl", "object", "tabular", "time", "anomaly", "audio-cl")):
        return True
    codes = {line[9:] for line in a.requirements if line.startswith("language:")}
    return where.speaks(a.model, codes)


def _notes(p: _Problem, a: Answer) -> bool:
    return re.search(p.get("notes", ""), a.notes) is not None


def _number(p: _Problem, a: Answer) -> bool:
    least, most = p.get("seconds", (1e-7, 1e5))
    energy = a.latency_s * a.power_w * a.said["carbon_tracker"]["inferences"] / 3600.0
    low, high = a.said["carbon_tracker"]["carbon_range_kg"]
    return bool(
        least <= a.latency_s <= most
        and abs(energy - a.energy_wh) <= 0.01 * energy
        and low < a.carbon_kg < high
    )


def _sentence(_: _Problem, a: Answer) -> bool:
    text = a.said["carbon_tracker"]["summary"]
    parts = (a.model, a.hardware, "per 1,000", "gCO2e/kWh (", "between", "counted is", "PUE")
    return all(part in text for part in parts)


COUNTS: dict[str, Callable[[_Problem, Answer], bool]] = {
    "task": _task,
    "runs there": _runs,
    "fits its memory": _fits,
    "what was asked": _asked,
    "limits": _limits,
    "volume and place": _volume,
    "nothing lost": _lost,
    "languages": _languages,
    "what is left to do": _notes,
    "numbers": _number,
    "sentence": _sentence,
}


def faults(problem: Mapping[str, Any], answer: Answer) -> list[str]:
    """The counts on which an answer is not acceptable; none where it is."""
    if "refuse" in problem:
        if not answer.refusal:
            return ["should be refused"]
        return [] if re.search(problem["refuse"], answer.refusal) else ["reason of the refusal"]
    if answer.refusal:
        return ["refused"]
    return [name for name, holds in COUNTS.items() if not holds(problem, answer)]
