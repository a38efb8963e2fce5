"""The routes of the original front-end, as an ASGI application."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

import sustainml_orchestrator
from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.client.live import Live
from sustainml_orchestrator.compat import answers, requests
from sustainml_orchestrator.compat.cancelling import Cancelling
from sustainml_orchestrator.compat.configuring import Configuring
from sustainml_orchestrator.compat.files import Files
from sustainml_orchestrator.compat.requests import RequestError
from sustainml_orchestrator.compat.results import Results
from sustainml_orchestrator.compat.saved import LoadedTasks, SavedError, SavedFiles
from sustainml_orchestrator.core.ids import NodeStatus, TaskId
from sustainml_orchestrator.rest import app as rest_app
from sustainml_orchestrator.rest.answers import STATUS, Json
from sustainml_orchestrator.rest.bodies import BodyError, BodyLimit, read_object
from sustainml_orchestrator.rest.calls import Calls
from sustainml_orchestrator.rest.security import Access, Guard

_NEEDS_INTERNET = (
    "this needs the internet (huggingface.co) and a language model; this server works without "
    "both. The HF search lists the models of the local catalogue with their figures"
)
_PATHS_THAT_END = ("/terminate", "/shutdown")

Body = dict[str, Any]


class Routes:
    """What each route answers.

    Args:
        client: of the orchestrator; it stays the caller's.
        live: its updates.
        folder: of the saved files.
        stop: ends the server.
    """

    def __init__(
        self, client: OrchestratorClient, live: Live, folder: Path, stop: Callable[[], None]
    ) -> None:
        self.calls = Calls(client, live)
        self._stop = stop
        self._loaded = LoadedTasks()
        self._results = Results(self.calls, self._loaded)
        self._cancelling = Cancelling(self.calls)
        self._configuring = Configuring(self.calls)
        self._files = Files(SavedFiles(folder), self._loaded, self._results)

    def routes(self) -> list[Route]:
        """All routes; each POST takes a JSON object."""
        files = self._files
        posts: dict[str, Callable[[Body], Awaitable[Any]]] = {
            "/status": self._status,
            "/user_input": self._user_input,
            "/cancel": self._cancelling.cancel,
            "/hf_models_info": self._models_info,
            "/hf_models_compare": self._models_compare,
            "/saved_files": files.list_names,
            "/save_tasks": files.save,
            "/save_all": files.save,
            "/load_tasks": files.load_tasks,
            "/load_all": files.load_all,
            "/delete_saved_file": files.delete,
            "/wipe_db": files.wipe,
        }
        return [
            Route("/", self._hello, methods=["GET"]),
            Route("/results", self._last_results, methods=["GET"]),
            Route("/results", _Post(self._results_of, may_wait=True), methods=["POST"]),
            Route("/config_request", self._config_request, methods=["POST"]),
            *(
                Route(path, _Post(handler), methods=["POST", *_also_get(path)])
                for path, handler in posts.items()
            ),
            *(Route(path, self._terminate, methods=["GET", "POST"]) for path in _PATHS_THAT_END),
        ]

    async def _hello(self, _: Request) -> Response:
        text = f"sustainml_orchestrator {sustainml_orchestrator.__version__}"
        return Json({"message": f"{text}: the server of the SustainML front-end"})

    async def _terminate(self, _: Request) -> Response:
        self._stop()
        return Json({"message": "the server ends"})

    async def _status(self, body: Body) -> Any:
        state = self.calls.live.state
        found = {node.node_name: node.node_status for node in state.nodes} if state else {}
        names = {
            number: NodeStatus(found.get(node.module, NodeStatus.INACTIVE)).name
            for number, node in answers.NODES.items()
        }
        if body.get("node_id") in (None, answers.ALL):
            return {"status": {answers.NODES[number].name: name for number, name in names.items()}}
        node_id = requests.integer(body, "node_id")
        if node_id == answers.ORCHESTRATOR:
            return {"status": "IDLE" if state else "INACTIVE"}
        return {"status": names.get(node_id, "INACTIVE")}

    async def _user_input(self, body: Body) -> Any:
        client = self.calls.client
        user_input, extra = requests.user_input(body)
        base = requests.base_task(body)
        if base is None or self._loaded.get(base) is not None:
            # A loaded task is not in the database: what is iterated from it is a new problem.
            user_input.previous_iteration = 0
            task = await self.calls.run(client.start_task, user_input, extra_data=extra)
        else:
            if not base.problem_id:
                base = TaskId((await self._results.newest()).problem_id, base.iteration_id)
            user_input.previous_iteration = base.iteration_id
            task = await self.calls.run(client.start_iteration, base, user_input, extra_data=extra)
        self._cancelling.last = task
        return {"message": "User input data sent successfully.", "task_id": task._asdict()}

    async def _results_of(self, body: Body) -> Any:
        node_id = requests.integer(body, "node_id", answers.ALL)
        task_id = requests.task_id(body) or await self._results.newest()
        if not all(task_id):
            return Json({"error": "there is no task yet; send /user_input first"}, 404)
        return await self._results.of(node_id, task_id)

    async def _last_results(self, request: Request) -> Response:
        try:
            task_id = await self._results.newest()
            if not all(task_id):
                return PlainTextResponse("Nodes have not reported any output yet.")
            found = await _while_connected(request, self._results.every(task_id))
            return Json(found)
        except ClientError as error:
            return _failed(error)

    async def _config_request(self, request: Request) -> Response:
        """Answered in the same form whatever happens: the front-end counts these answers."""
        body: Body = {}
        try:
            body = await read_object(request)
        except BodyError as error:
            return Json(self._configuring.refuse(body, str(error)), error.status)
        # One that leaves must not keep its turn: those behind it would wait for nobody.
        answer = await _while_connected(request, self._configuring.answer(body))
        return answer if isinstance(answer, Response) else Json(answer)

    async def _models_info(self, body: Body) -> Any:
        if not body.get("model_ids"):
            raise RequestError('name the models: {"model_ids": ["org/model"]}')
        return Json({"error": _NEEDS_INTERNET}, 501)

    async def _models_compare(self, body: Body) -> Any:
        if not body.get("models"):
            raise RequestError('send the models of /hf_models_info: {"models": [...]}')
        return Json({"error": _NEEDS_INTERNET}, 501)


class _Post:
    """Reads the body, calls a handler, and says in JSON what went wrong.

    Args:
        handler: of a body.
        may_wait: the handler ends when the client goes away.
    """

    def __init__(
        self, handler: Callable[[Body], Awaitable[Any]], *, may_wait: bool = False
    ) -> None:
        self._handler = handler
        self._may_wait = may_wait

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        answer = await self._answer(request)
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        try:
            body = await read_object(request) if request.method == "POST" else {}
            call = self._handler(body)
            found = await (_while_connected(request, call) if self._may_wait else call)
            return found if isinstance(found, Response) else Json(found)
        except RequestError as error:
            return Json({"error": str(error)}, 400)
        except (BodyError, SavedError) as error:
            return Json({"error": str(error)}, error.status)
        except ClientError as error:
            return _failed(error)


async def _while_connected(request: Request, call: Awaitable[Any]) -> Any:
    """The result of a call that may wait for hours, unless the client goes away."""

    async def gone() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    tasks = [asyncio.ensure_future(call), asyncio.ensure_future(gone())]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else PlainTextResponse("", 499)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(BaseException):
                await task


def _failed(error: ClientError) -> Json:
    return Json({"error": error.message, "code": int(error.code)}, STATUS.get(error.code, 502))


def _also_get(path: str) -> list[str]:
    return ["GET"] if path in ("/status", "/saved_files") else []


async def _not_found(request: Request, error: Exception) -> Response:
    if request.url.path in rest_app.MONITORED:
        return await rest_app.http_problem(request, error)
    return Json({"error": f"there is no {request.method} {request.url.path[:200]}"}, 404)


def create_app(
    client: OrchestratorClient, live: Live, folder: Path, *, stop: Callable[[], None],
    access: Access | None = None,
) -> Starlette:  # fmt: skip
    """The server of the original front-end, with the REST interface.

    Args:
        client: of the orchestrator; it and `live` stay the caller's.
        live: the updates.
        folder: of the saved files.
        stop: ends the server, for `/terminate`.
        access: who may use it; by default anyone on this machine.
    """
    routes = Routes(client, live, folder, stop)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        routes.calls.close()

    access = access or Access()
    access.changing_paths = _PATHS_THAT_END
    guard = Middleware(Guard, access)
    return Starlette(
        routes=[*routes.routes(), *rest_app.routes(routes.calls)],
        middleware=[guard, Middleware(BodyLimit)], lifespan=lifespan,
        exception_handlers={404: _not_found, 405: _not_found},
    )  # fmt: skip
