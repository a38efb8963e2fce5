"""How much of the answers has a published measurement of its kind."""

from __future__ import annotations

from collections.abc import Iterable

from bench.answers.check import Answer
from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue

#: Of the operations of a model the first of these is what it is classed by.
_BY = ("deformable-attention", "attention", "graph", "search", "trees", "convolution-3d",
       "recurrent", "convolution", "linear")  # fmt: skip


class Coverage:
    """The kinds of answers that measurements cover: class of device, runtime, operations."""

    def __init__(self) -> None:
        self._models = ModelCatalogue(catalog.load("models"))
        self._devices = DeviceCatalogue(catalog.load("hardware"))
        found = catalog.load("measurements")
        rows = [*found["measurements"], *found["held_out"]]
        self._measured = {self._kind(row["model"], row["device"]) for row in rows}

    def covers(self, answers: Iterable[Answer]) -> int:
        """How many of some answers have a measurement of their kind."""
        return sum(self._kind(a.model, a.hardware) in self._measured for a in answers)

    def _kind(self, model: str, device: str) -> tuple[str, str, str]:
        found, placed = self._models.find(model), self._devices.find(device)[0]
        operators = found.workload.operators if found else ()
        kind = next((name for name in _BY if name in operators), "unknown")
        return placed.device_class, placed.runtime, kind
