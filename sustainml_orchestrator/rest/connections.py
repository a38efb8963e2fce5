"""Connections of an HTTP server that nobody can hold open without asking for something."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

#: How long the head of a request may take to come, in s.
_HEAD_TIME = 10.0


class PatientConnection(H11Protocol):
    """Closes itself when a request begins to come and its head is not there in time.

    Uvicorn waits for ever: connections that send a byte now and then would use all that there are.
    """

    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Wait for the first request."""
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        """Take a part of a request."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side has gone."""
        super().connection_lost(exc)
        self._unwatch()

    def _watch(self) -> None:
        is_served = self.cycle is not None and not self.cycle.response_complete
        if is_served:
            self._unwatch()
        elif self._timer is None:
            self._timer = self.loop.call_later(_HEAD_TIME, self._give_up)

    def _unwatch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_up(self) -> None:
        self._timer = None
        # Not once it has become a WebSocket, which has pings of its own.
        if self.transport.get_protocol() is self and not self.transport.is_closing():
            self.transport.close()
