"""The supervisor of `sustainml up`: starts processes, restarts those that end, ends them all."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO

from sustainml_orchestrator.contract import shared_memory
from sustainml_orchestrator.contract.exit_codes import PERMANENT, ExitCode
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.processes.child_process import describe_exit
from sustainml_orchestrator.processes.fork_server import Child, readable
from sustainml_orchestrator.processes.node_forker import NodeForker
from sustainml_orchestrator.processes.programs import Program

_BACKOFF = (0.5, 8.0)  # first and longest delay of a restart, in s
_HEALTHY = 30.0  # the backoff of a process that ran so long (s) starts again
_LIMIT, _WINDOW = 10, 120.0  # so many ends within so many s: no further restart
_GRACE = 4.0  # from SIGTERM to SIGKILL, in s
_OUTPUT_TIMEOUT = 0.1  # maximum time to read the last output of a process, in s


@dataclass
class _Supervised:
    program: Program
    process: Child | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause: float = field(default_factory=lambda: _BACKOFF[0])
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_LIMIT))
    given_up: bool = False
    permanent_error: int = 0  # its exit code
    reader: threading.Thread | None = None


class Supervisor:
    """A context manager that keeps processes running; it works in a thread of its own.

    Args:
        programs: the processes.
        log: called with the name of a process and a line of text, from several threads.
        environment: variables added to those of this process.
        forker: starts the processes; None = one is created.
        request: readable when no further process is to be started.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        log: Callable[[str, str], None],
        environment: dict[str, str] | None = None,
        forker: NodeForker | None = None,
        request: object = None,
    ) -> None:
        self._supervised = [_Supervised(program) for program in programs]
        self._log = log
        self._forker = forker
        # Their output is read as UTF-8, whichever the locale is.
        python = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
        self._environment = {**os.environ, **(environment or {}), **python}
        self._started = threading.Event()
        self._ended = False
        self._end, self._request_end = os.pipe()  # its other end is closed when all shall end
        self._requests: list[object] = [self._end] if request is None else [self._end, request]
        self._news, self._announce = os.pipe()
        self._thread = threading.Thread(target=self._run, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._request_end)
        self._thread.join()
        os.close(self._news)

    def wait_for_news(self, *others: object, timeout: float | None = None) -> None:
        """Wait until a process is given up, one of `others` is readable, or so many s are over."""
        if self._news in readable([self._news, *others], timeout):
            os.read(self._news, 1)

    def keeps(self, name: str) -> bool:
        """Whether a process is supervised: neither given up, nor has the supervisor failed."""
        return self.is_running and name not in self.given_up

    @property
    def is_running(self) -> bool:
        """Whether the supervisor works; False after an error of its own."""
        return self._thread.is_alive() and not self._ended

    @property
    def pids(self) -> dict[str, int]:
        """Process ids of the running processes, by name."""
        processes = [(one.program.name, one.process) for one in self._supervised]
        return {name: p.pid for name, p in processes if p is not None and p.returncode is None}

    @property
    def given_up(self) -> list[str]:
        """Names of the processes that are not restarted again."""
        return [one.program.name for one in self._supervised if one.given_up]

    def permanent_error(self, name: str) -> int:
        """The exit code for which a process is not restarted; 0 if there is none."""
        return next((o.permanent_error for o in self._supervised if o.program.name == name), 0)

    def _run(self) -> None:
        try:
            shared_memory.remove_leftovers()
            while True:
                for supervised in self._supervised:
                    if not readable(self._requests, 0):
                        self._check(supervised, time.monotonic())
                self._started.set()
                if self._sleep():
                    return
        finally:
            self._ended = True
            self._started.set()
            self._end_all()
            os.close(self._announce)
            os.close(self._end)

    def _sleep(self) -> bool:
        """Wait for the end or the restart of a process; returns True when all are to end."""
        waiting = [one for one in self._supervised if one.process is None and not one.given_up]
        running = [one.process for one in self._supervised if one.process is not None]
        starts = [one.start_at - time.monotonic() for one in waiting]
        return self._end in readable([self._end, *running], min(starts, default=None))

    def _check(self, supervised: _Supervised, now: float) -> None:
        """Note the end of a process; start one whose delay is over."""
        process = supervised.process
        if process is not None and (code := process.poll()) is not None:
            supervised.process = None
            process.close()
            self._note_end(supervised, code, now)
        elif process is None and not supervised.given_up and now >= supervised.start_at:
            try:
                self._start(supervised, now)
            except OSError as error:
                self._plan_restart(supervised, f"cannot be started ({cause(error)})", now)

    def _start(self, supervised: _Supervised, now: float) -> None:
        program, supervised.started = supervised.program, now
        if shutil.which(program.command[0]) is None:
            raise FileNotFoundError(f"there is no program {program.command[0]}")
        if self._forker is None:
            self._forker = NodeForker(preload=any(one.program.module for one in self._supervised))
        reading, writing = os.pipe()
        output = os.fdopen(reading, encoding="utf-8", errors="replace")
        try:
            supervised.process = self._forker.start(
                program.name, program.command, self._environment, writing, program.module
            )
        except BaseException:
            output.close()
            raise
        finally:
            os.close(writing)
        supervised.reader = threading.Thread(
            target=self._forward, args=(program.name, output), daemon=True
        )
        supervised.reader.start()

    def _forward(self, name: str, output: IO[str]) -> None:
        with output:
            for line in output:
                # Read on even if our own output fails: they would block on a full pipe.
                with suppress(OSError, SystemExit):
                    self._log(name, line.rstrip())

    def _note_end(self, supervised: _Supervised, code: int, now: float) -> None:
        if code < 0:  # killed: it has not removed its shared memory
            shared_memory.remove_leftovers()
        how = describe_exit(code)
        if code not in PERMANENT:
            self._plan_restart(supervised, how, now)
            return
        supervised.permanent_error = code
        if supervised.reader is not None:
            supervised.reader.join(_OUTPUT_TIMEOUT)  # its last lines come first
        self._give_up(
            supervised,
            f"{how} ({ExitCode(code).name}): a restart cannot help; it says above what to do",
        )

    def _plan_restart(self, supervised: _Supervised, how: str, now: float) -> None:
        if now - supervised.started > _HEALTHY:
            supervised.pause = _BACKOFF[0]
        supervised.deaths.append(now)
        if len(supervised.deaths) == _LIMIT and now - supervised.deaths[0] < _WINDOW:
            self._give_up(
                supervised, f"{how}, {_LIMIT} times in {_WINDOW:g} s; it is not restarted again"
            )
            return
        self._log("up", f"{supervised.program.name} {how}; restarting it in {supervised.pause:g} s")
        supervised.start_at = now + supervised.pause
        supervised.pause = min(2 * supervised.pause, _BACKOFF[1])

    def _give_up(self, supervised: _Supervised, why: str) -> None:
        supervised.given_up = True
        self._log("up", f"{supervised.program.name} {why}")
        os.write(self._announce, b"x")

    def _end_all(self) -> None:
        """Send SIGTERM, then SIGKILL to those that have not ended after _GRACE."""
        running = [one.process for one in self._supervised if one.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(deadline - time.monotonic())
        if self._forker is not None:
            self._forker.close()  # kills those that are left
        for one in self._supervised:
            if one.process is not None:
                one.process.close()
            if one.reader is not None:
                one.reader.join(_OUTPUT_TIMEOUT)
        shared_memory.remove_leftovers()
