"""The best that any search could find: every model on every device in every precision.

Shares with the modules the catalogues, the reading of what is asked, what runs where, and the
estimate of one inference; neither the choice of a model nor that of a device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.loop.framework import Framework
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.carbon import carbon_kg, energy_wh
from sustainml_orchestrator.reference_modules.estimate.devices import Device, DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.languages import Pair, pair
from sustainml_orchestrator.reference_modules.estimate.models import (
    Model,
    ModelCatalogue,
    Workload,
)
from sustainml_orchestrator.reference_modules.estimate.placement import TIE
from sustainml_orchestrator.reference_modules.estimate.proposal import allowed_devices
from sustainml_orchestrator.reference_modules.estimate.requirements import (
    Requirements,
    memory_limit,
)
from sustainml_orchestrator.reference_modules.estimate.roofline import (
    Estimate,
    estimate,
    misfit,
)


@dataclass(frozen=True)
class Solution:
    """One model on one device."""

    model: str
    device: str
    quality: float
    attained: float
    carbon: float  #: kgCO2e


@dataclass(frozen=True)
class Best:
    """What a loop is measured against; None where no solution meets the quality asked."""

    quality: float  #: the least that counts as the quality asked
    carbon: float  #: the least at that quality, kgCO2e
    reachable: bool  #: whether the target can be met at that quality


class Search:
    """Every solution of problems, and the best of them."""

    def __init__(self, framework: Framework) -> None:
        self._framework = framework
        self._models = ModelCatalogue(catalog.load("models"))
        self._devices = DeviceCatalogue(catalog.load("hardware"))

    def asked(self, first: Task) -> Requirements:
        """What the modules understood, by the outputs of the first iteration."""
        output = self._framework.output(first, "app_requirements")
        extra = requirements.json_object(output.extra_data)
        return requirements.parse(output.app_requirements, extra)

    def solutions(self, first: Task) -> list[Solution]:
        """All that meet every constraint but quality."""
        asked, output = self.asked(first), self._framework.output
        hardware, task = output(first, "hw_constraints"), self._task(first)
        footprint = output(first, "carbon_tracker")
        intensity = footprint.carbon_intensity
        inferences = requirements.json_object(footprint.extra_data).get("inferences", 1)
        devices = allowed_devices(self._devices, list(hardware.hardware_required), asked.deployment)
        base = self._models.find(first.model)
        languages = pair(asked) if task == "translation" else Pair(asked)
        found = []
        for model in self._models.models:
            if not _does_the_job(model, task, languages):
                continue
            costs = [
                cost
                for device in devices
                for cost in _costs(model.workload, device, asked, memory_limit(hardware))
            ]
            if not costs:
                continue
            # Of devices that the estimate cannot tell apart the smallest is taken.
            least = min(cost.energy_j for cost in costs)
            ties = [cost for cost in costs if cost.energy_j <= TIE * least]
            cost = min(ties, key=lambda c: (c.device.max_w, c.energy_j))
            energy = energy_wh(cost.latency_s, cost.power_w, inferences)
            carbon = carbon_kg(energy, intensity)
            # More work for less energy counts only beyond what is uncertain.
            more = base is not None and model.workload.flops > base.workload.flops
            if more and carbon * cost.energy_uncertainty >= first.carbon:
                continue
            figure = model.figures[task]
            found.append(
                Solution(model.name, cost.device.name, figure.quality, figure.attained, carbon)
            )
        return found

    def _task(self, first: Task) -> str:
        about = self._framework.output(first, "ml_model_metadata")
        return self._models.task(about.ml_model_metadata[0])


def _does_the_job(model: Model, task: str, languages: Pair) -> bool:
    asked = languages.wanted
    return (
        task in model.figures
        and not (languages.unknown and len(model.to) == 1)
        and (not asked.licences or model.licence in asked.licences)
        and model.speaks(asked.languages, asked.into, task)
        and (not asked.modality or not model.data or asked.modality in model.data)
        and (not model.topic or model.topic in asked.topics)
        and not model.lacks & asked.topics
        and not (task == "image-to-text" and "reading" in asked.topics and not model.topic)
    )


def _costs(
    work: Workload, device: Device, asked: Requirements, limit: tuple[float, str]
) -> list[Estimate]:
    mode = device.within(asked.max_power_w)
    precisions = [p for p in work.precisions if not misfit(work, mode, p, limit)]
    found = [estimate(work, mode, precision) for precision in precisions]
    return [cost for cost in found if _within(asked, cost.latency_s, cost.power_w)]


def _within(asked: Requirements, latency_s: float, power_w: float) -> bool:
    return (
        (not asked.max_latency_s or latency_s <= asked.max_latency_s)
        and (not asked.min_throughput or 1.0 / latency_s >= asked.min_throughput)
        and (not asked.max_power_w or power_w <= asked.max_power_w)
    )


def best(
    solutions: Iterable[Solution], asked: Requirements, target: float, kept_quality: float
) -> Best:
    """The least carbon at the quality asked.

    The quality asked is, in this order:
    - what the user asks for, or the most that there is where nothing has so much;
    - with a target alone: the best quality that meets it; if nothing does, any;
    - with neither: `kept_quality`.

    Args:
        target: kgCO2e, 0 = none.
    """
    good = [s for s in solutions if s.quality >= asked.min_quality]
    if asked.accuracy and good:
        attained = min(asked.accuracy, max(s.attained for s in good))
        good = [s for s in good if s.attained >= attained]
    elif asked.min_quality:
        pass
    elif target:
        meeting = [s.quality for s in good if s.carbon <= target]
        good = [s for s in good if s.quality >= max(meeting, default=0.0)]
    else:
        good = [s for s in good if s.quality >= kept_quality]
    least = min(s.carbon for s in good)
    return Best(min(s.quality for s in good), least, 0 < least <= target)
