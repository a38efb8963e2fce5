"""Starts the processes of the framework, restarts what dies, and ends them all: `sustainml up`."""

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
from sustainml_orchestrator.processes.child_process import describe_exit
from sustainml_orchestrator.processes.fork_server import Child, readable
from sustainml_orchestrator.processes.node_forker import NodeForker
from sustainml_orchestrator.processes.programs import Program

_BACKOFF = (0.5, 8.0)  # first and longest pause before a restart, in s
_HEALTHY = 30.0  # a process that lived so long (s) starts its backoff anew
_LIMIT, _WINDOW = 10, 120.0  # deaths within so many s after which we give up on a process
_GRACE = 4.0  # from SIGTERM to SIGKILL, in s
_OUTPUT_TIMEOUT = 0.1  # how long what an ended process wrote may take to be read, in s


@dataclass
class _Supervised:
    program: Program
    process: Child | None = None
    started: float = 0.0
    start_at: float = 0.0
    pause: float = field(default_factory=lambda: _BACKOFF[0])
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=_LIMIT))
    given_up: bool = False
    reader: threading.Thread | None = None


class Supervisor:
    """Keeps processes alive, from entering its context to leaving it, on a thread of its own.

    Args:
        programs: what to start.
        log: takes one line: (name of the process, text); called from several threads.
        environment: added to ours.
        forker: which starts them; None = one is made.
    """

    def __init__(
        self,
        programs: Sequence[Program],
        log: Callable[[str, str], None],
        environment: dict[str, str] | None = None,
        forker: NodeForker | None = None,
    ) -> None:
        self._supervised = [_Supervised(program) for program in programs]
        self._log = log
        self._forker = forker
        # What they print is read as UTF-8, whatever the locale is.
        python = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8:backslashreplace"}
        self._environment = {**os.environ, **(environment or {}), **python}
        self._started = threading.Event()
        self._ended = False
        self._end, self._request_end = os.pipe()  # its other end is closed when all shall end
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

    def wait_for_news(self, *others: object) -> None:
        """Until it has given up on a process, or one of the others can be read."""
        if self._news in readable([self._news, *others], None):
            os.read(self._news, 1)

    def keeps(self, name: str) -> bool:
        """Whether it looks after a process: not so if that failed for good, or it failed itself."""
        return self.is_running and name not in self.given_up

    @property
    def is_running(self) -> bool:
        """Whether it looks after its processes; not so after an error of its own."""
        return self._thread.is_alive() and not self._ended

    @property
    def pids(self) -> dict[str, int]:
        """Of the processes that are alive, by name."""
        processes = [(one.program.name, one.process) for one in self._supervised]
        return {name: p.pid for name, p in processes if p is not None and p.returncode is None}

    @property
    def given_up(self) -> list[str]:
        """Names of the processes that are not restarted any more."""
        return [one.program.name for one in self._supervised if one.given_up]

    def _run(self) -> None:
        try:
            shared_memory.remove_leftovers()
            while True:
                for supervised in self._supervised:
                    self._look_after(supervised, time.monotonic())
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
        """Until there may be something to do; True when that is to end."""
        waiting = [one for one in self._supervised if one.process is None and not one.given_up]
        running = [one.process for one in self._supervised if one.process is not None]
        starts = [one.start_at - time.monotonic() for one in waiting]
        return self._end in readable([self._end, *running], min(starts, default=None))

    def _look_after(self, supervised: _Supervised, now: float) -> None:
        """Start what is to run; restart what died, after a pause that grows, but not for ever."""
        process = supervised.process
        if process is not None and (code := process.poll()) is not None:
            supervised.process = None
            process.close()
            self._note_end(supervised, code, now)
        elif process is None and not supervised.given_up and now >= supervised.start_at:
            try:
                self._start(supervised, now)
            except OSError as error:
                self._plan_restart(supervised, f"cannot be started ({error})", now)

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
                # Whatever becomes of our own output, theirs is read: they must not block on it.
                with suppress(OSError, SystemExit):
                    self._log(name, line.rstrip())

    def _note_end(self, supervised: _Supervised, code: int, now: float) -> None:
        if code < 0:  # killed: it could not give back its shared memory
            shared_memory.remove_leftovers()
        how = describe_exit(code)
        if code not in PERMANENT:
            self._plan_restart(supervised, how, now)
            return
        if supervised.reader is not None:
            supervised.reader.join(_OUTPUT_TIMEOUT)  # what it said comes before what we say
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
        """SIGTERM, and SIGKILL for what does not heed it."""
        running = [one.process for one in self._supervised if one.process is not None]
        for process in running:
            process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _GRACE
        for process in running:
            with suppress(subprocess.TimeoutExpired):
                process.wait(deadline - time.monotonic())
        if self._forker is not None:
            self._forker.close()  # it kills what is left
        for one in self._supervised:
            if one.process is not None:
                one.process.close()
            if one.reader is not None:
                one.reader.join(_OUTPUT_TIMEOUT)
        shared_memory.remove_leftovers()
