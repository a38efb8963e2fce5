"""Saved tasks: files of this user, with the answers of each task, to be shown again later."""

from __future__ import annotations

import json
import os
import re
import threading
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.text import cause

_NAME = re.compile(r"[A-Za-z0-9 _/-]{1,120}")
_FORMAT = "sustainml saved tasks 1"
#: Loaded tasks get problem ids from here: far beyond those that the orchestrator gives, and
#: within 31 bits, as the front-end reads them.
_FIRST_LOADED = 1_000_000_000
_MAX_LOADED = 10_000

Answers = dict[str, Any]


class SavedError(Exception):
    """What is asked of a saved file cannot be done.

    Attributes:
        status: of HTTP.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class SavedFiles:
    """A folder of saved tasks; each file is written whole or not at all.

    Args:
        folder: made when it is first used.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """The names of all files, in order."""
        try:
            return sorted(unquote(path.stem) for path in self.folder.glob("*.json"))
        except OSError as error:
            raise _unusable(self.folder, error) from error

    def save(self, name: Any, content: Mapping[str, Any]) -> str:
        """Write a file, in place of one of the same name; returns its path."""
        path = self._path(name)
        part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as stream:
                json.dump({"format": _FORMAT, **content}, stream)
                stream.flush()
                os.fsync(descriptor)
            part.replace(path)
        except OSError as error:
            part.unlink(missing_ok=True)
            raise _unusable(path, error) from error
        return str(path)

    def load(self, name: Any) -> dict[str, Any]:
        """The content of a file."""
        path = self._path(name)
        try:
            content = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise _unusable(path, error) from error
        except (ValueError, RecursionError) as error:
            raise SavedError(f"{path} is damaged: {error}; delete it", 422) from error
        if not isinstance(content, dict) or content.get("format") != _FORMAT:
            raise SavedError(f"{path} is no file of saved tasks; delete it", 422)
        return content

    def delete(self, name: Any) -> None:
        """Remove a file."""
        path = self._path(name)
        try:
            path.unlink()
        except FileNotFoundError as error:
            raise _missing(name) from error
        except OSError as error:
            raise _unusable(path, error) from error

    def wipe(self) -> int:
        """Remove all files; returns how many there were."""
        names = self.names()
        for name in names:
            self.delete(name)
        return len(names)

    def _path(self, name: Any) -> Path:
        """One flat folder: a "/" in a name is part of the name of the file."""
        if not isinstance(name, str) or not _NAME.fullmatch(name) or not name.strip():
            raise SavedError(
                "name must be a text of 1 to 120 letters, digits, blanks and the signs _ / -"
            )
        return self.folder / f"{quote(name, safe=' ')}.json"


class LoadedTasks:
    """Tasks that were loaded from files, under problem ids of their own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = _FIRST_LOADED
        self._tasks: dict[TaskId, Answers] = {}

    def get(self, task_id: TaskId) -> Answers | None:
        """The answers of a loaded task by name of the node; None: it is no loaded one."""
        return self._tasks.get(task_id)

    def add(self, tasks: list[Any]) -> list[dict[str, Any]]:
        """Take over the tasks of a file; returns their new ids and display names.

        Raises:
            SavedError: the file holds something else.
        """
        with self._lock:
            if len(self._tasks) + len(tasks) > _MAX_LOADED:
                raise SavedError("too many tasks are loaded; restart the server", 429)
            fresh: dict[Any, int] = {}
            added = []
            try:
                for task in tasks:
                    old, iteration = task["problem_id"], task["iteration_id"]
                    problem = fresh.setdefault(old, self._next + len(fresh))
                    answers = _renamed(task["answers"], problem)
                    added.append((TaskId(problem, iteration), answers, task["display_name"]))
            except (KeyError, TypeError, AttributeError) as error:
                raise SavedError(f"the file of saved tasks is damaged: {error!r}", 422) from error
            self._next += len(fresh)
            self._tasks |= {task_id: answers for task_id, answers, _ in added}
        return [{**task_id._asdict(), "display_name": name} for task_id, _, name in added]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self._tasks.clear()


def _renamed(answers: Mapping[str, Any], problem: int) -> Answers:
    return {
        name: {**value, "task_id": {**value["task_id"], "problem_id": problem}}
        for name, value in answers.items()
    }


def _missing(name: Any) -> SavedError:
    return SavedError(f"there is no saved file {name!r}; /saved_files lists them", 404)


def _unusable(path: Path, error: OSError) -> SavedError:
    return SavedError(f"{path} cannot be used: {cause(error)}", 507)
