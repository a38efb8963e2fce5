"""The launch file is right by structure: whatever it names exists."""

from __future__ import annotations

import ast
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import yaml

from sustainml_orchestrator.node.parameters import TABLE
from sustainml_orchestrator.processes.programs import MODULES
from sustainml_orchestrator.sdk.parameters import TABLE as MODULE_TABLE

ROOT = Path(__file__).parents[2]
LAUNCH = ET.parse(ROOT / "launch" / "sustainml.launch.xml").getroot()
#: Arguments that the included files read.
READ_BY_INCLUDED_FILES = {"pipeline_file", "journal_path", "isolation", "replicas"}
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
        assert node.attrib["name"] == node.attrib["exec"] == node.attrib["exec_name"]
        if node.attrib["exec"] != "orchestrator":
            assert f'"{node.attrib["exec"]}"' in scripts


def test_every_argument_is_declared_described_and_used() -> None:
    text = (ROOT / "launch" / "sustainml.launch.xml").read_text()
    used = set(re.findall(r"\$\(var (\w+)\)", text))
    assert used - {"overrides_file", "enclaves"} == set(ARGUMENTS) - READ_BY_INCLUDED_FILES
    assert all(arg.attrib["description"] and "default" in arg.attrib for arg in ARGUMENTS.values())


def test_every_node_reads_the_params_file_and_then_what_arguments_override() -> None:
    for node in LAUNCH.iter("node"):
        files = [param.attrib["from"] for param in node.iter("param")]
        assert files == ["$(var params_file)", "$(var overrides_file)"]
    shared = (ROOT / "launch" / "shared.launch.py").read_text()
    table = next(
        ast.literal_eval(node.value)
        for node in ast.parse(shared).body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "_PARAMETERS"
    )
    known = {spec.name for spec in (*TABLE, *MODULE_TABLE)}
    assert set(table) == known & set(ARGUMENTS)
    assert all(ARGUMENTS[name].attrib["default"] == "" for name in table)


def test_every_node_has_its_enclave() -> None:
    for node in LAUNCH.iter("node"):
        assert f"--enclave $(var enclaves)/{node.attrib['name']} " in node.attrib["ros_args"]


def test_arguments_are_named_as_those_of_other_launch_files() -> None:
    """Nav2's names."""
    names = {"namespace", "params_file", "use_sim_time", "use_respawn", "log_level"}
    assert names <= set(ARGUMENTS)


def test_default_files_exist() -> None:
    for arg in ARGUMENTS.values():
        found = re.fullmatch(
            r"\$\(find-pkg-share sustainml_orchestrator\)/(.+)", arg.attrib["default"]
        )
        if found:
            assert (ROOT / found[1]).is_file()
