"""The threads that call `process`, one per worker, fed by a queue."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue


class WorkerThreads:
    """A fixed number of daemon threads.

    Those of `concurrent.futures` are joined at exit, and user code may never return.
    """

    def __init__(self, count: int) -> None:
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._threads = [
            threading.Thread(target=self._run, name=f"worker-{index}", daemon=True)
            for index in range(count)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def submit(self, work: Callable[[], None]) -> None:
        """Call `work` on the next free thread; it must not raise."""
        self._work.put(work)

    def close(self, timeout: float) -> bool:
        """End the threads; returns whether all have ended within `timeout` s."""
        deadline = time.monotonic() + timeout
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
