"""Readiness notification by the protocol of systemd's `sd_notify`.

The orchestrator notifies NOTIFY_SOCKET, set by `sustainml up` or systemd (`Type=notify`).
`sustainml up` forwards what it hears to the NOTIFY_SOCKET of its own. With WATCHDOG_USEC the
orchestrator's main loop reports that it runs, so that systemd can restart one that hangs.
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress
from dataclasses import dataclass

VARIABLE = "NOTIFY_SOCKET"
_LONGEST = 1 << 16


def notify(ready: bool, status: str) -> None:
    """Send READY and a status text; no effect where NOTIFY_SOCKET is not set."""
    forward(f"STATUS={' '.join(status.split())}" + ("\nREADY=1" if ready else ""))


class Watchdog:
    """Reports that the main loop runs, twice in the time that the service manager permits."""

    def __init__(self) -> None:
        try:
            self._period = int(os.environ.get("WATCHDOG_USEC", "0")) / 2e6  # s
        except ValueError:
            self._period = 0.0
        self._due = 0.0

    def beat(self, now: float) -> None:
        """Called in every round of the main loop, at `now` s of the steady clock."""
        if self._period > 0 and now >= self._due:
            self._due = now + self._period
            forward("WATCHDOG=1")


def forward(lines: str, timeout: float = 0.0) -> None:
    """Send a message as it is, within `timeout` s; no effect where NOTIFY_SOCKET is not set."""
    address = os.environ.get(VARIABLE, "")
    if not address:
        return
    # A supervisor that is gone, or does not read, must not stop the orchestrator.
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.settimeout(timeout)
        sender.sendto(lines.encode()[:_LONGEST], address.replace("@", "\0", 1))


@dataclass(frozen=True)
class Message:
    """What a service says of itself."""

    ready: bool
    status: str  #: empty: nothing new
    text: str  #: all of it


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

    def fileno(self) -> int:
        """Its descriptor, for `select`."""
        return self._socket.fileno()

    def receive(self, timeout: float) -> Message | None:
        """The next datagram; None if none arrives within `timeout` s."""
        self._socket.settimeout(timeout)
        try:
            text = self._socket.recv(_LONGEST).decode(errors="replace")
        except (TimeoutError, BlockingIOError):  # the latter when timeout is 0
            return None
        fields = dict(line.partition("=")[::2] for line in text.splitlines())
        return Message(fields.get("READY") == "1", fields.get("STATUS", ""), text)
