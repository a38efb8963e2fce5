"""The routes of saved files."""

from __future__ import annotations

from typing import Any

from sustainml_orchestrator.compat import requests
from sustainml_orchestrator.compat.requests import RequestError
from sustainml_orchestrator.compat.results import Results
from sustainml_orchestrator.compat.saved import LoadedTasks, SavedError, SavedFiles
from sustainml_orchestrator.core.ids import TaskId

_MAX_TASKS = 1000
#: What `/save_all` keeps as it is.
_OPAQUE = ("hf_searches", "hf_comparisons")


class Files:
    """Saves tasks under a name, and shows them again.

    Args:
        files: where they are.
        loaded: takes over what is loaded.
        results: the answers of the tasks to save.
    """

    def __init__(self, files: SavedFiles, loaded: LoadedTasks, results: Results) -> None:
        self._files = files
        self._loaded = loaded
        self._results = results

    async def list_names(self, _: dict[str, Any]) -> dict[str, Any]:
        """All names."""
        return {"names": self._files.names()}

    async def save(self, body: dict[str, Any]) -> dict[str, Any]:
        """Write the answers of the tasks, and the lists of searches and comparisons."""
        wanted = self._wanted(body)
        tasks, open_ones = [], []
        for task_id, display_name in wanted:
            answers = await self._results.snapshot(task_id)
            if answers is None:
                open_ones.append(str(task_id))
                continue
            tasks.append({**task_id._asdict(), "display_name": display_name, "answers": answers})
        left_out = f"; not over, left out: {', '.join(open_ones)}" if open_ones else ""
        if wanted and not tasks:
            raise SavedError(f"nothing can be saved yet{left_out}", 409)
        content = {"tasks": tasks, **{key: body.get(key, []) for key in _OPAQUE}}
        path = self._files.save(body.get("name"), content)
        number = f"{len(tasks)} task{'' if len(tasks) == 1 else 's'}"
        return {"message": f"{number} saved{left_out}", "path": path}

    async def load_tasks(self, body: dict[str, Any]) -> dict[str, Any]:
        """Take over the tasks of a file, under problem ids of their own."""
        return {"tasks": self._loaded.add(self._files.load(body.get("name")).get("tasks", []))}

    async def load_all(self, body: dict[str, Any]) -> dict[str, Any]:
        """The same, with the lists of searches and comparisons."""
        content = self._files.load(body.get("name"))
        lists = {key: content.get(key, []) for key in _OPAQUE}
        return {"tasks": self._loaded.add(content.get("tasks", [])), **lists}

    async def delete(self, body: dict[str, Any]) -> dict[str, Any]:
        """Remove one file."""
        self._files.delete(body.get("name"))
        return {"message": f"{body['name']} deleted"}

    async def wipe(self, _: dict[str, Any]) -> dict[str, Any]:
        """Remove all files, and forget what was loaded; tasks of the orchestrator stay."""
        self._loaded.clear()
        return {"message": f"{self._files.wipe()} saved files deleted"}

    def _wanted(self, body: dict[str, Any]) -> list[tuple[TaskId, str]]:
        tasks = body.get("tasks")
        is_list = isinstance(tasks, list) and all(isinstance(task, dict) for task in tasks)
        if not is_list or tasks is None:
            raise RequestError(
                'tasks must be a list such as [{"problem_id": 1, "iteration_id": 1}]'
            )
        if not tasks and not any(body.get(key) for key in _OPAQUE):
            raise RequestError("there is nothing to save; name at least one task")
        if len(tasks) > _MAX_TASKS:
            raise RequestError(f"these are {len(tasks)} tasks; save at most {_MAX_TASKS} at once")
        found = []
        for task in tasks:
            task_id = requests.task_id({"task_id": task})
            assert task_id is not None
            found.append((task_id, requests.text(task, "display_name", f"Problem {task_id}")))
        return found
