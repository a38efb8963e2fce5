"""How long clients wait for an orchestrator that restarts."""

from __future__ import annotations

import time

from sustainml_orchestrator.client.errors import ClientError, OrchestratorUnavailable

#: Longest absence, in s.
_LONGEST = 30.0


class Patience:
    """Decides whether to retry a request to an orchestrator that does not answer.

    Args:
        has_answered: whether there is one at all; without, its absence is an error at once.
    """

    def __init__(self, has_answered: bool) -> None:
        self._has_answered = has_answered
        self._away_since: float | None = None

    def note_answer(self) -> None:
        """It has answered."""
        self._has_answered, self._away_since = True, None

    def is_over(self, error: ClientError) -> bool:
        """Whether to give up, as a request has failed by `error`."""
        if isinstance(error, OrchestratorUnavailable) and not self._has_answered:
            return True
        now = time.monotonic()
        if self._away_since is None:
            self._away_since = now
        return now - self._away_since > _LONGEST
