"""Energy and emissions of a number of inferences.

    energy (Wh) = inferences * latency (s) * power (W) / 3600
    carbon (kgCO2e) = energy (Wh) / 1000 * intensity (gCO2e/kWh) / 1000

as in Lacoste et al. 2019 (arXiv:1910.09700). Only the device itself counts: no cooling, no host, no
manufacture.
"""

from __future__ import annotations


def energy_wh(latency_s: float, power_w: float, inferences: int) -> float:
    """Watt-hours of `inferences` one after the other."""
    return inferences * latency_s * power_w / 3600.0


def carbon_kg(energy: float, intensity_g_per_kwh: float) -> float:
    """Kilograms of CO2 equivalent for an energy in Wh."""
    return energy / 1000.0 * intensity_g_per_kwh / 1000.0
