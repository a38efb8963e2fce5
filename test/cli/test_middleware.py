"""RMW_IMPLEMENTATION names what is not there: rcl would end each process with 102."""

import json
import os
import subprocess
import sys

import pytest

SENTENCE = (
    "RMW_IMPLEMENTATION is 'rmw_nosuch', of which there is no library; "
    "unset RMW_IMPLEMENTATION, or install that middleware"
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command], env={**os.environ, "RMW_IMPLEMENTATION": "rmw_nosuch"},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize(
    "command", ["list", "up", "demo", "web", "rest", "report", "submit -d cats", "history 1/1"]
)
def test_commands_say_it_in_one_sentence(command: str) -> None:
    done = run("sustainml_orchestrator.cli", *command.split())
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"error: {SENTENCE}\n")


def test_what_needs_no_middleware_goes_on() -> None:
    done = run("sustainml_orchestrator.cli", "pipeline", "show")
    assert (done.returncode, done.stderr) == (0, "")


def test_doctor_finds_it() -> None:
    done = run("sustainml_orchestrator.cli", "doctor", "--json")
    errors = [f for f in json.loads(done.stdout)["findings"] if f["level"] == "error"]
    assert done.returncode == 1 and not done.stderr
    assert [f"{error['finding']}; {error['remedy']}" for error in errors] == [SENTENCE]


def test_nodes_end_for_good() -> None:
    code = "import sys, sustainml_orchestrator.entry as e; sys.exit(e.hw_resources())"
    command = [sys.executable, "-c", code]
    env = {**os.environ, "RMW_IMPLEMENTATION": "rmw_nosuch"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (78, f"{SENTENCE}\n")
