"""Calls that wait for the core's answer: bounded in number, each answered once."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from typing import Any

from rclpy.executors import Executor
from rclpy.task import Future

from sustainml_orchestrator.core.commands import Reply
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import Event
from sustainml_orchestrator.core.ids import ErrorCode


class Calls:
    """Pairs requests with the replies of the core.

    Args:
        dispatch: gives an event to the core.
        executor: which resumes a coroutine when its future is done.
        most: how many may be pending; each one is walked on every spin.
    """

    def __init__(
        self,
        dispatch: Callable[[list[Event]], None],
        executor: Callable[[], Executor | None],
        most: Callable[[], int],
    ) -> None:
        self._dispatch = dispatch
        self._executor = executor
        self._most = most
        self._numbers = count(1)
        self._pending: dict[int, Future[Reply]] = {}
        self._others = 0

    async def ask(self, make: Callable[[int], Event]) -> Any:
        """Give the core the event that `make` builds for a call number; return its answer.

        Raises:
            OrchestratorError: the core refused, or RESOURCE_EXHAUSTED.
        """
        self.check_room()
        number = next(self._numbers)
        future: Future[Reply] = Future(executor=self._executor())
        self._pending[number] = future
        try:
            self._dispatch([make(number)])
            reply = await future
        finally:
            self._pending.pop(number, None)
        if reply.error is not None:
            raise reply.error
        return reply.value

    def check_room(self) -> None:
        """Whether another call may wait.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED.
        """
        if len(self._pending) + self._others >= self._most():
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED,
                f"{self._most()} calls are pending; wait for their answers, "
                "or raise max_pending_calls",
            )

    def occupy(self, places: int) -> None:
        """Count calls that wait for something else than the core (−1: one is done)."""
        self._others += places

    def reply(self, reply: Reply) -> None:
        """The core's answer to a call."""
        future = self._pending.get(reply.call)
        if future is not None and not future.done():
            future.set_result(reply)
