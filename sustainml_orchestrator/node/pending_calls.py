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
    """What a coroutine awaits; given once.

    Args:
        wake: called when it is given to a coroutine that the loop does not run itself.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        self._value: Any = None
        self.given = False
        self._resume = wake

    def __await__(self) -> Generator[Answer, None, Any]:
        while not self.given:
            yield self
        return self._value

    def when_given(self, resume: Callable[[], None]) -> None:
        """Have this called in place of `wake`."""
        self._resume = resume

    def give(self, value: Any) -> None:
        """Set the value; calls after the first are ignored."""
        if not self.given:
            self.given, self._value = True, value
            self._resume()


class PendingCalls:
    """Pairs requests with the replies of the core.

    Args:
        dispatch: gives events to the core.
        saved: waits for the answers that wait for the journal; False when there are none.
        wake: makes the executor run its tasks.
        most: maximum number of pending calls, those that end load aside.
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
        self._counted: set[object] = set()

    async def ask(
        self,
        make: Callable[[int], Event],
        *,
        exempt: bool = False,
        waits: Callable[[Answer], None] = lambda answer: None,
    ) -> Any:
        """Give the core the event that `make` builds for a call number; return its answer.

        Args:
            exempt: it ends load, so it is not refused for want of room.
            waits: called with the answer unless that is given at once.

        Raises:
            OrchestratorError: the core refused, or RESOURCE_EXHAUSTED.
        """
        number = next(self._numbers)
        if not exempt:
            while self._full and await self._saved():
                pass
            self.enter(number)
        answer = self._pending[number] = Answer(self._wake)
        try:
            self._dispatch([make(number)])
            if not answer.given:
                waits(answer)
            reply: Reply = await answer
        finally:
            del self._pending[number]
            self.leave(number)
        if reply.error is not None:
            raise reply.error
        return reply.value

    @property
    def count(self) -> int:
        """How many are pending, those that end load aside."""
        return len(self._counted)

    @property
    def limit(self) -> int:
        """How many may be."""
        return self._most()

    @property
    def _full(self) -> bool:
        return len(self._counted) >= self._most()

    def enter(self, call: object) -> None:
        """Count a call until `leave` is called for it.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED.
        """
        if self._full:
            raise OrchestratorError(
                ErrorCode.RESOURCE_EXHAUSTED,
                f"{self._most()} calls are pending; wait for their answers, "
                "or raise max_pending_calls",
            )
        self._counted.add(call)

    def leave(self, call: object) -> None:
        """Count it no more; no effect where it is not counted."""
        self._counted.discard(call)

    def reply(self, reply: Reply) -> None:
        """The core's answer to a call."""
        answer = self._pending.get(reply.call)
        if answer is not None:
            answer.give(reply)


#: Given to a call whose client is gone; nobody reads it.
CLIENT_IS_GONE = Reply(0, error=OrchestratorError(ErrorCode.CANCELLED, "its client is gone"))
