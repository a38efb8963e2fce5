"""The workers that call user code: their interface, and those that are threads."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.actions import Job, Outcome
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.user_code import Host, describe


class BrokenWorkersError(Exception):
    """The workers cannot be used: `on_start` failed, or no process can be started."""


class Workers(ABC):
    """The workers from one START or RESET to the next.

    All methods but `cancel` block. `run` is called at most once per worker at a time.
    """

    @abstractmethod
    def prepare(self) -> None:
        """Call `on_start` in all workers.

        Raises:
            BrokenWorkersError: it failed.
        """

    @abstractmethod
    def run(self, job: Job, report: Callable[[Outcome], None]) -> None:
        """Call `process`, report the outcome, and return when the worker is free.

        Raises:
            BrokenWorkersError: after the report: the worker cannot be replaced.
        """

    @abstractmethod
    def cancel(self, job: Job) -> None:
        """Cancel a call that runs or is about to run."""

    @abstractmethod
    def configure(self, configuration: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Call `configure` in all workers; returns the answer of the first.

        Raises:
            ModuleError: it was refused, or not answered within `timeout` s.
        """

    @abstractmethod
    def end(self, grace: float) -> bool:
        """Cancel all calls, wait `grace` s at most, then kill where that is possible.

        Returns whether no call is left.
        """


def no_answer(timeout: float) -> ModuleError:
    """The error of a `configure` that takes too long."""
    return ModuleError(
        f"no answer from configure() within {timeout:g} s; ask for the current configuration "
        "to see whether it took effect, or raise configure_timeout",
        ErrorCode.TIMEOUT,
    )


class ThreadWorkers(Workers):
    """Calls user code in threads of the node: lowest latency, but a call cannot be killed."""

    def __init__(self, host: Host, configuration: dict[str, Any]) -> None:
        """Add accepted configurations to `configuration`."""
        self._host = host
        self._configuration = configuration
        self._configuring = threading.Lock()
        self._changed = threading.Condition()
        self._running: set[int] = set()
        self._cancelled: set[int] = set()
        self._ended = False

    def prepare(self) -> None:
        """Call `on_start`."""
        try:
            self._host.start(self._configuration)
        except BaseException as error:
            raise BrokenWorkersError(f"on_start failed: {describe(error)}") from error

    def run(self, job: Job, report: Callable[[Outcome], None]) -> None:
        """Call `process` in this thread and report the outcome."""
        number = job.number
        self._running.add(number)
        try:
            report(self._host.call(job, lambda: self._ended or number in self._cancelled))
        finally:
            with self._changed:
                self._running.discard(number)
                self._cancelled.discard(number)
                self._changed.notify_all()

    def cancel(self, job: Job) -> None:
        """Cancel a call."""
        self._cancelled.add(job.number)

    def configure(self, configuration: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Call `configure`, in a thread, as it may never return."""
        deadline = time.monotonic() + timeout
        answers: list[dict[str, Any] | ModuleError] = []

        def ask() -> None:
            if not self._configuring.acquire(timeout=timeout):
                return
            try:
                if time.monotonic() < deadline:
                    answers.append(self._ask(configuration))
            finally:
                self._configuring.release()

        asking = threading.Thread(target=ask, name="configure", daemon=True)
        asking.start()
        asking.join(timeout)
        if not answers:
            raise no_answer(timeout)
        if isinstance(answers[0], ModuleError):
            raise answers[0]
        return answers[0]

    def _ask(self, configuration: dict[str, Any]) -> dict[str, Any] | ModuleError:
        try:
            answer = self._host.configure(configuration)
        except ModuleError as error:
            return error
        self._configuration.update(configuration)
        return answer

    def end(self, grace: float) -> bool:
        """Cancel all calls and wait."""
        self._ended = True
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, grace)
