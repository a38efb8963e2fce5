"""The pace of redelivery: a token bucket, filled by the time that passes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sustainml_orchestrator.core.context import Context

#: The bucket holds the commands of so many s.
BURST = 0.25


class Pace:
    """Permits `max_redeliveries_per_second`, however many events come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._tokens = 0.0
        self._filled_at = -BURST

    def take(self) -> bool:
        """Whether one more command may be sent now."""
        rate, now = self._context.settings.max_redeliveries_per_second, self._context.now
        gained = (now - self._filled_at) * rate
        self._tokens = min(self._tokens + gained, max(1.0, rate * BURST))
        self._filled_at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True
