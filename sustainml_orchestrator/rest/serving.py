"""Serving an ASGI application: address, socket, end."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from logging import CRITICAL, getLogger
from signal import SIG_IGN, getsignal, signal

import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import HANDLED_SIGNALS

from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.rest.connections import PatientConnection
from sustainml_orchestrator.rest.security import is_loopback

#: Connections served at a time; more are answered 503.
MAX_CONNECTIONS = 2000
#: How long requests in progress may go on at the end, in s.
_GRACE = 1


class AddressError(Exception):
    """The server cannot listen there; the message says why and what to do."""


def listen(host: str, port: int, token: str, hint: str) -> socket.socket:
    """A socket that listens, before anything else is started.

    Args:
        host: address or name.
        port: 0 = a free one.
        token: needed where other machines can reach the address.
        hint: how another port is chosen.

    Raises:
        AddressError: the address is in use, is not ours, or is open to others without a token.
    """
    if not is_loopback(host) and not token:
        raise AddressError(
            f"{host} can be reached from other machines; set a token with --token or "
            "SUSTAINML_TOKEN, or use --host 127.0.0.1"
        )
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family, backlog=1024)
    except (OSError, OverflowError, UnicodeError) as error:
        is_taken = getattr(error, "errno", None) == errno.EADDRINUSE
        reason = "is taken" if is_taken else f"cannot be used ({cause(error)})"
        text = f"port {port} of {host} {reason}; choose another with {hint}"
        raise AddressError(text) from error


class AsgiServer(uvicorn.Server):
    """As uvicorn's, but a signal that was ignored at the start stays ignored (`nohup`, `trap`)."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take the signals that ask for the end while the application is served."""
        ignored = [each for each in HANDLED_SIGNALS if getsignal(each) is SIG_IGN]
        with super().capture_signals():
            for number in ignored:
                signal(number, SIG_IGN)
            yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End the connections; event streams and answers that are held back are cut off."""
        getLogger("uvicorn.error").setLevel(CRITICAL)  # a traceback for each of them tells nothing
        await super().shutdown(sockets)


class Server:
    """One application on one socket, until a signal or `stop`.

    Args:
        app: the application.
        listener: of `listen`.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._socket = listener
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE,
            limit_concurrency=MAX_CONNECTIONS, server_header=False, ws="none",
            http=PatientConnection,
        )  # fmt: skip
        self._server = AsgiServer(config)

    @property
    def port(self) -> int:
        """The port that it listens to."""
        return int(self._socket.getsockname()[1])

    def run(self) -> None:
        """Serve; a signal ends it and is raised again."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    @property
    def stop(self) -> Callable[[], None]:
        """End `run` soon; may be called by any thread."""

        def end() -> None:
            self._server.should_exit = True

        return end
