"""Choice of the device on which a model runs with the least energy."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sustainml_orchestrator.reference_modules.estimate.devices import Device
from sustainml_orchestrator.reference_modules.estimate.models import Workload
from sustainml_orchestrator.reference_modules.estimate.roofline import Estimate, fitting, misfit

#: Energies within this factor count as equal: no estimate is that certain.
TIE = 1.3
#: Devices that a list of ties names.
_MOST_TIES = 8


@dataclass(frozen=True)
class Limits:
    """What an inference may need; 0 = any."""

    memory_mib: float = 0.0  #: MiB for the model
    memory_kind: str = ""  #: of which memory: ram, flash, or empty for all that the model takes
    flash_mib: float = 0.0  #: MiB of flash, beside a limit of RAM
    latency_s: float = 0.0  #: seconds
    power_w: float = 0.0  #: W while it runs
    first_token_s: float = 0.0  #: seconds until the first token of what generates text
    runtime: str = "compiled"  #: one of RUNTIMES, what runs the model


_NO_LIMITS = Limits()


def place(
    work: Workload, devices: Iterable[Device], limits: Limits = _NO_LIMITS
) -> Estimate | None:
    """The estimate with the least energy per inference within the limits; None if nothing fits.

    A difference within TIE says nothing: of those devices the smallest is taken.
    """
    estimates = [
        e
        for device in devices
        for e in _fitting(work, device, limits)
        if not limits.latency_s or e.latency_s <= limits.latency_s
        if not limits.power_w or e.power_w <= limits.power_w or e.may_wait(limits.power_w)
        if not limits.first_token_s or e.first_token_s <= limits.first_token_s
    ]
    least = min((e.energy_j for e in estimates), default=0.0)
    ties = [e for e in estimates if e.energy_j <= least * TIE]
    smallest = min((e.device.max_w for e in ties), default=0.0)
    best = [e for e in ties if e.device.max_w == smallest]
    # Of two precisions that cost the same the one that leaves more memory.
    return min(
        best, key=lambda e: (e.energy_j, e.latency_s, e.memory_mib, e.device.name), default=None
    )


def ties(
    best: Estimate, work: Workload, devices: Iterable[Device], limits: Limits = _NO_LIMITS
) -> list[str]:
    """Other devices within the limits whose energy the uncertainty cannot tell from the best's."""
    others = {}
    for device in devices:
        found = place(work, (device,), limits) if device.name != best.device.name else None
        if found and found.energy_j <= best.energy_j * best.uncertainty:
            others[device.name] = found.energy_j
    return sorted(others, key=lambda name: others[name])[:_MOST_TIES]


def obstacle(
    work: Workload,
    devices: Iterable[Device],
    limits: Limits = _NO_LIMITS,
    every_device: Iterable[Device] = (),
) -> str:
    """Why `place` found nothing, and what to change or would fit: one sentence part."""
    allowed = list(devices)
    if not allowed:
        return "no such device is in the catalogue"
    names = ", ".join(device.name for device in allowed[:3]) + (" ..." if len(allowed) > 3 else "")
    estimates = [e for device in allowed for e in _fitting(work, device, limits)]
    if not estimates:
        if limits.memory_mib and place(work, allowed):
            return f"{reason(work, allowed, limits)}; raise it"
        fits = [d.name for d in every_device if not d.simulated and place(work, (d,), limits)]
        else_on = f"; it fits on {', '.join(fits[:4])}" if fits else ""
        advice = "other" if _operators_missing(work, allowed) else "larger"
        return f"{reason(work, allowed, limits)}{else_on}; allow {advice} hardware"
    if limits.power_w and place(work, allowed, replace(limits, power_w=0.0)):
        return f"on {names} it draws more than {limits.power_w:g} W; raise max_power"
    return (
        f"it takes at least {min(e.latency_s for e in estimates):.3g} s on {names}, the limit is "
        f"{limits.latency_s:g} s; relax the latency or allow faster hardware"
    )


def reason(work: Workload, devices: Iterable[Device], limits: Limits = _NO_LIMITS) -> str:
    """What keeps a model off the largest of some devices, in the precision that comes closest."""
    largest = max(devices, key=lambda device: device.memory_mib)
    # In order of precision, the narrowest last: it is the one that needs least.
    usable = [p for p in work.precisions if largest.rate(p)]
    if not usable and not _operators_missing(work, [largest]):
        return f"{largest.name} cannot compute in {' or '.join(work.precisions)}"
    usable = usable or list(work.precisions)
    return misfit(
        work,
        largest,
        usable[-1],
        (limits.memory_mib, limits.memory_kind),
        (limits.flash_mib, "flash"),
    )


def _operators_missing(work: Workload, devices: Iterable[Device]) -> bool:
    return all(d.operators and not set(work.operators) <= d.operators for d in devices)


def _fitting(work: Workload, device: Device, limits: Limits) -> list[Estimate]:
    return fitting(
        work,
        device.within(limits.power_w),
        max_memory_mib=limits.memory_mib,
        memory_kind=limits.memory_kind,
        max_flash_mib=limits.flash_mib,
        runtime=limits.runtime,
    )
