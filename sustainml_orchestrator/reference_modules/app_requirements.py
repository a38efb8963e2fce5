"""Reference module: what the application demands, read from the text and the fields.

A transparent estimate, meant to be replaced by a reader of one's own. Each requirement is a string
`key:value`, SI units:

    minimum_samples, maximum_samples  inferences expected
    max_latency             s, of one inference
    min_throughput          inferences per second
    min_token_rate          tokens per second, of what generates text
    interactive             s, assumed where a person waits and no time is stated
    interactive_rate        tokens per second, likewise
    interactive_use         completion, voice, captions or search
    corpus_size             documents or pages about which questions are asked
    most_parameters         of a model for which more bring nothing
    text_length             tokens of a text that goes in, about
    recording_length        s, of each recording
    voxels                  of a volume along its axes: 240x240x155
    horizon                 s, how far ahead is predicted
    max_first_token         s, until the first token of what generates text
    max_power               W
    max_carbon_footprint    kgCO2e, of all inferences
    optimise                carbon
    metric                  the one that matters, as the user named it
    min_<metric>            0..1: accuracy, precision, recall, f1, roc_auc, map or mean_iou
    real_time               true
    deployment              microcontroller, wearable, edge, mobile, office,
                            server or cloud
    connectivity            offline
    privacy                 local_processing
    regulation              gdpr, hipaa or ai_act
    power_source, energy    battery; low
    licence                 permissive, apache-2.0 or mit
    language, language_to   ISO 639-1 codes of languages named, and of those to translate into
    modality                image or audio, where the text says so
    topic                   sentiment, neutral (beside good and bad), reading (of characters),
                            restoration, handwriting, sounds (not words), fields (to extract),
                            volumes (3D) or slices
    labels                  few or none
    explainability, robustness, safety  required; required; critical

    volume_period           of maximum_samples: day, night, week, month or year
    volume_hours            of recordings, where their number is not told; carbon_tracker counts
                            inferences of it
    model_size              parameters
    resolution              of the pictures, in pixels: 1920x1080
    model                   named in the text, one line each: a model, or a family such as whisper
    weights                 fp32, fp16, int8 or int4
    region                  where it runs, if only the text says so

`extra_data` is the user's, without credentials, for the modules that follow, and
`not_understood`: the numbers with a unit and the names of hardware and models in the text that were
not used.
"""

from __future__ import annotations

from typing import Any

from sustainml_msgs.msg import AppRequirements

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.catalogue_module import CatalogueModule
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue, passed_on
from sustainml_orchestrator.reference_modules.text.hardware import HardwareWords
from sustainml_orchestrator.reference_modules.text.hardware_names import HardwareNames
from sustainml_orchestrator.reference_modules.text.leftovers import unread
from sustainml_orchestrator.reference_modules.text.model_names import ModelNames, names_of
from sustainml_orchestrator.reference_modules.text.numerals import in_digits
from sustainml_orchestrator.reference_modules.text.problem import (
    Problem,
    UnclearError,
    write_object,
)
from sustainml_orchestrator.reference_modules.text.settings import DemandSettings
from sustainml_orchestrator.reference_modules.text.words import fold
from sustainml_orchestrator.sdk import ModuleError


class AppRequirementsModule(CatalogueModule):
    """Reads the requirements; none is a good answer, too."""

    module = "app_requirements"
    parameters = TABLE["app_requirements"]

    def on_start(self) -> None:
        """Read the phrases."""
        self.demands = DemandCatalogue(catalog.load("requirements"))
        self.regions = CarbonRegions()
        self.names = ModelNames(catalog.load("ml_tasks")["model_names"])
        self.settings = DemandSettings()
        super().on_start()

    def read_catalogues(self) -> None:
        """Read the names of models and hardware."""
        devices, words = DeviceCatalogue(self.load("hardware")), self.load("constraints")
        self.hardware = HardwareWords(words, devices)
        self.unknown = HardwareNames(
            words["names"], self.hardware.is_subject, self.demands.named_outright
        )
        self.models = self.read_models()

    def process(self, task: Any, inputs: Any) -> AppRequirements:
        """List what is demanded."""
        problem = Problem.read(inputs.user_input)
        try:
            extra = passed_on(problem)
        except UnclearError as answer:
            raise ModuleError(str(answer)) from answer
        understood = self.demands.understood(problem)
        lines = [line for line, _ in understood]
        place = self.regions.in_text(problem.text)
        if place and not inputs.user_input.geo_location_region:
            lines.append(f"region:{place.region}")
        named = self.names.find(problem.text)
        lines += [f"model:{name}" for name in names_of(named) if self.models.named(name)]
        phrases = [p for _, p in understood if p in self.demands.cues]
        used = [*(p for _, p in understood if p not in self.demands.cues),
                *(each.name for each in named)]  # fmt: skip
        extra["not_understood"] = [
            *self._not_understood(problem, used, phrases),
            *(n for n in names_of(named) if not self.models.named(n)),
        ]
        return AppRequirements(
            app_requirements=self.settings.complete(list(dict.fromkeys(lines))),
            extra_data=write_object(extra),
        )

    def _not_understood(self, problem: Problem, used: list[str], phrases: list[str]) -> list[str]:
        """What is in no passage used; a phrase that stands beside a number does not use it."""
        try:
            named = self.hardware.read(problem)
        except UnclearError:  # hw_constraints says what is wrong
            return []
        text = in_digits(f"{problem.text} . {problem.outputs}")
        products = self.hardware.products_in(text)
        taken = [*used, *named.used, *(product.name for product in products)]
        lost = [p.name for p in products if p.device and p.device.name not in named.hardware]
        lacking = [name for name, _ in named.unknown if name not in named.hardware]
        names = self.unknown.find(problem.text, [*taken, *phrases], self.regions.knows)
        found = [*unread(text, taken), *lost, *lacking]
        told = {word for passage in found for word in (fold(passage), *fold(passage).split())}
        return list(dict.fromkeys([*found, *(name for name in names if fold(name) not in told)]))

    def apply(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Set `always`: requirements that every problem has, such as ["licence:permissive"]."""
        return self.settings.apply(configuration, self.demands)


main = AppRequirementsModule.main

if __name__ == "__main__":
    main()
