"""The catalogues are complete, sane and sourced."""

import pytest

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import CLASSES, DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import (
    BYTES_PER_PARAMETER,
    ModelCatalogue,
    Workload,
)

USUAL_TASKS = {
    "anomaly-detection", "audio-classification", "automatic-speech-recognition",
    "feature-extraction", "fill-mask", "image-classification", "image-segmentation",
    "image-to-text", "object-detection", "question-answering", "reinforcement-learning",
    "sentence-similarity", "summarization", "tabular-classification", "tabular-regression",
    "text-classification", "text-generation", "text-to-image", "text-to-speech",
    "time-series-forecasting", "token-classification", "translation", "video-classification",
    "visual-question-answering", "zero-shot-classification", "zero-shot-image-classification",
}  # fmt: skip


@pytest.fixture(scope="module")
def models() -> ModelCatalogue:
    return ModelCatalogue(catalog.load("models"))


@pytest.fixture(scope="module")
def devices() -> DeviceCatalogue:
    return DeviceCatalogue(catalog.load("hardware"))


def test_models_cover_the_usual_tasks(models: ModelCatalogue) -> None:
    assert len(models.models) >= 40
    assert set(models.tasks) >= USUAL_TASKS
    assert len({model.name.casefold() for model in models.models}) == len(models.models)


def test_every_task_offers_a_choice(models: ModelCatalogue) -> None:
    for task in models.tasks:
        assert sum(task in model.figures for model in models.models) >= 2, task


def test_every_model_has_figures_licence_and_source(models: ModelCatalogue) -> None:
    for model in models.models:
        assert model.source and model.licence and model.input, model.name
        assert model.flops_from in ("flops", "macs", "derived"), model.name
        assert model.path.startswith("https://"), model.name
        assert all(0.0 < figure.quality < 1.0 for figure in model.figures.values()), model.name


def test_aliases_of_tasks_lead_to_tasks(models: ModelCatalogue) -> None:
    for alias in catalog.load("models")["task_aliases"]:
        assert models.task(alias) in models.tasks


def test_models_are_found_by_name_whatever_the_case(models: ModelCatalogue) -> None:
    resnet = models.find("MICROSOFT/ResNet-50")
    assert resnet is not None and resnet is models.find(" resnet-50 ")
    assert models.find("resnet-5000") is None
    assert "microsoft/resnet-50" in models.similar("resnet-5000")


def test_properties_survive_the_message(models: ModelCatalogue) -> None:
    for model in models.models:
        properties = model.properties(next(iter(model.figures)))
        assert Workload.from_properties(properties) == model.workload


@pytest.mark.parametrize(
    "properties",
    [
        {},
        {"parameters": 1e6},
        {"parameters": "many", "flops": 1e9},
        {"parameters": -1.0, "flops": 1e9},
        {"parameters": float("nan"), "flops": 1e9},
        {"parameters": 1e6, "flops": float("inf")},
        {"parameters": 1e6, "flops": 1e9, "passes": 0},
        {"parameters": 1e6, "flops": 1e9, "precisions": ["fp3"]},
        {"parameters": 1e6, "flops": 1e9, "precisions": 8},
        [1],
    ],
)
def test_unusable_properties_are_refused(properties: dict) -> None:
    with pytest.raises(ValueError, match=r"model_properties|precision"):
        Workload.from_properties(properties)


def test_an_incomplete_entry_is_named() -> None:
    with pytest.raises(ValueError, match=r"model broken.*tasks"):
        ModelCatalogue({"benchmarks": {}, "models": [{"name": "broken"}]})
    with pytest.raises(ValueError, match=r"device broken.*class"):
        DeviceCatalogue({"engines": {}, "devices": [{"name": "broken"}]})


def test_devices_cover_every_class(devices: DeviceCatalogue) -> None:
    assert len(devices.devices) >= 25
    assert {device.device_class for device in devices.devices} == set(CLASSES)


def test_every_device_is_sane(devices: DeviceCatalogue) -> None:
    for device in devices.devices:
        assert device.source, device.name
        assert 0.0 < device.idle_w < device.max_w, device.name
        assert device.peak and set(device.peak) <= set(BYTES_PER_PARAMETER), device.name
        rates = [device.peak[p] for p in ("fp32", "fp16", "int8", "int4") if p in device.peak]
        assert rates == sorted(rates), f"{device.name}: narrower is never slower"
        assert device.memory_mib > 0.0 and device.bandwidth > 0.0, device.name
        assert device.efficiency.uncertainty >= 1.0, device.name


@pytest.mark.parametrize(
    ("word", "name"),
    [
        ("raspberry pi 4", "Raspberry Pi 4 Model B"),
        ("PIM_AI_1chip", "PIM-AI-1chip"),
        ("PIM-AI-1chip", "PIM-AI-1chip"),
        ("FPGA (xczu19eg-ffvb1517-2-i)", "FPGA (xczu19eg-ffvb1517-2-i)"),
        ("a100", "NVIDIA A100 SXM4 40GB"),
    ],
)
def test_devices_are_found_by_name_and_alias(
    devices: DeviceCatalogue, word: str, name: str
) -> None:
    assert [device.name for device in devices.find(word)] == [name]


def test_no_two_devices_share_a_name(devices: DeviceCatalogue) -> None:
    for device in devices.devices:
        for name in (device.name, *device.aliases):
            assert devices.find(name) == (device,), name


@pytest.mark.parametrize(("word", "device_class"), [("GPUs", "gpu"), ("phone", "mobile")])
def test_a_class_stands_for_its_devices(
    devices: DeviceCatalogue, word: str, device_class: str
) -> None:
    assert {device.device_class for device in devices.find(word)} == {device_class}


def test_unknown_hardware_is_told_apart(devices: DeviceCatalogue) -> None:
    found, unknown = devices.resolve(["T4", "abacus", ""])
    assert [device.name for device in found] == ["NVIDIA T4"]
    assert unknown == ["abacus"]
    assert "Raspberry Pi 4 Model B" in devices.similar("raspbery pi 4")


def test_what_is_only_simulated_is_no_default(devices: DeviceCatalogue) -> None:
    everything, _ = devices.resolve([])
    assert everything and not any(device.simulated for device in everything)
    assert devices.resolve(["pim"])[0]
