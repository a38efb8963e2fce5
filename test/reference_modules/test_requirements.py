"""Requirements as the earlier modules write them."""

import json
import math

import pytest

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate import requirements
from sustainml_orchestrator.reference_modules.estimate.configuration import (
    CarbonSettings,
    HardwareSettings,
    ProviderSettings,
)
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions

MODELS = ModelCatalogue(catalog.load("models"))
DEVICES = DeviceCatalogue(catalog.load("hardware"))
REGIONS = CarbonRegions()


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("max_latency:0.05", 0.05),
        ("max_latency: 50 ms", 0.05),
        ("Max Latency:<50ms", 0.05),
        ("max_latency_ms:50", 0.05),
        ("max_latency_s:5e-2", 0.05),
        ("latency:2 minutes", 120.0),
        ("max_latency:soon", 0.0),
        ("max_latency:", 0.0),
        ("fast please", 0.0),
    ],
)
def test_latency(line: str, seconds: float) -> None:
    assert requirements.parse([line], {}).max_latency_s == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("line", "share"),
    [
        ("accuracy:0.9", 0.9),
        ("min_accuracy: 90 %", 0.9),
        ("accuracy:90", 0.9),
        ("min_map:0.5", 0.5),
        ("min_f1: 80 %", 0.8),
        ("accuracy:high", 0),
    ],
)
def test_accuracy(line: str, share: float) -> None:
    assert requirements.parse([line], {}).accuracy == pytest.approx(share)


def test_throughput_and_power() -> None:
    found = requirements.parse(["min_throughput:20", "max_power:5", "max_latency:0.1"], {})
    assert (found.min_throughput, found.max_power_w, found.longest_s) == (20.0, 5.0, 0.05)
    assert requirements.parse(["max_latency:0.1"], {}).longest_s == 0.1
    assert requirements.parse(["max_power:little", "min_throughput:"], {}).longest_s == 0.0


def test_licence_and_deployment() -> None:
    found = requirements.parse(["licence:permissive", "deployment:Edge"], {})
    assert "mit" in found.licences and found.deployment == "edge"
    assert requirements.parse(["license:MIT"], {}).licences == {"mit"}
    assert not requirements.parse([], {}).licences


def test_the_users_keys_are_read() -> None:
    extra = {
        "goal": " translation ",
        "type": "Transformers",
        "model_selected": "",
        "model_restrains": ["a", "", "a", 7, "b "],
        "optimize_carbon_footprint_auto": True,
        "desired_carbon_footprint": 2,
    }
    found = requirements.parse([], extra)
    assert (found.goal, found.family, found.selected) == ("translation", "Transformers", "")
    assert found.restrains == ("a", "b")
    assert found.optimise and found.desired_carbon_kg == 2.0


@pytest.mark.parametrize(
    "extra",
    [
        {"goal": 7, "model_restrains": {"a": 1}, "desired_carbon_footprint": "much"},
        {"goal": None, "type": ["x"], "desired_carbon_footprint": -1},
        {"optimize_carbon_footprint_auto": "yes", "desired_carbon_footprint": math.nan},
        {"desired_carbon_footprint": True, "model_selected": {}},
    ],
)
def test_nonsense_asks_nothing(extra: dict) -> None:
    assert requirements.parse([], extra) == requirements.Requirements()


@pytest.mark.parametrize("data", [b"", b"[1]", b"\xff\xfe", b"{", b"7", b"[" * 100_000])
def test_unreadable_extra_data_are_empty(data: bytes) -> None:
    assert requirements.json_object(data) == {}


def test_half_a_surrogate_pair_can_be_written() -> None:
    assert requirements.json_object(requirements.json_bytes({"a": "\ud800"})) == {"a": "\ud800"}


def test_extra_data_there_and_back() -> None:
    content = {"a": [1, "é"], "b": math.nan}
    written = requirements.json_bytes(content)
    assert json.loads(written) == {"a": [1, "é"], "b": None}
    assert requirements.json_object(list(written)) == {"a": [1, "é"], "b": None}


def test_provider_settings() -> None:
    settings = ProviderSettings()
    current = settings.apply({}, MODELS)
    assert current == {"flops_weight": 0.05, "kept_quality": 0.9}
    assert settings.apply({"flops_weight": 0.5}, MODELS)["flops_weight"] == 0.5
    for bad in (-1, 2, "x", True, math.nan, 10**400):
        with pytest.raises(ValueError, match="flops_weight"):
            settings.apply({"flops_weight": bad}, MODELS)
    with pytest.raises(ValueError, match="unknown setting flops; known are flops_weight"):
        settings.apply({"flops": 1}, MODELS)
    assert settings.flops_weight == 0.5
    with pytest.raises(ValueError, match="kept_quality"):
        settings.apply({"flops_weight": 0.1, "kept_quality": 2}, MODELS)
    assert settings.flops_weight == 0.5
    assert settings.apply({"kept_quality": 0.8}, MODELS)["kept_quality"] == 0.8


def test_models_are_listed_for_front_ends() -> None:
    settings = ProviderSettings()
    query = {"query": "models", "goal": "image-classification", "type": "CNNs"}
    answer = settings.apply(query, MODELS)
    assert answer["models"].split(", ") == answer["models_list"]
    assert "microsoft/resnet-50" in answer["models_list"]
    assert "facebook/deit-tiny-patch16-224" not in answer["models_list"]
    assert settings.apply({**query, "goal": "juggling"}, MODELS)["models"] == ""
    assert "image-classification" in settings.apply({"query": "goals"}, MODELS)["goals"]
    about = settings.apply({"query": "model_info", "model": "ResNet-50"}, MODELS)
    assert about["parameters"] == 25.6e6 and "8.2 GFLOP" in about["tooltip"]
    u_net = settings.apply({"query": "models", "goal": "U_NET_MODELS", "type": "CNNs"}, MODELS)
    assert "U-Net (Ronneberger 2015)" in u_net["models_list"]
    with pytest.raises(ValueError, match="query 'x' is none of goals"):
        settings.apply({"query": "x"}, MODELS)


def test_models_are_searched_by_words() -> None:
    settings = ProviderSettings()
    found = settings.apply(
        {"query": "search", "text": "classify images ResNet", "limit": 3}, MODELS
    )
    assert len(found["models"]) == 3
    assert "resnet" in found["models"][0]["model_id"].casefold()
    assert 0.0 < found["models"][0]["score"] <= 1.0
    assert settings.apply({"query": "search", "text": ""}, MODELS) == {"models": []}
    for words in ("tell cats from dogs in photos", "in of the", "for my dogs"):
        assert settings.apply({"query": "search", "text": words}, MODELS) == {"models": []}
    with pytest.raises(ValueError, match="limit"):
        settings.apply({"query": "search", "text": "a", "limit": 0}, MODELS)


@pytest.mark.parametrize(
    ("words", "goal", "name"),
    [
        ("tell cats from dogs", "image-classification", ""),
        ("translate english to german", "translation", "t5"),
        ("", "Object_Detection", ""),
        ("resnet for x-ray images", "image-segmentation", "resnet"),  # the name is what is wanted
    ],
)
def test_models_for_an_ml_task_come_first(words: str, goal: str, name: str) -> None:
    asked = {"query": "search", "text": words, "goal": goal, "limit": 3}
    found = ProviderSettings().apply(asked, MODELS)["models"]
    assert len(found) == 3
    scores = [each["score"] for each in found]
    assert scores == sorted(scores, reverse=True) and scores[0] <= 1.0
    for each in found:
        assert name in each["model_id"].casefold()
        assert name == "resnet" or each["pipeline_tag"] == goal.casefold().replace("_", "-")


def test_a_remembered_query_does_not_hide_a_setting() -> None:
    """A node hands everything it was ever told in again, as one dictionary, after a restart."""
    settings = ProviderSettings()
    settings.apply({"query": "models", "goal": "", "flops_weight": 0.7}, MODELS)
    assert settings.flops_weight == 0.7


def test_hardware_settings() -> None:
    settings = HardwareSettings()
    assert settings.apply({}, DEVICES) == {"precision": "", "runtime": settings.runtime}
    assert "NVIDIA T4" in settings.apply({"query": "hardwares"}, DEVICES)["hardwares_list"]
    assert "PIM-AI-1chip" in settings.apply({"query": "hardwares"}, DEVICES)["hardwares"].split(
        ", "
    )
    assert settings.apply({"precision": "fp16"}, DEVICES)["precision"] == "fp16"
    for bad in ("fp3", 16, None, ["fp16"]):
        with pytest.raises(ValueError, match="precision"):
            settings.apply({"precision": bad}, DEVICES)
    assert settings.precision == "fp16"


def test_carbon_settings() -> None:
    settings = CarbonSettings()
    assert "regions" not in settings.apply({}, REGIONS)
    with pytest.raises(ValueError, match="inferences"):
        settings.apply({"carbon_intensity": 10, "inferences": -1}, REGIONS)
    assert settings.carbon_intensity == 0.0, "a bad request changes nothing"
    settings.apply({"carbon_intensity": 10, "inferences": 5}, REGIONS)
    assert (settings.carbon_intensity, settings.inferences) == (10.0, 5)
    answer = settings.apply({"query": "intensity", "region": "Spain"}, REGIONS)
    assert answer["region_known"] and answer["region"] == "Spain"
    assert "Spain" in settings.apply({"query": "regions"}, REGIONS)["regions"]
