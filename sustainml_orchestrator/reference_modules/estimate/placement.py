"""Choice of the device on which a model runs with the least energy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.models import Workload
from sustainml_orchestrator.reference_modules.estimate.roofline import Estimate, fitting, memory_mib


@dataclass(frozen=True)
class Limits:
    """What an inference may need; 0 = any."""

    memory_mib: float = 0.0  #: MiB for the model
    latency_s: float = 0.0  #: seconds
    power_w: float = 0.0  #: W while it runs
    runtime: str = "compiled"  #: one of RUNTIMES, what runs the model


_NO_LIMITS = Limits()


def place(
    work: Workload, devices: Iterable[Device], limits: Limits = _NO_LIMITS
) -> Estimate | None:
    """The estimate with the least energy per inference within the limits; None if nothing fits."""
    estimates = [
        e
        for device in devices
        for e in fitting(work, device, max_memory_mib=limits.memory_mib, runtime=limits.runtime)
        if not limits.latency_s or e.latency_s <= limits.latency_s
        if not limits.power_w or e.power_w <= limits.power_w
    ]
    return min(estimates, key=lambda e: (e.energy_j, e.latency_s, e.device.name), default=None)


def obstacle(work: Workload, devices: Iterable[Device], limits: Limits = _NO_LIMITS) -> str:
    """Why `place` found nothing, and what to change: one sentence part."""
    allowed = list(devices)
    if not allowed:
        return "no such device is in the catalogue"
    names = ", ".join(device.name for device in allowed[:3]) + (" ..." if len(allowed) > 3 else "")
    precisions = [p for p in work.precisions if any(d.rate(p) for d in allowed)]
    if not precisions:
        return f"{names} cannot compute in {' or '.join(work.precisions)}; allow other hardware"
    least = min(memory_mib(work, p) for p in precisions)
    if limits.memory_mib and least > limits.memory_mib:
        return (
            f"it needs at least {least:.3g} MiB, max_memory_footprint is {limits.memory_mib:g}; "
            f"raise it"
        )
    if place(work, allowed, Limits(memory_mib=limits.memory_mib)) is None:
        return f"it needs at least {least:.3g} MiB, more than {names} has; allow larger hardware"
    if limits.power_w and place(work, allowed, replace(limits, power_w=0.0)):
        return f"on {names} it draws more than {limits.power_w:g} W; raise max_power"
    best = min(
        e.latency_s
        for device in allowed
        for e in fitting(work, device, max_memory_mib=limits.memory_mib, runtime=limits.runtime)
    )
    return (
        f"it takes at least {best:.3g} s on {names}, the limit is {limits.latency_s:g} s; "
        f"relax the latency or allow faster hardware"
    )
