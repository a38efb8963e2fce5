"""Calls that wait for the core's answer: bounded in number, each answered once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from itertools import count
from typing import Any

from sustainml_orchestrator.core.commands import Reply
from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.events import Event
from sustainml_orchestrator.core.ids import ErrorCode


class Answer:
    """What a coroutine waits for; given once, then the coroutine goes on.

    Args:
        wake: called when it is given to a coroutine that the loop does not run itself.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._value: Any = None
        self._given = False
        self._go_on = wake

    def __await__(self) -> Generator[Answer, None, Any]:
        while not self._given:
            yield self
        return self._value

    def when_given(self, go_on: Callable[[], None]) -> None:
        """Have this called, in place of `wake`."""
        self._go_on = go_on

    def give(self, value: Any) -> None:
        """Answer; what comes after the first time is nothing."""
        if not self._given:
            self._given, self._value = True, value
            self._go_on()


class PendingCalls:
    """Pairs requests with the replies of the core.

    Args:
        dispatch: gives an event to the core.
        saved: waits for the answers that wait for the journal; False when there are none.
        wake: makes the executor look at its tasks.
        most: how many may be pending.
    """

    def __init__(
        self,
        dispatch: Callable[[list[Event]], None],
        saved: Callable[[], Awaitable[bool]],
        wake: Callable[[], None],
        most: Callable[[], int],
    ) -> None:
        self._dispatch = dispatch
        self._saved = saved
        self._wake = wake
        self._most = most
        self._numbers = count(1)
        self._pending: dict[int, Answer] = {}
        self._others = 0

    async def ask(self, make: Callable[[int], Event]) -> Any:
        """Give the core the event that `make` builds for a call number; return its answer.

        Raises:
            OrchestratorError: the core refused, or RESOURCE_EXHAUSTED.
        """
        while self._full and await self._saved():
            pass
        self.check_room()
        number = next(self._numbers)
        answer = self._pending[number] = Answer(self._wake)
        try:
            self._dispatch([make(number)])
            reply: Reply = await answer
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
        if self._full:
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED,
                f"{self._most()} calls are pending; wait for their answers, "
                "or raise max_pending_calls",
            )

    @property
    def _full(self) -> bool:
        return bool(len(self._pending) + self._others >= self._most())

    def occupy(self, places: int) -> None:
        """Count calls that wait for something else than the core (−1: one is done)."""
        self._others += places

    def reply(self, reply: Reply) -> None:
        """The core's answer to a call."""
        answer = self._pending.get(reply.call)
        if answer is not None:
            answer.give(reply)
