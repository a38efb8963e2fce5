"""Lines for a terminal, pipe or socket that may not be read: who prints them never waits.

A thread writes them. What the reader does not take, because the terminal was stopped (Ctrl-S) or
the pipe is full, waits in a bounded queue; of more lines only the number is printed.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Full, Queue

from sustainml_orchestrator.cli.console import out
from sustainml_orchestrator.cli.timed_write import TimedWrite, timed_write

#: Most lines that wait.
WAITING_LINES = 5000
_LOOK = 0.1  # s, between looks whether it is to end


class Terminal:
    """Prints lines to standard output on a thread of its own.

    Args:
        note: the line in the place of so many that were left out.
    """

    def __init__(self, note: Callable[[int], str]) -> None:
        self._note = note
        self._lines: Queue[str] = Queue(WAITING_LINES)
        self._left_out = 0
        self._end_at = float("inf")
        self._ended = threading.Event()
        self._write = _writer()
        threading.Thread(target=self._run, name="terminal", daemon=True).start()

    def add(self, text: str) -> None:
        """Have a line printed; for one caller at a time."""
        if self._left_out and not self._put(self._note(self._left_out)):
            self._left_out += 1
            return
        self._left_out = 0 if self._put(text) else 1

    def close(self, timeout: float) -> None:
        """Print what waits, for at most so many s."""
        if self._left_out:
            self._put(self._note(self._left_out))
        self._end_at = time.monotonic() + timeout
        self._ended.wait(timeout + 1.0)

    def _put(self, text: str) -> bool:
        with suppress(Full):
            self._lines.put_nowait(text)
            return True
        return False

    def _run(self) -> None:
        try:
            while True:
                try:
                    text = self._lines.get(timeout=_LOOK)
                except Empty:
                    if self._end_at < float("inf"):
                        return
                    continue
                if not self._print(text.encode(sys.stdout.encoding, "sustainml")):
                    return
        except (OSError, ValueError):  # the reader has gone; the processes go on
            pass
        finally:
            self._ended.set()

    def _print(self, data: bytes) -> bool:
        """Write all of it; False when the time is over before."""
        while data:
            if time.monotonic() > self._end_at:
                return False
            data = data[self._write(data, _LOOK) :]
        return True


def _writer() -> TimedWrite:
    try:
        return timed_write(sys.stdout.fileno()) or _plain
    except (OSError, ValueError):  # replaced by a stream in memory, or closed
        return _plain


def _plain(data: bytes, _: float) -> int:
    try:
        out.file.write(data.decode(sys.stdout.encoding))
        out.file.flush()
    except SystemExit as end:  # the output is closed
        raise BrokenPipeError from end
    return len(data)
