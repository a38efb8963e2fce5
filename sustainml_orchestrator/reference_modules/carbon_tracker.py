"""Reference module: energy and carbon of the inferences asked for.

A transparent estimate, meant to be replaced by measurements of one's own:

    energy (Wh) = inferences * latency (s) * power (W) / 3600
    carbon (kgCO2e) = energy (Wh) / 1000 * intensity (gCO2e/kWh) / 1000

as in Lacoste et al. 2019 (arXiv:1910.09700), for `maximum_samples` inferences, else the volume that
the text names, else one. The
intensity of the region comes from the data of the codecarbon package, offline; an unknown region
gets the world's mean.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from sustainml_msgs.msg import CO2Footprint, HWResource, UserInput

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.carbon import carbon_kg, energy_wh
from sustainml_orchestrator.reference_modules.estimate.configuration import CarbonSettings
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions, Intensity
from sustainml_orchestrator.reference_modules.text.demands import demanding
from sustainml_orchestrator.reference_modules.text.problem import Problem
from sustainml_orchestrator.reference_modules.text.volumes import VolumeWords
from sustainml_orchestrator.sdk import Inputs, Module, ModuleError, Task

#: Of the 322 regions of the data set 72 % lie within this factor of the world's mean.
_UNKNOWN_REGION = 2.0


class CarbonTrackerModule(Module):
    """Turns latency and power into energy and carbon."""

    module = "carbon_tracker"

    def on_start(self) -> None:
        """Read the carbon intensities."""
        self.regions = CarbonRegions()
        self.volumes = VolumeWords(catalog.load("requirements"))
        self.settings = CarbonSettings()

    def process(self, task: Task, inputs: Inputs) -> CO2Footprint:
        """Energy and carbon of all inferences."""
        user, model, hardware = inputs.user_input, inputs.ml_model_provider, inputs.hw_resources
        for name in ("latency", "power_consumption"):
            value = getattr(hardware, name)
            if not (math.isfinite(value) and value >= 0.0):
                raise ModuleError(f"{name} of hw_resources is {value}; it must be 0 or more")
        problem = Problem.read(user)
        volume = None if user.maximum_samples else self.volumes.volume(demanding(problem))
        read = volume.count if volume else 1
        inferences = self.settings.inferences or user.maximum_samples or read
        energy = energy_wh(hardware.latency, hardware.power_consumption, inferences)
        place = self._place(problem, user)
        intensity = self.settings.carbon_intensity or place.g_per_kwh
        extra = requirements.json_object(user.extra_data)
        restrained = [model.model, *requirements.names(extra.get("model_restrains"))]
        outputs = requirements.number(extra, "num_outputs")
        about = {
            "num_outputs": max(1, int(outputs)),
            "model_restrains": list(dict.fromkeys(name for name in restrained if name)),
            "inferences": inferences,
            "region": place.region,
            "region_known": place.known,
            "uncertainty_factor": _uncertainty(
                hardware, place.known or self.settings.carbon_intensity > 0
            ),
            "note": place.note,
            "carbon_intensity_source": self.settings.source,
        }
        return CO2Footprint(
            carbon_footprint=carbon_kg(energy, intensity),
            energy_consumption=energy,
            carbon_intensity=intensity,
            extra_data=requirements.json_bytes(about),
        )

    def _place(self, problem: Problem, user: UserInput) -> Intensity:
        """Where it runs: as the field says, else as the text says."""
        if not user.geo_location_region.strip() and (found := self.regions.in_text(problem.text)):
            return replace(found, note="region read from the text")
        return self.regions.find(user.geo_location_region, user.geo_location_continent)

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Fix `carbon_intensity` or `inferences` (0 = not fixed), or list {"query": "regions"}."""
        try:
            return self.settings.apply(configuration, self.regions)
        except ValueError as error:
            raise ModuleError(str(error)) from error


def _uncertainty(hardware: HWResource, intensity_known: bool) -> float | None:
    """The factor around the carbon footprint; None where that of the energy is not told."""
    told = requirements.json_object(hardware.extra_data)
    factor = requirements.number(told, "energy_uncertainty_factor")
    if not math.isfinite(factor) or factor < 1.0:
        return None
    return factor if intensity_known else factor * _UNKNOWN_REGION


main = CarbonTrackerModule.main

if __name__ == "__main__":
    main()
