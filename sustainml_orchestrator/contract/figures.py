"""The figures in outputs that summaries show, and which of their values make sense."""

from __future__ import annotations

import math

from sustainml_msgs.msg import CO2Footprint, HWResource, MLModel

#: By message type: its figures, and whether they may be negative.
FIGURES: dict[type, dict[str, bool]] = {
    MLModel: {"target_latency": False},
    HWResource: {
        "power_consumption": False,
        "latency": False,
        "memory_footprint_of_ml_model": False,
        "max_hw_memory_footprint": False,
    },
    CO2Footprint: {
        "carbon_footprint": True,
        "energy_consumption": False,
        "carbon_intensity": False,
    },
}


def complaint(message_type: type, name: str, value: float) -> str:
    """What is wrong with a figure, as a sentence that names the field; "" for one that is right."""
    negative = FIGURES[message_type][name]
    if math.isfinite(value) and (value >= 0 or negative):
        return ""
    least = "" if negative else " of at least 0"
    return f"{name} = {value:g}; give a finite number{least}"
