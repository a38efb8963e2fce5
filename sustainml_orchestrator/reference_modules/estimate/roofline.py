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

A generator takes one pass over its input, bound by computing, then one for each token, bound by
reading the weights. Activations are taken to stay in caches: with one inference at a time they are
small beside the weights, or, in convolutional networks, hidden by the computing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from sustainml_orchestrator.reference_modules.estimate.devices import Device, Efficiency
from sustainml_orchestrator.reference_modules.estimate.measured import LATENCY_UNCERTAINTY
from sustainml_orchestrator.reference_modules.estimate.models import MIB, Workload

#: Depthwise convolutions reach about half the rate of dense ones, as they reuse little of what they
#: read (Ma et al.: ShuffleNet V2, arXiv:1807.11164, on why FLOPs alone mislead).
DEPTHWISE_RATE = 0.5
#: Operations with fewer floating-point operations are not shared among cores.
_SHARED_FLOPS = 1e7
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
    first_token_s: float = 0.0  #: until the first token of what generates text; 0 of others
    flash_mib: float = 0.0  #: weights that stay in flash, beside memory_mib
    power_uncertainty: float = _POWER_UNCERTAINTY  #: factor beside that of the latency
    is_measured: bool = False  #: by the user, on that device

    @property
    def energy_j(self) -> float:
        """Joules per inference."""
        return self.latency_s * self.power_w

    def may_wait(self, watts: float) -> bool:
        """Whether a microcontroller keeps to a mean power by waiting between inferences."""
        return self.device.device_class == "microcontroller" and self.device.idle_w < watts

    @property
    def energy_uncertainty(self) -> float:
        """Energy lies within this factor either way."""
        return self.uncertainty * self.power_uncertainty


def memory_mib(work: Workload, precision: str) -> float:
    """Memory in MiB that a model takes on a device: weights and what it works in."""
    return work.weights_mib(precision) + work.working_mib(precision)


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
    cached = max(0.0, device.cache_mib - _activations_mib(work, precision)) * MIB
    streamed = max(0.0, work.weights_read(precision) - cached)
    reading = work.passes * streamed / (eff.bandwidth * device.bandwidth)
    overhead = work.passes * _overhead(work, eff, runtime)
    # The pass over the input of a generator is bound by computing, those for each token by reading.
    before = work.prefill_flops / (eff.compute * rate)
    busy = before + max(computing - before, reading)
    latency = overhead + busy
    first = (overhead + reading) / work.passes + before if work.autoregressive else 0.0
    drawn = (eff.load * busy + eff.waiting * overhead) / latency
    power = device.idle_w + drawn * (device.max_w - device.idle_w)
    shares = {"compute": computing, "memory": reading, "overhead": overhead}
    return Estimate(
        device=device,
        precision=precision,
        latency_s=latency,
        power_w=power,
        memory_mib=work.working_mib(precision) if device.flash_mib else memory_mib(work, precision),
        first_token_s=first,
        flash_mib=work.weights_mib(precision) if device.flash_mib else 0.0,
        bound=max(shares, key=lambda name: shares[name]),
        uncertainty=eff.uncertainty,
        runtime=runtime,
    )


def _activations_mib(work: Workload, precision: str) -> float:
    """What has to be on the chip of an accelerator; 0 where it is unknown."""
    return work.working_mib(precision) if work.peak_activations else 0.0


def _overhead(work: Workload, eff: Efficiency, runtime: str) -> float:
    """Seconds of a pass in which nothing is computed."""
    if "trees" in work.operators and eff.trees_s:
        return eff.trees_s
    if runtime == "eager":
        return eff.overhead_s + work.launches * eff.dispatch_s
    # Small operations run on one core: nobody waits for others.
    shared = min(1.0, work.flops / work.passes / max(1, work.launches) / _SHARED_FLOPS)
    return eff.overhead_s + work.launches * (eff.op_s + shared * eff.sync_s)


def fitting(
    work: Workload,
    device: Device,
    *,
    max_memory_mib: float = 0.0,
    memory_kind: str = "",
    max_flash_mib: float = 0.0,
    runtime: str = "compiled",
) -> list[Estimate]:
    """Estimates for every precision in which the model runs there and fits; 0 = no further limit.

    `memory_kind` says what the limit is on: "ram", "flash", or "" for all that the model takes;
    `max_flash_mib` is one of flash beside it.
    """
    limits = ((max_memory_mib, memory_kind), (max_flash_mib, "flash"))
    return [
        _outranked(estimate(work, device, precision, runtime), work.name)
        for precision in work.precisions
        if not misfit(work, device, precision, *limits)
    ]


def _outranked(placed: Estimate, model: str) -> Estimate:
    """The user's measurement in place of the estimate where there is one."""
    known = placed.device.measured.get((model.casefold(), placed.precision))
    if known is None:
        return placed
    return replace(
        placed,
        latency_s=known.latency_s,
        power_w=known.energy_j / known.latency_s if known.energy_j else placed.power_w,
        uncertainty=LATENCY_UNCERTAINTY,
        power_uncertainty=known.power_uncertainty if known.energy_j else placed.power_uncertainty,
        is_measured=True,
    )


def misfit(work: Workload, device: Device, precision: str, *limits: tuple[float, str]) -> str:
    """Why a model cannot run on a device in a precision; empty if it can.

    A limit is one of memory in MiB, and of which: "ram", "flash", or "" for all of it.
    """
    if obstacle := _excluded(work, device, precision):
        return obstacle
    weights, working = work.weights_mib(precision), work.working_mib(precision)
    if device.flash_mib:
        if weights > device.flash_mib:
            return (
                f"{weights:.3g} MiB of weights exceed the {device.flash_mib:g} MiB flash of "
                f"{device.name}"
            )
        if working > device.memory_mib:
            return (
                f"{working:.3g} MiB of activations exceed the {device.memory_mib:.3g} MiB RAM of "
                f"{device.name}"
            )
    elif device.cache_mib and _activations_mib(work, precision) > device.cache_mib:
        return (
            f"{working:.3g} MiB of activations exceed the {device.cache_mib:g} MiB on the chip of "
            f"{device.name}"
        )
    elif weights + working > device.usable_mib:
        left = "" if device.usable_mib == device.memory_mib else " that the system leaves"
        return (
            f"{weights + working:.3g} MiB exceed the {device.usable_mib:g} MiB of "
            f"{device.name}{left}"
        )
    parts = {"ram": working if device.flash_mib else weights + working, "flash": weights}
    for most, kind in limits:
        needed = parts.get(kind, weights + working)
        if most and needed > most:
            of = f" of {kind}" if kind else ""
            return f"it needs at least {needed:.3g} MiB{of}, max_memory_footprint is {most:g}"
    return ""


def _excluded(work: Workload, device: Device, precision: str) -> str:
    """What keeps a model off a device, however much memory that has; empty for nothing."""
    if work.only_on and not any(work.only_on in n for n in (device.name, *device.aliases)):
        return f"its licence allows it on {work.only_on} only, not on {device.name}"
    if device.operators and (missing := set(work.operators) - device.operators):
        return f"{device.runtime} on {device.name} does not execute {' or '.join(sorted(missing))}"
    if not device.rate(precision):
        return f"{device.name} does not compute in {precision}"
    return ""
