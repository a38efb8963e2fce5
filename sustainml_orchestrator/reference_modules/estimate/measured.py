"""Measurements of one's own (`sustainml measure`), which outrank the estimates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sustainml_orchestrator.reference_modules import catalog

#: A median of many runs on the very machine; other load and temperature change it by some per cent.
LATENCY_UNCERTAINTY = 1.1
#: Energy by counters, and by codecarbon's estimate from load and rated power, beside the latency.
COUNTED, ESTIMATED = 1.1, 2.0


@dataclass(frozen=True)
class Measurement:
    """One model on one device in one precision."""

    latency_s: float
    energy_j: float  #: 0 = not measured
    power_uncertainty: float  #: factor


#: By the model's name, case-folded, and the precision.
OfDevice = Mapping[tuple[str, str], Measurement]


def own(rows: Iterable[Mapping[str, Any]]) -> dict[str, OfDevice]:
    """The user's measurements by device; published ones stay out, they test the estimates.

    Raises:
        ValueError: a row is incomplete, naming its model.
    """
    found: dict[str, dict[tuple[str, str], Measurement]] = {}
    for row in rows:
        if row.get("own") is not True:
            continue
        try:
            latency, energy = float(row["latency_s"]), float(row.get("energy_j", 0.0))
            if not (0 < latency < 1e6 and 0 <= energy < 1e9):
                raise ValueError(f"latency {latency:g} s or energy {energy:g} J is out of range")
            factor = COUNTED if "RAPL" in str(row.get("energy_by", "")) else ESTIMATED
            key = (str(row["model"]).casefold(), str(row["precision"]))
            of_device = found.setdefault(str(row["device"]), {})
        except (KeyError, TypeError, ValueError) as error:
            model, mistake = row.get("model", "?"), catalog.mistake(error)
            raise ValueError(f"measurement of {model}: {mistake}") from error
        of_device[key] = Measurement(latency, energy, factor)
    return dict(found)
