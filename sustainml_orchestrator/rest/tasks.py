"""Problems, their iterations, and tasks."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Query, Request
from fastapi.encoders import jsonable_encoder
from sustainml_msgs import msg
from sustainml_msgs.msg import TaskSummary, UserInput

from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.rest import schemas
from sustainml_orchestrator.rest.answers import Json
from sustainml_orchestrator.rest.calls import Calls
from sustainml_orchestrator.rest.context import Connected, answers
from sustainml_orchestrator.rest.schemas import MAX_UINT32, NewIteration, NewProblem, Statement

router = APIRouter()

_ID = Path(ge=1, le=MAX_UINT32)
ProblemId = Annotated[int, _ID]
IterationId = Annotated[int, Path(ge=0, le=MAX_UINT32, description="0 = the latest.")]
Offset = Annotated[int, Query(ge=0, le=MAX_UINT32)]
Limit = Annotated[int, Query(ge=1, le=1000)]
StatusName = Literal["WAITING", "ERROR", "RUNNING", "SUCCEEDED", "STOPPED", "TERMINATED"]
Command = Literal["stop", "reset", "preempt", "terminate"]
Module = Annotated[str, Query(max_length=200)]
_KEY_HELP = "A repeated request with the same key is the same task."
Key = Annotated[
    str, Header(alias="Idempotency-Key", max_length=200, pattern="^[!-~]*$", description=_KEY_HELP)
]
#: Pages of summaries that are looked through for problems, at most.
_PAGES, _PAGE = 20, 1000


@router.get("/problems", responses=answers(schemas.ProblemPage), tags=["problems"])
async def list_problems(calls: Connected, cursor: Offset = 0, limit: Limit = 100) -> Json:
    """Problems, the newest first, each with its first iteration."""
    found, following = await calls.run(_problems, calls, cursor, limit)
    return Json({"problems": plain(found), "next_cursor": following})


def _problems(calls: Calls, cursor: int, limit: int) -> tuple[list[TaskSummary], int | None]:
    """A page, and where the next begins: among all tasks, the newest first."""
    found: list[TaskSummary] = []
    size = limit  # most problems have one iteration; where they have many, the pages grow
    for _ in range(_PAGES):
        page, total = calls.client.list_tasks(newest_first=True, offset=cursor, limit=size)
        size = min(2 * size, _PAGE)
        for summary in page:
            cursor += 1
            if summary.task_id.iteration_id == 1:
                found.append(summary)
                if len(found) == limit:
                    return found, cursor if cursor < total else None
        if not page or cursor >= total:
            return found, None
    return found, cursor


@router.post(
    "/problems", status_code=201, responses=answers(schemas.TaskCreated, 201), tags=["problems"]
)
async def start_problem(
    request: Request, calls: Connected, problem: NewProblem, key: Key = ""
) -> Json:
    """State a problem: its first iteration is started."""
    task = await calls.run(
        calls.client.start_task, _user_input(problem), extra_data=problem.extra_data,
        priority=problem.priority, request_id=key,
    )  # fmt: skip
    return _created(request, task)


@router.get("/problems/{problem_id}", responses=answers(schemas.Tasks), tags=["problems"])
async def list_iterations(
    calls: Connected, problem_id: ProblemId, offset: Offset = 0, limit: Limit = 100
) -> Json:
    """The iterations of a problem."""
    tasks, total = await calls.run(calls.client.list_tasks, problem_id, offset=offset, limit=limit)
    if not total:
        await calls.run(calls.client.get_task, TaskId(problem_id, 0))  # says that there is none
    return Json({"tasks": plain(tasks), "total": total})


@router.delete("/problems/{problem_id}", responses=answers(schemas.Deleted), tags=["problems"])
async def delete_problem(calls: Connected, problem_id: ProblemId) -> Json:
    """Delete a problem, none of whose tasks waits or runs."""
    return Json(
        {"deleted_iterations": await calls.run_command(calls.client.delete_problem, problem_id)}
    )


@router.get(
    "/problems/{problem_id}/comparison", responses=answers(schemas.Comparison), tags=["problems"]
)
async def compare_iterations(calls: Connected, problem_id: ProblemId) -> Json:
    """The iterations side by side: figures, Pareto front, the best."""
    rows = await calls.run(calls.client.compare_iterations, problem_id)
    return Json({"iterations": plain(rows)})


@router.post(
    "/problems/{problem_id}/iterations", status_code=201,
    responses=answers(schemas.TaskCreated, 201), tags=["problems"],
)  # fmt: skip
async def start_iteration(
    request: Request, calls: Connected, problem_id: ProblemId, changes: NewIteration, key: Key = ""
) -> Json:
    """Start another iteration, with the fields that are given in place of those of its base."""
    overrides = [name for name in changes.model_fields_set if name in _FIELDS]
    base = TaskId(problem_id, changes.base_iteration)
    user_input = _user_input(changes) if overrides else None
    task = await calls.run(
        calls.client.start_iteration, base, user_input, overrides=overrides,
        extra_data=changes.extra_data, priority=changes.priority, request_id=key,
    )  # fmt: skip
    return _created(request, task)


@router.get("/tasks", responses=answers(schemas.Tasks), tags=["tasks"])
async def list_tasks(
    calls: Connected, problem_id: Annotated[int, Query(ge=0, le=MAX_UINT32)] = 0,
    status: Annotated[list[StatusName], Query()] = [],  # noqa: B006
    newest_first: bool = True, offset: Offset = 0, limit: Limit = 100,
) -> Json:  # fmt: skip
    """A page of tasks."""
    statuses = [TaskStatus[name] for name in status]
    tasks, total = await calls.run(
        calls.client.list_tasks, problem_id, statuses, newest_first=newest_first, offset=offset,
        limit=limit,
    )  # fmt: skip
    return Json({"tasks": plain(tasks), "total": total})


@router.get(
    "/tasks/{problem_id}/{iteration_id}", responses=answers(schemas.of_message(msg.Task)),
    tags=["tasks"],
)  # fmt: skip
async def get_task(
    calls: Connected, problem_id: ProblemId, iteration_id: IterationId,
    module: Annotated[list[Module], Query(max_length=100)] = [],  # noqa: B006
) -> Json:  # fmt: skip
    """All data of a task; with `module`, the outputs of these modules alone."""
    task_id = TaskId(problem_id, iteration_id)
    task = await calls.run(calls.client.get_task, task_id, modules=module, include_binary=True)
    return Json(plain(task))


@router.post(
    "/tasks/{problem_id}/{iteration_id}/{command}", responses=answers(schemas.TaskState),
    tags=["tasks"],
)  # fmt: skip
async def control_task(
    calls: Connected, problem_id: ProblemId, iteration_id: IterationId, command: Command
) -> Json:
    """Stop, reset (run again), preempt or terminate a task."""
    task_id = TaskId(problem_id, iteration_id)
    state = await calls.run_command(
        calls.client.control_task, task_id, TaskCommand[command.upper()]
    )
    return Json({"task_status": int(state), "status_text": state.name})


_FIELDS = frozenset(Statement.model_fields) - {"extra_data"}


def _user_input(statement: Statement) -> UserInput:
    fields: dict[str, Any] = jsonable_encoder(statement, include=set(_FIELDS))
    return UserInput(**fields)


def _created(request: Request, task: TaskId) -> Json:
    href = f"{request.scope.get('root_path', '')}/tasks/{task}"
    return Json({"task_id": task._asdict(), "href": href}, 201, {"Location": href})
