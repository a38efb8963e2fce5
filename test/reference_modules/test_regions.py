"""Carbon intensities by region, and the arithmetic of energy and carbon."""

import subprocess
import sys
from pathlib import Path

import pytest

from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.carbon import carbon_kg, energy_wh
from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions

REGIONS = CarbonRegions()


@pytest.mark.parametrize(
    ("written", "region"),
    [
        ("Spain", "Spain"),
        ("  spain ", "Spain"),
        ("España", "Spain"),
        ("ES", "Spain"),
        ("esp", "Spain"),
        ("Deutschland", "Germany"),
        ("日本", "Japan"),
        ("한국", "South Korea"),
        ("Россия", "Russia"),
        ("U.S.A.", "United States"),
        ("United Kingdom", "United Kingdom"),
        ("uk", "United Kingdom"),
        ("Côte d\u2019Ivoire", "Cote d'Ivoire"),
        ("California", "california"),
        ("California, United States", "california"),
        ("TX, USA", "tx"),
        ("US-CA", "us ca"),
        ("Québec", "quebec"),
        ("Bretagne, France", "France"),
        ("Georgia", "Georgia"),
        ("Georgia, USA", "georgia"),
        ("CA", "Canada"),
        ("beijing", "beijing"),
        ("SE1", "se1"),
    ],
)
def test_a_region_is_found_as_people_write_it(written: str, region: str) -> None:
    found = REGIONS.find(written)
    assert (found.region, found.known, found.note) == (region, True, "")
    assert 0.0 < found.g_per_kwh < 1500.0


@pytest.mark.parametrize("written", ["Atlantis", "Germny", "x" * 10_000, "\x00", ",", "42"])
def test_an_unknown_region_gets_the_mean_of_the_world_and_says_so(written: str) -> None:
    found = REGIONS.find(written, "Europe")
    assert (found.g_per_kwh, found.region, found.known) == (REGIONS.world_mean, "world", False)
    assert "world mean" in found.note and len(found.note) < 300


def test_a_typing_error_is_pointed_out() -> None:
    assert "did you mean germany" in REGIONS.find("Germny").note


def test_intensities_follow_codecarbon() -> None:
    """Values of the data set: eGRID in lb/MWh, the mix of sources for Canada."""
    assert REGIONS.world_mean == 475.0
    assert REGIONS.find("california").g_per_kwh == pytest.approx(394.769 * 0.45359237)
    assert REGIONS.find("quebec").g_per_kwh < REGIONS.find("alberta").g_per_kwh
    assert REGIONS.find("France").g_per_kwh < REGIONS.find("Poland").g_per_kwh


def test_all_names_lead_to_known_regions() -> None:
    assert len(REGIONS.names) > 250
    assert all(REGIONS.find(name).known for name in REGIONS.names)


def test_every_country_of_the_list_is_known_by_all_its_names() -> None:
    for code, names in catalog.load("countries")["countries"].items():
        for name in (code, *names):
            assert REGIONS.find(name).known, name


def test_reading_the_data_starts_nothing_of_codecarbon() -> None:
    code = (
        "import sys\n"
        "from sustainml_orchestrator.reference_modules.estimate.regions import CarbonRegions\n"
        "CarbonRegions().find('Spain')\n"
        "sys.exit('codecarbon' in sys.modules or 'pandas' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_missing_data_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="carbon_intensity_per_source"):
        CarbonRegions(tmp_path)


def test_energy_and_carbon() -> None:
    energy = energy_wh(latency_s=0.5, power_w=72.0, inferences=1000)
    assert energy == pytest.approx(10.0)
    assert carbon_kg(energy, 500.0) == pytest.approx(0.005)
