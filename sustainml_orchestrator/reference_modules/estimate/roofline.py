"""Latency, power and memory of one inference by the roofline model.

A pass takes as long as the slower of computing and reading the weights (Williams, Waterman,
Patterson: Roofline, CACM 52(4), 2009), plus a fixed start-up time (Hockney's r-infinity, n-half:
small jobs reach a small share of the peak). With F operations, W bytes of weights a pass, n passes:

    latency = n * overhead + max(F / (e_c * peak), n * W / (e_b * bandwidth))

A framework that runs operation by operation (*eager*, such as PyTorch without its compiler) adds
the time in which it launches each, as the device waits; a *compiled* engine launches a whole pass:

    overhead = start-up + launches * dispatch

Power is the idle power, and above it a part of the range up to the maximum while the device waits
for a launch, and the load while it is busy.

Activations are taken to stay in caches: with one inference at a time they are small beside the
weights, or, in convolutional networks, hidden by the computing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.models import MIB, Workload

#: Room beside the weights for activations and the runtime, as a share of the weights.
ACTIVATION_SHARE = 0.2
#: Depthwise convolutions reach about half the rate of dense ones, as they reuse little of what they
#: read (Ma et al.: ShuffleNet V2, arXiv:1807.11164, on why FLOPs alone mislead).
DEPTHWISE_RATE = 0.5
RUNTIMES = ("compiled", "eager")
#: Energy is less certain than latency: power lies anywhere between idle and maximum.
_POWER_UNCERTAINTY = 1.5


@dataclass(frozen=True)
class Estimate:
    """What one inference costs on a device."""

    device: Device
    precision: str
    latency_s: float
    power_w: float  #: mean over the inference
    memory_mib: float  #: weights and room for activations
    bound: str  #: compute, memory or overhead: what takes most of the time
    uncertainty: float  #: latency lies within this factor either way
    runtime: str = "compiled"  #: one of RUNTIMES

    @property
    def energy_j(self) -> float:
        """Joules per inference."""
        return self.latency_s * self.power_w

    @property
    def energy_uncertainty(self) -> float:
        """Energy lies within this factor either way."""
        return self.uncertainty * _POWER_UNCERTAINTY


def memory_mib(work: Workload, precision: str) -> float:
    """Memory in MiB that a model takes on a device."""
    return work.weights_mib(precision) * (1.0 + ACTIVATION_SHARE)


def estimate(work: Workload, device: Device, precision: str, runtime: str = "compiled") -> Estimate:
    """Predict one inference.

    Raises:
        ValueError: the device cannot use weights of that precision.
    """
    eff, rate = device.efficiency, device.rate(precision)
    if not rate:
        raise ValueError(f"{device.name} cannot compute with {precision} weights")
    if work.depthwise:
        rate *= DEPTHWISE_RATE
    computing = work.flops / (eff.compute * rate)
    streamed = max(0.0, work.weights_read(precision) - device.cache_mib * MIB)
    reading = work.passes * streamed / (eff.bandwidth * device.bandwidth)
    launching = work.launches * eff.dispatch_s if runtime == "eager" else 0.0
    overhead = work.passes * (eff.overhead_s + launching)
    busy = max(computing, reading)
    latency = overhead + busy
    drawn = (eff.load * busy + eff.waiting * overhead) / latency
    power = device.idle_w + drawn * (device.max_w - device.idle_w)
    shares = {"compute": computing, "memory": reading, "overhead": overhead}
    return Estimate(
        device=device,
        precision=precision,
        latency_s=latency,
        power_w=power,
        memory_mib=memory_mib(work, precision),
        bound=max(shares, key=lambda name: shares[name]),
        uncertainty=eff.uncertainty,
        runtime=runtime,
    )


def fitting(
    work: Workload, device: Device, *, max_memory_mib: float = 0.0, runtime: str = "compiled"
) -> list[Estimate]:
    """Estimates for every precision in which the model fits into memory; 0 = no further limit."""
    limit = min(device.memory_mib, max_memory_mib or device.memory_mib)
    return [
        estimate(work, device, precision, runtime)
        for precision in work.precisions
        if device.rate(precision) and memory_mib(work, precision) <= limit
    ]
