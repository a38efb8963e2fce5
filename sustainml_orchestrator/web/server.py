"""Serving the web page until a signal asks for the end."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from sustainml_orchestrator.contract.module_graph import read_pipeline
from sustainml_orchestrator.core.text import cause
from sustainml_orchestrator.rest.connections import PatientConnection
from sustainml_orchestrator.rest.security import Access, is_loopback
from sustainml_orchestrator.rest.serving import MAX_CONNECTIONS, AsgiServer
from sustainml_orchestrator.web.app import create_app
from sustainml_orchestrator.web.live import Live

_LONGEST_MESSAGE = 64 * 1024  # bytes, from a page by the live connection
_GRACE = 1  # s, for answers under way at the end


@dataclass(frozen=True)
class Settings:
    """How the page is served.

    Attributes:
        namespace: of the framework.
        host: address to listen on.
        port: 0 = any free one.
        token: demanded from users; "" = none on a loopback address, else one is drawn.
        allowed_hosts: names under which it is reached, beside its address.
        pipeline_file: the module graph; "" = that of the package.
        timeout: of calls to the orchestrator, in s.
    """

    namespace: str
    host: str = "127.0.0.1"
    port: int = 8080
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    pipeline_file: str = ""
    timeout: float = 5.0


class CannotListenError(Exception):
    """The address cannot be used; one sentence says why and what to do."""


def listener(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        CannotListenError: the port is taken, or the address is not of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = found[0]
        made = socket.socket(family, kind, protocol)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.bind(address)
        made.listen(128)
    except (OSError, OverflowError, UnicodeError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            text = (
                f"port {port} of {host} is taken; choose another with --port (of sustainml up: "
                "--web-port), or 0 for a free one"
            )
        else:
            text = f"cannot listen on {host}:{port}: {cause(error)}; use an address of this machine"
        raise CannotListenError(text) from error
    return made


def address_of(listening: socket.socket) -> str:
    """What to type into a browser."""
    host, port = listening.getsockname()[:2]
    if ipaddress.ip_address(host).is_unspecified:
        host = socket.gethostname()
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def serve(settings: Settings, announce: Callable[[str, str], None]) -> None:
    """Serve the page until SIGINT or SIGTERM.

    Args:
        settings: how.
        announce: called with the address and the token once the page can be opened.

    Raises:
        CannotListenError: the address cannot be used.
        PipelineError: the module graph cannot be read.
        OrchestratorUnavailable: ROS cannot start.
    """
    pipeline = read_pipeline(settings.pipeline_file)
    listening = listener(settings.host, settings.port)
    token = settings.token
    if not token and not is_loopback(settings.host):
        token = secrets.token_urlsafe(16)
    access = Access(settings.host, token, settings.allowed_hosts)
    app = create_app(lambda: Live(settings.namespace, pipeline, settings.timeout), access)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=_GRACE, ws_max_size=_LONGEST_MESSAGE, http=PatientConnection,
        limit_concurrency=MAX_CONNECTIONS,
    )  # fmt: skip
    server = _Server(config, lambda: announce(address_of(listening), token))
    with listening:
        server.run(sockets=[listening])


class _Server(AsgiServer):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._ready()
