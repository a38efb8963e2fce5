"""Reference module: proposes a published model from the catalogue.

A transparent estimate, meant to be replaced by a provider of one's own: it filters the catalogue by
the constraints and ranks what is left by quality for compute (`estimate/selection.py` has the
rule). Quality is that of a public benchmark, not of the user's data.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from sustainml_msgs.msg import MLModel

from sustainml_orchestrator.reference_modules.catalogue_module import CatalogueModule
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.candidates import NoMatchError
from sustainml_orchestrator.reference_modules.estimate.configuration import ProviderSettings
from sustainml_orchestrator.reference_modules.estimate.languages import with_languages
from sustainml_orchestrator.reference_modules.estimate.models import Workload
from sustainml_orchestrator.reference_modules.estimate.parts import (
    narrowed,
    other_part,
    parts_of,
)
from sustainml_orchestrator.reference_modules.estimate.proposal import (
    Baseline,
    Proposal,
    Terms,
    allowed_devices,
    in_turn,
    propose,
)
from sustainml_orchestrator.reference_modules.estimate.requirements import Requirements
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.sdk import Inputs, ModuleError, Task


class MLModelProviderModule(CatalogueModule):
    """Proposes the model with the best quality for its compute within the constraints."""

    module = "ml_model_provider"
    parameters = TABLE["ml_model_provider"]

    def on_start(self) -> None:
        """Read the catalogues."""
        self.settings = ProviderSettings()
        super().on_start()

    def read_catalogues(self) -> None:
        """Read models and devices."""
        self.models, self.devices = self.read_models(), self.read_devices()

    def process(self, task: Task, inputs: Inputs) -> MLModel:
        """Choose one model; ModuleError says which constraint to relax when none fits."""
        extra = requirements.json_object(inputs.app_requirements.extra_data)
        wanted = requirements.parse(inputs.app_requirements.app_requirements, extra)
        told = requirements.json_object(inputs.ml_model_metadata.extra_data)
        wanted = with_languages(wanted, told).shared(requirements.devices(inputs.hw_constraints))
        parts = () if wanted.goal or wanted.selected else parts_of(told)
        try:
            proposal = self._propose(task, inputs, narrowed(wanted, parts))
        except NoMatchError as answer:
            raise ModuleError(str(answer)) from answer
        model = proposal.model
        about: dict[str, Any] = {
            "task": proposal.task,
            "family": model.family,
            "model_restrains": [*wanted.restrains, model.name],
            "alternatives": list(proposal.alternatives),
            "ties": list(proposal.ties),
            "inferences_each": proposal.each,
            "notes": [*proposal.notes, *self._parts(inputs, wanted, parts, proposal)],
        }
        for key in ("quality", "remaining", "least_quality"):
            if (value := getattr(proposal, key)) is not None:
                about[key] = value
        return MLModel(
            model=model.name,
            model_path=model.path,
            model_properties=json.dumps(model.properties(proposal.task)),
            target_latency=proposal.latency_s,
            extra_data=requirements.json_bytes(about),
        )

    def _propose(self, task: Task, inputs: Inputs, wanted: Requirements) -> Proposal:
        """The model proposed; NoMatchError where none fits."""
        hardware = inputs.hw_constraints
        told = requirements.not_in_catalogue(hardware)
        required = list(hardware.hardware_required)
        devices = allowed_devices(self.devices, required, wanted.deployment, told)
        memory_mib, memory_kind = requirements.memory_limit(hardware)
        terms = Terms(
            every_device=self.devices.devices,
            any_device=not (required or wanted.deployment),
            max_memory_mib=memory_mib,
            memory_kind=memory_kind,
            max_flash_mib=requirements.flash_limit(hardware),
            flops_weight=self.settings.flops_weight,
            kept_quality=self.settings.kept_quality,
        )
        first, *_ = list(inputs.ml_model_metadata.ml_model_metadata) or [""]
        former = _baseline(task, inputs)
        *before, last = in_turn(devices, required, wanted)
        for few in before:
            with suppress(NoMatchError):
                return propose(self.models, few, wanted, first, terms, former)
        return propose(self.models, last, wanted, first, terms, former)

    def _parts(
        self, inputs: Inputs, wanted: Requirements, parts: tuple[str, ...], first: Proposal
    ) -> list[str]:
        """Of a problem of two parts what is proposed for the other one."""
        required = list(inputs.hw_constraints.hardware_required)
        try:
            devices = allowed_devices(self.devices, required, wanted.deployment)
        except NoMatchError:  # of a model that the user has selected
            return []
        return other_part(self.models, devices, wanted, parts, (first.task, first.model))

    def apply(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Set `flops_weight` or `kept_quality`, or list models.

        {"query": "models", "goal": task, "type": family}
        """
        return self.settings.apply(configuration, self.models)


def _baseline(task: Task, inputs: Inputs) -> Baseline | None:
    """The solution of the iteration built upon; None for a first one, or where there is none."""
    if task.task_id.iteration_id < 2:
        return None
    model, footprint = inputs.baselines.ml_model_provider, inputs.baselines.carbon_tracker
    if not model.header.frame_id:
        return None
    carbon = footprint.carbon_footprint if footprint.header.frame_id else 0.0
    about = requirements.json_object(model.extra_data)
    try:
        workload = Workload.from_properties(json.loads(model.model_properties))
    except (ValueError, TypeError, RecursionError):
        workload = None
    quality, least = (requirements.number(about, key) for key in ("quality", "least_quality"))
    return Baseline(model.model, carbon, workload, quality, least)


main = MLModelProviderModule.main

if __name__ == "__main__":
    main()
