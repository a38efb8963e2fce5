"""Threads that take turns at the executor (the leader/followers pattern).

One thread turns the executor; when what it receives is work for user code, it lets go of the
executor and does the work itself, while another thread carries on. So between the arrival of an
input and the call of ``process`` there is no hand-over to wait for, and commands and heartbeats
are served whatever user code does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable


class Crew:
    """``size`` threads: at most ``size`` - 1 pieces of work at a time may be assigned."""

    def __init__(self, size: int, *, turn: Callable[[], None], nudge: Callable[[], None]) -> None:
        """``turn`` handles what has arrived, waiting for it; ``nudge`` makes it return."""
        self._turn = turn
        self._nudge = nudge
        self._pending: deque[Callable[[], None]] = deque()
        self._turning = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"crew-{index}", daemon=True)
            for index in range(size)
        ]

    def start(self) -> None:
        """Begin to turn."""
        for thread in self._threads:
            thread.start()

    def assign(self, work: Callable[[], None]) -> None:
        """Have work done, by the calling thread if it is one of the crew."""
        self._pending.append(work)
        if threading.current_thread() not in self._threads:
            self._nudge()

    def close(self, timeout: float) -> bool:
        """Stop turning; return whether all threads ended within ``timeout`` s each."""
        self._closed = True
        self._nudge()
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        while not self._closed:
            work = self._take_pending() or self._turn_until_work()
            if work is not None:
                work()

    def _take_pending(self) -> Callable[[], None] | None:
        try:
            work = self._pending.popleft()
        except IndexError:
            return None
        if self._pending:
            self._nudge()  # there is more than this thread can do
        return work

    def _turn_until_work(self) -> Callable[[], None] | None:
        with self._turning:
            while not self._closed:
                if self._pending:
                    try:
                        return self._pending.popleft()
                    except IndexError:
                        continue  # a thread outside was faster
                self._turn()
        self._nudge()  # closed: the next thread waits for the turn
        return None
