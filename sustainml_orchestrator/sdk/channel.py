"""Frames of bytes over a socket between the node process and a worker process."""

from __future__ import annotations

import contextlib
import pickle
import socket
import struct
import threading
from typing import Any

_LENGTH = struct.Struct("=Q")
#: Below this, one system call with a copy is cheaper than two without.
_SMALL = 16_384


class Channel:
    """One end of a connection that carries Python objects and bytes, in order.

    Only for processes that trust each other: objects are pickled.
    """

    def __init__(self, sock: socket.socket) -> None:
        """Talk over a connected stream socket."""
        self._socket = sock
        self._sending = threading.Lock()

    def send(self, value: object) -> None:
        """Send an object.

        Raises:
            OSError: the other end is gone.
        """
        frame = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
        with self._sending:
            if len(frame) < _SMALL:
                self._socket.sendall(_LENGTH.pack(len(frame)) + frame)
            else:
                self._socket.sendall(_LENGTH.pack(len(frame)))
                self._socket.sendall(frame)

    def fileno(self) -> int:
        """Its descriptor, to wait until something can be received."""
        return self._socket.fileno()

    def receive(self) -> Any:
        """Wait for the next object.

        Raises:
            EOFError: the other end is gone.
        """
        try:
            (length,) = _LENGTH.unpack(self._read(_LENGTH.size))
            return pickle.loads(self._read(length))
        except ConnectionError as error:
            raise EOFError from error

    def close(self) -> None:
        """End the connection; whoever waits at either end gets EOFError."""
        with contextlib.suppress(OSError):  # the other end was faster
            self._socket.shutdown(socket.SHUT_RDWR)

    def _read(self, length: int) -> bytearray:
        data = bytearray(length)
        view = memoryview(data)
        while view:
            count = self._socket.recv_into(view)
            if not count:
                raise EOFError
            view = view[count:]
        return data
