"""Writing to a terminal, pipe or socket that nobody may read: it waits for so many s at most."""

from __future__ import annotations

import os
import select
import socket
import stat
from collections.abc import Callable

#: Writes some bytes within so many s, and returns how many.
TimedWrite = Callable[[bytes, float], int]


def timed_write(descriptor: int) -> TimedWrite | None:
    """A function that writes to a descriptor; None where a write does not wait for a reader.

    Others use the same open file, so that it must not be made non-blocking itself.

    Raises:
        OSError: the descriptor is closed.
    """
    kind = os.fstat(descriptor).st_mode
    if stat.S_ISSOCK(kind):
        connection = socket.socket(fileno=os.dup(descriptor))
        return _polled(connection, lambda data: connection.send(data, socket.MSG_DONTWAIT))
    if not (stat.S_ISFIFO(kind) or os.isatty(descriptor)):
        return None
    try:
        own = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:  # of another user, or without /proc: who has room takes this much at once
        most = select.PIPE_BUF if stat.S_ISFIFO(kind) else 1
        return _polled(descriptor, lambda data: os.write(descriptor, data[:most]))
    return _polled(own, lambda data: os.write(own, data))


def _polled(target: int | socket.socket, write: Callable[[bytes], int]) -> TimedWrite:
    poll = select.poll()
    poll.register(target, select.POLLOUT)

    def some(data: bytes, timeout: float) -> int:
        try:
            return write(data) if poll.poll(timeout * 1000) else 0
        except BlockingIOError:  # another process has taken the room
            return 0

    return some
