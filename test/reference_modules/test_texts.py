"""Words, keywords, quantities, demands, hardware: what is read out of texts."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements as estimate
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.text import quantities
from sustainml_orchestrator.reference_modules.text.demands import DemandCatalogue, passed_on
from sustainml_orchestrator.reference_modules.text.hardware import HardwareWords
from sustainml_orchestrator.reference_modules.text.keywords import keywords, language
from sustainml_orchestrator.reference_modules.text.problem import (
    Problem,
    UnclearError,
    choices,
    read_object,
    write_object,
)
from sustainml_orchestrator.reference_modules.text.words import fold, needle, plain

DEMANDS = DemandCatalogue(catalog.load("requirements"))
HARDWARE = HardwareWords(catalog.load("constraints"), DeviceCatalogue(catalog.load("hardware")))


@pytest.mark.parametrize(
    ("cue", "text", "found"),
    [
        ("classif*", "Klassifikation, Classification!", True),
        ("*bilder", "Röntgenbilder", True),
        ("image", "images", False),
        ("bounding box*", "Bounding-Boxes", True),
        ("previsión", "PREVISION", True),
        ("straße", "Strasse", True),
    ],
)
def test_cues(cue: str, text: str, found: bool) -> None:
    assert (needle(cue) in plain(text)) is found


@pytest.mark.parametrize("cue", ["", "*", "...", "* *", "count * things"])
def test_a_cue_without_a_word_is_refused(cue: str) -> None:
    with pytest.raises(ValueError, match="holds no word"):
        needle(cue)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Detect defects on the boards of a production line", "en"),
        ("Clasificar las opiniones de los clientes en una tienda", "es"),
        ("Die Stimmung von Kunden aus den Texten erkennen", "de"),
        ("Prévoir la consommation électrique à partir des mesures", "fr"),
        ("", "en"),
    ],
)
def test_language(text: str, code: str) -> None:
    assert language(text) == code


def test_keywords() -> None:
    found = keywords("Detect solder defects on printed circuit boards. Printed circuit boards!", 5)
    assert "printed circuit boards" in [phrase.lower() for phrase in found]
    assert len(found) <= 5
    assert keywords("", 5) == keywords("?!", 5) == []


@pytest.mark.parametrize(
    ("text", "mib"),
    [
        ("8 GB of RAM", 8192.0),
        ("256 KB", 0.25),
        ("512 Mo de mémoire", 512.0),
        ("1.5 GiB memory", 1536.0),
        ("1,5 GB RAM", 1536.0),
        ("RAM: 16GB, dataset 300 GB", 16384.0),
        ("256 KB RAM and 1 MB of flash", 0.25),
        ("a GPU with 24 GB", 24576.0),
        ("50 GB of images", 0.0),
        ("a dataset of 3 GB", 0.0),
        ("100 MB/s", 0.0),
        ("an SSD with 500 GB", 0.0),
        ("no numbers", 0.0),
    ],
)
def test_memory_in_text(text: str, mib: float) -> None:
    assert HARDWARE.memory_in_text(text) == mib


@pytest.mark.parametrize(
    ("text", "hardware"),
    [
        ("on a Raspberry Pi 4", ["Raspberry Pi 4 Model B"]),
        ("on a raspberry pi 5 board", ["Raspberry Pi 5"]),
        ("auf einem Mikrocontroller", ["microcontroller"]),
        ("runs on mobile", ["mobile"]),
        ("a mobile app", ["mobile"]),
        ("in a data centre", ["gpu"]),
        ("with PIM-AI-1chip", ["PIM-AI-1chip"]),
        ("on an edge device without GPU", ["edge"]),
        ("on a PC without GPU", ["cpu"]),
        ("trained on A100 GPUs", []),
        ("no FPGA, please", []),
        ("sentiment of laptop reviews", []),
        ("photos of coral reefs", []),
        ("mobile phone contracts", []),
        ("", []),
    ],
)
def test_hardware_in_text(text: str, hardware: list[str]) -> None:
    assert HARDWARE.in_text(text) == hardware


@pytest.mark.parametrize(
    ("given", "hardware"),
    [
        ("raspberry pi 4", ("Raspberry Pi 4 Model B",)),
        (["GPU", "Jetson Nano", "gpu", ""], ("gpu", "NVIDIA Jetson Nano")),
        ("PIM_AI_1chip", ("PIM-AI-1chip",)),
        ("My Own Board", ("My Own Board",)),
        ("(empty)", ("edge",)),
        (17, ("edge",)),
    ],
)
def test_extra_data_outranks_the_text(given: Any, hardware: tuple[str, ...]) -> None:
    problem = Problem(definition="on an edge device", extra={"hardware_required": given})
    assert HARDWARE.read(problem).hardware == hardware


@pytest.mark.parametrize(
    ("given", "whole"),
    [(512, 512), ("512", 512), ("8 GB", 8192), (0.2, 1), (0, 2048), ("", 2048), (None, 2048)],
)
def test_given_memory(given: Any, whole: int) -> None:
    problem = Problem(definition="with 2 GB of RAM", extra={"max_memory_footprint": given})
    assert HARDWARE.read(problem).whole_mib == whole


@pytest.mark.parametrize("given", [-1, 1e12, "much", "nan", True, [], {}])
def test_memory_without_meaning_is_refused(given: Any) -> None:
    with pytest.raises(UnclearError, match=r"max_memory_footprint .* give a number of MiB"):
        HARDWARE.read(Problem(extra={"max_memory_footprint": given}))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("in under 100 ms", "max_latency:0.1"),
        ("latency below 0.5 s", "max_latency:0.5"),
        ("en menos de 0,5 segundos", "max_latency:0.5"),
        ("höchstens 20 ms pro Bild", "max_latency:0.02"),
        ("response time of at most 2 minutes", "max_latency:120"),
        ("30 fps", "min_throughput:30"),
        ("3,600 images per hour", "min_throughput:1"),
        ("1.800 Bilder pro Stunde", "min_throughput:0.5"),
        ("20 requests/s", "min_throughput:20"),
        ("at most 5 W", "max_power:5"),
        ("at least 95 % accuracy", "min_accuracy:0.95"),
        ("F1 above 0.9", "min_f1:0.9"),
        ("Genauigkeit von mindestens 90 Prozent", "min_accuracy:0.9"),
        ("works offline", "connectivity:offline"),
        ("sin conexión a internet", "connectivity:offline"),
        ("under the GDPR", "regulation:gdpr"),
        ("licence for commercial use", "licence:permissive"),
        ("texts in German", "language:de"),
    ],
)
def test_demand(text: str, line: str) -> None:
    assert line in DEMANDS.read(Problem(definition=text))


@pytest.mark.parametrize(
    "text",
    ["clips of less than 10 seconds", "it need not work offline", "not in real time", "0 fps",
     "80 km per hour", "the next 24 hours", "lamps of 50 W", "120 % accuracy", "3.5", ""],
)  # fmt: skip
def test_no_demand(text: str) -> None:
    assert DEMANDS.read(Problem(definition=text)) == []


def test_the_provider_understands_the_demands() -> None:
    text = "Under 100 ms, at least 90 % accuracy, for commercial use, on an edge device"
    wanted = estimate.parse(DEMANDS.read(Problem(definition=text)), {})
    assert (wanted.max_latency_s, wanted.accuracy, wanted.deployment) == (0.1, 0.9, "edge")
    assert "mit" in wanted.licences


def test_fields_make_demands() -> None:
    problem = Problem(
        minimum_samples=3, maximum_samples=9, optimise_auto=True, desired_carbon_kg=0.25,
        extra={"metric": "f1"},
    )  # fmt: skip
    assert DEMANDS.read(problem) == [
        "minimum_samples:3", "maximum_samples:9", "max_carbon_footprint:0.25", "optimise:carbon",
        "metric:f1",
    ]  # fmt: skip


def test_extra_data_is_passed_on_without_credentials() -> None:
    problem = Problem(extra={"goal": "x", "hf_token": "t", "deep": [{"Password": 1, "kept": 2}]})
    extra = passed_on(problem)
    assert extra["goal"] == "x"
    assert extra["deep"] == [{"kept": 2}]
    assert "hf_token" not in extra
    assert extra["optimize_carbon_footprint_auto"] is False


def test_extra_data_nested_too_deeply_is_refused() -> None:
    nested: Any = 1
    for _ in range(5000):
        nested = [nested]
    with pytest.raises(UnclearError, match="nested too deeply"):
        passed_on(Problem(extra={"x": nested}))


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[1]", b"\xff", b"[" * 100_000, b'{"x": ' + b"9" * 5000 + b"}"]
)
def test_unreadable_extra_data_is_empty(data: bytes) -> None:
    assert read_object(data) == {}


def test_what_json_lacks_becomes_null() -> None:
    content = read_object(b'{"x": NaN, "y": "\\ud800 \xc3\xa9"}')
    assert json.loads(write_object(content)) == content
    assert content["x"] is None


def test_names_can_be_sent() -> None:
    assert choices(["\ud800", " a ", "a", None, "ANY"]) == ["?", "a"]


def test_a_message_is_read_within_bounds() -> None:
    message = SimpleNamespace(
        problem_short_description="t " * 10**6, problem_definition="d " * 10**6, modality="(empty)",
        inputs=["bounding", "box"], outputs=[""], minimum_samples=1, maximum_samples=2,
        optimize_carbon_footprint_auto=False, optimize_carbon_footprint_manual=True,
        desired_carbon_footprint=0.5, extra_data=list(b'{"a": 1}'),
    )  # fmt: skip
    problem = Problem.read(message)
    assert (problem.modality, problem.inputs, problem.extra) == ("", "bounding box", {"a": 1})
    assert len(problem.text) == len(problem.definition) == 20_000
    message.problem_definition = f"cats {'x' * 10**6} dogs"
    assert max(map(len, Problem.read(message).definition.split())) <= 300


@settings(max_examples=80, deadline=None)
@given(
    st.text(max_size=300)
    | st.from_regex(r"[0-9., ]{0,20}(GB|ms|s|fps|%|W| images per hour)? ?[a-z ]{0,20}")
)
def test_any_text_is_read(text: str) -> None:
    problem = Problem(title=text, definition=text, extra={"hardware_required": text})
    for line in DEMANDS.read(problem):
        key, colon, value = line.partition(":")
        assert key
        assert colon
        assert value
    assert HARDWARE.memory_in_text(text) >= 0
    assert all(HARDWARE.in_text(text))
    assert all(q.value >= 0 for q in quantities.shares(fold(text)))
    assert all(keywords(text))
