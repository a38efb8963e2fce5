"""Reference module: energy and carbon of the inferences asked for.

A transparent estimate, meant to be replaced by measurements of one's own:

    energy (Wh) = inferences * latency (s) * power (W) / 3600
    carbon (kgCO2e) = energy (Wh) / 1000 * intensity (gCO2e/kWh) / 1000

as in Lacoste et al. 2019 (arXiv:1910.09700), for `maximum_samples` inferences, else the volume that
the text names (hours of recordings by the seconds of one inference), else one; of what is larger
than the input of the model, each counts as so many as it is cut into. The intensity of the
region comes from the data of the codecarbon package, offline; an unknown region gets the world's
mean. `summary` in extra_data is one sentence to quote: what one inference is, what counts,
intensity with region and year, and the range.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, replace
from typing import Any

from sustainml_msgs.msg import CO2Footprint, HWResource, MLModel, UserInput

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.configuration import CarbonSettings
from sustainml_orchestrator.reference_modules.estimate.footprint import (
    Footprint,
    Statement,
    footprint,
)
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions, Intensity
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.reference_modules.text.demands import counting
from sustainml_orchestrator.reference_modules.text.problem import Problem
from sustainml_orchestrator.reference_modules.text.quantities import english_period
from sustainml_orchestrator.reference_modules.text.volumes import VolumeWords
from sustainml_orchestrator.sdk import Inputs, Module, ModuleError, Task

#: Of the 322 regions of the data set 72 % lie within this factor of the world's mean.
_UNKNOWN_REGION = 2.0
#: What one inference of a model for sound is, such as "30 s of speech".
_SECONDS = re.compile(r"(\d+) s of (?:speech|sound)")


class CarbonTrackerModule(Module):
    """Turns latency and power into energy and carbon."""

    module = "carbon_tracker"
    parameters = TABLE["carbon_tracker"]

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
        read, period = self._volume(problem, model)
        things = user.maximum_samples or read
        inferences = self.settings.inferences or things * _inferences_each(model)
        place = self._place(problem, user)
        if self.settings.carbon_intensity:
            place = replace(place, g_per_kwh=self.settings.carbon_intensity, known=True, year=0)
        told = requirements.json_object(hardware.extra_data)
        result = footprint(
            hardware.latency,
            hardware.power_consumption,
            requirements.number(told, "idle_w"),
            inferences,
            place.g_per_kwh,
            self.settings.options,
        )
        factor = _uncertainty(told, place.known)
        said = self._statement(model, hardware, place, period, factor)
        about = {
            **_next_iteration(user, model),
            "inferences": inferences,
            "uncertainty_factor": factor,
            "carbon_intensity_source": self.settings.source,
            "options": asdict(self.settings.options),
            **_of_place(place),
            **_of_statement(said, result, factor),
        }
        return CO2Footprint(
            carbon_footprint=result.carbon_kg,
            energy_consumption=result.energy_wh,
            carbon_intensity=place.g_per_kwh,
            extra_data=requirements.json_bytes(about),
        )

    def _volume(self, problem: Problem, model: MLModel) -> tuple[int, str]:
        """The inferences that the text asks for, and in which period."""
        text = counting(problem)
        if problem.maximum_samples:
            return 1, ""
        if volume := self.volumes.volume(text):
            return volume.count, volume.period
        hours = self.volumes.hours(text)
        each = _SECONDS.match(requirements.text(_properties(model), "input"))
        if hours and each:
            return math.ceil(hours.hours * 3600.0 / float(each[1])), hours.period
        return 1, ""

    def _statement(
        self,
        model: MLModel,
        hardware: HWResource,
        place: Intensity,
        period: str,
        factor: float | None,
    ) -> Statement:
        told = requirements.json_object(hardware.extra_data)
        return Statement(
            model=model.model or "the model",
            hardware=hardware.hw_description or "the hardware",
            power_of=requirements.text(told, "power_of"),
            unit=requirements.text(_properties(model), "input"),
            period=english_period(period),
            intensity=place.text,
            options=self.settings.options,
            factor=factor,
        )

    def _place(self, problem: Problem, user: UserInput) -> Intensity:
        """Where it runs: as the field says, else as the text says."""
        if not user.geo_location_region.strip() and (found := self.regions.in_text(problem.text)):
            return replace(found, note="region read from the text")
        return self.regions.find(user.geo_location_region, user.geo_location_continent)

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Fix `carbon_intensity` or `inferences` (0 = not fixed), or list {"query": "regions"}.

        `pue`, `idle_share` (of the time that the device is on), `embodied_kg` and `lifetime_years`
        say what counts beside the device while it computes.
        """
        try:
            return self.settings.apply(configuration, self.regions)
        except ValueError as error:
            raise ModuleError(str(error)) from error


def _inferences_each(model: MLModel) -> int:
    """Of how many inferences one thing is, as ml_model_provider tells it."""
    about = requirements.json_object(model.extra_data)
    return int(requirements.number(about, "inferences_each")) or 1


def _next_iteration(user: UserInput, model: MLModel) -> dict[str, Any]:
    """What an iteration that follows needs: how many, and which models are used up."""
    extra = requirements.json_object(user.extra_data)
    used = [model.model, *requirements.names(extra.get("model_restrains"))]
    return {
        "num_outputs": max(1, int(requirements.number(extra, "num_outputs"))),
        "model_restrains": list(dict.fromkeys(name for name in used if name)),
    }


def _of_place(place: Intensity) -> dict[str, Any]:
    return {
        "region": place.region,
        "region_known": place.known,
        "note": place.note,
        "carbon_intensity_year": place.year,
    }


def _of_statement(said: Statement, result: Footprint, factor: float | None) -> dict[str, Any]:
    """What the figures mean."""
    carbon = result.carbon_kg
    return {
        "functional_unit": said.unit or "one inference",
        "volume_period": said.period,
        "boundary": said.boundary,
        "energy_wh_per_1000": result.energy_wh_per_1000,
        "carbon_kg_per_1000": result.carbon_kg_per_1000,
        "carbon_range_kg": [carbon / factor, carbon * factor] if factor else None,
        "summary": said.sentence(result),
    }


def _properties(model: MLModel) -> dict[str, Any]:
    try:
        properties = json.loads(model.model_properties or "{}")
    except (ValueError, RecursionError):
        properties = {}
    return properties if isinstance(properties, dict) else {}


def _uncertainty(told: dict[str, Any], intensity_known: bool) -> float | None:
    """The factor around the carbon footprint; None where that of the energy is not told."""
    factor = requirements.number(told, "energy_uncertainty_factor")
    if not math.isfinite(factor) or factor < 1.0:
        return None
    return factor if intensity_known else factor * _UNKNOWN_REGION


main = CarbonTrackerModule.main

if __name__ == "__main__":
    main()
