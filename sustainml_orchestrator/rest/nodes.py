"""The system, its nodes, their configuration, and the history."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Path, Query
from sustainml_msgs import msg

from sustainml_orchestrator.client.errors import unavailable
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.ids import NodeCommand, TaskId
from sustainml_orchestrator.rest import schemas
from sustainml_orchestrator.rest.answers import Json
from sustainml_orchestrator.rest.calls import Calls, Slow
from sustainml_orchestrator.rest.context import FAILURES, Connected, answers
from sustainml_orchestrator.rest.schemas import MAX_UINT32

router = APIRouter()

Name = Annotated[str, Path(max_length=200, pattern="^[A-Za-z0-9_]+$", examples=["hw_resources"])]
Command = Literal["start", "stop", "reset", "terminate"]
Timeout = Annotated[float, Query(gt=0, le=300, description="Longest wait, in s.")]
Id = Annotated[int, Query(ge=0, le=MAX_UINT32)]
_CONFIGURATION: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The configuration in force, or the answer to a query.",
        "content": {"application/json": {"schema": {"type": "object"}}},
    },
    **FAILURES,
}


@router.get("/system", responses=answers(schemas.of_message(msg.SystemState)), tags=["system"])
async def system_state(calls: Connected) -> Json:
    """The state of the system: ready or why not, nodes, numbers of tasks."""
    state = calls.live.state
    if state is None:
        raise unavailable(calls.client.namespace, domain.current())
    return Json(plain(state))


@router.get("/nodes", responses=answers(schemas.Nodes), tags=["nodes"])
async def list_nodes(calls: Connected) -> Json:
    """The states of all modules."""
    return Json({"nodes": plain(await calls.run(calls.client.get_node_status))})


@router.get("/nodes/{name}", responses=answers(schemas.of_message(msg.NodeState)), tags=["nodes"])
async def get_node(calls: Connected, name: Name) -> Json:
    """The state of a module."""
    return Json(plain((await calls.run(calls.client.get_node_status, name))[0]))


@router.post("/nodes/{name}/{command}", responses=answers(schemas.Nodes), tags=["nodes"])
async def control_node(
    calls: Connected, name: Name, command: Command, timeout: Timeout = 30.0
) -> Json:
    """Start, stop, reset or terminate a module; answered when that is confirmed."""
    number = NodeCommand[command.upper()]
    control = calls.client.control_node
    nodes = await calls.run_slow(Slow.of(number), timeout, control, name, number)
    return Json({"nodes": plain(nodes)})


@router.get("/nodes/{name}/configuration", responses=_CONFIGURATION, tags=["nodes"])
async def get_configuration(calls: Connected, name: Name, timeout: Timeout = 10.0) -> Json:
    """The configuration of a module."""
    return await _configure(calls, name, None, timeout)


@router.patch("/nodes/{name}/configuration", responses=_CONFIGURATION, tags=["nodes"])
async def configure(
    calls: Connected, name: Name, settings: Annotated[dict[str, Any], Body()],
    timeout: Timeout = 10.0,
) -> Json:  # fmt: skip
    """Change settings of a module, or ask it: {"query": "hardwares"}."""
    return await _configure(calls, name, settings, timeout)


async def _configure(
    calls: Calls, name: str, settings: dict[str, Any] | None, timeout: float
) -> Json:
    configure = calls.client.configure_node
    return Json(plain(await calls.run_slow(Slow.CONFIGURATION, timeout, configure, name, settings)))


@router.get("/history", responses=answers(schemas.History), tags=["history"])
async def history(
    calls: Connected, problem_id: Id = 0, iteration_id: Id = 0,
    node_name: Annotated[str, Query(max_length=200)] = "",
    after_revision: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100, newest_first: bool = False,
) -> Json:  # fmt: skip
    """What happened to a task, a problem, a module, or to all."""
    events = await calls.run(
        calls.client.get_history, TaskId(problem_id, iteration_id), node_name,
        after_revision=after_revision, limit=limit, newest_first=newest_first,
    )  # fmt: skip
    return Json({"events": plain(events)})
