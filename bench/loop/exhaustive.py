"""The best that any search could find: every model on every device in every precision.

Shares with the modules the catalogues, the reading of what is asked, and the estimate of one
inference; neither the choice of a model nor that of a device.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.loop.framework import Framework
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.carbon import carbon_kg, energy_wh
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
from sustainml_orchestrator.reference_modules.estimate.proposal import allowed_devices
from sustainml_orchestrator.reference_modules.estimate.requirements import Requirements
from sustainml_orchestrator.reference_modules.estimate.roofline import estimate, memory_mib


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

    def solutions(self, first: Task, inferences: int) -> list[Solution]:
        """All that meet every constraint but quality."""
        asked, output = self.asked(first), self._framework.output
        hardware, task = output(first, "hw_constraints"), self._task(first)
        intensity = output(first, "carbon_tracker").carbon_intensity
        devices = allowed_devices(self._devices, list(hardware.hardware_required), asked.deployment)
        found = []
        for model in self._models.models:
            figure = model.figures.get(task)
            if figure is None or (asked.licences and model.licence not in asked.licences):
                continue
            for device in devices:
                limit = min(device.memory_mib, hardware.max_memory_footprint or float("inf"))
                for precision in model.workload.precisions:
                    if not device.rate(precision) or memory_mib(model.workload, precision) > limit:
                        continue
                    cost = estimate(model.workload, device, precision)
                    if _within(asked, cost.latency_s, cost.power_w):
                        energy = energy_wh(cost.latency_s, cost.power_w, inferences)
                        found.append(
                            Solution(model.name, device.name, figure.quality, figure.attained,
                                     carbon_kg(energy, intensity))
                        )  # fmt: skip
        return found

    def _task(self, first: Task) -> str:
        about = self._framework.output(first, "ml_model_metadata")
        return self._models.task(about.ml_model_metadata[0])


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
