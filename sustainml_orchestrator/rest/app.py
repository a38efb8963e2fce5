"""The REST interface as an application to mount at `/api/v1`."""

from __future__ import annotations

import re
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Receive, Scope, Send

import sustainml_orchestrator
from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.core.ids import ErrorCode
from sustainml_orchestrator.rest import events, nodes, tasks
from sustainml_orchestrator.rest.answers import invalid, of_client_error, problem
from sustainml_orchestrator.rest.bodies import BodyLimit, why_unreadable
from sustainml_orchestrator.rest.calls import Calls
from sustainml_orchestrator.rest.events import EventLog
from sustainml_orchestrator.rest.metrics import Monitoring
from sustainml_orchestrator.rest.schemas import ProblemDetails

PREFIX = "/api/v1"
#: Beside it, for monitors.
MONITORED = ("/metrics", "/healthz", "/readyz")
_PARTS = (tasks, nodes, events)
#: Details of a refused request that are told.
_TOLD = 5


def routes(calls: Calls) -> list[BaseRoute]:
    """What a server adds to its own routes: `/api/v1`, `/metrics`, `/healthz`, `/readyz`.

    Args:
        calls: to the orchestrator; of one event loop.
    """
    api = Mount(PREFIX, create_api(calls))
    # Also paths with a line break, which `.` does not match: their answers are problem details.
    api.path_regex = re.compile(api.path_regex.pattern, re.DOTALL)
    return [api, *Monitoring(calls).routes()]


def create_api(calls: Calls) -> FastAPI:
    """The REST interface; it describes itself at `openapi.json`."""
    api = FastAPI(
        title="SustainML orchestrator", version=sustainml_orchestrator.__version__,
        description="Problems, their iterations, tasks, nodes, configuration, history, events.",
        docs_url=None, redoc_url=None, servers=[{"url": PREFIX}], root_path_in_servers=False,
    )  # fmt: skip
    api.state.calls, api.state.events = calls, EventLog(calls)
    for part in _PARTS:
        api.include_router(part.router)
    api.add_exception_handler(ClientError, _client_error)
    api.add_exception_handler(RequestValidationError, _validation_error)
    api.add_exception_handler(HTTPException, http_problem)
    api.add_middleware(BodyLimit)
    api.add_middleware(_HeadAsGet)
    _describe_problems(api)
    return api


def _is_stream(scope: Scope) -> bool:
    """Whether the answer never ends: it has no head alone."""
    return bool(scope["path"].endswith("/events"))


class _HeadAsGet:
    """ASGI middleware: HEAD is GET without the body, which the server leaves out."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope.get("method") == "HEAD" and not _is_stream(scope):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


def _describe_problems(api: FastAPI) -> None:
    """Add the type of problem details, which routes refer to, in place of FastAPI's own."""
    make = api.openapi

    def openapi() -> dict[str, Any]:
        described = make()
        schemas = described["components"]["schemas"]
        schemas["ProblemDetails"] = ProblemDetails.model_json_schema()
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        return described

    api.openapi = openapi  # type: ignore[method-assign]


async def _client_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ClientError)
    return of_client_error(error, request.url.path)


async def _validation_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    path = request.url.path
    kind = request.headers.get("content-type", "")
    if isinstance(error.body, bytes):  # it was not read as JSON
        text = f"the body is sent as {kind[:100] or 'no type'}; send Content-Type: application/json"
        code = int(ErrorCode.INVALID_REQUEST)
        return problem(415, "UNSUPPORTED_MEDIA_TYPE", text, path, code=code)
    first = error.errors()[0]
    if first["type"] == "json_invalid":
        reason = str(first["ctx"]["error"])[:200]
        return invalid(f"the body is no JSON: {reason} at character {first['loc'][-1]}", path)
    found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
    more = f" (and {len(found) - _TOLD} more)" if len(found) > _TOLD else ""
    return invalid("; ".join(found[:_TOLD])[:2000] + more, path, 422)


async def http_problem(request: Request, error: Exception) -> Response:
    """The answer to an address or a method that there is not, or a body that is not taken."""
    assert isinstance(error, HTTPException)
    path = request.url.path
    if error.status_code == 400 and error.__cause__ is not None:  # of FastAPI, which tells no more
        return invalid(why_unreadable(error.__cause__), path)
    text = f"{request.method} {path}: {error.detail}; {PREFIX}/openapi.json lists what there is"
    is_missing = error.status_code == 404
    code = ErrorCode.NOT_FOUND if is_missing else ErrorCode.INVALID_REQUEST
    title, headers = code.name, dict(error.headers or {})
    if error.status_code == 405:
        title = "METHOD_NOT_ALLOWED"
        if methods := _allowed(request):
            headers["Allow"] = ", ".join(methods)
    return problem(error.status_code, title, text[:2000], path, code=int(code), headers=headers)


def _allowed(request: Request) -> list[str]:
    """The methods of an address of ours: Starlette names those of its first route alone."""
    routes = [route for part in _PARTS for route in part.router.routes]
    matching = [each for each in routes if each.matches(request.scope)[0] != Match.NONE]
    names = {name for each in matching for name in getattr(each, "methods", ())}
    is_read = "GET" in names and not _is_stream(request.scope)
    return sorted(names | ({"HEAD"} if is_read else set()))
