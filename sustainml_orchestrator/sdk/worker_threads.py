"""Threads that take turns at receiving and work themselves (the leader/followers pattern).

The leader waits for what arrives; when that is work for user code, it does the work itself, so
between the arrival of an input and the call of ``process`` there is no hand-over to wait for.

With one worker it even keeps the lead meanwhile: nothing that arrives could be worked on earlier,
and to wake a follower for each task costs two switches of threads, 0.1 ms of CPU. If the work
takes longer than a moment, a watch gives the lead to another thread.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

#: Work that lasts so long (s) costs the lead; looked at as often, while there is work.
_MOMENT = 0.02
#: Looks without work after which the watch sleeps until there is some.
_QUIET = 50


class WorkerThreads:
    """``size`` threads: at most ``size`` - 1 pieces of work at a time may be assigned."""

    def __init__(self, size: int, *, turn: Callable[[], None], nudge: Callable[[], None]) -> None:
        """``turn`` handles what has arrived, waiting for it; ``nudge`` makes it return."""
        self._turn = turn
        self._nudge = nudge
        self._keeps_lead = size == 2
        self._pending: deque[Callable[[], None]] = deque()
        self._changed = threading.Condition(threading.Lock())
        self._leader: threading.Thread | None = None
        #: Counts the pieces of work that leaders began; 0 while the leader has none.
        self._began = 0
        self._working = 0
        self._watching = False
        self._roused = threading.Event()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._serve, name=f"worker-{index}", daemon=True)
            for index in range(size)
        ]

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()
        if self._keeps_lead:
            threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def assign(self, work: Callable[[], None]) -> None:
        """Have work done, by the calling thread if it is one of the workers."""
        self._pending.append(work)
        if threading.current_thread() is not self._leader:
            self._nudge()

    def close(self, timeout: float) -> bool:
        """Stop; return whether all threads ended within ``timeout`` s each."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._nudge()
        for thread in self._threads:
            thread.join(timeout)
        return not any(thread.is_alive() for thread in self._threads)

    def _serve(self) -> None:
        me = threading.current_thread()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._leader is None)
                if self._closed:
                    return
                self._leader = me
            while self._leader is me and not self._closed:
                if not self._pending:
                    self._turn()
                elif self._keeps_lead:
                    self._lead_and_work()
                else:
                    work = self._pending.popleft()
                    self._pass_on()
                    work()

    def _lead_and_work(self) -> None:
        """Do the next piece of work; the lead may be lost meanwhile."""
        with self._changed:
            self._began += 1
            self._working = self._began
            if not self._watching:
                self._watching = True
                self._roused.set()
        self._pending.popleft()()
        with self._changed:
            if self._leader is threading.current_thread():
                self._working = 0

    def _pass_on(self) -> None:
        """Let another thread lead."""
        with self._changed:
            self._leader, self._working = None, 0
            self._changed.notify()

    def _watch(self) -> None:
        """Relieve a leader who works on the same thing for more than a moment."""
        while not self._closed:
            self._roused.wait()
            self._roused.clear()
            seen, quiet = 0, 0
            while self._watching:
                time.sleep(_MOMENT)
                with self._changed:
                    quiet = 0 if self._working else quiet + 1
                    relieve = self._working and self._working == seen
                    seen = self._working
                    self._watching = quiet < _QUIET
                if relieve:
                    self._relieve(seen)

    def _relieve(self, work: int) -> None:
        with self._changed:
            if self._working == work:
                self._leader, self._working = None, 0
                self._changed.notify()
