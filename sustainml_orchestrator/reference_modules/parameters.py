"""The scalar settings of the reference modules, each a ROS parameter of its node."""

from __future__ import annotations

from sustainml_orchestrator.reference_modules.estimate.candidates import DEFAULT_FLOPS_WEIGHT
from sustainml_orchestrator.reference_modules.estimate.footprint import Options
from sustainml_orchestrator.reference_modules.estimate.models import BYTES_PER_PARAMETER
from sustainml_orchestrator.reference_modules.estimate.roofline import RUNTIMES
from sustainml_orchestrator.reference_modules.estimate.selection import DEFAULT_KEPT_QUALITY
from sustainml_orchestrator.reference_modules.text.keywords import DEFAULT_MAX_KEYWORDS
from sustainml_orchestrator.reference_modules.text.tasks import DEFAULT_MIN_CONFIDENCE
from sustainml_orchestrator.sdk import Setting

_OPTIONS = Options()
_CATALOGUE = Setting("catalogue", "", "files and folders with models, devices and measurements of "
                     "one's own, separated by a colon")  # fmt: skip

#: By module; those that are missing have none.
TABLE: dict[str, tuple[Setting, ...]] = {
    "ml_model_metadata": (
        Setting("min_confidence", DEFAULT_MIN_CONFIDENCE, "least confidence in the ML task that "
                "is read from a text", 0.0, 1.0),
        Setting("max_keywords", DEFAULT_MAX_KEYWORDS, "maximum number of keywords", 0, 50),
    ),
    "app_requirements": (_CATALOGUE,),
    "hw_constraints": (
        _CATALOGUE,
        Setting("default_memory", 0.0, "memory limit of problems that name none, in MiB; 0 = none",
                0, 2**32 - 1),
    ),
    "ml_model_provider": (
        _CATALOGUE,
        Setting("flops_weight", DEFAULT_FLOPS_WEIGHT, "weight of compute against quality in the "
                "choice of a model", 0.0, 1.0),
        Setting("kept_quality", DEFAULT_KEPT_QUALITY, "share of the first iteration's quality that "
                "a search for less carbon keeps", 0.0, 1.0),
    ),
    "hw_resources": (
        _CATALOGUE,
        Setting("precision", "", "precision of the weights; empty = the one with the least energy",
                choices=("", *BYTES_PER_PARAMETER)),
        Setting("runtime", RUNTIMES[0], "software that runs the model", choices=tuple(RUNTIMES)),
    ),
    "carbon_tracker": (
        Setting("carbon_intensity", 0.0, "carbon intensity in place of that of the region, in "
                "gCO2e/kWh; 0 = that of the region", 0.0, 1e5),
        Setting("inferences", 0, "inferences in place of those of the task; 0 = those of the task",
                0, 2**53),
        Setting("pue", _OPTIONS.pue, "power usage effectiveness of the site", 1.0, 10.0),
        Setting("idle_share", _OPTIONS.idle_share, "share of its time that the device waits for "
                "work", 0.0, 0.99),
        Setting("embodied_kg", _OPTIONS.embodied_kg, "emissions of the device's manufacture, in "
                "kgCO2e", 0.0, 1e6),
        Setting("lifetime_years", _OPTIONS.lifetime_years, "time over which those are spread, in "
                "years", 0.1, 100.0),
    ),
}  # fmt: skip
