"""`sustainml up` starts, keeps and ends its processes, and keeps the database."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest
from support.system import wait_for
from support.up_process import MARK, SUSTAINML, Up, is_marked, sustainml

from sustainml_orchestrator.cli.run import examples
from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.processes.programs import MODULES


def test_the_database_is_there_next_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROS_HOME", str(tmp_path))
    namespace = f"/cli_kept_{os.getpid()}"
    for run in ("first", "second"):
        up = Up("--isolation", "thread", namespace=namespace, home=str(tmp_path))
        try:
            up.wait_for_line("[up] ready")
            text = f"tell cats from dogs, {run} run"
            sustainml(up, "submit", "-d", text, "--name", f"{run} 猫", "--watch")
            listed = json.loads(sustainml(up, "list", "--json").stdout)
            up.process.send_signal(signal.SIGINT)
            up.process.wait(15.0)
        finally:
            up.end()
    assert listed["total"] == 2
    report = sustainml(up, "journal", "check").stdout
    assert str(tmp_path / "sustainml") in report.replace("\n", "")
    assert "2 problems, 2 iterations" in report.replace("\n", " ")
    check_exports(tmp_path, ("--journal", next((tmp_path / "sustainml").glob("*.db"))))


def check_exports(folder: Path, journal: tuple[str, Path]) -> None:
    """To a file, to standard output of any encoding, to a full disk; and back."""
    file = folder / "exported"

    def run(*words: object, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        ascii_only = {**os.environ, "PYTHONIOENCODING": "ascii"}
        return subprocess.run([*SUSTAINML, *map(str, words)], input=stdin, env=ascii_only,
                              capture_output=True, check=False)  # fmt: skip

    assert b"2 iterations written" in run("export", file, *journal).stdout
    text = file.read_bytes()
    assert "猫".encode() in text
    assert run("export", "-", *journal).stdout == text
    assert run("export", "/dev/stdout", *journal).stdout == text
    copy = ("--journal", folder / "copy.db")
    assert run("import", "-", *copy, stdin=text).returncode == 0
    assert run("export", "-", *copy).stdout == text
    full = run("export", "/dev/full", *journal)
    assert full.returncode == 1 and b"No space left" in full.stderr and b"read" not in full.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_leaves_nothing_behind(up: Up, number: signal.Signals) -> None:
    up.wait_for_line("[up] ready")
    assert len(up.family()) >= 1 + 1 + len(MODULES)
    up.process.send_signal(number)
    up.process.wait(6.0)
    wait_for(lambda: not up.family(), 2.0)
    assert up.process.returncode == (-number if number == signal.SIGKILL else 0)


def test_up_needs_no_standard_streams() -> None:
    mark = f"{os.getpid()}_{time.monotonic_ns()}"
    line = f"exec {shlex.join(SUSTAINML)} -n /closed_{mark} up --journal none <&- >&- 2>&-"
    up = subprocess.Popen(["bash", "-c", line], env={**os.environ, MARK: mark})
    try:
        with OrchestratorClient(f"/closed_{mark}", timeout=30.0) as client:
            client.wait_until_ready(60.0)
        up.send_signal(signal.SIGTERM)
        assert up.wait(15.0) == 0
    finally:
        for process in psutil.process_iter():
            if is_marked(process, mark):
                process.kill()


def test_up_can_be_interrupted_while_it_starts(up: Up) -> None:
    wait_for(lambda: len(up.family()) > 1)  # what forks the nodes is there, and loads ROS
    up.process.send_signal(signal.SIGTERM)
    up.process.wait(6.0)
    wait_for(lambda: not up.family(), 2.0)


def test_up_takes_any_path(tmp_path: Path) -> None:
    """What YAML, the command line of ROS or an encoding would take for something else."""
    folder = tmp_path / "😀 a'b\"c: #d\\e %41?k=v $HOME ~\n- ü"
    folder.mkdir()
    graph, params = folder / "-pipe line.yaml", folder / "pa'rams.yaml"
    graph.write_bytes((examples()[0].parents[1] / "pipeline.yaml").read_bytes())
    params.write_text("/**:\n  ros__parameters:\n    max_resets: 4\n")
    for name in ("yes", "1e3", "-j \U0001f600.db"):
        journal = folder / name
        made = Up("--isolation", "thread", "--journal", str(journal), "--params", str(params),
                  "--pipeline", str(graph), home=str(tmp_path))  # fmt: skip
        try:
            made.wait_for_line("[up] ready")
            assert journal.read_bytes().startswith(b"SQLite format 3")
        finally:
            made.end()
    logs = {re.sub(r"_\d+_\d+\.log$", "", path.name) for path in (tmp_path / "log").iterdir()}
    assert logs == {"orchestrator", *MODULES}  # of rcl, which takes them from the command line


@pytest.mark.parametrize("up", [("--without", "hw_resources")], indirect=True)
def test_up_without_a_module_restarts_what_dies(up: Up) -> None:
    def module(name: str) -> list[psutil.Process]:
        leaders = [p for p in up.family() if os.getsid(p.pid) == p.pid]
        program = f"-m sustainml_orchestrator.reference_modules.{name} "
        return [p for p in leaders if program in " ".join(p.cmdline())]

    up.wait_for_line("node.started carbon_tracker")
    assert not module("hw_resources")
    module("carbon_tracker")[0].kill()
    up.wait_for_line("carbon_tracker was killed by SIGKILL; restarting it in 0.5 s")
    up.wait_for_line("node.started carbon_tracker")
    assert len(module("carbon_tracker")) == 1
