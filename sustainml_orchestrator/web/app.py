"""The application of the web server: pages, their data, the live connection, the login."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import FastAPI, Form, Request, WebSocket
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.websockets import WebSocketDisconnect

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.rest import app as rest
from sustainml_orchestrator.rest.answers import Json
from sustainml_orchestrator.rest.bodies import BodyLimit
from sustainml_orchestrator.rest.calls import Calls
from sustainml_orchestrator.rest.security import (
    SESSION_TIME,
    WRONG_TOKEN_PAUSE,
    Access,
    Guard,
    cookie_name,
)
from sustainml_orchestrator.web import api
from sustainml_orchestrator.web.live import Live, Subscriber

STATIC = Path(__file__).with_name("static")
LOGIN = "/login"
#: What a browser without a token may read.
OPEN_PATHS = (LOGIN, "/static/style.css", "/static/icon.svg", "/healthz", "/readyz")
#: Addresses of pages; each is the same document, which shows what its address names.
PAGES = ("/", "/tasks", "/new", "/log", "/tasks/{a}/{b}", "/problems/{a}", "/modules/{a}")
_READ = ["GET", "HEAD"]
_LONGEST_SILENCE = 15.0  # s, between two messages to a page
_PERIOD = 0.1  # s, between two messages to a page
_MOST_WATCHED = 1000  # tasks
_LONGEST_LOGIN = 4096  # bytes


def create_app(make_live: Callable[[], Live], access: Access) -> Any:
    """The application.

    Args:
        make_live: connects to the orchestrator, when the application starts.
        access: who may use it.
    """

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        with make_live() as live:
            app.state.live = live
            app.state.calls = calls = Calls(live.client, live.updates)
            app.router.routes.extend(rest.routes(calls))
            yield

    app = FastAPI(
        title="SustainML", docs_url=None, redoc_url=None, openapi_url=None, lifespan=running,
        default_response_class=Json,
    )  # fmt: skip
    app.state.access = access
    app.add_exception_handler(ClientError, api.refused)
    app.add_exception_handler(RequestValidationError, api.malformed)
    app.add_exception_handler(HTTPException, not_served)
    app.include_router(api.router)
    app.add_api_websocket_route("/page/live", live_connection)
    app.add_api_route(LOGIN, login_page, methods=_READ, include_in_schema=False)
    app.add_api_route(LOGIN, log_in, methods=["POST"], include_in_schema=False)
    app.add_api_route("/logout", log_out, methods=["POST"], include_in_schema=False)
    for path in PAGES:
        app.add_api_route(path, _page, methods=_READ, include_in_schema=False)
    app.mount("/static", _Files(directory=STATIC))
    access.open_paths = OPEN_PATHS
    limited = BodyLimit(app, {LOGIN: _LONGEST_LOGIN})
    return Guard(GZipMiddleware(limited, minimum_size=1024), access, LOGIN)


class _Files(StaticFiles):
    """Our own files: a browser asks whether they are new, so that an update is seen at once."""

    def file_response(self, *args: Any, **options: Any) -> Response:
        response = super().file_response(*args, **options)
        response.headers["cache-control"] = "no-cache"
        return response


def page(status: int = 200) -> Response:
    """The document of all pages."""
    return FileResponse(STATIC / "index.html", status, {"cache-control": "no-cache"})


def _page() -> Response:
    return page()


async def not_served(request: Request, error: Exception) -> Response:
    """The answer where there is nothing: a page that says so, to one who looks for a page."""
    assert isinstance(error, HTTPException)
    is_page = error.status_code == 404 and not request.url.path.startswith("/page/")
    if is_page and "text/html" in request.headers.get("accept", ""):
        return page(404)
    if not request.url.path.startswith("/page/"):
        return await rest.http_problem(request, error)
    code = "NOT_FOUND" if error.status_code == 404 else "INVALID_REQUEST"
    text = f"{request.method} {request.url.path[:200]}: {error.detail}"
    return Json({"error": code, "message": text}, error.status_code, dict(error.headers or {}))


def login_page(request: Request) -> Response:
    """Where a user gives the token; after a wrong one it says so."""
    text = (STATIC / "login.html").read_text(encoding="utf-8")
    if "wrong" in request.query_params:
        text = text.replace(" hidden>", ">", 1)
    return HTMLResponse(text, headers={"cache-control": "no-store"})


async def log_in(request: Request, token: Annotated[str, Form()] = "") -> Response:
    """Take the token, give a cookie."""
    access: Access = request.app.state.access
    wanted = _own_path(request.query_params.get("next", ""))
    if not access.knows(token):
        await asyncio.sleep(WRONG_TOKEN_PAUSE)
        return RedirectResponse(f"{LOGIN}?{urlencode({'wrong': 1, 'next': wanted})}", 303)
    response = RedirectResponse(wanted, 303)
    response.set_cookie(
        cookie_name(request.headers), access.new_session(), max_age=int(SESSION_TIME),
        httponly=True, samesite="lax", secure=request.url.scheme == "https",
    )  # fmt: skip
    return response


def _own_path(path: str) -> str:
    """A path of this server; the front page in place of anything else."""
    is_own = path.startswith("/") and not path.startswith("//") and "\\" not in path
    return path if is_own and path.isprintable() else "/"


def log_out(request: Request) -> Response:
    """Forget the cookie."""
    access: Access = request.app.state.access
    access.end_session(request.cookies.get(cookie_name(request.headers), ""))
    response = RedirectResponse(LOGIN, 303)
    response.delete_cookie(cookie_name(request.headers))
    return response


async def live_connection(socket: WebSocket) -> None:
    """Tell a page what changes; it says of which tasks: {"watch": ["1/1"]}, or "all"."""
    live: Live = socket.app.state.live
    await socket.accept()
    subscriber = Subscriber(asyncio.get_running_loop())
    live.subscribe(subscriber)
    work = [asyncio.create_task(each(socket, subscriber)) for each in (_tell, _listen)]
    try:  # whichever ends first: a page that is closed, or the server, waits for nothing to tell
        await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    finally:
        live.unsubscribe(subscriber)
        for each in work:
            each.cancel()


async def _tell(socket: WebSocket, subscriber: Subscriber) -> None:
    """Tell a page what is new, until it is closed."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            await socket.send_text(await subscriber.next(_LONGEST_SILENCE) or "{}")
            await asyncio.sleep(_PERIOD)


async def _listen(socket: WebSocket, subscriber: Subscriber) -> None:
    """Hear which tasks a page wants, until it is closed."""
    with suppress(WebSocketDisconnect, RuntimeError):
        while True:
            text = await socket.receive_text()
            try:
                watch = json.loads(text).get("watch")
            except (ValueError, AttributeError, RecursionError):
                continue
            if watch == "all":
                subscriber.want(None)
            elif isinstance(watch, list):
                subscriber.want(frozenset(map(str, watch[:_MOST_WATCHED])))
