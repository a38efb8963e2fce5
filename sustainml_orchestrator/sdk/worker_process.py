"""The inside of a worker process: calls user code one task after the other.

User code runs on the main thread. A second thread takes cancellations and configurations
meanwhile; it needs the interpreter for a moment only, but gets it only when user code lets go.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from sustainml_orchestrator.sdk.channel import Channel
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.user_code import Host, describe

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module


class Setup(NamedTuple):
    """First thing a worker is told. Answered with an error text, empty when it is ready."""

    instance: str
    configuration: dict[str, Any]


class Cancel(NamedTuple):
    """Nobody waits for the call with this number."""

    number: int


class Configure(NamedTuple):
    """Call ``configure``, but not after ``deadline`` (monotonic, s; one clock for all processes).

    Answered with (transaction, answer or None, (sentence, error code) or None).
    """

    transaction: int
    configuration: dict[str, Any]
    deadline: float


def become_worker(cls: type[Module], _: bytes, descriptors: list[int]) -> None:
    """In a process that was forked to be one: work until the node closes the connection.

    Args:
        descriptors: of two sockets, for calls and for what must not wait for their end.
    """
    os.setpgid(0, 0)  # a group of its own, so that a kill reaches what user code started as well
    calls_socket, side_socket = (socket.socket(fileno=one) for one in descriptors)
    calls = Channel(calls_socket)
    try:
        setup = calls.receive()
        host = Host(cls, setup.instance)
        try:
            host.start(setup.configuration)
        except BaseException as error:
            calls.send(describe(error))
            return
        side = _Side(host, Channel(side_socket))
        threading.Thread(target=side.serve, name="side", daemon=True).start()
        calls.send("")
        while True:
            call = calls.receive()
            calls.send(host.call(call, partial(side.has_cancelled, call.number)))
    except (EOFError, OSError):
        return  # the node is done with this worker


class _Side:
    """Takes what must not wait for the end of a call.

    Attributes:
        cancelled: greatest number of a cancelled call. One call runs at a time and numbers
            grow, so whatever is below has ended anyhow.
    """

    def __init__(self, host: Host, channel: Channel) -> None:
        self._host = host
        self._channel = channel
        self.cancelled = 0

    def has_cancelled(self, number: int) -> bool:
        return self.cancelled >= number

    def serve(self) -> None:
        try:
            while True:
                request = self._channel.receive()
                if isinstance(request, Cancel):
                    self.cancelled = max(self.cancelled, request.number)
                elif time.monotonic() < request.deadline:
                    self._channel.send(self._configure(request))
        except (EOFError, OSError):
            self.cancelled = 1 << 64  # the node is gone or done with this worker

    def _configure(self, request: Configure) -> tuple[Any, ...]:
        try:
            answer = self._host.configure(request.configuration)
        except ModuleError as error:
            return request.transaction, None, (str(error), error.error_code)
        return request.transaction, answer, None
