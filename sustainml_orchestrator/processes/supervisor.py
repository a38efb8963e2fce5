"""Starts the processes of the framework, restarts what dies, and ends them all: `sustainml up`."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import IO

from sustainml_orchestrator.processes import child_process, fork_server
from sustainml_orchestrator.processes.fork_server import Forked, ForkServer

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
_LIMIT, _WINDOW = 10, 120.0  # deaths within so many s after which we give up on a process
_LOOK = 0.1  # how often we look after them where the kernel does not tell of their end, in s
_GRACE = 4.0  # from SIGTERM to SIGKILL, in s
_LAST_WORDS = 0.1  # how long what an ended process wrote may take to be read, in s


@dataclass(frozen=True)
class Program:
    """One process to keep alive.

    Attributes:
        name: what it is called.
        command: its command line.
        module: where that is `python -m module …` and the module a node of the framework, which
            can be forked off one that has ROS loaded; else "".
    """

    name: str
    command: tuple[str, ...]
    module: str = ""


@dataclass
class _Child:
    program: Program
    process: subprocess.Popen[bytes] | Forked | None = None
    #: Readable when the process has ended; None where the system has no such thing.
    pidfd: int | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause: float = field(default_factory=lambda: _BACKOFF[0])
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
    isolation: str = "",
    log_level: str = "info",
) -> list[Program]:
    """The orchestrator and its modules as command lines; "" leaves a setting as it is."""
    common = ["--ros-args", "-r", f"__ns:=/{namespace.strip('/')}", "--log-level", log_level]
    if params_file:
        common += ["--params-file", params_file]
    modules = {name: {"isolation": isolation} for name in MODULES if name not in without}
    settings = {"journal_path": journal, "pipeline_file": pipeline_file}
    return [
        _program("orchestrator", "node.orchestrator_node", common, settings),
        *(
            _program(name, f"reference_modules.{name}", common, given)
            for name, given in modules.items()
        ),
    ]


def _program(name: str, module: str, common: list[str], settings: dict[str, str]) -> Program:
    given = [word for k, v in settings.items() if v for word in ("-p", f"{k}:={json.dumps(v)}")]
    full = f"sustainml_orchestrator.{module}"
    return Program(name, (sys.executable, "-m", full, *common, *given), full)


class Supervisor:
    """Keeps processes alive, from entering its context to leaving it.

    A thread of its own starts and watches them: the kernel ends them with the thread that forked
    them, and a signal handler of the program can thus not come between a fork and its record.

    Args:
        children: what to start.
        tell: takes one line: (name of the process, text); called from several threads.
        environment: added to ours.
        parent: which forks those that can be forked; None = one is made when it is needed.
    """

    def __init__(
        self,
        children: Sequence[Program],
        tell: Callable[[str, str], None],
        environment: dict[str, str] | None = None,
        parent: ForkServer | None = None,
    ) -> None:
        self._children = [_Child(program) for program in children]
        self._tell = tell
        self._zygote = parent
        self._environment = {**os.environ, **(environment or {}), "PYTHONUNBUFFERED": "1"}
        self._started = threading.Event()
        self._over = threading.Event()  # it may be that we give up on something
        self._ended = False
        self._woken, self._wake = os.pipe()  # its other end is closed when all shall end
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        try:
            self._started.wait()
        except BaseException:  # a signal
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._wake)
        self._thread.join()

    def wait(self, name: str) -> None:
        """Until it does not look after a process any more."""
        while self.keeps(name):
            self._over.wait()
            self._over.clear()

    def keeps(self, name: str) -> bool:
        """Whether it looks after a process: not so if that died too often, or it failed itself."""
        return self.is_running and name not in self.given_up

    @property
    def is_running(self) -> bool:
        """Whether it looks after its processes; not so after an error of its own."""
        return self._thread.is_alive() and not self._ended

    @property
    def pids(self) -> dict[str, int]:
        """Of the processes that are alive, by name."""
        children = [(child.program.name, child.process) for child in self._children]
        return {name: p.pid for name, p in children if p is not None and p.returncode is None}

    @property
    def given_up(self) -> list[str]:
        """Names of the processes that died too often."""
        return [child.program.name for child in self._children if child.given_up]

    def _run(self) -> None:
        try:
            while True:
                for child in self._children:
                    self._look_after(child, time.monotonic())
                self._started.set()
                if self._sleep():
                    return
        finally:
            self._ended = True
            self._started.set()
            self._over.set()
            self._end_all()
            os.close(self._woken)

    def _sleep(self) -> bool:
        """Until there may be something to do; True when that is to end."""
        waits = [
            max(0.0, child.start_at - time.monotonic())
            for child in self._children
            if child.process is None and not child.given_up
        ]
        alive = [child for child in self._children if child.process is not None]
        ends = [child.pidfd for child in alive if child.pidfd is not None]
        if len(ends) < len(alive):
            waits.append(_LOOK)
        timeout = min(waits) if waits else None
        return self._woken in select.select([self._woken, *ends], [], [], timeout)[0]

    def _look_after(self, child: _Child, now: float) -> None:
        """Start what is to run; restart what died, after a pause that grows, but not for ever."""
        process = child.process
        if process is not None and process.poll() is not None:
            child.process = None
            _close(child)
            child_process.kill_group(process.pid)
            self._note_death(child, _how_it_ended(process.returncode), now)
        elif process is None and not child.given_up and now >= child.start_at:
            try:
                self._start(child, now)
            except OSError as error:
                self._note_death(child, f"cannot be started ({error})", now)

    def _start(self, child: _Child, now: float) -> None:
        child.started = now
        reading, writing = os.pipe()
        output = os.fdopen(reading, encoding="utf-8", errors="replace")
        try:
            if child.program.module and fork_server.is_possible():
                child.process = forked = self._fork(child.program, writing)
                child.pidfd = forked.pidfd
            else:
                child.process = executed = self._execute(child.program, writing)
                child.pidfd = os.pidfd_open(executed.pid) if hasattr(os, "pidfd_open") else None
        except BaseException:
            output.close()
            raise
        finally:
            os.close(writing)
        child.reader = threading.Thread(
            target=self._forward, args=(child.program.name, output), daemon=True
        )
        child.reader.start()

    def _fork(self, program: Program, output: int) -> Forked:
        if self._zygote is None or not self._zygote.is_alive:
            self._zygote = ForkServer()
        return self._zygote.spawn(
            program.name, program.module, program.command, self._environment, output
        )

    def _execute(self, program: Program, output: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            program.command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # A session of its own: Ctrl-C in the terminal reaches us alone, and we end the others.
            start_new_session=True,
            preexec_fn=partial(child_process.die_with, os.getpid()),
        )

    def _forward(self, name: str, output: IO[str]) -> None:
        with output:
            for line in output:
                # Whatever becomes of our own output, theirs is read: they must not block on it.
                with suppress(OSError, SystemExit):
                    self._tell(name, line.rstrip())

    def _note_death(self, child: _Child, how: str, now: float) -> None:
        if now - child.started > _HEALTHY:
            child.pause = _BACKOFF[0]
        child.deaths.append(now)
        if len(child.deaths) == _LIMIT and now - child.deaths[0] < _WINDOW:
            child.given_up = True
            then = f", {_LIMIT} times in {_WINDOW:g} s; it is not restarted again"
        else:
            then = f"; restarting it in {child.pause:g} s"
        self._tell("up", f"{child.program.name} {how}{then}")
        child.start_at = now + child.pause
        child.pause = min(2 * child.pause, _BACKOFF[1])
        if child.given_up:
            self._over.set()

    def _end_all(self) -> None:
        """SIGTERM, and SIGKILL for what does not heed it."""
        running = [c.process for c in self._children if c.process is not None]
        for process in running:
            process.terminate()
        deadline = time.monotonic() + _GRACE
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
            child_process.kill_group(process.pid)
            process.wait()
        for child in self._children:
            if child.reader is not None:
                child.reader.join(_LAST_WORDS)
            _close(child)
        if self._zygote is not None:
            self._zygote.close()


def _close(child: _Child) -> None:
    pidfd, child.pidfd = child.pidfd, None
    if pidfd is not None:
        os.close(pidfd)


def _how_it_ended(code: int) -> str:
    if code >= 0:
        return f"ended with {code}"
    try:
        return f"was killed by {signal.Signals(-code).name}"
    except ValueError:  # a real-time signal has no name
        return f"was killed by signal {-code}"
