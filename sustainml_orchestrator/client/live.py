"""The live state of a system, shared by many readers of one process."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from sustainml_msgs.msg import SystemState, TaskSummary

from sustainml_orchestrator.client.client import OrchestratorClient
from sustainml_orchestrator.client.errors import ClientError
from sustainml_orchestrator.client.feed import Feed
from sustainml_orchestrator.contract import names

#: The state is published every 5 s: an orchestrator that is silent for so long has gone, in s.
_SILENCE = 11.0
_CHECK_PERIOD = 0.5  # s

Listener = Callable[[TaskSummary | SystemState], None]


class Live:
    """The latest state of the system, and every update, for servers with many readers.

    Two threads read one subscription each, however many readers there are. It outlives the
    absence and the restart of the orchestrator.

    Args:
        client: whose subscriptions these are; it stays the caller's.
    """

    def __init__(self, client: OrchestratorClient) -> None:
        self._client = client
        self._listeners: tuple[Listener, ...] = ()
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._state: SystemState | None = None
        self._received_at = 0.0
        feeds: list[Feed[Any]] = [client.updates(), client.states()]
        self._threads = [
            threading.Thread(target=self._read, args=(feed,), name="sustainml_live", daemon=True)
            for feed in feeds
        ]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the threads and the subscriptions."""
        self._closing.set()
        for thread in self._threads:
            thread.join(5.0)

    @property
    def state(self) -> SystemState | None:
        """The latest state of the system; None while no orchestrator is there."""
        silent = time.monotonic() - self._received_at
        return self._state if silent < _SILENCE else None

    def add(self, listener: Listener) -> None:
        """Call it with every update of a task and of the system, in a thread of this object.

        It must return at once.
        """
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def remove(self, listener: Listener) -> None:
        """Stop calling a listener."""
        with self._lock:
            self._listeners = tuple(each for each in self._listeners if each != listener)

    def _read(self, feed: Feed[Any]) -> None:
        with suppress(ClientError), feed:  # the client was closed, or broke: its calls say why
            while not self._closing.is_set():
                message = feed.get(_CHECK_PERIOD)
                if message is None:
                    self._notice_absence()
                    continue
                if isinstance(message, SystemState):
                    self._state, self._received_at = message, time.monotonic()
                for listener in self._listeners:
                    listener(message)

    def _notice_absence(self) -> None:
        """Forget the state of an orchestrator that ended in order; one that died falls silent."""
        node = self._client.node
        if self._state is not None and not self._client.run(
            lambda: node.count_publishers(names.SYSTEM_STATE)
        ):
            self._state = None
