"""What users may set on the three modules, and what these tell of their catalogues.

`{}` asks for the settings. A query answers with lists and, for front-ends that read
strings, the same joined by ", ". Anything else sets values; a bad one changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from sustainml_orchestrator.reference_modules.estimate.candidates import DEFAULT_FLOPS_WEIGHT
from sustainml_orchestrator.reference_modules.estimate.devices import CLASSES, DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.footprint import Options
from sustainml_orchestrator.reference_modules.estimate.models import (
    BYTES_PER_PARAMETER,
    ModelCatalogue,
)
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions
from sustainml_orchestrator.reference_modules.estimate.requirements import text
from sustainml_orchestrator.reference_modules.estimate.roofline import RUNTIMES
from sustainml_orchestrator.reference_modules.estimate.selection import DEFAULT_KEPT_QUALITY

#: Allowed beside settings: what a node remembers of its configuration holds past queries too.
_QUERY_KEYS = ("query", "goal", "type", "model", "region", "text", "limit")


class ProviderSettings:
    """Settings of ml_model_provider."""

    def __init__(self) -> None:
        self.flops_weight = DEFAULT_FLOPS_WEIGHT
        self.kept_quality = DEFAULT_KEPT_QUALITY

    def apply(self, configuration: Mapping[str, Any], models: ModelCatalogue) -> dict[str, Any]:
        """Answer a query, or set values and return all.

        Raises:
            ValueError: an unknown key or query, or a value out of range.
        """
        now = {"flops_weight": self.flops_weight, "kept_quality": self.kept_quality}
        _known(configuration, *now)
        now |= {key: _number(configuration, key, 0.0, 1.0) for key in now if key in configuration}
        answer = _models(configuration, models) if "query" in configuration else dict(now)
        self.flops_weight, self.kept_quality = now["flops_weight"], now["kept_quality"]
        return answer


def _models(configuration: Mapping[str, Any], models: ModelCatalogue) -> dict[str, Any]:
    queries = {"goals": _goals, "models": _by_goal, "model_info": _info, "search": _search}
    answer = queries.get(str(configuration["query"]))
    if answer is None:
        raise ValueError(f"query {configuration['query']!r} is none of {', '.join(queries)}")
    return answer(configuration, models)


def _goals(_: Mapping[str, Any], models: ModelCatalogue) -> dict[str, Any]:
    return {"goals": ", ".join(models.tasks), "goals_list": models.tasks}


def _by_goal(configuration: Mapping[str, Any], models: ModelCatalogue) -> dict[str, Any]:
    goal, family = models.task(text(configuration, "goal")), text(configuration, "type")
    of_goal = [m for m in models.models if not goal or goal in m.figures]
    of_type = [m for m in of_goal if not family or m.family.casefold() == family.casefold()]
    names = [m.name for m in of_type or of_goal]
    return {"models": ", ".join(names), "models_list": names}


def _info(configuration: Mapping[str, Any], models: ModelCatalogue) -> dict[str, Any]:
    name = text(configuration, "model")
    found = models.find(name)
    if found is None:
        raise ValueError(f"model {name!r} is not in the catalogue")
    about = found.properties(next(iter(found.figures), ""))
    return {"model": found.name, "path": found.path, "tooltip": found.summary, **about}


def _search(configuration: Mapping[str, Any], models: ModelCatalogue) -> dict[str, Any]:
    limit = int(_number({"limit": 10, **configuration}, "limit", 1, 1000))
    goal = models.task(text(configuration, "goal"))
    found = models.search(text(configuration, "text"), limit, goal)
    return {
        "models": [
            {
                "model_id": model.name,
                "score": score,
                "pipeline_tag": goal if goal in model.figures else next(iter(model.figures), ""),
                "tooltip": model.summary,
            }
            for model, score in found
        ]
    }


class HardwareSettings:
    """Settings of hw_resources."""

    def __init__(self) -> None:
        self.precision = ""
        self.runtime = RUNTIMES[0]

    def apply(self, configuration: Mapping[str, Any], devices: DeviceCatalogue) -> dict[str, Any]:
        """Answer a query, or set values and return all.

        Raises:
            ValueError: an unknown key or query, or a value out of range.
        """
        names = [device.name for device in devices.devices]
        _known(configuration, "precision", "runtime")
        wanted = configuration.get("precision", self.precision)
        if wanted not in ("", *BYTES_PER_PARAMETER):
            raise ValueError(
                f"precision {wanted!r} is none of {', '.join(BYTES_PER_PARAMETER)}, or "
                '"" for the one with the least energy'
            )
        runtime = configuration.get("runtime", self.runtime)
        if runtime not in RUNTIMES:
            raise ValueError(f"runtime {runtime!r} is none of {', '.join(RUNTIMES)}")
        if configuration.get("query", "hardwares") != "hardwares":
            raise ValueError(f"query {configuration['query']!r} is not hardwares")
        self.precision, self.runtime = wanted, runtime
        if "query" in configuration:
            return {
                "hardwares": ", ".join(names),
                "hardwares_list": names,
                "classes": list(CLASSES),
            }
        return {"precision": self.precision, "runtime": self.runtime}


class CarbonSettings:
    """Settings of carbon_tracker; 0 = taken from the task."""

    def __init__(self) -> None:
        self.carbon_intensity = 0.0
        self.inferences = 0
        self.options = Options()

    @property
    def source(self) -> str:
        """Where the carbon intensity comes from."""
        return "configured" if self.carbon_intensity else "codecarbon data set"

    def apply(self, configuration: Mapping[str, Any], regions: CarbonRegions) -> dict[str, Any]:
        """Answer a query, or set values and return all.

        Raises:
            ValueError: an unknown key or query, or a value out of range.
        """
        _known(configuration, "carbon_intensity", "inferences", *_OPTIONS)
        intensity, inferences = self.carbon_intensity, self.inferences
        if "carbon_intensity" in configuration:
            intensity = _number(configuration, "carbon_intensity", 0.0, 1e5)
        if "inferences" in configuration:
            inferences = int(_number(configuration, "inferences", 0, 2**53))
        changed = {
            k: _number(configuration, k, *_OPTIONS[k]) for k in _OPTIONS if k in configuration
        }
        answer = _regions(configuration, regions) if "query" in configuration else None
        self.options = replace(self.options, **changed)
        self.carbon_intensity, self.inferences = intensity, inferences
        return answer or {
            "carbon_intensity": intensity,
            "inferences": inferences,
            **asdict(self.options),
        }


#: Settings of the footprint, with their bounds.
_OPTIONS = {
    "pue": (1.0, 10.0),
    "idle_share": (0.0, 0.99),
    "embodied_kg": (0.0, 1e6),
    "lifetime_years": (0.1, 100.0),
}


def _regions(configuration: Mapping[str, Any], regions: CarbonRegions) -> dict[str, Any]:
    if configuration["query"] == "regions":
        return {"regions": ", ".join(regions.names), "regions_list": regions.names}
    if configuration["query"] != "intensity":
        raise ValueError(f"query {configuration['query']!r} is none of regions, intensity")
    found = regions.find(text(configuration, "region"))
    return {
        "carbon_intensity": found.g_per_kwh,
        "region": found.region,
        "region_known": found.known,
        "note": found.note,
    }


def _known(configuration: Mapping[str, Any], *keys: str) -> None:
    unknown = sorted(set(configuration) - {*keys, *_QUERY_KEYS})
    if unknown:
        raise ValueError(
            f"unknown setting {', '.join(unknown)}; known are {', '.join(keys)}, query"
        )


def _number(configuration: Mapping[str, Any], key: str, low: float, high: float) -> float:
    value = configuration[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{key} is {value!r}, not a number")
    if not low <= value <= high:  # neither is NaN
        raise ValueError(f"{key} must be between {low:g} and {high:g}")
    return float(value)
