"""Starts the processes of the framework, restarts what dies, and ends them all: `sustainml up`."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

MODULES = (
    "app_requirements",
    "ml_model_metadata",
    "hw_constraints",
    "ml_model_provider",
    "hw_resources",
    "carbon_tracker",
)
_BACKOFF = (0.5, 8.0)  # first and longest pause before a restart, in s
_HEALTHY = 30.0  # a process that lived so long (s) starts its backoff anew
_LIMIT, _WINDOW = 10, 60.0  # restarts within so many s before we give up on a process
_GRACE = 4.0  # from SIGTERM to SIGKILL, in s
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class Program:
    """One process to keep alive: what it is called, and its command line."""

    name: str
    command: tuple[str, ...]


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    restart_at: float = 0.0
    pause: float = _BACKOFF[0]
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_LIMIT))
    given_up: bool = False
    reader: threading.Thread | None = None


def programs(
    *,
    namespace: str,
    without: Sequence[str] = (),
    params_file: str = "",
    pipeline_file: str = "",
    journal: str = "",
    isolation: str = "process",
    log_level: str = "info",
) -> list[Program]:
    """The orchestrator and its modules as command lines."""
    common = ["--ros-args", "-r", f"__ns:=/{namespace.strip('/')}", "--log-level", log_level]
    orchestrator = list(common)
    if params_file:
        orchestrator += ["--params-file", params_file]
    for name, value in (("journal_path", journal), ("pipeline_file", pipeline_file)):
        if value:
            orchestrator += ["-p", f"{name}:={value}"]
    start = (sys.executable, "-m")
    result = [Program("orchestrator", (*start, "sustainml_orchestrator.ros.node", *orchestrator))]
    for name in MODULES:
        if name not in without:
            module = f"sustainml_orchestrator.modules.{name}"
            isolated = ("-p", f"isolation:={isolation}")
            result.append(Program(name, (*start, module, *common, *isolated)))
    return result


def _die_with_parent() -> None:
    """In the child: be killed when the supervisor is, so that nothing is ever left behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Supervisor:
    """Keeps processes alive.

    Args:
        tell: takes one line: (name of the process, text).
    """

    def __init__(
        self,
        children: Sequence[Program],
        tell: Callable[[str, str], None],
        environment: dict[str, str] | None = None,
    ) -> None:
        self._children = [_Child(program) for program in children]
        self._tell = tell
        self._environment = {**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}

    def __enter__(self) -> Supervisor:
        try:
            for child in self._children:
                self._start(child)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pids(self) -> dict[str, int]:
        """Of the processes that are alive, by name."""
        return {
            child.program.name: child.process.pid
            for child in self._children
            if child.process is not None and child.process.poll() is None
        }

    @property
    def given_up(self) -> list[str]:
        """Names of the processes that died too often."""
        return [child.program.name for child in self._children if child.given_up]

    def _start(self, child: _Child) -> None:
        # A session of its own: Ctrl-C in the terminal reaches us alone, and we end the others.
        child.process = subprocess.Popen(
            child.program.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
        child.started = time.monotonic()
        child.reader = threading.Thread(
            target=self._forward, args=(child.program.name, child.process), daemon=True
        )
        child.reader.start()

    def _forward(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self._tell(name, line.rstrip())

    def poll(self) -> None:
        """Restart what died, after a pause that grows; give up on what dies too often."""
        now = time.monotonic()
        for child in self._children:
            process = child.process
            if child.given_up or process is None and now < child.restart_at:
                continue
            if process is None:
                self._start(child)
            elif process.poll() is not None:
                self._bury(child, process, now)

    def _bury(self, child: _Child, process: subprocess.Popen[str], now: float) -> None:
        name, child.process = child.program.name, None
        if now - child.started > _HEALTHY:
            child.pause = _BACKOFF[0]
        child.deaths.append(now)
        how = f"ended with {process.returncode}"
        if process.returncode < 0:
            how = f"was killed by {signal.Signals(-process.returncode).name}"
        if len(child.deaths) == _LIMIT and now - child.deaths[0] < _WINDOW:
            child.given_up = True
            self._tell("up", f"{name} {how}, {_LIMIT} times in {_WINDOW:g} s; not restarted again")
            return
        self._tell("up", f"{name} {how}; restarting it in {child.pause:g} s")
        child.restart_at = now + child.pause
        child.pause = min(2 * child.pause, _BACKOFF[1])

    def stop(self) -> None:
        """End all processes: SIGTERM, and SIGKILL for what does not heed it."""
        running = [c.process for c in self._children if c.process is not None]
        for process in running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in running:
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        for child in self._children:
            child.process = None
