"""What the figures of a footprint mean: unit, boundary, options and range, in one sentence."""

from __future__ import annotations

from dataclasses import dataclass

from sustainml_orchestrator.reference_modules.estimate.carbon import carbon_kg, energy_wh

_YEAR_S = 365.25 * 86_400.0


@dataclass(frozen=True)
class Options:
    """What counts beside the device while it computes; the defaults count nothing more."""

    pue: float = 1.0  #: power usage effectiveness of the site: all its power over that of computing
    idle_share: float = 0.0  #: share of the device's time that it is on and waits for work
    embodied_kg: float = 0.0  #: kgCO2e of the manufacture of the device
    lifetime_years: float = 4.0  #: over which that is spread, by the time that the device is in use

    @property
    def sentence(self) -> str:
        """What counts, as part of a sentence."""
        idle = f"{self.idle_share:.0%} idle time" if self.idle_share else "no idle time"
        made = (
            f"{self.embodied_kg:g} kgCO2e of manufacture over {self.lifetime_years:g} years"
            if self.embodied_kg
            else "no manufacture"
        )
        return f"PUE {self.pue:g}, {idle}, {made}"


@dataclass(frozen=True)
class Footprint:
    """Energy and emissions of a number of inferences."""

    energy_wh: float
    carbon_kg: float
    inferences: int

    @property
    def energy_wh_per_1000(self) -> float:
        """Watt-hours per 1,000 inferences."""
        return self.energy_wh / self.inferences * 1000.0

    @property
    def carbon_kg_per_1000(self) -> float:
        """Kilograms of CO2 equivalent per 1,000 inferences."""
        return self.carbon_kg / self.inferences * 1000.0


def footprint(
    latency_s: float,
    power_w: float,
    idle_w: float,
    inferences: int,
    g_per_kwh: float,
    options: Options,
) -> Footprint:
    """The footprint of inferences one after the other.

    Args:
        latency_s: of one inference, s.
        power_w: while it computes, W.
        idle_w: while the device waits, W.
        inferences: how many, at least one.
        g_per_kwh: carbon intensity of the electricity, gCO2e/kWh.
        options: what else counts.
    """
    busy_s = inferences * latency_s
    waiting_s = busy_s * options.idle_share / (1.0 - options.idle_share)
    energy = energy_wh(latency_s, power_w, inferences) + waiting_s * idle_w / 3600.0
    energy *= options.pue
    made = options.embodied_kg * (busy_s + waiting_s) / (options.lifetime_years * _YEAR_S)
    return Footprint(energy, carbon_kg(energy, g_per_kwh) + made, inferences)


@dataclass(frozen=True)
class Statement:
    """What is said of a footprint to people."""

    model: str
    hardware: str
    power_of: str  #: what of the hardware counts, such as "board"
    unit: str  #: what one inference is, such as "128 tokens"; empty if unknown
    period: str  #: in which the inferences happen; empty if unknown
    intensity: str  #: of the electricity, with region and year
    options: Options
    factor: float | None  #: the truth lies within it either way; None if unknown

    @property
    def boundary(self) -> str:
        """What counts."""
        of = f" ({self.power_of})" if self.power_of else ""
        return f"the device{of} while it computes, {self.options.sentence}"

    def sentence(self, result: Footprint) -> str:
        """One sentence to quote."""
        many = result.inferences > 1
        unit = f" ({self.unit})" if self.unit else ""
        jobs = f"{result.inferences:,} inferences{unit}" if many else f"One inference{unit}"
        each = f" a {self.period}" if self.period and many else ""
        verb = "take" if many else "takes"
        text = (
            f"{jobs}{each} of {self.model} on {self.hardware} {verb} about "
            f"{energy_text(result.energy_wh)} and {carbon_text(result.carbon_kg)}"
        )
        if self.factor:
            low, high = result.carbon_kg / self.factor, result.carbon_kg * self.factor
            text += f" (between {carbon_text(low)} and {carbon_text(high)})"
        return (
            f"{text}, that is {energy_text(result.energy_wh_per_1000)} and "
            f"{carbon_text(result.carbon_kg_per_1000)} per 1,000, with electricity of "
            f"{self.intensity}; counted is {self.boundary}."
        )


def energy_text(watt_hours: float) -> str:
    """An energy with the unit that suits its size."""
    return _scaled(watt_hours, (("MWh", 1e6), ("kWh", 1e3), ("Wh", 1.0), ("mWh", 1e-3),
                                ("uWh", 1e-6)))  # fmt: skip


def carbon_text(kilograms: float) -> str:
    """A mass of CO2 equivalent with the unit that suits its size."""
    return _scaled(kilograms, (("tCO2e", 1e3), ("kgCO2e", 1.0), ("gCO2e", 1e-3),
                               ("mgCO2e", 1e-6), ("ugCO2e", 1e-9)))  # fmt: skip


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    name, size = next(((n, s) for n, s in units if value >= s), units[-1])
    amount = value / size
    return f"{amount:.0f} {name}" if amount >= 100 else f"{amount:.2g} {name}"
