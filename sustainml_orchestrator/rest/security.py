"""Who may use an HTTP server of this package: checks of Host, Origin and token; response headers.

A page of another site must not read or change anything, also not through a name that it lets
point to this machine (DNS rebinding): the Host must be ours, and what changes something must
come from a page of ours. On an address that others can reach, a token is demanded as well.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import secrets
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.rest.answers import problem

SESSION_TIME = 12 * 3600.0  # s
_MAX_SESSIONS = 1000
#: How long the answer to a wrong token is held back, in s: guessing takes longer.
WRONG_TOKEN_PAUSE = 0.5
_TITLES = {401: "UNAUTHORIZED", 403: "FORBIDDEN", 421: "MISDIRECTED_REQUEST"}
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

#: Nothing but our own files; no inline script or style, no eval, no frame.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; manifest-src 'self'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@cache
def _own_names() -> tuple[str, str]:
    """The names of this machine, asked for once: a name server may take long to answer."""
    return socket.gethostname().lower(), socket.getfqdn().lower()


def host_of(authority: str) -> str:
    """The host of `host:port` in lower case; "" if it is none."""
    try:
        return "" if "@" in authority else (urlsplit(f"//{authority}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def cookie_name(headers: Mapping[str, str]) -> str:
    """The name of the cookie of a session: browsers send one also to the other ports of a host."""
    port = headers.get("host", "").rpartition(":")[2]
    return f"sustainml_session_{port}" if port.isdecimal() else "sustainml_session"


@dataclass
class Access:
    """Who may use a server.

    Attributes:
        host: address that the server is bound to.
        token: what a user must know; "" = nothing, on a loopback address alone.
        allowed_hosts: further names under which the server is reached.
        open_paths: what needs no token: the login page and its files.
        changing_paths: what changes something although it is asked for by GET.
    """

    host: str = "127.0.0.1"
    token: str = ""
    allowed_hosts: tuple[str, ...] = ()
    open_paths: tuple[str, ...] = ()
    changing_paths: tuple[str, ...] = ()
    _sessions: dict[str, float] = field(default_factory=dict)

    def is_our_host(self, authority: str) -> bool:
        """Whether a Host header names this server: no name that another may have chosen."""
        name = host_of(authority)
        if is_loopback(name) or name in map(str.lower, self.allowed_hosts):
            return True
        if is_loopback(self.host):
            return False
        try:
            ipaddress.ip_address(name)  # an address is no name that could point elsewhere
        except ValueError:
            return name in (self.host.lower(), *_own_names())
        return True

    def is_same_origin(self, headers: Mapping[str, str]) -> bool:
        """Whether a request comes from a page of this server, or from no page at all."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("sec-fetch-site", "none") in ("same-origin", "none")
        try:
            return urlsplit(origin).netloc.lower() == headers.get("host", "").lower() != ""
        except ValueError:
            return False

    def knows(self, token: str) -> bool:
        """Whether that is the token, compared in constant time."""
        return hmac.compare_digest(token.encode(), self.token.encode())

    def new_session(self) -> str:
        """The value of a cookie for one who gave the token."""
        now = time.monotonic()
        kept = {key: end for key, end in self._sessions.items() if end > now}
        self._sessions = dict(list(kept.items())[-_MAX_SESSIONS + 1 :])
        key = secrets.token_urlsafe(32)
        self._sessions[key] = now + SESSION_TIME
        return key

    def end_session(self, key: str) -> None:
        """Forget a cookie."""
        self._sessions.pop(key, None)

    def is_known(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries the token or the cookie of one who gave it."""
        if not self.token:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.knows(given.strip()):
            return True
        key = cookie_parser(headers.get("cookie", "")).get(cookie_name(headers), "")
        return self._sessions.get(key, 0.0) > time.monotonic()

    def is_open(self, path: str) -> bool:
        """Whether a path needs no token."""
        return path in self.open_paths


class Guard:
    """ASGI middleware that refuses what `Access` does not permit, and adds the headers.

    Args:
        app: the application.
        access: who may use it.
        login: page to which a browser without a cookie is sent; "" = none.
    """

    def __init__(self, app: ASGIApp, access: Access, login: str = "") -> None:
        self._app, self._access, self._login = app, access, login

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        status, reason = self._refusal(scope, headers)
        if status == 401 and "authorization" in headers:
            await asyncio.sleep(WRONG_TOKEN_PAUSE)
        if not status:
            await self._app(scope, receive, _with_headers(send))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})
        elif status == 401 and self._login and "text/html" in headers.get("accept", ""):
            query = scope["query_string"].decode("latin-1")
            wanted = scope["path"] + (f"?{query}" if query else "")
            location = {"location": f"{self._login}?next={quote(wanted)}"}
            await Response(b"", 303, location)(scope, receive, _with_headers(send))
        else:
            await _refuse(status, reason, scope, receive, send)

    def _refusal(self, scope: Scope, headers: Headers) -> tuple[int, str]:
        """Status and reason of the refusal; (0, "") for what is permitted."""
        access = self._access
        if not access.is_our_host(headers.get("host", "")):
            return 421, "this host name is not served here; use the address that was printed"
        is_read = scope["type"] == "http" and scope["method"] in _SAFE
        if (not is_read or scope["path"] in access.changing_paths) and not access.is_same_origin(
            headers
        ):
            return 403, "a page of another site may change nothing here"
        if not (access.is_open(scope["path"]) or access.is_known(headers)):
            return 401, "give the token: log in, or send Authorization: Bearer TOKEN"
        return 0, ""


def _with_headers(send: Send) -> Send:
    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return wrapped


async def _refuse(status: int, reason: str, scope: Scope, receive: Receive, send: Send) -> None:
    challenge = {"www-authenticate": "Bearer"} if status == 401 else {}
    code = int(ErrorCode.INVALID_REQUEST)
    answer = problem(status, _TITLES[status], reason, scope["path"], code=code, headers=challenge)
    await answer(scope, receive, _with_headers(send))
