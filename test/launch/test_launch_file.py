"""The launch file is right by structure: whatever it names exists."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import yaml

from sustainml_orchestrator.node.parameters import TABLE
from sustainml_orchestrator.processes.programs import MODULES
from sustainml_orchestrator.sdk.parameters import TABLE as MODULE_TABLE

ROOT = Path(__file__).parents[2]
LAUNCH = ET.parse(ROOT / "launch" / "sustainml.launch.xml").getroot()
ARGUMENTS = {arg.attrib["name"]: arg for arg in LAUNCH.iter("arg")}


def test_every_executable_exists_and_every_module_is_there() -> None:
    scripts = (ROOT / "setup.py").read_text()
    graph = yaml.safe_load((ROOT / "config" / "pipeline.yaml").read_text())
    assert list(graph["modules"]) == list(MODULES)
    names = [node.attrib["exec"] for node in LAUNCH.iter("node")]
    assert names == ["orchestrator", *MODULES]
    assert '"orchestrator = ' in scripts or "orchestrator = " in scripts
    for node in LAUNCH.iter("node"):
        assert node.attrib["pkg"] == "sustainml_orchestrator"
        assert node.attrib["name"] == node.attrib["exec"]
        if node.attrib["exec"] != "orchestrator":
            assert f'"{node.attrib["exec"]}"' in scripts


def test_every_argument_is_declared_described_and_used() -> None:
    text = (ROOT / "launch" / "sustainml.launch.xml").read_text()
    used = set(re.findall(r"\$\(var (\w+)\)", text))
    assert used == set(ARGUMENTS)
    assert all(arg.attrib["description"] and "default" in arg.attrib for arg in ARGUMENTS.values())


def test_every_parameter_exists() -> None:
    known = {spec.name for spec in TABLE}
    modules = {spec.name for spec in MODULE_TABLE}
    for node in LAUNCH.iter("node"):
        names = {p.attrib["name"] for p in node.iter("param") if "name" in p.attrib}
        assert names <= (known if node.attrib["exec"] == "orchestrator" else modules)


def test_a_text_stays_a_text() -> None:
    """As YAML, a path like 1e3 is a number."""
    given = [p for node in LAUNCH.iter("node") for p in node.iter("param") if "value" in p.attrib]
    specs = {spec.name: spec for spec in (*TABLE, *MODULE_TABLE)}
    assert given and all(
        (param.attrib.get("type") == "str") is isinstance(specs[param.attrib["name"]].default, str)
        for param in given
    )


def test_default_files_exist() -> None:
    for arg in ARGUMENTS.values():
        found = re.fullmatch(
            r"\$\(find-pkg-share sustainml_orchestrator\)/(.+)", arg.attrib["default"]
        )
        if found:
            assert (ROOT / found[1]).is_file()
