"""Reference module: what the application demands, read from the text and the fields.

A transparent estimate, meant to be replaced by a reader of one's own. Each requirement is a string
`key:value`, SI units:

    minimum_samples, maximum_samples  inferences expected
    max_latency             s, of one inference
    min_throughput          inferences per second
    max_power               W
    max_carbon_footprint    kgCO2e, of all inferences
    optimise                carbon
    metric                  the one that matters, as the user named it
    min_<metric>            0..1: accuracy, precision, recall, f1, roc_auc, map or mean_iou
    real_time               true
    deployment              microcontroller, edge, mobile or cloud
    connectivity            offline
    privacy                 local_processing
    regulation              gdpr, hipaa or ai_act
    power_source, energy    battery; low
    licence                 permissive, apache-2.0 or mit
    language                ISO 639-1 code of a language named
    labels                  few or none
    explainability, robustness, safety  required; required; critical

`extra_data` is the user's, without credentials, for the modules that follow.
"""

from __future__ import annotations

from typing import Any

from sustainml_msgs.msg import AppRequirements

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue, passed_on
from sustainml_orchestrator.reference_modules.text.problem import (
    Problem,
    UnclearError,
    write_object,
)
from sustainml_orchestrator.reference_modules.text.settings import DemandSettings
from sustainml_orchestrator.sdk import Module, ModuleError


class AppRequirementsModule(Module):
    """Reads the requirements; none is a good answer, too."""

    module = "app_requirements"

    def on_start(self) -> None:
        """Read the phrases."""
        self.demands = DemandCatalogue(catalog.load("requirements"))
        self.settings = DemandSettings()

    def process(self, task: Any, inputs: Any) -> AppRequirements:
        """List what is demanded."""
        problem = Problem.read(inputs.user_input)
        try:
            extra = passed_on(problem)
        except UnclearError as answer:
            raise ModuleError(str(answer)) from answer
        return AppRequirements(
            app_requirements=self.settings.complete(self.demands.read(problem)),
            extra_data=write_object(extra),
        )

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Set `always`: requirements that every problem has, such as ["licence:permissive"]."""
        try:
            return self.settings.apply(configuration, self.demands)
        except ValueError as error:
            raise ModuleError(str(error)) from error


main = AppRequirementsModule.main

if __name__ == "__main__":
    main()
