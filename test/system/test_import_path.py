"""Files in the current folder are not run in place of modules of Python, of ROS or of ours."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.up_process import Up

#: Modules that are loaded, sooner or later, by every process of the framework.
MODULES = ("yaml", "typing", "json", "queue", "ctypes", "rclpy", "numpy", "sustainml_msgs", "typer")


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, full of modules that tell when they are loaded; the file they write."""
    caught = tmp_path / "caught.txt"
    for name in MODULES:
        code = f"import sys; open({str(caught)!r}, 'a').write(f'{name}: {{sys.orig_argv}}\\n')"
        (tmp_path / f"{name}.py").write_text(f"{code}\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    return caught


def test_up_runs_none(trap: Path) -> None:
    up = Up()
    try:
        up.wait_for_line("[up] ready")
    finally:
        up.end()
    assert not trap.exists(), trap.read_text()


@pytest.mark.parametrize(
    "module", ["node.orchestrator_node", "reference_modules.carbon_tracker", "cli"]
)
def test_a_module_started_by_its_name_runs_none(trap: Path, module: str) -> None:
    command = [sys.executable, "-m", f"sustainml_orchestrator.{module}", "--ros-args", "-r", "no"]
    subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert not trap.exists(), trap.read_text()
