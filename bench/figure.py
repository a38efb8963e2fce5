"""What a benchmark found out: pairs of runs, ours and a reference, and whether the goal is met."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any, Literal


@dataclass(frozen=True)
class Run:
    """One interleaved pair: what we took, and what the reference took right before or after."""

    value: float
    reference: float | None = None

    @property
    def ratio(self) -> float | None:
        """Ours over the reference's; None without one."""
        return self.value / self.reference if self.reference else None


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    Attributes:
        name: short; with the load where there are several.
        unit: of value and reference.
        goal: the worst that will do, of the ratio or the value as `goal_on` says; None = told
            for information.
        better: which way is good.
        runs: in the order in which they were made.
        goal_on: what the goal is about; absolute figures have no reference, thus no ratio.
    """

    name: str
    unit: str
    goal: float | None
    better: Literal["higher", "lower"]
    runs: list[Run]
    goal_on: Literal["ratio", "value"] = "ratio"

    @property
    def value(self) -> float:
        """Median of ours."""
        return median(run.value for run in self.runs)

    @property
    def reference(self) -> float | None:
        """Median of the reference's; None without one."""
        known = [run.reference for run in self.runs if run.reference is not None]
        return median(known) if known else None

    @property
    def ratio(self) -> float | None:
        """Median of the ratios of each pair, so that a machine that slows down does not lie."""
        known = [run.ratio for run in self.runs if run.ratio is not None]
        return median(known) if known else None

    @property
    def judged(self) -> float:
        """What the goal, and a comparison of two results, look at."""
        ratio = self.ratio if self.goal_on == "ratio" else None
        return self.value if ratio is None else ratio

    @property
    def spread(self) -> float:
        """Distance between the quartiles of what is judged, in its unit; 0 for a single run."""
        by_ratio = self.goal_on == "ratio" and self.ratio is not None
        samples = [r.ratio if by_ratio else r.value for r in self.runs]
        known = [sample for sample in samples if sample is not None]
        if len(known) < 2:
            return 0.0
        low, _, high = quantiles(known, n=4, method="inclusive")
        return high - low

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None where there is none."""
        if self.goal is None:
            return None
        return self.judged >= self.goal if self.better == "higher" else self.judged <= self.goal

    def to_data(self) -> dict[str, Any]:
        """For a result file; `from_data` reads it again."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "reference": self.reference,
            "ratio": self.ratio,
            "spread": self.spread,
            "goal": self.goal,
            "goal_on": self.goal_on,
            "better": self.better,
            "met": self.met,
            "runs": [{"value": run.value, "reference": run.reference} for run in self.runs],
        }

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Figure:
        """Read what `to_data` wrote; medians are reckoned anew.

        Raises:
            KeyError, TypeError: it is something else.
        """
        runs = [Run(run["value"], run["reference"]) for run in data["runs"]]
        known = {key: data[key] for key in ("name", "unit", "goal", "better", "goal_on")}
        return cls(**known, runs=runs)
