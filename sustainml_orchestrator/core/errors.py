"""The exception that a caller gets: an error code and a sentence that says what to do."""

from __future__ import annotations

from sustainml_orchestrator.core.ids import ErrorCode


class OrchestratorError(Exception):
    """A request that cannot be granted.

    Attributes:
        code: why, as in sustainml_msgs/ErrorCode.
        message: one sentence for a person: the thing, its state, what to do.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"


class IllegalTransition(Exception):
    """A bug: a move that no row of the table permits. Nothing was changed."""
