"""The signals that ask a process to end."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from contextlib import suppress

#: Ctrl-C, the wish of a supervisor, the end of the terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def on_end(handler: Callable[[int], object], signals: Iterable[int] = ENDING) -> None:
    """Have `handler` called with the number of each signal that asks this process to end.

    It may run between any two instructions of the main thread, also while that holds a lock: it
    must only set a flag, or write to a descriptor or a `queue.SimpleQueue`, and never raise.
    Signals that were blocked come now. One that is ignored stays so: `nohup` and shells that start
    background jobs want it.
    """
    for number in signals:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, lambda received, _: handler(received))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, signals)


class EndRequest:
    """The wish of a signal that this process ends. `select` finds it readable once there is one.

    Attributes:
        signal: number of the latest such signal; 0 while there is none.
    """

    def __init__(self) -> None:
        """Take the signals; in the main thread."""
        self.signal = 0
        self._reading, self._writing = os.pipe()
        os.set_blocking(self._writing, False)
        on_end(self._note)

    def _note(self, number: int) -> None:
        self.signal = number
        with suppress(OSError):  # it is full: whoever waits is awake
            os.write(self._writing, b"x")

    def fileno(self) -> int:
        """Descriptor that becomes, and stays, readable."""
        return self._reading
