"""Process isolation: user code in worker processes, which can be killed and may crash."""

from __future__ import annotations

import contextlib
import itertools
import queue
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from typing import Any

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.processes.child_process import describe_exit
from sustainml_orchestrator.processes.fork_server import ForkServer, readable
from sustainml_orchestrator.sdk.actions import Failed, Job, Outcome
from sustainml_orchestrator.sdk.channel import Channel
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.worker_process import Cancel, Configure, Setup
from sustainml_orchestrator.sdk.workers import BrokenWorkersError, Workers, call_of, no_answer

_transactions = itertools.count(1)


class WorkerProcess:
    """The node's end of one worker process."""

    def __init__(self, fork_server: ForkServer, setup: Setup) -> None:
        """Fork a worker; it begins with ``on_start``.

        Raises:
            BrokenWorkersError: there is no way to make a process.
        """
        calls, their_calls = socket.socketpair()
        side, their_side = socket.socketpair()
        self._calls = Channel(calls)
        self._side = Channel(side)
        self._unanswered: dict[int, dict[str, Any]] = {}
        #: ``on_start`` has ended well.
        self.ready = False
        #: Not configured like the others: to be replaced when its call has ended.
        self.outdated = False
        try:
            with their_calls, their_side:
                descriptors = their_calls.fileno(), their_side.fileno()
                self._process = fork_server.spawn(b"worker", descriptors)
            self._calls.send(setup)
        except OSError as error:
            raise BrokenWorkersError(f"no worker process can be started: {error}") from error

    @property
    def usable(self) -> bool:
        """Whether it can be given a call."""
        return not self.outdated and self._process.poll() is None

    def await_ready(self) -> None:
        """Wait for the end of ``on_start``.

        Raises:
            BrokenWorkersError: it failed or crashed.
        """
        try:
            error = self._receive()
        except EOFError as gone:
            raise BrokenWorkersError(f"on_start failed: {gone}") from gone
        if error:
            raise BrokenWorkersError(f"on_start failed: {error}")
        self.ready = True

    def run(self, job: Job) -> Outcome:
        """Have a task worked on, and wait for the outcome."""
        try:
            self._calls.send(call_of(job))
            return self._receive()
        except (EOFError, OSError):
            return Failed(ErrorCode.INTERNAL_ERROR, f"{self._how_it_ended()} during process()")

    def _receive(self) -> Any:
        """The next answer.

        Raises:
            EOFError: the process has ended, and how.
        """
        try:
            # Processes that user code forked may hold its ends open: do not wait for them.
            if self._calls in readable([self._calls, self._process], None):
                return self._calls.receive()
        except (EOFError, OSError):
            pass
        raise EOFError(self._how_it_ended())

    def _how_it_ended(self) -> str:
        """Waits a little: the end of its connection is seen before its death."""
        try:
            return f"the worker process {describe_exit(self._process.wait(1.0))}"
        except subprocess.TimeoutExpired:
            return "the worker process closed its connection"

    def cancel(self, number: int) -> None:
        """Tell the call with this number that nobody waits for it."""
        with contextlib.suppress(OSError):  # it has ended, one way or the other
            self._side.send(Cancel(number))

    def configure(
        self, configuration: dict[str, Any], deadline: float, accepted: dict[str, Any]
    ) -> dict[str, Any]:
        """Hand over a configuration and wait for the answer; add to ``accepted`` what was taken.

        Raises:
            ModuleError: it was refused.
            TimeoutError: no answer by ``deadline`` (monotonic, s).
            EOFError, OSError: the worker is gone.
        """
        transaction = next(_transactions)
        self._unanswered[transaction] = configuration
        self._side.send(Configure(transaction, configuration, deadline))
        while readable([self._side], deadline - time.monotonic()):
            answered, answer, error = self._side.receive()
            taken = self._unanswered.pop(answered, {})
            if answer is not None:
                accepted.update(taken)
            if answered == transaction:
                if error is not None:
                    raise ModuleError(*error)
                return answer
        raise TimeoutError

    def follow(self, configuration: dict[str, Any], deadline: float) -> None:
        """Hand over what another worker has accepted; if it fails here, this one is outdated."""
        try:
            self.configure(configuration, deadline, {})
        except (ModuleError, TimeoutError, EOFError, OSError):
            self.outdated = True

    def close(self) -> None:
        """Let it end by itself, which it does unless it is busy."""
        self._calls.close()
        self._side.close()

    def kill(self) -> None:
        """End it by force, with all that it started."""
        self._process.send_signal(signal.SIGKILL)


class ProcessWorkers(Workers):
    """A set of worker processes, each replaced when it dies."""

    def __init__(
        self,
        fork_server: ForkServer,
        *,
        instance: str,
        count: int,
        cancel_grace: float,
        configuration: dict[str, Any],
    ) -> None:
        """A cancelled call is killed after ``cancel_grace`` s.

        ``configuration`` is what was accepted before; new ones are added to it.
        """
        self._fork_server = fork_server
        self._instance = instance
        self._count = count
        self._cancel_grace = cancel_grace
        self._configuration = configuration
        self._configuring = threading.Lock()
        self._changed = threading.Condition()
        self._free: queue.SimpleQueue[WorkerProcess] = queue.SimpleQueue()
        self._all: set[WorkerProcess] = set()
        self._running: dict[int, WorkerProcess] = {}
        self._cancelled: set[int] = set()
        self._ended = False

    def prepare(self) -> None:
        """Fork all workers; they run ``on_start`` side by side."""
        workers = [self._spawn() for _ in range(self._count)]
        for worker in workers:
            worker.await_ready()
            self._free.put(worker)

    def run(self, job: Job, report: Callable[[Outcome], None]) -> None:
        """Have a free worker call ``process``; replace it when that cost its life."""
        worker = self._free.get()
        try:
            if not worker.usable:  # it died while it had nothing to do
                worker = self._replace(worker)
            with self._changed:
                self._running[job.number] = worker
                cancelled = job.number in self._cancelled
            if cancelled:
                report(Failed(ErrorCode.CANCELLED, "cancelled before it began"))
            else:
                report(worker.run(job))
        except BrokenWorkersError as error:
            report(Failed(ErrorCode.NODE_UNAVAILABLE, str(error)))
            raise
        finally:
            with self._changed:
                self._running.pop(job.number, None)
                self._cancelled.discard(job.number)
                self._changed.notify_all()
        if not worker.usable and not self._ended:
            worker = self._replace(worker)
        self._free.put(worker)

    def cancel(self, job: Job) -> None:
        """Tell a call that nobody waits for it, and kill it if it does not heed."""
        with self._changed:
            self._cancelled.add(job.number)
            worker = self._running.get(job.number)
        if worker is not None:
            worker.cancel(job.number)
        timer = threading.Timer(self._cancel_grace, self._kill, [job.number])
        timer.daemon = True
        timer.start()

    def configure(self, configuration: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Hand a configuration to all workers, one after the other."""
        deadline = time.monotonic() + timeout
        if not self._configuring.acquire(timeout=timeout):
            raise no_answer(timeout)
        try:
            answer, asked = self._ask_one(configuration, deadline, timeout)
            with self._changed:
                others = self._all - {asked} if configuration else set()
            for worker in others:
                worker.follow(configuration, deadline)
            return answer
        finally:
            self._configuring.release()

    def _ask_one(
        self, configuration: dict[str, Any], deadline: float, timeout: float
    ) -> tuple[dict[str, Any], WorkerProcess]:
        """Ask the worker that is likeliest to answer: ready, and not busy."""
        with self._changed:
            busy = set(self._running.values())
            ready = [worker for worker in self._all if worker.ready and worker.usable]
        try:
            worker = min(ready, key=lambda worker: worker in busy)
            return worker.configure(configuration, deadline, self._configuration), worker
        except TimeoutError as error:
            raise no_answer(timeout) from error
        except (ValueError, EOFError, OSError) as error:
            raise ModuleError(
                "the worker process is being replaced; try again", ErrorCode.NODE_UNAVAILABLE
            ) from error

    def end(self, grace: float) -> bool:
        """Cancel everything, wait, and kill what is left."""
        with self._changed:
            self._ended = True
            running = dict(self._running)
            for worker in self._all - set(running.values()):
                worker.close()
        for number, worker in running.items():
            worker.cancel(number)
        with self._changed:
            self._changed.wait_for(lambda: not self._running, grace)
            workers = list(self._all)
        for worker in workers:
            worker.close()
            worker.kill()
        return True

    def _kill(self, number: int) -> None:
        with self._changed:
            if worker := self._running.get(number):
                worker.kill()

    def _spawn(self) -> WorkerProcess:
        with self._changed:
            if self._ended:
                raise BrokenWorkersError("the workers were ended meanwhile")
            setup = Setup(self._instance, dict(self._configuration))
            worker = WorkerProcess(self._fork_server, setup)
            self._all.add(worker)
            return worker

    def _replace(self, worker: WorkerProcess) -> WorkerProcess:
        worker.close()
        worker.kill()
        with self._changed:
            self._all.discard(worker)
        successor = self._spawn()
        successor.await_ready()
        return successor
