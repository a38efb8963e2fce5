"""Reference module: names the ML task of a problem, and its keywords.

A transparent estimate, meant to be replaced by a language model of one's own: the task is the one
whose examples the text is most like, among the pipeline tags of Hugging Face (`text/tasks.py` has
the rule and says what `confidence` means). The keywords are YAKE's.
"""

from __future__ import annotations

from typing import Any

from sustainml_msgs.msg import MLModelMetadata

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.parameters import TABLE
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue
from sustainml_orchestrator.reference_modules.text.keywords import keywords
from sustainml_orchestrator.reference_modules.text.likeness import Likeness
from sustainml_orchestrator.reference_modules.text.problem import (
    Problem,
    UnclearError,
    write_object,
)
from sustainml_orchestrator.reference_modules.text.settings import TaskSettings
from sustainml_orchestrator.reference_modules.text.tasks import TaskCatalogue
from sustainml_orchestrator.sdk import Module, ModuleError


class MLModelMetadataModule(Module):
    """Chooses the task; `ml_model_metadata` holds it and then the runner-ups."""

    module = "ml_model_metadata"
    parameters = TABLE["ml_model_metadata"]

    def on_start(self) -> None:
        """Read the catalogue of tasks."""
        self.tasks = TaskCatalogue(catalog.load("ml_tasks"), Likeness())
        self.demands = DemandCatalogue(catalog.load("requirements"))
        self.settings = TaskSettings()

    def process(self, task: Any, inputs: Any) -> MLModelMetadata:
        """Choose the task; ModuleError says what to add to an unclear problem."""
        problem = Problem.read(inputs.user_input)
        try:
            verdict = self.tasks.choose(problem, self.settings.min_confidence)
        except UnclearError as answer:
            raise ModuleError(str(answer)) from answer
        named = [line.partition(":")[::2] for line in self.demands.read(problem)]
        about = {
            "ml_task": verdict.tag,
            "confidence": verdict.confidence,
            "alternatives": list(verdict.alternatives),
            "parts": list(verdict.parts),
            # For graphs without app_requirements, which reads them, too.
            "languages": [code for key, code in named if key == "language"],
            "languages_to": [code for key, code in named if key == "language_to"],
        }
        return MLModelMetadata(
            keywords=keywords(problem.text, self.settings.max_keywords),
            ml_model_metadata=[verdict.tag, *verdict.alternatives],
            extra_data=write_object(about),
        )

    def configure(self, configuration: dict[str, Any]) -> dict[str, Any]:
        """Set `min_confidence` or `max_keywords`, or ask a query (see `text/settings.py`)."""
        try:
            return self.settings.apply(configuration, self.tasks)
        except ValueError as error:
            raise ModuleError(str(error)) from error


main = MLModelMetadataModule.main

if __name__ == "__main__":
    main()
