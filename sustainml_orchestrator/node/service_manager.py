"""Readiness notification by the protocol of systemd's `sd_notify`.

The orchestrator notifies NOTIFY_SOCKET, set by `sustainml up` or systemd (`Type=notify`).
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

VARIABLE = "NOTIFY_SOCKET"
_LONGEST = 1 << 16


def notify(ready: bool, status: str) -> None:
    """Send READY and a status text; no effect where NOTIFY_SOCKET is not set."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return
    lines = f"STATUS={' '.join(status.split())}" + ("\nREADY=1" if ready else "")
    # A supervisor that is gone, or does not read, must not stop the orchestrator.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(lines.encode()[:_LONGEST], address.replace("@", "\0", 1))


class Listener:
    """The supervisor's end.

    Attributes:
        address: what NOTIFY_SOCKET of the service has to be.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("")  # the kernel chooses a name that vanishes with the process
        self.address = "@" + self._socket.getsockname()[1:].decode()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def receive(self, timeout: float) -> tuple[bool, str] | None:
        """Readiness and status of the next datagram; None if none arrives within `timeout` s."""
        self._socket.settimeout(timeout)
        try:
            lines = self._socket.recv(_LONGEST).decode(errors="replace").splitlines()
        except (TimeoutError, BlockingIOError):  # the latter when timeout is 0
            return None
        fields = dict(line.partition("=")[::2] for line in lines)
        return fields.get("READY") == "1", fields.get("STATUS", "")
