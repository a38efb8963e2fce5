"""Models, counts, precisions, hours and second limits that a text names."""

from __future__ import annotations

import pytest

from bench.answers.check import Answer, ask
from bench.loop.framework import Framework


@pytest.fixture(scope="module")
def framework() -> Framework:
    return Framework()


def answer(framework: Framework, text: str) -> Answer:
    return ask(framework, {"text": text})


def lost(found: Answer) -> list[str]:
    return list(found.said["app_requirements"]["not_understood"])


@pytest.mark.parametrize(
    ("text", "model", "not_understood"),
    [
        ("Transcribe lectures in German with Whisper small on a Raspberry Pi 5",
         "openai/whisper-small", []),
        ("A Llama 3.1 70B assistant for our employees on an A100 80GB",
         "meta-llama/Llama-3.1-70B-Instruct", []),
        ("Classify photos of leaves with MobileNetV2 on a Raspberry Pi 4",
         "google/mobilenet_v2_1.0_224", []),
        ("Use YOLOv11n to count bicycles on a Raspberry Pi 5", "", ["yolov11n"]),
        ("Classify photos of cracks with EfficientNet-B4 instead of ResNet-50 on an NVIDIA T4",
         "google/efficientnet-b4", []),
        ("Count llamas on a meadow from drone pictures with a Jetson Orin Nano", "", []),
    ],
)  # fmt: skip
def test_a_model_named_is_proposed_or_listed(
    framework: Framework, text: str, model: str, not_understood: list[str]
) -> None:
    found = answer(framework, text)
    assert found.model.startswith(model), found.refusal
    assert lost(found) == not_understood


def test_a_model_named_that_does_not_fit_is_told(framework: Framework) -> None:
    found = answer(framework, "A Llama 3.1 70B chat assistant on an RTX 3060 12GB")
    assert found.model != "meta-llama/Llama-3.1-70B-Instruct"
    assert "meta-llama/Llama-3.1-70B-Instruct, asked for" in found.notes
    assert "MiB exceed" in found.notes


@pytest.mark.parametrize(
    ("text", "limits"),
    [
        ("with 128 kB of RAM and 1 MB of flash", (0.125, "ram", 1.0)),
        ("256 KB flash, 64 KB SRAM", (0.0625, "ram", 0.25)),
        ("with 512 kB of flash", (0.5, "flash", 0.0)),
    ],
)
def test_ram_and_flash_are_two_limits(
    framework: Framework, text: str, limits: tuple[float, str, float]
) -> None:
    found = answer(framework, f"Keyword spotting on an STM32L4, {text}")
    about = found.said["hw_constraints"]
    assert (about["max_memory_footprint_mib"], about["memory_kind"], about["max_flash_mib"]) == (
        limits
    )


def test_the_limit_of_flash_holds_beside_that_of_ram(framework: Framework) -> None:
    on = "Keyword spotting on an STM32L4 with 128 kB of RAM and"
    assert not answer(framework, f"{on} 512 kB of flash").refusal
    assert "relax max_memory_footprint" in answer(framework, f"{on} 8 kB flash").refusal


def test_hours_of_recordings_are_a_volume(framework: Framework) -> None:
    found = answer(framework, "Transcribe 500 hours of call recordings per month in Spanish")
    about = found.said["carbon_tracker"]
    assert (about["inferences"], about["volume_period"]) == (60_000, "month")
    assert found.carbon_kg > 0 and not lost(found)
    # What was collected for training is no volume.
    trained = answer(framework, "Transcribe calls; we have 500 hours of labelled recordings")
    assert trained.said["carbon_tracker"]["inferences"] == 1


def test_work_is_shared_among_cameras_and_devices(framework: Framework) -> None:
    of = "Detect forklifts with four cameras at 25 fps each, on"
    assert "min_throughput:100" in answer(framework, f"{of} a Jetson Orin Nano").requirements
    one, two = (answer(framework, f"{of} {n} Coral USB") for n in ("a", "two"))
    assert one.refusal or one.latency_s <= 0.01
    assert 0.01 < two.latency_s <= 0.02
    assert "2 x Google Coral USB Accelerator are named" in two.notes


@pytest.mark.parametrize(
    ("text", "precision"),
    [("in fp16", "fp16"), ("quantised to 4-bit", "int4"), ("int8 weights", "int8")],
)
def test_the_precision_asked_for_is_used(framework: Framework, text: str, precision: str) -> None:
    found = answer(framework, f"A chat assistant on an RTX 4090, {text}")
    assert found.said["hw_resources"]["precision"] == precision
    assert not lost(found)


@pytest.mark.parametrize(
    ("text", "hardware"),
    [
        ("Count cars on an RTX A6000, data must stay in the house", "NVIDIA RTX A6000"),
        ("Count cars, data must not leave our servers, H100", "NVIDIA H100 SXM5"),
    ],
)
def test_what_stands_beyond_a_comma_does_not_hide_a_device(
    framework: Framework, text: str, hardware: str
) -> None:
    assert answer(framework, text).hardware == hardware


def test_a_device_that_is_not_used_is_listed(framework: Framework) -> None:
    found = answer(framework, "Count cars on an NVIDIA T4 with a model trained on an A100")
    assert found.hardware == "NVIDIA T4" and lost(found) == ["a100"]


def test_a_summariser_of_another_language_is_refused_with_what_would_do(
    framework: Framework,
) -> None:
    found = answer(framework, "Summarise German meeting minutes without GPU, Apache 2.0 licence")
    assert "summarization meets" in found.refusal and "text-generation" in found.refusal
    assert "Qwen/Qwen2.5" in found.refusal


@pytest.mark.parametrize("on", ["Raspberry Pi 5 with 8 GB", "Jetson Orin Nano", "laptop", "phone"])
def test_what_is_generated_keeps_up_with_a_reader(framework: Framework, on: str) -> None:
    found = answer(framework, f"A chat assistant on a {on}")
    assert 128 / found.latency_s > 5.0
    assert "slower than people read" not in found.notes


def test_a_size_asked_for_is_kept_and_its_slowness_told(framework: Framework) -> None:
    found = answer(framework, "A 7B chat assistant on a Raspberry Pi 5")
    assert found.model == "Qwen/Qwen2.5-7B-Instruct"
    assert "tokens/s on Raspberry Pi 5, slower than people read (5)" in found.notes


def test_the_system_keeps_a_part_of_the_memory(framework: Framework) -> None:
    found = answer(framework, "A 14B chat assistant on a Raspberry Pi 5")
    assert "exceed the 6144 MiB of Raspberry Pi 5 that the system leaves" in found.notes
