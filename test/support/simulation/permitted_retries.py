"""Who may have another try: what modules did that uses one up, told by the modules themselves."""

from __future__ import annotations

import math
from collections.abc import Callable

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.wire_ids import Ticket

#: Token of an attempt at a task, index of a module, number of the try.
Try = tuple[int, int, int]

#: After so many deliveries in a row without effect there may be another try.
_DELIVERIES = 3
#: How long modules may work on a try, s.
TIMEOUT = 10.0
#: How long a try may wait in the queues of modules, s.
QUEUE_TIMEOUT = 30.0


class PermittedRetries:
    """What happened to each try.

    Args:
        clock: tells the time, s.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._noted: dict[Try, set[ErrorCode]] = {}
        self._deaths: dict[Try, float] = {}
        self._begun: dict[Try, float] = {}
        self._outputs_lost: set[tuple[int, int]] = set()
        self._suspects: dict[int, float] = {}
        self._published: dict[int, float] = {}
        self._deliveries: dict[tuple[int, int], list[tuple[int, bool]]] = {}

    def note(
        self,
        ticket: Ticket,
        module: int,
        try_number: int,
        code: ErrorCode = ErrorCode.NODE_UNAVAILABLE,
    ) -> None:
        """A try has failed, and how."""
        self._noted.setdefault((ticket.token, module, try_number), set()).add(code)

    def died(self, ticket: Ticket, module: int, try_number: int) -> None:
        """The process that worked on a try is gone."""
        self.note(ticket, module, try_number)
        self._deaths[ticket.token, module, try_number] = self._clock()

    def since_death(self, ticket: Ticket, module: int, try_number: int) -> float:
        """How long ago that was, in s; 0 when it was not."""
        death = self._deaths.get((ticket.token, module, try_number))
        return 0.0 if death is None else self._clock() - death

    def begun(self, ticket: Ticket, module: int, try_number: int) -> None:
        """User code begins to work on a try."""
        self._begun.setdefault((ticket.token, module, try_number), self._clock())

    def published(self, token: int) -> None:
        """The input of an attempt was given to the modules, in whose queues it may wait."""
        self._published.setdefault(token, self._clock())

    def suspect(self, module: int, seconds: float) -> None:
        """For so long anything may come of what this module has."""
        until = self._clock() + seconds
        self._suspects[module] = max(until, self._suspects.get(module, 0.0))

    def delivered(self, ticket: Ticket, module: int, try_number: int, *, arrives: bool) -> None:
        """RESET_TASK was sent for a try; whether it arrives."""
        deliveries = self._deliveries.setdefault((ticket.token, module), [])
        deliveries.append((try_number, arrives))

    def answer_lost(self, token: int, module: int) -> None:
        """A status or an output is lost on its way: the last delivery of the task had no effect."""
        deliveries = self._deliveries.get((token, module))
        if deliveries:
            deliveries[-1] = (deliveries[-1][0], False)

    def output_lost(self, token: int, module: int) -> None:
        """The output is lost on its way: if no status tells of it, the step seems to be worked on.

        Nothing shows that of a module which goes on with other tasks, until the step times out.
        """
        self._outputs_lost.add((token, module))
        self.answer_lost(token, module)

    def _seems_hung(self, ticket: Ticket, module: int, try_number: int) -> bool:
        begun = self._begun.get((ticket.token, module, try_number), math.inf)
        return (ticket.token, module) in self._outputs_lost and self._clock() - begun >= TIMEOUT

    def _undelivered(self, ticket: Ticket, module: int, try_number: int) -> bool:
        last = self._deliveries.get((ticket.token, module), [])[-_DELIVERIES:]
        return last == [(try_number, False)] * _DELIVERIES

    def justify(self, ticket: Ticket, module: int, try_number: int) -> bool:
        """Whether something happened to a try for which there may be another one."""
        if self._clock() < self._suspects.get(module, 0.0):
            return True
        if self._clock() - self._published.get(ticket.token, math.inf) >= QUEUE_TIMEOUT:
            return True
        if self._undelivered(ticket, module, try_number):
            return True
        if self._seems_hung(ticket, module, try_number):
            return True
        codes = self._noted.get((ticket.token, module, try_number), set())
        return bool(codes - {ErrorCode.INVALID_REQUEST})

    def noted(self, ticket: Ticket, module: int, try_number: int) -> bool:
        """Whether this very try has failed."""
        return (ticket.token, module, try_number) in self._noted
