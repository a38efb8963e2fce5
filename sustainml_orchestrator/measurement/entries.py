"""A measurement as entries of the catalogues: a file for `sustainml catalogue add`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sustainml_orchestrator.measurement.run import Measured


def model_entry(
    name: str, measured: Measured, tasks: Mapping[str, tuple[str, float]], licence: str
) -> dict[str, Any]:
    """The model, for the catalogue of models.

    Args:
        name: by which it is asked for.
        measured: what was counted and measured.
        tasks: by task its benchmark and the figure that it reaches there.
        licence: as its author says.
    """
    counts = measured.counts
    inputs = "; ".join(f"{k} {' x '.join(map(str, v))}" for k, v in counts.inputs.items())
    return {
        "name": name,
        "family": _family(counts.operators),
        "tasks": {task: [benchmark, figure] for task, (benchmark, figure) in tasks.items()},
        "parameters": counts.parameters,
        "flops": counts.flops,
        "flops_from": "derived",
        "launches": counts.launches,
        "depthwise": counts.depthwise,
        "precisions": [_precision(measured)],
        "operators": list(counts.operators),
        "peak_activations": counts.activations_bytes // 4,  # values in single precision
        "use": "ready",
        "input": inputs,
        "licence": licence,
        "source": [f"sustainml measure ({measured.runtime})"],
    }


def measurement_entry(name: str, device: str, measured: Measured) -> dict[str, Any]:
    """The measurement itself; the latency is the median."""
    return {
        "model": name,
        "device": device,
        "precision": _precision(measured),
        "latency_s": _rounded(measured.latency_s(50)),
        "latency_p90_s": _rounded(measured.latency_s(90)),
        "latency_p99_s": _rounded(measured.latency_s(99)),
        "energy_j": _rounded(measured.energy_j),
        "energy_by": measured.energy_method,
        "memory_mib": _mib(measured.peak_memory_bytes),
        "runs": len(measured.seconds),
        "own": True,
        "source": f"sustainml measure ({measured.runtime})",
    }


def _family(operators: tuple[str, ...]) -> str:
    families = {"attention": "Transformers", "trees": "Trees", "recurrent": "RNNs"}
    named = [name for kind, name in families.items() if kind in operators]
    return named[0] if named else "CNNs" if "convolution" in operators else "MLPs"


def _precision(measured: Measured) -> str:
    """Of the weights as stored, by the bytes of one."""
    each = measured.counts.weights_bytes / max(1, measured.counts.parameters)
    return "int8" if each < 1.5 else "fp16" if each < 3 else "fp32"


def _mib(size: float) -> float:
    return _rounded(size / 2**20)


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
