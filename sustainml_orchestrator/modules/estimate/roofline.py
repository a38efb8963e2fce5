"""Latency, power and memory of one inference by the roofline model.

A pass takes as long as the slower of computing and reading the weights (Williams, Waterman,
Patterson: Roofline, CACM 52(4), 2009), plus a fixed start-up time (Hockney's r-infinity, n-half:
small jobs reach a small share of the peak). With F operations, W bytes of weights a pass, n passes:

    latency = n * overhead + max(F / (e_c * peak), n * W / (e_b * bandwidth))

Activations are taken to stay in caches: with one inference at a time they are small beside the
weights, or, in convolutional networks, hidden by the computing.
"""

from __future__ import annotations

from dataclasses import dataclass

from sustainml_orchestrator.modules.estimate.devices import Device
from sustainml_orchestrator.modules.estimate.models import MIB, Workload

#: Room beside the weights for activations and the runtime, as a share of the weights.
ACTIVATION_SHARE = 0.2
#: Depthwise convolutions reach about half the rate of dense ones, as they reuse little of what they
#: read (Ma et al.: ShuffleNet V2, arXiv:1807.11164, on why FLOPs alone mislead).
DEPTHWISE_RATE = 0.5


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

    @property
    def energy_j(self) -> float:
        """Joules per inference."""
        return self.latency_s * self.power_w


def memory_mib(work: Workload, precision: str) -> float:
    """Memory in MiB that a model takes on a device."""
    return work.weights_mib(precision) * (1.0 + ACTIVATION_SHARE)


def estimate(work: Workload, device: Device, precision: str) -> Estimate:
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
    overhead = work.passes * eff.overhead_s
    busy = max(computing, reading)
    latency = overhead + busy
    # Waiting for a dispatch costs idle power only; busy, the device draws its load.
    power = device.idle_w + eff.load * (device.max_w - device.idle_w) * busy / latency
    shares = {"compute": computing, "memory": reading, "overhead": overhead}
    return Estimate(
        device=device,
        precision=precision,
        latency_s=latency,
        power_w=power,
        memory_mib=memory_mib(work, precision),
        bound=max(shares, key=lambda name: shares[name]),
        uncertainty=eff.uncertainty,
    )


def fitting(work: Workload, device: Device, *, max_memory_mib: float = 0.0) -> list[Estimate]:
    """Estimates for every precision in which the model fits into memory; 0 = no further limit."""
    limit = min(device.memory_mib, max_memory_mib or device.memory_mib)
    return [
        estimate(work, device, precision)
        for precision in work.precisions
        if device.rate(precision) and memory_mib(work, precision) <= limit
    ]
