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

    @property
    def given(self) -> bool:
        """Whether it was given."""
        return self._given

    def when_given(self, go_on: Callable[[], None]) -> None:
        """Have this called, in place of `wake`."""
        self._go_on = go_on

    def give(self, value: Any) -> None:
        """Answer; what comes after the first time is nothing."""
        if not self._given:
            self._given, self._value = True, value
            self._go_on()


class Place:
    """One of the places for pending calls, taken."""

    def __init__(self, left: Callable[[], None]) -> None:
        self._left: Callable[[], None] | None = left

    def leave(self) -> None:
        """Give it back; what comes after the first time is nothing."""
        left, self._left = self._left, None
        if left is not None:
            left()


class PendingCalls:
    """Pairs requests with the replies of the core.

    Args:
        dispatch: gives an event to the core.
        saved: waits for the answers that wait for the journal; False when there are none.
        wake: makes the executor look at its tasks.
        most: how many may be pending, those that end load aside.
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
        self._exempt: set[int] = set()
        self._others = 0

    async def ask(
        self,
        make: Callable[[int], Event],
        *,
        exempt: bool = False,
        waits: Callable[[Answer], None] = lambda answer: None,
    ) -> Any:
        """Give the core the event that `make` builds for a call number; return its answer.

        Args:
            exempt: it ends load, so that it is never refused for want of room.
            waits: called with the answer when there is none at once.

        Raises:
            OrchestratorError: the core refused, or RESOURCE_EXHAUSTED.
        """
        while not exempt and self._full and await self._saved():
            pass
        if not exempt:
            self.check_room()
        number = next(self._numbers)
        answer = self._pending[number] = Answer(self._wake)
        if exempt:
            self._exempt.add(number)
        try:
            self._dispatch([make(number)])
            if not answer.given:
                waits(answer)
            reply: Reply = await answer
        finally:
            self._pending.pop(number, None)
            self._exempt.discard(number)
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
        counted = len(self._pending) - len(self._exempt) + self._others
        return bool(counted >= self._most())

    def take_place(self) -> Place:
        """Count a call that waits for something else than the core, until it leaves its place.

        Raises:
            OrchestratorError: RESOURCE_EXHAUSTED.
        """
        self.check_room()
        self._others += 1
        return Place(self._left)

    def _left(self) -> None:
        self._others -= 1

    def reply(self, reply: Reply) -> None:
        """The core's answer to a call."""
        answer = self._pending.get(reply.call)
        if answer is not None:
            answer.give(reply)


#: Given to a call whose client is gone; nobody reads it.
CLIENT_IS_GONE = Reply(0, error=OrchestratorError(ErrorCode.CANCELLED, "its client is gone"))
