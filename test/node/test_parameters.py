"""The parameters: one table, a file that agrees with it, and settings that exist."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from itertools import chain
from pathlib import Path

import pytest
import yaml

from sustainml_orchestrator.contract.exit_codes import ExitCode
from sustainml_orchestrator.contract.parameters import ParameterError, Spec
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.node.parameters import TABLE
from sustainml_orchestrator.processes.programs import MODULES
from sustainml_orchestrator.reference_modules.parameters import TABLE as SETTINGS
from sustainml_orchestrator.sdk.parameters import TABLE as MODULE_TABLE

CONFIG = Path(__file__).parents[2] / "config"


def test_the_file_holds_every_parameter_with_its_default() -> None:
    data = yaml.safe_load((CONFIG / "orchestrator.yaml").read_text())
    assert data["/**/orchestrator"]["ros__parameters"] == {s.name: s.default for s in TABLE}
    assert set(data) == {f"/**/{node}" for node in ("orchestrator", *MODULES)}
    for name in MODULES:
        table = (*MODULE_TABLE, *SETTINGS.get(name, ()))
        expected = {spec.name: spec.default for spec in table}
        assert data[f"/**/{name}"]["ros__parameters"] == expected


def test_each_is_described_and_bounded() -> None:
    for spec in TABLE:
        assert len(spec.description) > 10
        if isinstance(spec.default, (int, float)) and not isinstance(spec.default, bool):
            assert spec.low is not None and spec.high is not None
            assert spec.low <= spec.default <= spec.high


def test_ranges_fit_the_sliders_of_rqt() -> None:
    """A range beyond 32 bits ends the list of rqt_reconfigure; such limits are checked instead."""
    wide = 0
    for spec in (*TABLE, *MODULE_TABLE, *chain(*SETTINGS.values())):
        for bounds in spec.descriptor.integer_range:
            assert -(2**31) <= bounds.from_value < bounds.to_value < 2**31
        if isinstance(spec.default, int) and (spec.high or 0) >= 2**31:
            wide += 1
            assert spec.allowed in spec.descriptor.additional_constraints
            assert spec.checked(spec.high) == spec.high
            with pytest.raises(ParameterError, match=rf"{spec.name} is .*; give "):
                spec.checked(int(spec.high or 0) + 1)
    assert wide == 4


@pytest.mark.parametrize(
    ("spec", "good", "bad"),
    [
        (Spec("a", 1, "", 0, 9), [0, 9, 3.0], [-1, 10, 3.5, True, "3", float("nan"), None]),
        (Spec("a", 1.0, "", 0.0, 9.0), [0, 9, 3.5], [-1, 9.1, False, "3", float("inf"), []]),
        (Spec("a", "x", "", choices=("x", "")), ["x", ""], ["y", 0, None]),
        (Spec("a", True, ""), [True, False], [1, "true"]),
    ],
)
def test_a_value_is_checked_by_its_type_and_limits(spec: Spec, good: list, bad: list) -> None:
    assert all(type(spec.checked(value)) is type(spec.default) for value in good)
    for value in bad:
        with pytest.raises(ParameterError, match=r"^a is "):
            spec.checked(value)


def test_every_setting_of_the_core_is_a_parameter_of_the_same_default() -> None:
    defaults = {spec.name: spec.default for spec in TABLE}
    for field in fields(Settings):
        assert defaults[field.name] == field.default


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("modules: [", "cannot be read"),
        ("modules: {}", "modules: holds 0"),
        ("modules: {a: {inputs: [b], output_type: MLModel}}", "modules.a.inputs: names 'b'"),
        ("modules: {a: {inputs: [user_input], output_type: Wish}}", "modules.a.output_type"),
        ("modules: {a: {inputs: [user_input], output_type: [MLModel]}}", "modules.a.output_type"),
        ("modules: {a: {inputs: [[user_input]], output_type: MLModel}}", "modules.a.inputs"),
        (
            "modules: {a: {inputs: [user_input], output_type: no_msgs/msg/Such}}",
            "is not installed",
        ),
        (
            "modules: {a: {inputs: [b], output_type: MLModel},"
            " b: {inputs: [a], output_type: MLModel}}",
            "break the cycle",
        ),
        ("modules: {a: {inputs: [user_input], output_type: MLModel, timeout: -1}}", "a.timeout"),
        ("modules: {a: {inputs: [user_input], output_type: MLModel, tries: 1}}", "a.tries"),
    ],
)
def test_a_bad_pipeline_stops_the_start_with_one_sentence(
    tmp_path: Path, text: str, key: str
) -> None:
    file = tmp_path / "pipeline.yaml"
    file.write_text(text)
    command = [sys.executable, "-m", "sustainml_orchestrator.node.orchestrator_node", "--ros-args"]
    command += ["-p", f"pipeline_file:={file}"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == ExitCode.CONFIGURATION
    (line,) = ended.stderr.strip().splitlines()
    assert str(file) in line and key in line


def test_a_parameter_out_of_range_stops_the_start_with_one_sentence() -> None:
    command = [sys.executable, "-m", "sustainml_orchestrator.node.orchestrator_node", "--ros-args"]
    command += ["-p", "max_active_tasks:=1000"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == ExitCode.USAGE
    assert "max_active_tasks" in ended.stderr and "Traceback" not in ended.stderr
