"""Files in the current folder are not run in place of modules of Python, of ROS or of ours."""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from support.up_process import SUSTAINML, Up

#: All that any process of the framework could load.
EVERYTHING = {
    name
    for name in sys.stdlib_module_names | set(packages_distributions()) | {"sitecustomize"}
    if name.isidentifier() and not name.startswith("sustainml_orchestrator")
}
#: What `python -m` loads before it looks for our package: there Python alone decides.
OF_PYTHON = {"runpy", "pkgutil", "importlib", "contextlib"}


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, full of modules that tell when they are loaded; the file they write."""
    caught = tmp_path / "caught.txt"
    for name in EVERYTHING:
        code = f"import sys; open({str(caught)!r}, 'a').write(f'{name}: {{sys.orig_argv}}\\n')"
        file = tmp_path / name / "__init__.py" if len(name) % 2 else tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{code}\nraise SystemExit(9)\n")
    monkeypatch.chdir(tmp_path)
    return caught


def test_up_runs_none(trap: Path) -> None:
    up = Up("--web-port", "0", "--rest", "--rest-port", "0")
    try:
        expected = ("[up] ready", "web page: http", "serving http")
        while not all(each in "".join(up.lines) for each in expected):
            up.wait_for_line("")
    finally:
        up.end()
    assert not trap.exists(), trap.read_text()


def test_up_in_the_background_runs_none(trap: Path) -> None:
    """It starts itself a second time; nothing is there that it could supervise."""
    words = ["up", "--detach", "--no-web", "--params", "/dev/null", "--pipeline", "/dev/null"]
    done = subprocess.run(
        [*SUSTAINML, *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0 and "it has ended" in done.stderr
    assert not trap.exists(), trap.read_text()


@pytest.mark.parametrize(
    "module", ["node.orchestrator_node", "reference_modules.carbon_tracker", "cli"]
)
def test_a_module_started_by_its_name_runs_none(trap: Path, module: str) -> None:
    for name in OF_PYTHON:
        shutil.rmtree(name, ignore_errors=True)
        Path(f"{name}.py").unlink(missing_ok=True)
    command = [sys.executable, "-m", f"sustainml_orchestrator.{module}", "--ros-args", "-r", "no"]
    subprocess.run(command, capture_output=True, timeout=30, check=False)
    assert not trap.exists(), trap.read_text()
