"""Choice of the device on which a model runs with the least energy."""

from __future__ import annotations

from collections.abc import Iterable

from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.models import Workload
from sustainml_orchestrator.reference_modules.estimate.roofline import Estimate, fitting, memory_mib


def place(
    work: Workload,
    devices: Iterable[Device],
    *,
    max_memory_mib: float = 0.0,
    max_latency_s: float = 0.0,
    max_power_w: float = 0.0,
    runtime: str = "compiled",
) -> Estimate | None:
    """The estimate with the least energy per inference within the limits; None when nothing fits.

    Args:
        work: the model's demands.
        devices: those allowed.
        max_memory_mib: MiB for the model, 0 = what the device has.
        max_latency_s: seconds per inference, 0 = any.
        max_power_w: W while it runs, 0 = any.
        runtime: one of RUNTIMES, what runs the model.
    """
    estimates = [
        e
        for device in devices
        for e in fitting(work, device, max_memory_mib=max_memory_mib, runtime=runtime)
        if not max_latency_s or e.latency_s <= max_latency_s
        if not max_power_w or e.power_w <= max_power_w
    ]
    return min(estimates, key=lambda e: (e.energy_j, e.latency_s, e.device.name), default=None)


def obstacle(
    work: Workload,
    devices: Iterable[Device],
    *,
    max_memory_mib: float = 0.0,
    max_latency_s: float = 0.0,
    max_power_w: float = 0.0,
    runtime: str = "compiled",
) -> str:
    """Why `place` found nothing, and what to change: one sentence part."""
    allowed = list(devices)
    if not allowed:
        return "no such device is in the catalogue"
    names = ", ".join(device.name for device in allowed[:3]) + (" ..." if len(allowed) > 3 else "")
    precisions = [p for p in work.precisions if any(d.rate(p) for d in allowed)]
    if not precisions:
        return f"{names} cannot compute in {' or '.join(work.precisions)}; allow other hardware"
    least = min(memory_mib(work, p) for p in precisions)
    if max_memory_mib and least > max_memory_mib:
        return (
            f"it needs at least {least:.3g} MiB, max_memory_footprint is {max_memory_mib:g}; "
            f"raise it"
        )
    if place(work, allowed, max_memory_mib=max_memory_mib) is None:
        return f"it needs at least {least:.3g} MiB, more than {names} has; allow larger hardware"
    within = {"max_memory_mib": max_memory_mib, "runtime": runtime}
    if max_power_w and place(work, allowed, max_latency_s=max_latency_s, **within):
        return f"on {names} it draws more than {max_power_w:g} W; raise max_power"
    best = min(e.latency_s for d in allowed for e in fitting(work, d, **within))
    return (
        f"it takes at least {best:.3g} s on {names}, the limit is {max_latency_s:g} s; "
        f"relax the latency or allow faster hardware"
    )
