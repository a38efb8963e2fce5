"""Who may have another try: what modules did that uses one up, told by the modules themselves."""

from __future__ import annotations

from collections.abc import Callable

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.sdk.wire_ids import Ticket

#: Token of an attempt at a task, index of a module, number of the try.
Try = tuple[int, int, int]


class PermittedRetries:
    """What happened to each try.

    Args:
        clock: tells the time, s.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._noted: dict[Try, set[ErrorCode]] = {}
        self._deaths: dict[Try, float] = {}
        self._suspects: dict[int, float] = {}

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

    def suspect(self, module: int, seconds: float) -> None:
        """For so long anything may come of what this module has."""
        until = self._clock() + seconds
        self._suspects[module] = max(until, self._suspects.get(module, 0.0))

    def justify(self, ticket: Ticket, module: int, try_number: int) -> bool:
        """Whether something happened to a try for which there may be another one."""
        if self._clock() < self._suspects.get(module, 0.0):
            return True
        codes = self._noted.get((ticket.token, module, try_number), set())
        return bool(codes - {ErrorCode.INVALID_REQUEST})

    def noted(self, ticket: Ticket, module: int, try_number: int) -> bool:
        """Whether this very try has failed."""
        return (ticket.token, module, try_number) in self._noted
