"""What runs user code: the contract of both isolations, and the thread one."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.actions import Job, Outcome
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.user_code import Call, Host, describe


class BrokenWorkersError(Exception):
    """No call can be made any more, and why: ``on_start`` failed, or no process can be had."""


class Workers(ABC):
    """The workers of one generation: from one START or RESET to the next.

    ``prepare``, ``run``, ``configure`` and ``end`` wait; ``cancel`` does not. At most as many
    calls of ``run`` at a time as there are workers.
    """

    @abstractmethod
    def prepare(self) -> None:
        """Get ready to work, running ``on_start``.

        Raises:
            BrokenWorkersError: it failed.
        """

    @abstractmethod
    def run(self, job: Job, report: Callable[[Outcome], None]) -> None:
        """Call ``process``, report how it went, and return when its worker is free again.

        Raises:
            BrokenWorkersError: after the report: the worker cannot be had back.
        """

    @abstractmethod
    def cancel(self, job: Job) -> None:
        """Tell a call, running or about to, that nobody waits for it."""

    @abstractmethod
    def configure(self, configuration: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Hand a configuration to all workers; return the answer of the first.

        Raises:
            ModuleError: it was refused, or there was no answer within ``timeout`` s.
        """

    @abstractmethod
    def end(self, grace: float) -> bool:
        """Cancel everything, wait ``grace`` s at most, use force where it can be used.

        Returns whether no call is left.
        """


def call_of(job: Job) -> Call:
    """What must be known to work on a job."""
    assert job.inputs is not None
    return Call(job.number, job.ticket, job.try_number, job.inputs)


def no_answer(timeout: float) -> ModuleError:
    """The error for a ``configure`` that takes too long."""
    return ModuleError(
        f"no answer from configure() within {timeout:g} s; ask for the current configuration "
        "to see whether it took effect, or raise configure_timeout",
        ErrorCode.TIMEOUT,
    )


class ThreadWorkers(Workers):
    """Calls user code on the node's own threads: lowest latency, but nothing can be forced."""

    def __init__(self, host: Host, configuration: dict[str, Any]) -> None:
        """``configuration`` is what was accepted before; new ones are added to it."""
        self._host = host
        self._configuration = configuration
        self._configuring = threading.Lock()
        self._changed = threading.Condition()
        self._running: set[int] = set()
        self._cancelled: set[int] = set()
        self._ended = False

    def prepare(self) -> None:
        """Get ready to work, running ``on_start``."""
        try:
            self._host.start(self._configuration)
        except BaseException as error:
            raise BrokenWorkersError(f"on_start failed: {describe(error)}") from error

    def run(self, job: Job, report: Callable[[Outcome], None]) -> None:
        """Call ``process`` on this thread and report how it went."""
        number = job.number
        self._running.add(number)
        try:
            report(self._host.call(call_of(job), lambda: self._ended or number in self._cancelled))
        finally:
            with self._changed:
                self._running.discard(number)
                self._cancelled.discard(number)
                self._changed.notify_all()

    def cancel(self, job: Job) -> None:
        """Tell a call that nobody waits for it."""
        self._cancelled.add(job.number)

    def configure(self, configuration: dict[str, Any], timeout: float) -> dict[str, Any]:
        """Hand a configuration to the author's code."""
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
        """Cancel everything and wait; a call that does not heed goes on."""
        self._ended = True
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, grace)
