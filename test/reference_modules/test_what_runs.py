"""What cannot run is not offered: operators, formats, and every kind of memory."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import Device, DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import (
    CONTEXT_TOKENS,
    MIB,
    OPERATORS,
    ModelCatalogue,
    Workload,
)
from sustainml_orchestrator.reference_modules.estimate.placement import Limits, obstacle, place
from sustainml_orchestrator.reference_modules.estimate.requirements import (
    json_bytes,
    memory_limit,
)
from sustainml_orchestrator.reference_modules.estimate.roofline import estimate, fitting, misfit
from sustainml_orchestrator.reference_modules.estimate.selection import NoMatchError, Query, choose

MODELS = ModelCatalogue(catalog.load("models"))
DEVICES = DeviceCatalogue(catalog.load("hardware"))
ALL = tuple(DEVICES.devices)


def work(name: str) -> Workload:
    found = MODELS.find(name)
    assert found is not None
    return found.workload


def device(name: str) -> Device:
    return DEVICES.find(name)[0]


def test_every_model_and_runtime_says_what_it_executes() -> None:
    for model in MODELS.models:
        assert model.workload.operators and model.workload.peak_activations, model.name
    for runtime in catalog.load("hardware")["runtimes"].values():
        assert runtime["source"] and set(runtime["operators"]) <= set(OPERATORS)
    for each in DEVICES.devices:
        assert each.runtime and each.operators, each.name


@pytest.mark.parametrize(
    ("model", "hardware", "because"),
    [
        ("rtdetr_r50vd", "Coral", "Edge TPU compiler .* does not execute attention"),
        ("hustvl/yolos-tiny", "Coral", "does not execute attention"),
        ("XGBoost", "Coral", "does not execute trees"),
        ("deit-tiny-patch16-224", "KV260", "Vitis AI .* does not execute attention"),
        ("PatchTST/42", "ESP32-S3", "TensorFlow Lite Micro .* does not execute attention"),
        ("rtdetr_r18vd", "Pixel 4", "does not execute deformable-attention"),
        ("yolov8n", "UPMEM", "does not execute convolution"),
        ("Qwen2.5-0.5B", "Coral", "does not execute attention"),
        ("yolov8n", "ESP32-S3", r"3\.46 MiB of activations exceed the 0\.5 MiB RAM"),
        ("google/yamnet", "Arduino", r"3\.53 MiB of weights exceed the 1 MiB flash"),
        ("eugenesiow/edsr-base", "Coral", "activations exceed the 8 MiB on the chip"),
        ("Llama-2-7b-hf", "RTX 3060", ""),
        ("Llama-2-7b-hf", "Raspberry Pi Zero 2 W", "MiB exceed the 384 MiB"),
        ("DS-CNN (MLPerf Tiny)", "Raspberry Pi Pico", ""),
        ("yolov8n", "Coral", ""),
        ("XGBoost", "STM32H743", ""),
        ("rtdetr_r50vd", "Jetson Orin Nano", ""),
    ],
)
def test_what_runs_where(model: str, hardware: str, because: str) -> None:
    placed = place(work(model), [device(hardware)])
    if not because:
        assert placed is not None
        return
    assert placed is None
    text = obstacle(work(model), [device(hardware)], every_device=ALL)
    with pytest.raises(ValueError, match=because):
        raise ValueError(text)
    assert "it fits on " in text


def test_no_answer_of_the_catalogue_breaks_the_rules() -> None:
    for model in MODELS.models:
        for each in DEVICES.devices:
            for found in fitting(model.workload, each):
                assert set(model.workload.operators) <= each.operators
                assert found.memory_mib <= each.memory_mib
                assert found.flash_mib <= each.flash_mib


def test_activations_keys_and_values_count_as_memory() -> None:
    llama = work("Llama-2-7b-hf")
    kept = 2 * 32 * 4096 * CONTEXT_TOKENS * 2 / MIB
    assert llama.working_mib("int4") > kept == 1024.0
    assert estimate(llama, device("RTX 4090"), "int4").memory_mib > llama.weights_mib("int4") + kept
    wide = replace(llama, kv_per_token=8 * llama.kv_per_token)
    assert place(llama, [device("Orin Nano")]) and not place(wide, [device("Orin Nano")])


def test_flash_and_ram_are_limits_of_their_own() -> None:
    tiny, board = work("MobileNetV1 0.25 96x96 (MLPerf Tiny)"), device("ESP32-S3")
    (found, *_) = [e for e in fitting(tiny, board) if e.precision == "int8"]
    assert found.flash_mib == pytest.approx(0.325e6 / MIB)
    assert found.memory_mib == pytest.approx(55e3 * 1.1 / MIB)
    for kind, enough in (("ram", 0.06), ("flash", 0.32), ("", 0.4)):
        assert fitting(tiny, board, max_memory_mib=enough, memory_kind=kind), kind
        assert not fitting(tiny, board, max_memory_mib=enough / 2, memory_kind=kind), kind
    assert "raise it" in obstacle(tiny, [board], Limits(memory_mib=0.01))


@pytest.mark.parametrize(
    ("whole", "told", "limit"),
    [
        (1, {"max_memory_footprint_mib": 0.25, "memory_kind": "ram"}, (0.25, "ram")),
        (8, {"max_memory_footprint_mib": 0.25}, (8.0, "")),
        (8, {}, (8.0, "")),
        (0, {}, (0.0, "")),
    ],
)
def test_the_exact_limit_counts(whole: int, told: dict, limit: tuple[float, str]) -> None:
    """The whole MiB of the message stand where another module changed them."""
    message = SimpleNamespace(max_memory_footprint=whole, extra_data=json_bytes(told))
    assert memory_limit(message) == limit


def test_a_refusal_says_why_and_what_would_fit() -> None:
    query = Query("image-to-image", DEVICES.find("Arduino"), ALL)
    with pytest.raises(NoMatchError, match=r"activations exceed .*would give .* on ") as refusal:
        choose(MODELS, query)
    assert "hardware_required" in str(refusal.value)


def test_a_row_of_a_table_takes_microseconds() -> None:
    """Published appliers need 1 to 5 us a row on a processor; its overhead is not a network's."""
    for name in ("XGBoost", "CatBoost"):
        row = place(work(name), DEVICES.find("cpu"))
        assert row is not None and 1e-6 < row.latency_s < 1e-5
    network = place(work("MLP (Gorishniy 2021)"), DEVICES.find("cpu"))
    assert network is not None and network.latency_s < 1e-4


def test_a_generator_computes_its_input_and_reads_for_each_token() -> None:
    llama, card = work("Llama-3.1-8B-Instruct"), device("A100")
    assert llama.prefill_flops == pytest.approx(llama.flops / 2, rel=1e-3)
    found = estimate(llama, card, "fp16")
    reading = llama.passes * llama.weights_read("fp16") / (0.6 * card.bandwidth)
    before = llama.prefill_flops / (0.3 * card.peak["fp16"])
    assert found.latency_s == pytest.approx(reading + before + llama.passes * 4e-4)
    assert work("stable-diffusion-v1-4").prefill_flops == 0.0


def test_a_misfit_names_the_format() -> None:
    only_fp32 = replace(work("yolov8n"), precisions=("fp32",))
    assert "fp32" in misfit(only_fp32, device("Coral"), "fp32")
