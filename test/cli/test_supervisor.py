"""Processes are restarted, given up on, and never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import psutil
import pytest

from sustainml_orchestrator import supervisor
from sustainml_orchestrator.supervisor import MODULES, Program, Supervisor, programs

SLEEPER = (sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)")
DEAF = (
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
    "print('deaf', flush=True); time.sleep(600)",
)
DYING = (sys.executable, "-c", "raise SystemExit(3)")


def wait_for(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "condition did not come true in time"
        time.sleep(0.02)


def test_a_killed_process_is_restarted() -> None:
    lines: list[tuple[str, str]] = []
    with Supervisor([Program("a", SLEEPER)], lambda *line: lines.append(line)) as group:
        first = group.pids["a"]
        os.kill(first, signal.SIGKILL)

        def restarted() -> bool:
            group.poll()
            return group.pids.get("a", first) != first

        wait_for(restarted)
        second = group.pids["a"]
    assert not psutil.pid_exists(second)
    assert ("up", "a was killed by SIGKILL; restarting it in 0.5 s") in lines


def test_what_dies_too_often_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_BACKOFF", (0.01, 0.01))
    lines: list[tuple[str, str]] = []
    with Supervisor([Program("a", DYING)], lambda *line: lines.append(line)) as group:
        for child in group._children:
            child.pause = 0.01

        def given_up() -> bool:
            group.poll()
            return group.given_up == ["a"]

        wait_for(given_up, 30.0)
    assert any("a ended with 3, 10 times in 60 s; not restarted again" in t for _, t in lines)


def test_a_deaf_process_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "_GRACE", 0.3)
    lines: list[tuple[str, str]] = []
    with Supervisor([Program("a", DEAF)], lambda *line: lines.append(line)) as group:
        wait_for(lambda: ("a", "deaf") in lines)
        pid = group.pids["a"]
    assert not psutil.pid_exists(pid)


def test_nothing_is_left_when_the_supervisor_is_killed() -> None:
    script = (
        "import sys, time; from sustainml_orchestrator.supervisor import *;"
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

    def gone() -> bool:
        try:
            return psutil.Process(child).status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return True

    wait_for(gone)


def test_the_programs_of_the_framework() -> None:
    every = programs(namespace="lab", without=["hw_resources"], journal="/j", isolation="thread")
    assert [p.name for p in every] == ["orchestrator", *(m for m in MODULES if m != "hw_resources")]
    assert "journal_path:=/j" in every[0].command
    assert all("__ns:=/lab" in p.command for p in every)
    assert all("isolation:=thread" in p.command for p in every[1:])
