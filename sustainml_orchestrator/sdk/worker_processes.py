"""Process isolation: user code in worker processes, which can be killed and may crash."""

from __future__ import annotations

import contextlib
import itertools
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from multiprocessing import Pipe
from typing import Any

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.processes.child_process import describe_exit
from sustainml_orchestrator.processes.fork_server import ForkServer, readable
from sustainml_orchestrator.sdk.actions import Failed, Job, Outcome
from sustainml_orchestrator.sdk.module_spec import ModuleSpec
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.worker_process import Cancel, Configure, Setup
from sustainml_orchestrator.sdk.workers import BrokenWorkersError, Workers, no_answer

_transactions = itertools.count(1)


class WorkerProcess:
    """The node's end of one worker process."""

    def __init__(self, fork_server: ForkServer, setup: Setup) -> None:
        """Fork a worker, which calls `on_start`.

        Raises:
            BrokenWorkersError: no process can be started.
        """
        self._calls, their_calls = Pipe()
        self._side, their_side = Pipe()
        self._sending = threading.Lock()
        self._unanswered: dict[int, dict[str, Any]] = {}
        #: Whether `on_start` has succeeded.
        self.ready = False
        #: Whether it lacks a configuration that others accepted; it is replaced after its call.
        self.outdated = False
        try:
            with their_calls, their_side:
                descriptors = their_calls.fileno(), their_side.fileno()
                self._process = fork_server.spawn(b"worker", descriptors)
            self._calls.send(setup)
        except OSError as error:
            raise BrokenWorkersError(f"no worker process can be started: {cause(error)}") from error

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
        """Call `process` in the worker and wait for the outcome."""
        try:
            self._calls.send(job)
            return self._receive()
        except (EOFError, OSError):
            return Failed(ErrorCode.INTERNAL_ERROR, f"{self._how_it_ended()} during process()")

    def _receive(self) -> Any:
        """The next answer.

        Raises:
            EOFError: the process has ended, and how.
        """
        try:
            # Not until the connection is closed: children of user code may hold it open.
            if self._calls in readable([self._calls, self._process], None):
                return self._calls.recv()
        except (EOFError, OSError):
            pass
        raise EOFError(self._how_it_ended())

    def _how_it_ended(self) -> str:
        """Wait briefly: the connection ends before the process does."""
        try:
            return f"the worker process {describe_exit(self._process.wait(1.0))}"
        except subprocess.TimeoutExpired:
            return "the worker process closed its connection"

    def cancel(self, number: int) -> None:
        """Cancel the job with this number."""
        with self._sending, contextlib.suppress(OSError):  # the worker has ended
            self._side.send(Cancel(number))

    def configure(
        self, configuration: dict[str, Any], deadline: float, accepted: dict[str, Any]
    ) -> dict[str, Any]:
        """Call `configure` in the worker; add the configurations that it accepts to `accepted`.

        Raises:
            ModuleError: it was refused.
            TimeoutError: no answer by `deadline` (s, monotonic).
            EOFError, OSError: the worker has ended.
        """
        transaction = next(_transactions)
        self._unanswered[transaction] = configuration
        with self._sending:
            self._side.send(Configure(transaction, configuration, deadline))
        while readable([self._side], deadline - time.monotonic()):
            answered, answer, error = self._side.recv()
            taken = self._unanswered.pop(answered, {})
            if answer is not None:
                accepted.update(taken)
            if answered == transaction:
                if error is not None:
                    raise ModuleError(*error)
                return answer
        raise TimeoutError

    def follow(self, configuration: dict[str, Any], deadline: float) -> None:
        """Configure it as another worker was; mark it as outdated if that fails."""
        try:
            self.configure(configuration, deadline, {})
        except (ModuleError, TimeoutError, EOFError, OSError):
            self.outdated = True

    def kill(self) -> None:
        """Kill it, and all processes that it has started."""
        self._process.send_signal(signal.SIGKILL)


class ProcessWorkers(Workers):
    """A set of worker processes, each replaced when it dies."""

    def __init__(
        self,
        fork_server: ForkServer,
        *,
        instance: str,
        spec: ModuleSpec,
        count: int,
        cancel_grace: float,
        configuration: dict[str, Any],
    ) -> None:
        """Add accepted configurations to `configuration`.

        Cancelled calls are killed after `cancel_grace` s.
        """
        self._fork_server = fork_server
        self._instance = instance
        self._spec = spec
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
        """Fork all workers, which run `on_start` in parallel."""
        workers = [self._spawn() for _ in range(self._count)]
        for worker in workers:
            worker.await_ready()
            self._free.put(worker)

    def run(self, job: Job, report: Callable[[Outcome], None]) -> None:
        """Call `process` in a free worker, and replace the worker if it ended."""
        worker = self._free.get()
        try:
            if not worker.usable:  # it ended while it was idle
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
        """Cancel a call, and kill its worker if it has not ended after `cancel_grace` s."""
        with self._changed:
            self._cancelled.add(job.number)
            worker = self._running.get(job.number)
        if worker is not None:
            worker.cancel(job.number)
        timer = threading.Timer(self._cancel_grace, self._kill, [job.number])
        timer.daemon = True
        timer.start()

    def configure(self, configuration: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Configure all workers, one after the other."""
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
        """Configure one ready worker, if possible one that is idle."""
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
        for number, worker in running.items():
            worker.cancel(number)
        with self._changed:
            self._changed.wait_for(lambda: not self._running, grace)
            workers = list(self._all)
        for worker in workers:
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
            setup = Setup(self._instance, dict(self._configuration), self._spec)
            worker = WorkerProcess(self._fork_server, setup)
            self._all.add(worker)
            return worker

    def _replace(self, worker: WorkerProcess) -> WorkerProcess:
        worker.kill()
        with self._changed:
            self._all.discard(worker)
        successor = self._spawn()
        successor.await_ready()
        return successor
