"""Reading the JSON body of a request, whatever it holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sustainml_orchestrator.contract import strict_json

#: The orchestrator takes requests of 64 MiB.
MAX_BODY = 64 * 2**20
#: A body may take so many s, and as long as it comes at this rate in bytes/s.
_TIME, _LEAST_RATE = 20.0, 16 * 1024


class BodyError(Exception):
    """A body that is no JSON object; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def read_object(request: Request) -> dict[str, Any]:
    """The JSON object of a body; an empty body is an empty object.

    Raises:
        BodyError: it is too large, no JSON, or no object.
    """
    octets = bytearray()
    try:
        async for part in request.stream():
            octets += part
            if len(octets) > MAX_BODY:
                raise BodyError(f"the body is larger than {MAX_BODY} bytes; send less", 413)
    except ClientDisconnect as error:
        raise BodyError("the body is incomplete") from error
    except HTTPException as error:  # of `BodyLimit`
        raise BodyError(error.detail, error.status_code) from error
    return parse_object(bytes(octets))


def parse_object(octets: bytes) -> dict[str, Any]:
    """The object that this JSON text holds; that of no text is empty.

    Raises:
        BodyError: it is no JSON, or no object.
    """
    if not octets.strip():
        return {}
    try:
        value = strict_json.loads(octets)
    except (RecursionError, ValueError) as error:
        raise BodyError(why_unreadable(error)) from error
    if not isinstance(value, dict):
        raise BodyError("the body must be a JSON object, such as {}")
    return value


def why_unreadable(error: BaseException) -> str:
    """What is wrong with a body: no JSON, no UTF-8, too deep, a number with too many digits."""
    if isinstance(error, RecursionError):
        return "the body is nested too deeply; send a flat JSON object"
    return f"the body is no JSON: {str(error)[:200]}"


class BodyLimit:
    """ASGI middleware that ends the reading of a body that is too large or comes too slowly.

    Args:
        app: the application.
        small: paths that take little, and how many bytes.
    """

    def __init__(self, app: ASGIApp, small: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._small = small or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._small.get(scope["path"], MAX_BODY)
        began, taken, is_whole = time.monotonic(), 0, False

        async def limited() -> Message:
            nonlocal taken, is_whole
            if is_whole:  # what follows is the end of the connection, at any time
                return await receive()
            left = began + _TIME + taken / _LEAST_RATE - time.monotonic()
            try:
                message = await asyncio.wait_for(receive(), left)
            except asyncio.TimeoutError as error:
                raise HTTPException(408, "the body came too slowly; send it again") from error
            taken += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if taken > most:
                raise HTTPException(413, f"the body is larger than {most} bytes; send less")
            return message

        await self._app(scope, limited, send)
