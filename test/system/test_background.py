"""`sustainml up --detach`, `status`, `logs` and `down`; what systemd is told."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.scripted_modules import alive
from support.up_process import SUSTAINML

from sustainml_orchestrator.node import service_manager

ROOT = Path(__file__).parents[2]


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


def listen(systemd: service_manager.Listener) -> set[str]:
    """What is told until both have come."""
    told: set[str] = set()
    while not {"READY=1", "WATCHDOG=1"} <= told:
        message = systemd.receive(60.0)
        if message is None:
            break
        told |= set(message.text.splitlines())
    return told


def test_from_up_to_down(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    assert "sustainml up --detach" in shell.run("status", code=3)
    assert "there is no log file" in shell.run("logs", code=1)
    with service_manager.Listener() as systemd, ThreadPoolExecutor() as pool:
        shell.environment |= {service_manager.VARIABLE: systemd.address, "WATCHDOG_USEC": "2000000"}
        told = pool.submit(listen, systemd)
        started = shell.run("up", "--detach", "--no-web", "--isolation", "thread")
        try:
            (place,) = re.findall(r"log file: (.*)", started)
            assert started.rstrip().splitlines()[-1].endswith("--watch")
            status = json.loads(shell.run("status", "--json"))
            assert status["log"] == place and status["pid"] > 0
            names = {row["process"] for row in status["processes"]}
            assert {"orchestrator", "hw_resources", "carbon_tracker"} <= names
            assert told.result(30.0) >= {"READY=1", "WATCHDOG=1"}
            assert "runs already" in shell.run("up", "--detach", "--no-web", code=1)
        finally:
            ended = shell.run("down")
    assert str(status["pid"]) in ended and not alive(status["pid"])
    shell.run("down", code=3)
    lines = shell.run("logs", "carbon_tracker", "-n", "5").splitlines()
    stamped = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\S+ \[carbon_tracker\] ")
    assert lines and all(map(stamped.match, lines))
    assert Path(place).stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="there is no systemd-analyze")
def test_the_unit_is_valid(tmp_path: Path) -> None:
    unit = tmp_path / "sustainml.service"
    text = (ROOT / "config" / "systemd" / "sustainml.service").read_text(encoding="utf-8")
    unit.write_text(text.replace("/opt/sustainml_orchestrator", str(ROOT)), encoding="utf-8")
    result = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
