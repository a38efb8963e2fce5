"""What a footprint means: unit, boundary, options, range, and one sentence that says so."""

import json

import pytest
from sustainml_msgs.msg import HWResource, MLModel, UserInput

from sustainml_orchestrator.reference_modules.carbon_tracker import CarbonTrackerModule
from sustainml_orchestrator.reference_modules.estimate.footprint import (
    Options,
    carbon_text,
    energy_text,
    footprint,
)
from sustainml_orchestrator.reference_modules.estimate.requirements import json_bytes
from sustainml_orchestrator.sdk import ModuleError


class _Inputs:
    def __init__(self, text: str, **fields: object) -> None:
        self.user_input = UserInput(problem_definition=text, **fields)
        properties = json.dumps({"input": "512 tokens in, 128 out"})
        self.ml_model_provider = MLModel(model="t5", model_properties=properties)
        told = {"energy_uncertainty_factor": 3.0, "idle_w": 50.0, "power_of": "module"}
        self.hw_resources = HWResource(
            hw_description="A100", latency=0.36, power_consumption=200.0,
            extra_data=json_bytes(told),
        )  # fmt: skip


@pytest.fixture
def tracker() -> CarbonTrackerModule:
    module = CarbonTrackerModule()
    module.on_start()
    return module


def told(tracker: CarbonTrackerModule, text: str, **fields: object) -> dict:
    output = tracker.process(None, _Inputs(text, **fields))
    about = json.loads(bytes(output.extra_data))
    return about | {"kg": output.carbon_footprint, "wh": output.energy_consumption}


def test_one_sentence_says_it_all(tracker: CarbonTrackerModule) -> None:
    text = "Summarise 10,000 discharge letters a month in a hospital in Poland"
    about = told(tracker, text)
    assert about["inferences"] == 10_000 and about["wh"] == pytest.approx(200.0)
    assert about["region"] == "Poland" and about["carbon_intensity_year"] == 2023
    low, high = about["carbon_range_kg"]
    assert low == pytest.approx(about["kg"] / 3) and high == pytest.approx(about["kg"] * 3)
    for part in (
        "10,000 inferences (512 tokens in, 128 out) a month of t5 on A100 take about 200 Wh",
        "132 gCO2e (between 44 gCO2e and 397 gCO2e)",
        "per 1,000",
        "662 gCO2e/kWh (Poland, 2023)",
        "the device (module) while it computes, PUE 1, no idle time, no manufacture",
    ):
        assert part in about["summary"]
    assert about["summary"].count(". ") == 0


def test_without_a_volume_it_is_one_inference(tracker: CarbonTrackerModule) -> None:
    about = told(tracker, "Summarise letters")
    assert about["inferences"] == 1 and about["summary"].startswith("One inference (512 tokens")
    assert "the world's mean, 2018" in about["summary"]
    assert about["energy_wh_per_1000"] == pytest.approx(1000 * about["wh"])


def test_fields_outrank_the_text(tracker: CarbonTrackerModule) -> None:
    text = "Summarise 10,000 letters a month in Poland"
    about = told(tracker, text, maximum_samples=7, geo_location_region="Sweden")
    assert about["inferences"] == 7 and about["region"] == "Sweden"


def test_options_count_what_they_say(tracker: CarbonTrackerModule) -> None:
    plain = told(tracker, "Summarise letters", geo_location_region="Spain")
    given = {"pue": 1.5, "idle_share": 0.5, "embodied_kg": 150.0, "lifetime_years": 4.0}
    assert tracker.configure(given).items() >= given.items()
    about = told(tracker, "Summarise letters", geo_location_region="Spain")
    assert about["wh"] == pytest.approx(1.5 * (plain["wh"] + 0.36 * 50.0 / 3600.0))
    made = 150.0 * 0.72 / (4.0 * 365.25 * 86400.0)
    electricity = about["wh"] / plain["wh"] * plain["kg"]
    assert about["kg"] == pytest.approx(electricity + made)
    assert "PUE 1.5, 50% idle time, 150 kgCO2e of manufacture over 4 years" in about["summary"]
    for wrong in ({"pue": 0.9}, {"idle_share": 1.0}, {"embodied_kg": -1}):
        with pytest.raises(ModuleError, match=next(iter(wrong))):
            tracker.configure(wrong)


def test_nothing_beside_the_device_counts_by_default() -> None:
    found = footprint(0.5, 72.0, 10.0, 1000, 100.0, Options())
    assert found.energy_wh == pytest.approx(10.0) and found.carbon_kg == pytest.approx(1e-3)
    assert found.energy_wh_per_1000 == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("value", "energy", "carbon"),
    [
        (0.0, "0 uWh", "0 ugCO2e"),
        (3.2e-5, "32 uWh", "32 mgCO2e"),
        (0.5, "500 mWh", "500 gCO2e"),
        (2345.0, "2.3 kWh", "2.3 tCO2e"),
    ],
)
def test_figures_have_the_unit_that_suits_them(value: float, energy: str, carbon: str) -> None:
    assert energy_text(value) == energy and carbon_text(value) == carbon
