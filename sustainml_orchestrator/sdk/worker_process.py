"""The main function of a worker process, which calls user code, one task after the other.

User code runs in the main thread. A second thread receives cancellations and configurations
meanwhile, unless user code holds the GIL.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from functools import partial
from io import TextIOWrapper
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, NamedTuple

from sustainml_orchestrator.sdk.module_spec import ModuleSpec
from sustainml_orchestrator.sdk.task import ModuleError
from sustainml_orchestrator.sdk.user_code import Host, describe

if TYPE_CHECKING:
    from sustainml_orchestrator.sdk.module import Module


class Setup(NamedTuple):
    """First message to a worker. The answer is an error text, empty if `on_start` succeeded."""

    instance: str
    configuration: dict[str, Any]
    spec: ModuleSpec


class Cancel(NamedTuple):
    """Cancel the call of the job with this number."""

    number: int


class Configure(NamedTuple):
    """Call `configure`, unless `deadline` (s, monotonic) has passed.

    The answer is (transaction, configuration or None, (text, error code) or None).
    """

    transaction: int
    configuration: dict[str, Any]
    deadline: float


def become_worker(cls: type[Module], _: bytes, descriptors: list[int]) -> None:
    """Work, in a forked process, until the node closes the connection.

    Args:
        descriptors: of two connections: for calls, and for requests that are served meanwhile.
    """
    os.setpgid(0, 0)  # a kill of the group ends what user code has started, too
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(line_buffering=True)  # a killed process flushes nothing
    calls: Connection = Connection(descriptors[0])
    side_connection: Connection = Connection(descriptors[1])
    try:
        setup = calls.recv()
        host = Host(cls, setup.instance, setup.spec)
        try:
            host.start(setup.configuration)
        except BaseException as error:
            calls.send(describe(error))
            return
        side = _Side(host, side_connection)
        threading.Thread(target=side.serve, name="side", daemon=True).start()
        calls.send("")
        while True:
            job = calls.recv()
            calls.send(host.call(job, partial(side.has_cancelled, job.number)))
    except (EOFError, OSError):
        return  # the node has closed the connection


class _Side:
    """Serves the requests that do not wait for the end of a call.

    Attributes:
        cancelled: highest number of a cancelled job; those of lower numbers have ended.
    """

    def __init__(self, host: Host, connection: Connection) -> None:
        self._host = host
        self._connection = connection
        self.cancelled = 0

    def has_cancelled(self, number: int) -> bool:
        return self.cancelled >= number

    def serve(self) -> None:
        try:
            while True:
                request = self._connection.recv()
                if isinstance(request, Cancel):
                    self.cancelled = max(self.cancelled, request.number)
                elif time.monotonic() < request.deadline:
                    self._connection.send(self._configure(request))
        except (EOFError, OSError):
            self.cancelled = 1 << 64  # the node has closed the connection

    def _configure(self, request: Configure) -> tuple[Any, ...]:
        try:
            answer = self._host.configure(request.configuration)
        except ModuleError as error:
            return request.transaction, None, (str(error), error.error_code)
        return request.transaction, answer, None
