"""What a restart cannot mend is told once, with a remedy, and not tried again."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.up_process import Up

from sustainml_orchestrator.contract import log_directory
from sustainml_orchestrator.contract.exit_codes import PERMANENT, ExitCode
from sustainml_orchestrator.storage.lock import Lock

ORCHESTRATOR, MODULE = "node.orchestrator_node", "reference_modules.hw_constraints"
NO_PLACE = ("HOME", "ROS_HOME", "ROS_LOG_DIR", "TMPDIR")


def run(name: str, *ros_args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a node that is to end by itself."""
    command = [sys.executable, "-m", f"sustainml_orchestrator.{name}", "--ros-args", *ros_args]
    namespace = ("-r", f"__ns:=/permanent_{os.getpid()}")
    return subprocess.run(
        [*command, *namespace], capture_output=True, text=True, timeout=30, check=False,
        env={**{k: v for k, v in os.environ.items() if k not in NO_PLACE}, **environment},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "arguments", "code", "text"),
    [
        (MODULE, ("-p", "isolation:=nonsense"), ExitCode.USAGE, "give process or thread"),
        (MODULE, ("-r", "nonsense"), ExitCode.USAGE, "nonsense"),
        (ORCHESTRATOR, ("-r", "nonsense"), ExitCode.USAGE, "correct its arguments"),
        (ORCHESTRATOR, ("-p", "admission:=\x1b[2J"), ExitCode.USAGE, r"\x1b[2J"),
        (MODULE, ("-p", "catalogue:=\x1b]0;x\a"), ExitCode.USAGE, r"\x1b]0;x\x07"),
        (ORCHESTRATOR, ("--params-file", "/no/such"), ExitCode.USAGE, "/no/such"),
        (ORCHESTRATOR, ("-p", "journal_durability:=some"), ExitCode.USAGE, "give normal or full"),
        (ORCHESTRATOR, ("-p", "admission:=some"), ExitCode.USAGE, "give ready or always"),
        (ORCHESTRATOR, ("-p", "max_resets:=-1"), ExitCode.USAGE, "max_resets"),
        (ORCHESTRATOR, ("-p", "max_resets:=some"), ExitCode.USAGE, "max_resets"),
        (ORCHESTRATOR, ("-p", "journal_path:=7"), ExitCode.USAGE, "journal_path"),
        (MODULE, ("-p", "workers:=0"), ExitCode.USAGE, "set 1 to 64"),
        (ORCHESTRATOR, ("-p", "pipeline_file:=/no/such"), ExitCode.CONFIGURATION, "/no/such"),
        (ORCHESTRATOR, ("-p", "journal_path:=/proc/x/y"), ExitCode.CANNOT_CREATE, "/proc/x/y"),
        (ORCHESTRATOR, ("-p", "journal_path:=/etc/passwd"), ExitCode.DATA, "not a journal"),
    ],
)
def test_each_has_a_code_and_a_sentence(
    tmp_path: Path, name: str, arguments: tuple[str, ...], code: ExitCode, text: str
) -> None:
    ended = run(name, *arguments, HOME=str(tmp_path))
    assert ended.returncode == code and code in PERMANENT, ended.stderr
    assert text in ended.stderr and "Traceback" not in ended.stderr
    assert "\x1b" not in ended.stderr


def test_a_journal_in_use(tmp_path: Path) -> None:
    journal = tmp_path / "j.db"
    lock = Lock(journal)
    ended = run(ORCHESTRATOR, "-p", f"journal_path:={journal}", HOME=str(tmp_path))
    lock.close()
    assert ended.returncode == ExitCode.JOURNAL_IN_USE, ended.stderr
    assert "is in use by another orchestrator" in ended.stderr


@pytest.fixture
def up(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Up]:
    made = Up(*request.param)
    try:
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("up", [("--journal", "/etc/passwd")], indirect=True)
def test_up_does_not_try_it_again(up: Up) -> None:
    up.wait_for_line("[up] orchestrator ended with 65 (DATA): a restart cannot help")
    assert any("/etc/passwd is not a journal; move it away" in line for line in up.lines)
    up.read_on()
    assert up.process.wait(10.0) == ExitCode.DATA
    assert up.lines[-1].startswith(
        "error: the orchestrator cannot run: /etc/passwd is not a journal"
    )
    assert not any("restarting" in line for line in up.lines)


def test_up_without_the_libraries_of_ros(tmp_path: Path) -> None:
    """One sentence for each process, no traceback, no restart."""
    (tmp_path / "rclpy.py").write_text("raise ImportError('librcl.so: there is no such file')")
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    up = Up(variables={"PYTHONPATH": path})
    try:
        up.read_on()
        assert up.process.wait(20.0) == ExitCode.CONFIGURATION
        output = "".join(up.lines)
        assert "librcl.so: there is no such file); source the environment" in output
        assert "Traceback" not in output and "restarting it" not in output
    finally:
        up.end()


@pytest.mark.parametrize("variables", [{"HOME": None}, {"ROS_LOG_DIR": "/proc/none"}])
def test_up_logs_elsewhere_where_it_has_to(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str | None]
) -> None:
    for name in NO_PLACE[:3]:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    up = Up()
    try:
        up.wait_for_line("[up] ready")
    finally:
        up.end()
    told = [line for line in up.lines if "set ROS_LOG_DIR to choose their folder" in line]
    assert len(told) == 1, up.lines


# Log files #


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in NO_PLACE:
        monkeypatch.setenv(name, "/proc/none")  # so that it is restored
        monkeypatch.delenv(name)
    return monkeypatch


def test_a_folder_that_can_be_written_is_left(bare: pytest.MonkeyPatch, tmp_path: Path) -> None:
    bare.setenv("ROS_HOME", str(tmp_path / "ros"))
    log_directory.ensure()
    assert "ROS_LOG_DIR" not in os.environ and not list((tmp_path / "ros" / "log").iterdir())


@pytest.mark.parametrize("name", ["HOME", "ROS_HOME", "ROS_LOG_DIR", ""])
def test_another_folder_is_found(
    bare: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], name: str
) -> None:
    if name:
        bare.setenv(name, "/proc/none")
    log_directory.ensure()
    chosen = os.environ["ROS_LOG_DIR"]
    assert os.access(chosen, os.W_OK)
    assert re.fullmatch(rf"warning: log files go to {chosen} .*\n", capfd.readouterr().err)


def test_without_any_place_it_says_what_to_do(bare: pytest.MonkeyPatch) -> None:
    bare.setattr("tempfile.gettempdir", lambda: "/proc")
    with pytest.raises(OSError, match="set ROS_LOG_DIR to a folder that can be written"):
        log_directory.ensure()
