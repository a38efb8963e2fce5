"""A small ONNX model is counted, measured, and added to the catalogue, by the commands."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.onnx_files import write_onnx

from sustainml_orchestrator.measurement.energy import Rapl
from sustainml_orchestrator.measurement.onnx_file import ModelFileError, count
from sustainml_orchestrator.reference_modules import catalog
from sustainml_orchestrator.reference_modules.estimate.devices import DeviceCatalogue
from sustainml_orchestrator.reference_modules.estimate.measured import own
from sustainml_orchestrator.reference_modules.estimate.models import ModelCatalogue
from sustainml_orchestrator.reference_modules.estimate.placement import place


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("model") / "tiny.onnx", "image", 16)


def sustainml(*words: str | Path, home: Path, code: int = 0) -> str:
    result = subprocess.run(
        [sys.executable, "-m", "sustainml_orchestrator.cli", *map(str, words)],
        capture_output=True, text=True, timeout=110, check=False,
        env={**os.environ, "ROS_HOME": str(home)},
    )  # fmt: skip
    assert result.returncode == code, result.stdout + result.stderr
    return result.stdout if code == 0 else result.stderr


@pytest.mark.parametrize("batch", [1, 4])
def test_a_model_is_counted(path: Path, batch: int) -> None:
    found = count(path, {"image": (batch, 3, 16, 16)})
    dense, depthwise = 8 * 3 * 9, 8 * 9
    assert found.parameters == dense + depthwise
    assert found.weights_bytes == 4 * (dense + depthwise)
    assert found.flops == 2 * batch * 16 * 16 * (dense + depthwise)
    # The place of the image, 3 channels, is too small for the last map of 8.
    assert found.activations_bytes == batch * 4 * (3 + 8 + 8) * 16 * 16
    assert (
        found.launches == 2 and found.operators == ("convolution", "depthwise") and found.depthwise
    )


def test_shapes_that_do_not_fit_are_refused(path: Path) -> None:
    with pytest.raises(ModelFileError, match="4 dimensions"):
        count(path, {"image": (1, 3)})
    with pytest.raises(ModelFileError, match="the inputs are image"):
        count(path, {"picture": (1, 3, 16, 16)})


def test_from_a_file_to_the_catalogue(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, written = tmp_path / "home", tmp_path / "tiny.yaml"
    table = sustainml("measure", path, "--runs", "50", "-o", written, home=home)
    assert "latency, 50 % of runs below" in table and "energy: " in table
    entries = yaml.safe_load(written.read_text())
    (row,) = entries["measurements"]
    assert 0 < row["latency_s"] <= row["latency_p90_s"] <= row["latency_p99_s"] < 1
    assert row["energy_j"] > 0 and row["memory_mib"] > 0 and row["runs"] == 50
    assert ("RAPL" in row["energy_by"]) != ("codecarbon" in row["energy_by"])
    assert entries["devices"][0]["name"] == row["device"]

    sustainml("catalogue", "add", written, home=home)
    (listed,) = json.loads(sustainml("catalogue", "list", "--json", home=home))
    assert listed["name"] == "tiny" and "tiny" in listed["entries"]

    monkeypatch.setenv("ROS_HOME", str(home))
    model = ModelCatalogue(catalog.load("models")).find("tiny")
    devices = DeviceCatalogue(
        catalog.load("hardware"), own(catalog.load("measurements")["measurements"])
    )
    assert model is not None
    best = place(model.workload, devices.find(row["device"]))
    assert best is not None and best.is_measured
    assert best.latency_s == row["latency_s"] and best.energy_j == pytest.approx(row["energy_j"])
    other = place(model.workload, devices.find("Raspberry Pi 4 Model B"))
    assert other is not None and not other.is_measured

    sustainml("catalogue", "remove", "tiny", home=home)
    assert json.loads(sustainml("catalogue", "list", "--json", home=home)) == []


def test_what_is_no_model_is_refused_with_a_sentence(tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    said = sustainml("measure", broken, home=tmp_path, code=1)
    assert said == f"INVALID_REQUEST: {broken} is no ONNX file; name one\n"
    assert "name an ONNX file" in sustainml("measure", tmp_path, home=tmp_path, code=1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("models: [", "not valid YAML"),
        ("colours: [red]", "must hold lists named"),
        ("models: 7", "must be a list of mappings"),
        ("models: [{name: x}]", "model x"),
        ("devices: [{name: x, class: toaster}]", "device x"),
        ("measurements: [{model: x, device: y, precision: fp32}]", "not in catalogue"),
    ],
)
def test_a_wrong_file_is_not_added(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "wrong.yaml"
    file.write_text(text)
    said = sustainml("catalogue", "add", file, home=tmp_path, code=1)
    assert reason in said and str(file) in said and "Traceback" not in said
    assert not (tmp_path / "sustainml").exists()


def zone(folder: Path, name: str, micro: int) -> Path:
    place = folder / name
    place.mkdir(exist_ok=True)
    (place / "energy_uj").write_text(f"{micro}\n")
    (place / "max_energy_range_uj").write_text("1000000\n")
    return place


def test_counters_of_the_packages_are_added_over_their_range(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", 900_000)
    zone(tmp_path, "intel-rapl:1", 0)
    zone(tmp_path, "intel-rapl:0:0", 5)  # a part of package 0
    meter = Rapl.find(tmp_path)
    assert meter is not None
    zone(tmp_path, "intel-rapl:0", 100_000)
    zone(tmp_path, "intel-rapl:1", 300_000)
    zone(tmp_path, "intel-rapl:0:0", 999_999)
    assert meter.stop() == pytest.approx(0.5)


def test_no_counters_no_meter(tmp_path: Path) -> None:
    assert Rapl.find(tmp_path) is None
    (zone(tmp_path, "intel-rapl:0", 1) / "energy_uj").unlink()
    assert Rapl.find(tmp_path) is None
