"""What a file of parameters says of a module reaches its further instances."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sustainml_orchestrator.processes.instance_parameters import instance_parameters
from sustainml_orchestrator.processes.programs import programs


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/**/m: {ros__parameters: {a: 1, b: [x, 'y z']}}", {"a": 1, "b": ["x", "y z"]}),
        ("lab: {m: {ros__parameters: {limits: {memory: 0.5}}}}", {"limits.memory": 0.5}),
        ("/lab/m: {ros__parameters: {a: 1}}\n/lab/m_2: {ros__parameters: {a: 2}}", {"a": 2}),
        ("/*/m_2: {ros__parameters: {a: 2}}\nlab/m: {ros__parameters: {a: 1, b: 3}}",
         {"a": 2, "b": 3}),
        ("m: {ros__parameters: {a: 1}}\n/other/m_2: {ros__parameters: {a: 2}}", {}),
        ("/**/other: {ros__parameters: {a: 1}}\n/**: {ros__parameters: {a: 1}}", {}),
        ("m: 3\nlab: [m]\n", {}),
        ("m: {ros__parameters: text}", {}),
        ("{", {}),
        ("\0", {}),
        ("&a [*a]: 1", {}),
        ("a: &a {b: *a}\nm: *a", {}),
    ],
)  # fmt: skip
def test_the_file_names_only_the_module(
    tmp_path: Path, text: str, expected: dict[str, Any]
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(text)
    assert instance_parameters(str(file), "/lab", "m", "m_2") == expected
    assert instance_parameters(str(tmp_path / "none"), "/lab", "m", "m_2") == {}


def test_the_command_line_comes_before_the_file(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(
        "/**/hw_resources: {ros__parameters: {isolation: thread, workers: 2, "
        "names: ['😀 \"a\"', é], rate: 0.5, fast: true}}"
    )
    found = programs(
        namespace="/x", params_file=str(file), isolation="process", replicas={"hw_resources": 2}
    )
    first, second = (one for one in found if one.name.startswith("hw_resources"))
    given = [w for flag, w in zip(second.command, second.command[1:], strict=False) if flag == "-p"]
    assert given == [
        *('isolation:="thread"', "workers:=2", r'names:=["\U0001f600 \"a\"", "\xe9"]'),
        *("rate:=0.5", "fast:=true", 'isolation:="process"'),
    ]
    assert yaml.safe_load(given[2].partition(":=")[2]) == ['😀 "a"', "é"]
    assert second.command[-2:] == ("-r", "__node:=hw_resources_2")
    assert "workers:=2" not in first.command
