"""Processes are restarted, given up on, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil
import pytest

from sustainml_orchestrator.processes import supervisor
from sustainml_orchestrator.processes.programs import MODULES, Program, programs
from sustainml_orchestrator.processes.supervisor import Supervisor

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
UNRESPONSIVE = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('unresponsive', flush=True); time.sleep(600)",
)
DYING = (sys.executable, "-c", "raise SystemExit(3)")


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true in time"
        time.sleep(0.02)


def is_gone(pid: int) -> bool:
    """Whether it has ended; an orphan may stay a zombie until init takes it."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_killed_process_is_restarted() -> None:
    lines: list[tuple[str, str]] = []
    with Supervisor([Program("a", SLEEPER)], lambda *line: lines.append(line)) as group:
        first = group.pids["a"]
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: group.pids.get("a", first) != first)
        second = group.pids["a"]
    assert not psutil.pid_exists(second)
    assert ("up", "a was killed by SIGKILL; restarting it in 0.5 s") in lines


def test_what_dies_too_often_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_BACKOFF", (0.01, 0.01))
    lines: list[tuple[str, str]] = []
    with Supervisor([Program("a", DYING)], lambda *line: lines.append(line)) as group:
        wait_for(lambda: group.given_up == ["a"], 30.0)
    assert ("up", "a ended with 3, 10 times in 120 s; it is not restarted again") in lines


def test_a_program_that_is_not_there_is_told() -> None:
    lines: list[tuple[str, str]] = []
    with Supervisor(
        [Program("a", ("/no/such/program",))], lambda *line: lines.append(line)
    ) as group:
        assert group.is_running and not group.pids
    assert "a cannot be started" in lines[0][1]
    assert not group.is_running


def test_what_a_dead_process_leaves_behind_is_killed() -> None:
    """A process that dies takes the others of its group along."""
    lines: list[tuple[str, str]] = []
    parent = (
        "import subprocess, sys;"
        f"print(subprocess.Popen({SLEEPER!r}, stdout=subprocess.DEVNULL).pid, flush=True);"
        "sys.exit(1)"
    )
    program = Program("a", (sys.executable, "-c", parent))
    with Supervisor([program], lambda *line: lines.append(line)):
        wait_for(lambda: [text for name, text in lines if name == "a"])
        child = int(next(text for name, text in lines if name == "a"))
        wait_for(lambda: is_gone(child))


def test_output_is_read_even_when_it_cannot_be_shown() -> None:
    """A process must not block on a full pipe because the terminal has gone."""
    code = "for _ in range(20_000): print('x' * 80)\nimport os; os._exit(7)"
    ended: list[str] = []

    def tell(name: str, text: str) -> None:
        if name == "a":
            raise BrokenPipeError
        ended.append(text)

    with Supervisor([Program("a", (sys.executable, "-c", code))], tell):
        wait_for(lambda: ended)
    assert ended[0] == "a ended with 7; restarting it in 0.5 s"


def test_a_deaf_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_GRACE", 0.3)
    lines: list[tuple[str, str]] = []
    with Supervisor([Program("a", UNRESPONSIVE)], lambda *line: lines.append(line)) as group:
        wait_for(lambda: ("a", "unresponsive") in lines)
        pid = group.pids["a"]
    assert not psutil.pid_exists(pid)


def test_nothing_is_left_when_the_supervisor_is_killed() -> None:
    script = (
        "import sys, time; from sustainml_orchestrator.processes.supervisor import *;"
        f"group = Supervisor([Program('a', {SLEEPER!r})], lambda *line: None).__enter__();"
        "print(group.pids['a'], flush=True); time.sleep(600)"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        assert psutil.pid_exists(child)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: is_gone(child))


def test_the_programs_of_the_framework() -> None:
    every = programs(
        namespace="lab",
        without=["hw_resources"],
        journal="/a b",
        isolation="thread",
        params_file="p",
    )
    assert [p.name for p in every] == ["orchestrator", *(m for m in MODULES if m != "hw_resources")]
    assert 'journal_path:="/a b"' in every[0].command
    assert all({"__ns:=/lab", "--params-file", "p"} <= {*p.command} for p in every)
    words = " ".join(every[0].command)  # the file may set another size of the recording
    assert words.index("flight_recorder_bytes:=") < words.index("--params-file p")
    assert all('isolation:="thread"' in p.command for p in every[1:])
    assert not any("isolation" in word for p in programs(namespace="lab") for word in p.command)


# Nodes, forked off a process that has ROS loaded #


def is_called(process: psutil.Process, name: str) -> bool:
    """Whether `top` shows it so; the kernel keeps 15 characters."""
    return process.name() == name[:15]


@pytest.fixture
def nodes() -> list[Program]:
    wanted = ("app_requirements", "carbon_tracker")
    every = programs(namespace=f"/forked_{os.getpid()}_{time.monotonic_ns()}")
    return [program for program in every if program.name in wanted]


def test_forked_nodes_are_processes_like_any_other(nodes: list[Program]) -> None:
    lines: list[tuple[str, str]] = []
    told = {"SUSTAINML_TEST": "is told"}
    with Supervisor(nodes, lambda *line: lines.append(line), told) as group:
        pids = group.pids
        assert len({psutil.Process(pid).ppid() for pid in pids.values()}) == 1
        for program in nodes:
            process = psutil.Process(pids[program.name])
            wait_for(partial(is_called, process, program.name))
            assert " ".join(process.cmdline()).startswith(" ".join(program.command))
            assert os.getsid(process.pid) == process.pid != os.getsid(process.ppid())
        os.kill(pids["carbon_tracker"], signal.SIGKILL)
        wait_for(lambda: group.pids.get("carbon_tracker", 0) not in (0, pids["carbon_tracker"]))
        assert group.pids["app_requirements"] == pids["app_requirements"]
        pids |= group.pids
    assert ("up", "carbon_tracker was killed by SIGKILL; restarting it in 0.5 s") in lines
    assert not any(psutil.pid_exists(pid) for pid in pids.values())


def test_what_forks_nodes_can_die_too(nodes: list[Program]) -> None:
    lines: list[tuple[str, str]] = []
    with Supervisor(nodes, lambda *line: lines.append(line)) as group:
        before = group.pids
        os.kill(psutil.Process(before["carbon_tracker"]).ppid(), signal.SIGKILL)
        wait_for(lambda: len(group.pids) == 2 and not set(group.pids.values()) & {*before.values()})
        assert all(is_gone(pid) for pid in before.values())
    assert {name for name, text in lines if "restarting" in text} == {"up"}


def test_the_exit_code_and_the_words_of_a_forked_node_are_told(nodes: list[Program]) -> None:
    lines: list[tuple[str, str]] = []
    command = (*nodes[0].command, "-p", "isolation:=nonsense")
    wrong = Program("a", command, nodes[0].module)
    with Supervisor([wrong], lambda *line: lines.append(line)) as group:
        wait_for(lambda: group.given_up == ["a"])
    assert any(name == "a" and "nonsense" in text for name, text in lines)
    assert lines[-1][1].startswith("a ended with 64 (USAGE): a restart cannot help")


def test_a_forked_process_has_its_own_environment_and_arguments() -> None:
    lines: list[tuple[str, str]] = []
    script = "import os, sys; print(os.environ['SUSTAINML_TEST'], os.getenv('HOME'), *sys.argv[1:])"
    command = (sys.executable, "-m", "timeit", "-n1", "-r1", script)
    with Supervisor(
        [Program("a", command, "timeit")], lambda *line: lines.append(line), {"SUSTAINML_TEST": "x"}
    ):
        wait_for(lambda: [text for name, text in lines if name == "a"])
    assert next(text for name, text in lines if name == "a").split()[:3] == [
        "x", os.environ["HOME"], "-n1",
    ]  # fmt: skip


def test_a_fork_server_that_still_loads_ends_with_its_owner(tmp_path: Path) -> None:
    """Its owner may be killed before the fork server has loaded ROS."""
    loading = tmp_path / "loading"
    code = f"import pathlib, time\npathlib.Path({str(loading)!r}).touch()\ntime.sleep(600)\n"
    (tmp_path / "rclpy.py").write_text(code)
    start = (
        "from sustainml_orchestrator.processes.node_forker import NodeForker\n"
        "forker = NodeForker()\ninput()"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    with subprocess.Popen(
        [sys.executable, "-c", start], stdin=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    ) as owner:
        try:
            wait_for(loading.exists, 30.0)
            (server,) = psutil.Process(owner.pid).children()
        finally:
            owner.kill()
    wait_for(lambda: is_gone(server.pid))
