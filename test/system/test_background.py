"""`sustainml up --detach`, `status`, `logs` and `down`; what systemd is told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.scripted_modules import alive
from support.up_process import SUSTAINML
from typer.testing import CliRunner

from sustainml_orchestrator.cli.main import app
from sustainml_orchestrator.contract.exit_codes import PERMANENT, ExitCode
from sustainml_orchestrator.node import service_manager

ROOT = Path(__file__).parents[2]
SECRET = "s3cr3t-0f-th3-us3r"


class Shell:
    """Commands in a namespace and state folder of their own."""

    def __init__(self, home: Path) -> None:
        self.namespace = f"/background_{os.getpid()}"
        self.environment = {**os.environ, "ROS_HOME": str(home)}

    def run(self, *words: str, code: int = 0) -> str:
        result = subprocess.run(
            [*SUSTAINML, "--namespace", self.namespace, *words], env=self.environment,
            capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip
        assert result.returncode == code, result.stdout + result.stderr
        return result.stdout + result.stderr * (code != 0)

    def call(self, *words: str, code: int = 0) -> str:
        """The same within this process, which saves its start."""
        runner = CliRunner(env={"ROS_HOME": self.environment["ROS_HOME"]})
        result = runner.invoke(app, ["--namespace", self.namespace, *words])
        assert result.exit_code == code, f"{result.output} {result.exception!r}"
        return result.stdout + result.stderr * (code != 0)


def listen(systemd: service_manager.Listener) -> set[str]:
    """What is told until both have come."""
    told: set[str] = set()
    while not {"READY=1", "WATCHDOG=1"} <= told:
        message = systemd.receive(60.0)
        if message is None:
            break
        told |= set(message.text.splitlines())
    return told


def check_report(shell: Shell, archive: Path, log: Path) -> None:
    """One archive of a running system: complete, private, without credentials."""
    shell.call("submit", "-d", "tell cats from dogs in photos", "--watch")
    with log.open("a", encoding="utf-8") as file:  # as a module of somebody may log
        file.write(f"2026-01-01T00:00:00.000+00:00 [m] GET https://me:{SECRET}@host/x failed\n")
    made = json.loads(shell.call("report", "1/1", "-o", str(archive), "--json"))
    assert made["missing"] == [] and made["file"] == str(archive)
    assert archive.stat().st_mode & 0o777 == 0o600
    with tarfile.open(archive) as opened:
        found = {m.name: opened.extractfile(m).read() for m in opened if m.isfile()}
    assert {name for name in found if name.startswith("tasks/")} == {"tasks/1-1.json"}
    task = json.loads(found["tasks/1-1.json"])
    assert task["task"]["summary"]["status_text"] == "SUCCEEDED"
    assert "task.succeeded" in {event["event"] for event in task["events"]}
    assert json.loads(found["doctor.json"])["findings"] and b"verdict" in found["doctor.txt"]
    parameters = json.loads(found["parameters.json"])
    assert parameters["orchestrator"]["journal_path"] and len(parameters) == 7
    assert len(json.loads(found["nodes.json"])) == 6 and len(json.loads(found["processes.json"]))
    assert b"host/x failed" in found[f"logs/{log.name}"]
    assert not [name for name, content in found.items() if SECRET.encode() in content]
    (name,) = (name for name in found if name.endswith(".flight"))
    recording = archive.with_name(name + ".copy")
    recording.write_bytes(found[name])
    assert "every invariant holds" in shell.call("replay", str(recording), "--task", "1/1")
    text = shell.call("report", "--open", str(archive))
    assert "SUCCEEDED" in text and "carbon_tracker" in text and " verdict " in text
    assert "no problem 99" in shell.call("report", "99", "-o", f"{archive}.not", code=1)
    assert not Path(f"{archive}.not").exists()


def check_report_without_orchestrator(shell: Shell, archive: Path) -> None:
    """What can be had without one, and what is missing."""
    made = json.loads(shell.call("report", "-o", str(archive), "--json"))
    assert any("no orchestrator answers" in text for text in made["missing"])
    assert {"doctor.json", "versions.json", "tasks/1-1.json"} <= set(made["files"])
    assert any(name.startswith("logs/") for name in made["files"])
    text = shell.call("report", "--open", str(archive))
    assert "tell cats from dogs" in text and "missing" in text


def test_from_up_to_down(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert f"sustainml --namespace {shell.namespace} up --detach`" in shell.run("status", code=3)
    assert "there is no log file" in shell.run("logs", code=1)
    with service_manager.Listener() as systemd, ThreadPoolExecutor() as pool:
        shell.environment |= {service_manager.VARIABLE: systemd.address, "WATCHDOG_USEC": "2000000"}
        told = pool.submit(listen, systemd)
        started = shell.run("up", "--detach", "--no-web", "--isolation", "thread")
        try:
            (place,) = re.findall(r"log file: (.*)", started)
            status = json.loads(shell.run("status", "--json"))
            last = started.rstrip().splitlines()[-1]
            assert f"in the background as process {status['pid']}; " in last and place in last
            assert f"sustainml --namespace {shell.namespace} down ends it" in last
            assert status["log"] == place and status["pid"] > 0
            names = {row["process"] for row in status["processes"]}
            assert {"orchestrator", "hw_resources", "ml_model_provider"} <= names
            assert told.result(30.0) >= {"READY=1", "WATCHDOG=1"}
            second = shell.run("up", "--detach", "--no-web", code=ExitCode.NAME_TAKEN)
            assert "runs already" in second
            check_report(shell, tmp_path / "running.tar.gz", Path(place))
        finally:
            ended = shell.run("down")
    assert str(status["pid"]) in ended and not alive(status["pid"])
    shell.run("down", code=3)
    check_report_without_orchestrator(shell, tmp_path / "down.tar.gz")
    assert "it has those of: app_requirements, carbon_tracker" in shell.run("logs", "no", code=1)
    lines = shell.run("logs", "carbon_tracker", "-n", "5").splitlines()
    stamped = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S+ \[carbon_tracker\] ")
    assert lines and all(map(stamped.match, lines))
    assert Path(place).stat().st_mode & 0o777 == 0o600


def test_the_unit_restarts_after_no_permanent_error() -> None:
    text = (ROOT / "config" / "systemd" / "sustainml.service").read_text(encoding="utf-8")
    (codes,) = re.findall(r"^RestartPreventExitStatus=(.*)$", text, re.MULTILINE)
    assert set(map(int, codes.split())) >= PERMANENT


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_the_unit_is_valid(tmp_path: Path) -> None:
    unit = tmp_path / "sustainml.service"
    text = (ROOT / "config" / "systemd" / "sustainml.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/sustainml_orchestrator", str(ROOT)), encoding="utf-8")
    result = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
