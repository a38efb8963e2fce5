"""What a file of parameters says in vain is told by the node that reads the file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sustainml_orchestrator.contract.parameter_file import applies

CONFIG = Path(__file__).parents[2] / "config"
SPACE = "/lab/mistakes"
ORCHESTRATOR = "node.orchestrator_node"
MODULE = "reference_modules.hw_resources"
SLIPS = """
/**/orchestrator: {ros__parameters: {max_problem: 5, max_problems: 3, limits: {text: 2}}}
/lab/mistakes/hw_resources:
  ros__parameters: {worker: 2, qos_overrides./x.depth: 3, use_sim_time: false}
/lab/mistakes/hw_resources_2: {ros__parameters: {workers: 2}}
hw_constraint: {ros__parameters: {workers: 2}}
lab: {mistakes: {camera: {ros__parameters: {rate: 2}}}}
/planner_server: {ros__parameters: {rate: 2}}
/other/**: {ros__parameters: {rate: 2}}
/**: {ros__parameters: {rate: 2, max_problem: 5}}
"""
ELSEWHERE = """
orchestrator: {ros__parameters: {max_problem: 5}}
hw_resources: {ros__parameters: {workers: 5}}
"""


def warnings(program: str, *arguments: str) -> list[str]:
    """What a node warns of until it waits for others."""
    command = [sys.executable, "-m", f"sustainml_orchestrator.{program}", "--ros-args"]
    with subprocess.Popen(
        [*command, "-r", f"__ns:={SPACE}", *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        found = []
        assert process.stderr
        for line in process.stderr:
            if "waits for" in line or "waiting for" in line:
                process.terminate()
            if "[WARN]" in line:
                found.append(line.partition("]: ")[2].strip())
    return found


def test_the_orchestrator_names_what_it_does_not_know_and_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(SLIPS)
    texts = warnings(ORCHESTRATOR, "--params-file", str(file), "-p", "autostar:=true")
    section, own, autostart, problem, limits = texts
    assert "section /hw_constraint names neither" in section and "mean hw_constraints?" in section
    assert f"section {SPACE}/camera names neither" in own and "these are app_requirements" in own
    assert "autostar (the command line) is ignored" in autostart
    assert "did you mean autostart?" in autostart
    assert f"max_problem ({file}, section /**/orchestrator) is ignored" in problem
    assert problem.endswith("did you mean max_problems?")
    assert "limits.text" in limits and f"ros2 param list {SPACE}/orchestrator" in limits


def test_a_module_names_what_it_does_not_know(tmp_path: Path) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(SLIPS)
    (text,) = warnings(MODULE, "--params-file", str(file))
    assert text.startswith(f"parameter worker ({file}, section {SPACE}/hw_resources)")
    assert text.endswith("did you mean workers?")


@pytest.mark.parametrize("program", [ORCHESTRATOR, MODULE])
def test_a_section_of_another_namespace_is_told(tmp_path: Path, program: str) -> None:
    file = tmp_path / "params.yaml"
    file.write_text(ELSEWHERE)
    node = "orchestrator" if program is ORCHESTRATOR else "hw_resources"
    (text,) = warnings(program, "--params-file", str(file))
    assert text == (
        f"section /{node} of {file} is ignored: this node is {SPACE}/{node}; write "
        f"{SPACE}/{node} or /**/{node}"
    )
    file.write_text(f"{ELSEWHERE}\n/*/*/{node}: {{ros__parameters: {{autostart: false}}}}")
    assert warnings(program, "--params-file", str(file)) == []


@pytest.mark.parametrize("program", [ORCHESTRATOR, MODULE])
def test_what_a_file_holds_is_logged_without_control_characters(
    tmp_path: Path, program: str
) -> None:
    file = tmp_path / "params.yaml"
    file.write_text('/**/NAME: {ros__parameters: {"\\e[31mred\\u202e": 5}}'.replace(
        "NAME", "orchestrator" if program is ORCHESTRATOR else "hw_resources"
    ))  # fmt: skip
    (text,) = warnings(program, "--params-file", str(file))
    assert text.isprintable() and r"parameter \x1b[31mred\u202e (" in text


@pytest.mark.parametrize("program", [ORCHESTRATOR, MODULE])
def test_nothing_is_said_of_the_file_of_the_package(program: str) -> None:
    file = str(CONFIG / "orchestrator.yaml")
    assert warnings(program, "--params-file", file) == []


@pytest.mark.parametrize(
    ("section", "yes"),
    [
        (f"{SPACE}/m", True), ("/m", False), ("/**", True), ("/**/m", True), ("/*/m", False),
        ("/*/*/m", True), ("/lab/**/m", True), ("/lab/*/*", True), ("/*", False), ("/**/n", False),
    ],
)  # fmt: skip
def test_a_section_applies_as_rcl_has_it(section: str, yes: bool) -> None:
    assert applies(section, f"{SPACE}/m") is yes
