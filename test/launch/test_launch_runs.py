"""The launch files in a real launch, where one is installed, and Ctrl-C at any time of a start."""

from __future__ import annotations

import importlib.util
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from ament_index_python.packages import get_package_prefix

from sustainml_orchestrator.contract.claim import Claim

HERE = Path(__file__).parent
PROGRAMS = Path(get_package_prefix("sustainml_orchestrator")) / "lib" / "sustainml_orchestrator"
needs_launch = pytest.mark.skipif(
    importlib.util.find_spec("launch_ros") is None or not shutil.which("ros2"),
    reason="ros2 launch is not installed: it is no wheel, source a ROS 2 installation",
)


@pytest.mark.parametrize("program", ["orchestrator", "carbon_tracker"])
@pytest.mark.parametrize("delay", [0.0, 0.2, 0.6])
def test_ctrl_c_during_the_start_prints_no_traceback(program: str, delay: float) -> None:
    """Started as the launch files do."""
    command = ["env", "--block-signal=INT", str(PROGRAMS / program), "--ros-args", "-r"]
    process = subprocess.Popen(
        [*command, f"__ns:=/ctrl_c_{os.getpid()}"], stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, start_new_session=True,
    )  # fmt: skip
    time.sleep(delay)  # the moment to be tried, not a wait
    os.killpg(process.pid, signal.SIGINT)
    said, _ = process.communicate(timeout=30.0)
    assert "Traceback" not in said
    assert process.returncode in (0, -signal.SIGINT)  # the latter where `env` did not run yet


LONG_IMPORT = """
import importlib, time
from sustainml_orchestrator import entry

def load(name):
    print("loading", name, flush=True)
    time.sleep(100.0)

importlib.import_module = load
entry.carbon_tracker()
"""


@pytest.mark.parametrize("count", [1, 2])
def test_a_signal_ends_a_node_that_is_still_imported(count: int) -> None:
    """One signal comes from the terminal, another one from a launch."""
    with subprocess.Popen(
        [sys.executable, "-c", LONG_IMPORT], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline().startswith("loading")
        for _ in range(count):
            process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=30.0)
    assert (process.returncode, said) == (0, "")


@needs_launch
def test_the_launch_file_passes_its_launch_test() -> None:
    command = [sys.executable, "-m", "launch_testing.launch_test"]
    done = subprocess.run(
        [*command, str(HERE / "framework_launching.py")], capture_output=True, text=True,
        timeout=110.0,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def launched(*arguments: str) -> str:
    """What a launch says that ends by itself."""
    command = ["ros2", "launch", "sustainml_orchestrator", "sustainml.launch.xml", *arguments]
    done = subprocess.run(
        [*command, f"namespace:=launch_{os.getpid()}", "journal_path:=none"], timeout=60.0,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    return done.stdout


@needs_launch
def test_a_params_file_that_is_missing_ends_the_launch() -> None:
    assert "params_file is '/nowhere.yaml', which is no file" in launched(
        "params_file:=/nowhere.yaml"
    )


@needs_launch
def test_a_wrong_pipeline_file_ends_the_launch(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("modules: [")
    said = launched(f"pipeline_file:={wrong}")
    assert "ended with 78 (CONFIGURATION), which a restart does not cure" in said
    assert said.count("[orchestrator-1]: process started") == 1


@needs_launch
def test_ctrl_c_reaches_programs_that_are_not_of_this_package(tmp_path: Path) -> None:
    from launch.utilities import perform_substitutions

    from launch import LaunchContext

    graph = yaml.safe_load((HERE.parents[1] / "config" / "pipeline.yaml").read_text())
    program = HERE.parents[1] / "examples" / "managed_module.py"
    graph["modules"]["hw_constraints"].update(lifecycle="managed", executable=str(program))
    (tmp_path / "pipeline.yaml").write_text(yaml.safe_dump(graph))
    file = runpy.run_path(str(HERE.parents[1] / "launch" / "pipeline.launch.py"))
    context = LaunchContext()
    for name, (default, _) in file["ARGUMENTS"].items():
        context.launch_configurations[name] = default
    context.launch_configurations["pipeline_file"] = str(tmp_path / "pipeline.yaml")
    prefixes = {
        perform_substitutions(context, each.name): perform_substitutions(context, each.prefix)
        for each in (action.process_description for action in file["_start"](context))
    }
    assert len(prefixes) == 7 and prefixes["orchestrator"]
    assert [name for name, prefix in prefixes.items() if not prefix] == ["hw_constraints"]


@needs_launch
def test_a_second_launch_in_a_namespace_ends_before_it_starts_anything() -> None:
    claim = Claim(f"launch_{os.getpid()}")
    try:
        said = launched()
    finally:
        claim.close()
    assert "another orchestrator of this machine is active in namespace launch_" in said
    assert "process started" not in said
