"""What pages ask the server for, as JSON below /page: reads and commands of the public contract.

Made for these pages and changed with them; programs use /api/v1.
"""

from __future__ import annotations

import csv
import io
import json
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import PlainTextResponse
from pydantic import BaseModel, Field

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.contract.problem_input import ProblemError, to_message
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskCommand, TaskId
from sustainml_orchestrator.rest.answers import Json
from sustainml_orchestrator.rest.calls import Calls, Slow
from sustainml_orchestrator.web import problem_form, reading, views
from sustainml_orchestrator.web.live import Live

router = APIRouter(prefix="/page")
_STATUSES = {
    ErrorCode.INVALID_REQUEST: 422, ErrorCode.NOT_FOUND: 404, ErrorCode.TIMEOUT: 504,
    ErrorCode.NODE_UNAVAILABLE: 503, ErrorCode.REJECTED: 409, ErrorCode.RESOURCE_EXHAUSTED: 429,
}  # fmt: skip
Number = Annotated[int, Field(ge=0, lt=2**32)]


class Submission(BaseModel):
    """A problem as the form sends it."""

    fields: dict[str, Any]
    priority: int = Field(0, ge=0, le=255)
    request_id: str = Field("", max_length=200)


class Iteration(Submission):
    """Another iteration: the fields that were changed."""

    extra_data: dict[str, Any] | None = None


class Command(BaseModel):
    """A command by its name, such as STOP."""

    command: str


def refused(_: Request, error: Exception) -> Json:
    """The answer to what the orchestrator refused or did not answer."""
    assert isinstance(error, ClientError)
    body = {"error": error.code.name, "message": error.message}
    return Json(body, _STATUSES.get(error.code, 502))


def malformed(_: Request, error: Exception) -> Json:
    """The answer to a request of a wrong form; it does not repeat what was sent."""
    assert isinstance(error, RequestValidationError)
    found = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()[:5]]
    return Json({"error": "INVALID_REQUEST", "message": "; ".join(found)[:2000]}, 422)


def wrong(fields: dict[str, str]) -> Json:
    """The answer to a form with mistakes."""
    message = "; ".join(fields.values())
    return Json({"error": "INVALID_REQUEST", "message": message, "fields": fields}, 422)


def _live(request: Request) -> Live:
    live: Live = request.app.state.live
    return live


@router.get("/system")
def system(request: Request) -> dict[str, Any]:
    """State of the system, module graph, samples for the charts."""
    live = _live(request)
    graph = views.graph(live.pipeline)
    return {"system": live.system(), "graph": graph, "samples": list(live.samples)}


@router.get("/tasks")
def tasks(
    request: Request,
    words: str = Query("", max_length=200),
    status: Annotated[list[int] | None, Query(max_length=10)] = None,
    problem: Number = 0,
    order: str = "created",
    descending: bool = True,
    offset: int = Query(0, ge=0, lt=2**40),
    limit: int = Query(50, ge=1, le=500),
) -> dict[str, Any]:
    """A page of the table of tasks."""
    live = _live(request)
    rows, total = live.index.page(words=words, statuses=status or [], problem=problem, order=order,
                                  descending=descending, offset=offset, limit=limit)  # fmt: skip
    known = len(live.index)
    everything = known if live.is_indexed else max(live.total, known)
    return {"tasks": rows, "total": total, "known": known, "all": everything}


@router.post("/tasks")
def submit(request: Request, given: Submission) -> Any:
    """Start a task on a new problem."""
    if found := problem_form.mistakes(given.fields):
        return wrong(found)
    message, extra = to_message(given.fields)
    task = _live(request).client.start_task(
        message, extra_data=extra, priority=given.priority, request_id=given.request_id
    )
    return {"id": str(task)}


@router.get("/tasks/{problem}/{iteration}")
def task(request: Request, problem: Number, iteration: Number, whole: bool = False) -> Response:
    """All of a task; iteration 0 is the latest of its problem.

    While it runs, without extra_data unless `whole` asks for it: that comes with the models.
    """
    live = _live(request)
    known = live.index.state(problem, iteration)
    read = partial(reading.task, live, TaskId(problem, iteration), whole, known)
    return _json(live.kept.get(("task", problem, iteration, whole), known, read))


def _json(octets: bytes) -> Response:
    return Response(octets, media_type="application/json")


@router.get("/tasks/{problem}/{iteration}/json")
def download(request: Request, problem: Number, iteration: Number) -> Response:
    """The same data as `sustainml show --json`, as a file."""
    data = _live(request).client.get_task(TaskId(problem, iteration), include_binary=True)
    text = json.dumps(plain(data), ensure_ascii=False, indent=2)
    return _file(text, f"task_{problem}_{iteration}.json", "application/json")


def _file(text: str, name: str, kind: str) -> Response:
    headers = {"content-disposition": f'attachment; filename="{name}"'}
    return Response(text.encode("utf-8", "replace"), media_type=kind, headers=headers)


@router.post("/tasks/{problem}/{iteration}/iterate")
def iterate(request: Request, problem: Number, iteration: Number, given: Iteration) -> Any:
    """Start another iteration with some fields changed."""
    found = problem_form.mistakes({"problem_definition": "that of the base", **given.fields})
    if found:
        return wrong(found)
    message, _ = to_message(given.fields)
    overrides = [name for name in given.fields if name != "extra_data"]
    if given.extra_data is not None and not overrides:
        overrides = ["extra_data"]
    task = _live(request).client.start_iteration(
        TaskId(problem, iteration), message if overrides else None, overrides=overrides,
        extra_data=given.extra_data, priority=given.priority, request_id=given.request_id,
    )  # fmt: skip
    return {"id": str(task)}


@router.post("/tasks/{problem}/{iteration}/command")
def command_task(
    request: Request, problem: Number, iteration: Number, given: Command
) -> dict[str, Any]:
    """Stop, reset, preempt or terminate a task."""
    command = _command(TaskCommand, given.command)
    status = _live(request).client.control_task(TaskId(problem, iteration), command)
    return {"status": int(status), "status_text": status.name}


def _command(kind: Any, name: str) -> Any:
    known = [each.name for each in kind if each.value]
    if name not in known:
        text = f"'{name[:40]}' is no command; use one of {', '.join(known)}"
        raise ClientError(ErrorCode.INVALID_REQUEST, text)
    return kind[name]


@router.delete("/problems/{problem}")
def delete(request: Request, problem: Number) -> dict[str, Any]:
    """Delete a problem with all its iterations."""
    live = _live(request)
    count = live.client.delete_problem(problem)
    live.index.drop(problem)
    return {"deleted": count}


@router.get("/problems/{problem}")
def compare(request: Request, problem: Number) -> Response:
    """The iterations of a problem with their figures, settings and states."""
    return _json(reading.iterations(_live(request), problem))


@router.get("/problems/{problem}/csv")
def compare_csv(request: Request, problem: Number) -> Response:
    """The comparison for a spreadsheet."""
    rows = [plain(row) for row in _live(request).client.compare_iterations(problem)]
    stream = io.StringIO()
    names = [name for name in rows[0] if name != "task_id"] if rows else []
    writer = csv.writer(stream)
    writer.writerow(["iteration", *names])
    for row in rows:
        writer.writerow([row["task_id"]["iteration_id"], *(_cell(row[name]) for name in names)])
    return _file(stream.getvalue(), f"problem_{problem}.csv", "text/csv")


def _cell(value: Any) -> Any:
    """A value for a spreadsheet, never a formula."""
    is_formula = isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r"))
    return f"'{value}" if is_formula else value


@router.get("/form")
def form(request: Request) -> dict[str, Any]:
    """Choices for the fields of a problem, and examples."""
    return {"choices": problem_form.choices(_live(request).client),
            "examples": problem_form.examples()}  # fmt: skip


@router.post("/form/read")
def read_text(text: Annotated[str, Body(embed=True, max_length=2**20)]) -> Any:
    """The fields of a problem in YAML or JSON."""
    try:
        return {"fields": problem_form.read(text)}
    except ProblemError as error:
        return wrong({"text": str(error)})


@router.post("/form/check")
def check(given: Submission) -> dict[str, Any]:
    """What is wrong with the fields of a form, by field."""
    return {"fields": problem_form.mistakes(given.fields)}


@router.post("/form/yaml")
def write_text(given: Submission) -> Response:
    """The fields as YAML."""
    return PlainTextResponse(problem_form.as_yaml(given.fields))


@router.get("/nodes/{name}/configuration")
async def configuration(request: Request, name: str) -> dict[str, Any]:
    """The configuration of a module."""
    return await _configure(request, name, None)


@router.post("/nodes/{name}/configuration")
async def configure(
    request: Request, name: str, configuration: Annotated[dict[str, Any], Body(embed=True)]
) -> dict[str, Any]:
    """Change the configuration of a module; answers with the one in force."""
    return await _configure(request, name, configuration)


async def _configure(request: Request, name: str, given: dict[str, Any] | None) -> dict[str, Any]:
    # In places of their own: a module that hangs keeps no page waiting.
    calls: Calls = request.app.state.calls
    ask = calls.client.configure_node
    return {"configuration": await calls.run_slow(Slow.CONFIGURATION, 10.0, ask, name[:200], given)}


@router.post("/nodes/{name}/command")
async def command_node(request: Request, name: str, given: Command) -> dict[str, Any]:
    """Start, stop, reset or terminate a module; `all` is every module."""
    command = _command(NodeCommand, given.command)
    calls: Calls = request.app.state.calls
    control = calls.client.control_node
    target = "" if name == "all" else name
    nodes = await calls.run_slow(Slow.of(command), 20.0, control, target, command)
    return {"nodes": [views.node(each) for each in nodes]}


@router.get("/history")
def history(
    request: Request,
    problem: Number = 0,
    iteration: Number = 0,
    node: str = Query("", max_length=200),
    after: int = Query(0, ge=0, lt=2**63),
    limit: int = Query(200, ge=1, le=1000),
) -> Response:
    """Events of the system, of a task or of a module, the newest first."""
    live = _live(request)
    asked = (TaskId(problem, iteration), node, after, limit)
    return _json(
        live.kept.get(("history", *asked), live.mark, partial(reading.history, live, *asked))
    )
