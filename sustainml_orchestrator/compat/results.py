"""`/results`: the answer of a node, held back until there is one."""

from __future__ import annotations

import asyncio
import time
from functools import partial
from typing import Any

from sustainml_msgs.msg import Task

from sustainml_orchestrator.client import ClientError
from sustainml_orchestrator.compat import answers
from sustainml_orchestrator.compat.answers import Node
from sustainml_orchestrator.compat.saved import LoadedTasks
from sustainml_orchestrator.core.ids import NO_TASK, TaskId
from sustainml_orchestrator.core.states import FINAL_TASKS
from sustainml_orchestrator.rest.calls import ABSENT, PATIENCE, Calls, TaskLost


class Results:
    """Answers of nodes for tasks, of the orchestrator or loaded from files.

    Args:
        calls: to the orchestrator.
        loaded: the tasks of files.
    """

    def __init__(self, calls: Calls, loaded: LoadedTasks) -> None:
        self._calls = calls
        self._loaded = loaded

    async def newest(self) -> TaskId:
        """The last task; (0, 0) where there is none.

        Raises:
            ClientError: no orchestrator answers.
        """
        return await self._calls.run(self._newest)

    def _newest(self) -> TaskId:
        tasks, _ = self._calls.client.list_tasks(newest_first=True, limit=1)
        found = [TaskId(t.task_id.problem_id, t.task_id.iteration_id) for t in tasks]
        return found[0] if found else NO_TASK

    async def of(self, node_id: int, task_id: TaskId) -> dict[str, Any]:
        """What `/results` answers, once it can.

        Raises:
            ClientError: no such task, or no orchestrator.
        """
        if node_id == answers.ORCHESTRATOR:
            return {"ORCHESTRATOR": await self.stated(task_id)}
        if node_id == answers.ALL:
            return await self.every(task_id)
        if node_id not in answers.NODES:
            text = f"there is no node {node_id}; the nodes are 0 to 5, 7 (user input) and 9 (all)"
            return {"UNKNOWN": {"message": text, "task_id": task_id._asdict()}}
        return await self._ready(answers.NODES[node_id], task_id)

    async def stated(self, task_id: TaskId) -> dict[str, Any]:
        """The user input of a task."""
        loaded = self._loaded.get(task_id)
        if loaded is not None:
            stated: dict[str, Any] = loaded["ORCHESTRATOR"]
            return stated
        return answers.stated(await self._read(task_id, "app_requirements"))

    async def every(self, task_id: TaskId) -> dict[str, Any]:
        """The answers of all six nodes."""
        found = await asyncio.gather(*(self._ready(n, task_id) for n in answers.NODES.values()))
        return {"task_id": task_id._asdict(), **{k: v for part in found for k, v in part.items()}}

    async def snapshot(self, task_id: TaskId) -> dict[str, Any] | None:
        """All that a file keeps of a task; None while it is not over."""
        loaded = self._loaded.get(task_id)
        if loaded is not None:
            return loaded
        stated = await self._read(task_id, "app_requirements")
        if stated.summary.task_status not in FINAL_TASKS:
            return None
        found = await self.every(task_id)
        # What follows by itself is a task of the file as well, or none.
        found["CARBON_FOOTPRINT"]["extra_data"] |= {"num_outputs": 1, "auto_reiterate": False}
        del found["task_id"]
        return {**found, "ORCHESTRATOR": answers.stated(stated)}

    async def _read(self, task_id: TaskId, module: str) -> Task:
        """A task with one of its outputs."""
        # The extra_data comes with what is binary alone, of which a model may have much.
        with_extra = module != "ml_model_provider"
        return await self._calls.run(
            self._calls.client.get_task, task_id, modules=[module], include_binary=with_extra
        )

    async def _ready(self, node: Node, task_id: TaskId) -> dict[str, Any]:
        loaded = self._loaded.get(task_id)
        if loaded is not None:
            return {node.name: loaded[node.name]}
        try:
            task = await self._when_ready(node, task_id)
        except ClientError as error:  # the front-end waits for this answer: end its wait
            if not isinstance(error, TaskLost) and error.code not in ABSENT:
                raise
            return {node.name: answers.lost(node, task_id, error.message)}
        return {node.name: answers.answer(node, task)}

    async def _when_ready(self, node: Node, task_id: TaskId) -> Task:
        """All data of a task, once this node has its answer."""
        failed_at = None
        while True:
            await self._calls.wait_for(task_id, partial(answers.is_ready, node))
            try:
                task = await self._read(task_id, node.module)
                if answers.is_ready(node, task.summary):
                    return task
            except ClientError as error:  # it went away meanwhile, and may come back
                failed_at = failed_at or time.monotonic()
                if error.code not in ABSENT or time.monotonic() > failed_at + PATIENCE:
                    raise TaskLost(error.code, error.message) from error
            await asyncio.sleep(0.1)  # or it was reset meanwhile
