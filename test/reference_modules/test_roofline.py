"""The roofline: which bound rules, what memory and power follow, and how close it comes."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import (
    Device,
    DeviceCatalogue,
    Efficiency,
)
from sustainml_orchestrator.reference_modules.estimate.models import MIB, ModelCatalogue, Workload
from sustainml_orchestrator.reference_modules.estimate.placement import Limits, obstacle, place
from sustainml_orchestrator.reference_modules.estimate.roofline import (
    RUNTIMES,
    estimate,
    fitting,
    memory_mib,
)
from sustainml_orchestrator.reference_modules.estimate.validation import mean_error, pairs, table

EFFICIENCY = Efficiency(compute=0.5, bandwidth=0.5, overhead_s=0.001, load=1.0, uncertainty=2.0)
DEVICE = Device(
    name="test",
    device_class="gpu",
    aliases=(),
    peak={"fp32": 1e12, "fp16": 2e12},
    bandwidth=1e9,
    memory_mib=1024.0,
    cache_mib=0.0,
    idle_w=10.0,
    max_w=110.0,
    efficiency=EFFICIENCY,
    simulated=False,
    source=("test",),
)
WORK = Workload(flops=1e11, parameters=1e6, precisions=("fp32", "fp16"))


def test_compute_rules_a_dense_model() -> None:
    found = estimate(WORK, DEVICE, "fp32")
    assert found.bound == "compute"
    assert found.latency_s == pytest.approx(0.001 + 1e11 / 0.5e12)


def test_memory_rules_a_generator() -> None:
    work = replace(WORK, flops=1e9, passes=100)
    found = estimate(work, DEVICE, "fp16")
    assert found.bound == "memory"
    assert found.latency_s == pytest.approx(100 * (0.001 + 2e6 / 0.5e9))
    half = estimate(replace(work, pass_parameters=0.5e6), DEVICE, "fp16")
    assert half.latency_s == pytest.approx(100 * (0.001 + 1e6 / 0.5e9))


def test_overhead_rules_a_tiny_model() -> None:
    found = estimate(Workload(1e3, 1e2, ("fp32",)), DEVICE, "fp32")
    assert found.bound == "overhead"
    assert found.power_w == pytest.approx(DEVICE.idle_w, rel=1e-2)


def test_what_stays_on_the_chip_costs_no_bandwidth() -> None:
    work = replace(WORK, flops=1.0)
    cached = replace(DEVICE, cache_mib=8.0)
    assert estimate(work, cached, "fp32").latency_s == pytest.approx(0.001)
    large = replace(work, parameters=16 * MIB / 4)
    assert estimate(large, cached, "fp32").latency_s == pytest.approx(0.001 + 8 * MIB / 0.5e9)


def test_depthwise_convolutions_halve_the_rate() -> None:
    plain, depthwise = (
        estimate(replace(WORK, depthwise=d), DEVICE, "fp32").latency_s for d in (False, True)
    )
    assert depthwise - 0.001 == pytest.approx(2 * (plain - 0.001))


def test_a_framework_launches_each_operation() -> None:
    slow = replace(DEVICE, efficiency=replace(EFFICIENCY, dispatch_s=1e-4, waiting=0.4))
    work = replace(WORK, launches=50, passes=2)
    compiled, eager = (estimate(work, slow, "fp32", runtime) for runtime in RUNTIMES)
    assert eager.latency_s - compiled.latency_s == pytest.approx(2 * 50 * 1e-4)
    # What it waits longer, it waits at 10 W + 0.4 * 100 W.
    assert eager.energy_j - compiled.energy_j == pytest.approx(2 * 50 * 1e-4 * 50.0)
    assert eager.energy_uncertainty > eager.uncertainty


def test_integer_weights_run_on_floating_point_devices_only_widened() -> None:
    assert DEVICE.rate("int4") == DEVICE.rate("fp16") == 2e12
    integer = replace(DEVICE, peak={"int8": 4e12})
    assert integer.rate("int4") == integer.rate("fp16") == 0.0
    with pytest.raises(ValueError, match="test cannot compute with fp16"):
        estimate(WORK, integer, "fp16")


@given(
    flops=st.floats(1.0, 1e18),
    parameters=st.floats(1.0, 1e12),
    passes=st.integers(1, 1000),
    more=st.floats(1.0, 100.0),
)
def test_more_work_never_takes_less(
    flops: float, parameters: float, passes: int, more: float
) -> None:
    work = Workload(flops, parameters, ("fp32",), passes)
    base = estimate(work, DEVICE, "fp32")
    for bigger in (
        replace(work, flops=flops * more),
        replace(work, parameters=parameters * more),
        replace(work, passes=passes + 1),
    ):
        assert estimate(bigger, DEVICE, "fp32").latency_s >= base.latency_s
    assert DEVICE.idle_w <= base.power_w <= DEVICE.max_w


def test_memory_counts_weights_and_room() -> None:
    assert memory_mib(WORK, "fp32") == pytest.approx(4e6 / MIB * 1.2)
    assert [e.precision for e in fitting(WORK, DEVICE, max_memory_mib=3.0)] == ["fp16"]
    assert not fitting(WORK, DEVICE, max_memory_mib=1.0)


def test_place_takes_the_least_energy_within_the_limits() -> None:
    slow = replace(DEVICE, name="slow", peak={"fp32": 1e10}, max_w=10.2, idle_w=0.1)
    fast = replace(DEVICE, name="fast", peak={"fp32": 1e14}, max_w=500.0)
    found = place(WORK, (slow, DEVICE, fast))
    assert found is not None and found.device.name == "fast"
    frugal = replace(slow, name="frugal", max_w=0.2)
    assert place(WORK, (slow, DEVICE, fast, frugal)).device.name == "frugal"  # type: ignore[union-attr]
    hurried = place(WORK, (DEVICE, fast, frugal), Limits(latency_s=0.2))
    assert hurried is not None and hurried.device.name == "fast"
    assert place(WORK, (slow,), Limits(latency_s=0.2)) is None


@pytest.mark.parametrize(
    ("work", "limits", "reason"),
    [
        (WORK, {"memory_mib": 1.0}, "max_memory_footprint is 1; raise it"),
        (WORK, {"latency_s": 1e-6}, "the limit is 1e-06 s; relax the latency"),
        (WORK, {"power_w": 1e-6}, "it draws more than 1e-06 W; raise max_power"),
        (replace(WORK, parameters=1e12), {}, "larger hardware"),
    ],
)
def test_an_obstacle_is_named(work: Workload, limits: dict, reason: str) -> None:
    assert place(work, (DEVICE,), Limits(**limits)) is None
    assert reason in obstacle(work, (DEVICE,), Limits(**limits))


def test_an_obstacle_may_be_the_precision() -> None:
    integer = replace(DEVICE, peak={"int8": 1e12})
    assert "cannot compute in fp32 or fp16" in obstacle(WORK, (integer,))


def test_estimates_agree_with_published_measurements() -> None:
    """The promise of the documentation: most within a factor of 2, unseen ones included."""
    models = ModelCatalogue(catalog.load("models"))
    devices = DeviceCatalogue(catalog.load("hardware"))
    found = pairs(catalog.load("measurements")["measurements"], models, devices)
    latencies, energies = ([p for p in found if p.unit == unit] for unit in "sJ")
    assert len(latencies) >= 40 and len(energies) >= 12
    for some in (latencies, energies):
        unseen = [p for p in some if not p.fit]
        assert sum(p.error <= 2.0 for p in some) >= 0.85 * len(some)
        assert sum(p.error <= 2.0 for p in unseen) >= 0.65 * len(unseen)
        assert mean_error(p.error for p in unseen) < 1.7
    assert all(p.error <= p.uncertainty for p in energies)
    document = Path(__file__).parents[2] / "docs" / "reference_modules.md"
    assert table(found) in document.read_text(encoding="utf-8"), "run estimate.validation --write"


def test_a_measurement_of_something_unknown_is_named() -> None:
    models = ModelCatalogue(catalog.load("models"))
    devices = DeviceCatalogue(catalog.load("hardware"))
    row = {"model": "abacus", "device": "NVIDIA T4"}
    with pytest.raises(ValueError, match="abacus on NVIDIA T4"):
        pairs([row], models, devices)
