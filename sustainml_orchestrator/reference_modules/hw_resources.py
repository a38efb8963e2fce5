"""Reference module: finds the device that runs the model with the least energy.

A transparent estimate, meant to be replaced by measurements of one's own: latency by the roofline
model with one set of efficiency factors per kind of hardware (`estimate/roofline.py`), power
between the device's idle and maximum. docs/reference_modules.md compares it with published
measurements.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from sustainml_msgs.msg import HWResource, MLModel

from sustainml_orchestrator.reference_modules.catalogue_module import CatalogueModule
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.candidates import NoMatchError
from sustainml_orchestrator.reference_modules.estimate.configuration import HardwareSettings
from sustainml_orchestrator.reference_modules.estimate.models import Workload
from sustainml_orchestrator.reference_modules.estimate.placement import (
    Limits,
    obstacle,
    place,
    ties,
)
from sustainml_orchestrator.reference_modules.estimate.proposal import allowed_devices, in_turn
from sustainml_orchestrator.reference_modules.estimate.requirements import Requirements
from sustainml_orchestrator.reference_modules.estimate.roofline import Estimate
from sustainml_orchestrator.reference_modules.estimate.sources import origin
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.sdk import Inputs, ModuleError, Task


class HWResourcesModule(CatalogueModule):
    """Places the model on the device with the least energy per inference."""

    module = "hw_resources"
    parameters = TABLE["hw_resources"]

    def on_start(self) -> None:
        """Read the catalogues."""
        self.settings = HardwareSettings()
        super().on_start()

    def read_catalogues(self) -> None:
        """Read models and devices."""
        self.models, self.devices = self.read_models(), self.read_devices()

    def process(self, task: Task, inputs: Inputs) -> HWResource:
        """Choose a device and predict one inference; ModuleError says why none fits."""
        asked, limits = inputs.app_requirements, inputs.hw_constraints
        model = inputs.ml_model_provider
        extra = requirements.json_object(asked.extra_data)
        wanted = requirements.parse(asked.app_requirements, extra)
        wanted = wanted.shared(requirements.devices(limits))
        work = self._workload(model, wanted.weights)
        bounds = self._bounds(inputs, wanted)
        try:
            required = list(limits.hardware_required)
            told = requirements.not_in_catalogue(limits)
            devices = allowed_devices(self.devices, required, wanted.deployment, told)
        except NoMatchError as answer:
            raise ModuleError(str(answer)) from answer
        turns = in_turn(devices, required, wanted)
        found = ((few, place(work, few, bounds)) for few in turns)
        devices, best = next((pair for pair in found if pair[1]), (devices, None))
        if best is None:
            raise ModuleError(
                f"{model.model} does not fit: "
                + obstacle(work, devices, bounds, self.devices.devices)
            )
        about = {**_about(best, wanted), "ties": ties(best, work, devices, bounds)}
        return HWResource(
            hw_description=best.device.name,
            power_consumption=best.power_w,
            latency=best.latency_s,
            memory_footprint_of_ml_model=best.memory_mib,
            max_hw_memory_footprint=best.device.memory_mib,
            extra_data=requirements.json_bytes(about),
        )

    def _bounds(self, inputs: Inputs, wanted: Requirements) -> Limits:
        """What an inference may need."""
        limits, target = inputs.hw_constraints, inputs.ml_model_provider.target_latency
        memory_mib, memory_kind = requirements.memory_limit(limits)
        return Limits(
            memory_mib=memory_mib,
            memory_kind=memory_kind,
            flash_mib=requirements.flash_limit(limits),
            latency_s=max(0.0, target) or wanted.longest_s,
            power_w=wanted.max_power_w,
            first_token_s=wanted.max_first_token_s,
            runtime=self.settings.runtime,
        )

    def _workload(self, model: MLModel, precision: str) -> Workload:
        """The figures of a model in the precision that is set, else the one asked for."""
        work = self._figures(model)
        if self.settings.precision:
            return replace(work, precisions=(self.settings.precision,))
        return work.in_precision(precision) if precision in work.precisions else work

    def _figures(self, model: MLModel) -> Workload:
        """Figures from the message, else from the catalogue by name."""
        try:
            given = Workload.from_properties(json.loads(model.model_properties))
            return replace(given, name=model.model)
        except (ValueError, TypeError, RecursionError) as error:
            known = self.models.find(model.model)
            if known is None:
                raise ModuleError(
                    f"cannot estimate {requirements.quoted(model.model)}: it is not in the "
                    "catalogue, and its model_properties give no JSON object with parameters "
                    "and flops"
                ) from error
            return known.workload

    def apply(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Fix `precision` or `runtime`, or list the hardware: {"query": "hardwares"}."""
        return self.settings.apply(configuration, self.devices)


def _about(best: Estimate, wanted: Requirements) -> dict[str, Any]:
    """Where it runs and how well that is known, for extra_data."""
    return {
        "device_class": best.device.device_class,
        "precision": best.precision,
        "bound": best.bound,
        "measured": best.is_measured,
        "runtime": best.runtime,
        "uncertainty_factor": best.uncertainty,
        "energy_uncertainty_factor": best.energy_uncertainty,
        "energy_per_inference_j": best.energy_j,
        "flash_mib": best.flash_mib,
        "idle_w": best.device.idle_w,
        "power_of": best.device.power_of,
        "notes": [
            *_notes(best),
            *_first_token(best, wanted.max_first_token_s),
            *_share(best, wanted.max_power_w),
            *([_lifetime(best)] if wanted.battery else []),
        ],
        "engine": best.device.runtime,
        "simulated": best.device.simulated,
        "source": list(best.device.source),
    }


def _lifetime(best: Estimate) -> str:
    """What a battery is enough for."""
    return (
        f"each Wh of the battery is enough for {3600.0 / best.energy_j:,.0f} inferences, waiting "
        f"between them not counted (at {best.device.idle_w:g} W that takes a Wh in "
        f"{_hours(1.0 / best.device.idle_w)})"
    )


def _first_token(best: Estimate, limit: float) -> list[str]:
    """When the first token comes, where a limit for it is stated."""
    return [f"the first token comes after about {best.first_token_s:.2g} s"] if limit else []


def _share(best: Estimate, watts: float) -> list[str]:
    """How much of the time it may compute within a mean power."""
    if not watts or best.power_w <= watts:
        return []
    idle = best.device.idle_w
    share = (watts - idle) / (best.power_w - idle)
    return [
        f"the budget of {watts:g} W is taken for a mean: it draws {best.power_w:.2g} W while it "
        f"computes and {idle:.2g} W while it waits, so it may compute {share:.0%} of the time, "
        f"{share / best.latency_s:.2g} inferences per second"
    ]


def _hours(hours: float) -> str:
    return f"{hours:,.0f} h" if hours >= 10 else f"{hours:.2g} h"


def _notes(best: Estimate) -> list[str]:
    """What the user should know of the estimate."""
    notes = []
    if best.precision.startswith("int"):
        loss = "up to one per cent" if best.precision == "int8" else "a few per cent"
        notes.append(f"in {best.precision}; its quality was published for floating point, of which "
                     f"quantisation usually costs {loss}")  # fmt: skip
    if "without its host" in best.device.power_of:
        notes.append("the accelerator needs a host, whose power does not count here")
    source = origin(best.device.source, best.device.checked)
    notes.append(f"figures of {best.device.name}: {source}")
    return notes


main = HWResourcesModule.main

if __name__ == "__main__":
    main()
