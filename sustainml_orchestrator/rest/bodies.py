"""Reading the JSON body of a request, whatever it holds."""

from __future__ import annotations

import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The orchestrator takes requests of 64 MiB.
MAX_BODY = 64 * 2**20


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
    return parse_object(bytes(octets))


def parse_object(octets: bytes) -> dict[str, Any]:
    """The object that this JSON text holds; that of no text is empty.

    Raises:
        BodyError: it is no JSON, or no object.
    """
    if not octets.strip():
        return {}
    try:
        value = json.loads(octets, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise BodyError("the body is nested too deeply; send a flat JSON object") from error
    except ValueError as error:  # no JSON, no UTF-8, or a number with too many digits
        raise BodyError(f"the body is no JSON: {str(error)[:200]}") from error
    if not isinstance(value, dict):
        raise BodyError("the body must be a JSON object, such as {}")
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


class BodyLimit:
    """ASGI middleware that ends the reading of a body that is too large.

    Args:
        app: the application.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        taken = 0

        async def limited() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_BODY:
                raise HTTPException(413, f"the body is larger than {MAX_BODY} bytes; send less")
            return message

        await self._app(scope, limited, send)
