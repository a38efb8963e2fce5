"""Compares the estimates with published measurements.

`python -m sustainml_orchestrator.reference_modules.estimate.validation` prints a Markdown table;
with `--write FILE` it replaces the part of a document between its two markers.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
from sustainml_orchestrator.reference_modules.estimate.roofline import RUNTIMES, Estimate, estimate

BEGIN, END = "<!-- begin of the table -->", "<!-- end of the table -->"


@dataclass(frozen=True)
class Pair:
    """One published figure beside its estimate, both in seconds or both in joules."""

    model: str
    placed: Estimate
    unit: str  #: s or J
    published: float
    estimated: float
    fit: bool  #: used to set the efficiency factors
    why: str
    source: str

    @property
    def ratio(self) -> float:
        """Estimated over published."""
        return self.estimated / self.published

    @property
    def error(self) -> float:
        """Factor between estimated and published, at least 1."""
        return max(self.ratio, 1.0 / self.ratio)

    @property
    def uncertainty(self) -> float:
        """The factor that the estimate states."""
        return self.placed.uncertainty if self.unit == "s" else self.placed.energy_uncertainty


def pairs(
    measurements: Iterable[Mapping[str, Any]], models: ModelCatalogue, devices: DeviceCatalogue
) -> list[Pair]:
    """Estimate every published measurement.

    Raises:
        ValueError: a row names no single model or device of the catalogues.
    """
    found = []
    for row in measurements:
        model, candidates = models.find(row["model"]), devices.find(row["device"])
        if model is None or len(candidates) != 1:
            raise ValueError(f"measurement of {row['model']} on {row['device']}: not in catalogue")
        changed = {k: row[k] for k in ("flops", "passes", "pass_parameters") if k in row}
        work, runtime = replace(model.workload, **changed), row.get("runtime", RUNTIMES[0])
        predicted = estimate(work, candidates[0], row["precision"], runtime)
        for unit, key, value in (
            ("s", "latency_s", predicted.latency_s),
            ("J", "energy_j", predicted.energy_j),
        ):
            if key in row:
                fit, why = bool(row.get("fit", False)), row.get("why", "")
                known = (float(row[key]), value, fit, why, row["source"])
                found.append(Pair(model.name, predicted, unit, *known))
    return found


def mean_error(factors: Iterable[float]) -> float:
    """Geometric mean of factors, the mean that treats too much and too little alike."""
    logs = [math.log(factor) for factor in factors]
    return math.exp(sum(logs) / len(logs))


def table(found: list[Pair]) -> str:
    """Markdown: one line per pair, then the summary."""
    latencies, energies = ([p for p in found if p.unit == unit] for unit in "sJ")
    fitted = [p for p in latencies if p.fit]
    return "\n".join(
        [
            *_lines(found),
            *_HEAD,
            _summary("latency, all", latencies),
            _summary("latency, used to fit the efficiency factors", fitted),
            _summary("latency, not used to fit them", [p for p in latencies if not p.fit]),
            _summary("energy, all", energies),
            _summary("energy, used to fit", [p for p in energies if p.fit]),
            _summary("energy, not used to fit", [p for p in energies if not p.fit]),
        ]
    )


def held_out_table(found: list[Pair]) -> str:
    """Markdown: one line per pair, then the summary by device."""
    devices = dict.fromkeys(p.placed.device.name for p in found)
    rows = {name: [p for p in found if p.placed.device.name == name] for name in devices}
    summaries = [_summary(f"latency, {name}", few) for name, few in rows.items()]
    return "\n".join([*_lines(found), *_HEAD, _summary("latency, all", found), *summaries])


_HELD_OUT = "Published measurements that were added afterwards; none set a factor:"
_HEAD = (
    "",
    "| pairs | number | mean error factor (geometric) | within a factor of 2 | "
    "within the uncertainty stated | largest factor |",
    "|---|---|---|---|---|---|",
)


def _lines(found: list[Pair]) -> list[str]:
    lines = [
        "| model | device | precision | runtime | published | estimated | factor | limit | used "
        "| source |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for p in found:
        job = f"{p.model} ({p.why})" if p.why else p.model
        lines.append(
            f"| {job} | {p.placed.device.name} | {p.placed.precision} | "
            f"{p.placed.runtime} | "
            f"{_readable(p.published, p.unit)} | {_readable(p.estimated, p.unit)} | "
            f"{p.ratio:.2f} | {p.placed.bound} | {'to fit' if p.fit else 'to test'} | {p.source} |"
        )
    return lines


def _summary(name: str, found: list[Pair]) -> str:
    errors = [p.error for p in found]
    within = sum(error <= 2.0 for error in errors)
    covered = sum(p.error <= p.uncertainty for p in found)
    mean, worst = mean_error(errors), max(errors)
    return f"| {name} | {len(found)} | {mean:.2f} | {within} | {covered} | {worst:.1f} |"


def _readable(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}" if value >= 1.0 else f"{value * 1e3:.3g} m{unit}"


def main() -> None:
    """Print the table, or write it into a document."""
    parser = argparse.ArgumentParser(description="Compare the estimates with measurements.")
    parser.add_argument("--write", type=Path, help="document whose table to replace")
    arguments = parser.parse_args()
    models = ModelCatalogue(catalog.load("models"))
    devices = DeviceCatalogue(catalog.load("hardware"))
    rows = catalog.load("measurements")
    seen, held_out = (pairs(rows[key], models, devices) for key in ("measurements", "held_out"))
    text = f"{table(seen)}\n\n{_HELD_OUT}\n\n{held_out_table(held_out)}"
    if arguments.write is None:
        print(text)  # noqa: T201 - what this command is for
        return
    insert(arguments.write, text)


def insert(document: Path, table: str) -> None:
    """Replace what stands between the two markers of a document."""
    head, _, rest = document.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    document.write_text(f"{head}{BEGIN}\n{table}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
