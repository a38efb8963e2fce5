"""What a report holds; credentials are removed from every text of it."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sustainml_orchestrator
from sustainml_orchestrator.cli import background
from sustainml_orchestrator.cli.console import as_text
from sustainml_orchestrator.cli.context import options
from sustainml_orchestrator.cli.doctor import as_data, examine, print_findings
from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.credentials import scrub, strip
from sustainml_orchestrator.core.ids import ErrorCode, TaskId, TaskStatus
from sustainml_orchestrator.storage.errors import JournalError
from sustainml_orchestrator.storage.location import USUAL_PLACE, locate

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient

FORMAT = 1
#: Variables of the environment that decide how ROS and its texts behave.
_PREFIXES = ("ROS_", "RMW_", "RCUTILS_", "FASTDDS_", "FASTRTPS_", "CYCLONEDDS_", "SUSTAINML_",
             "LC_", "LANG", "XDG_STATE_HOME")  # fmt: skip
#: Most bytes of each log file, its end; most open, failed and finished tasks; most events.
_LOG_BYTES, _LOG_FILES = 10 * 2**20, 2
_OPEN, _FAILED, _FINISHED = 20, 20, 5
_EVENTS = 1000
#: After so many calls without an answer the orchestrator is asked for nothing more.
_MOST_TIMEOUTS = 3
_OPEN_STATES = (TaskStatus.WAITING, TaskStatus.RUNNING)


class Collection:
    """The files of a report by name, and what could not be had.

    Attributes:
        missing: one sentence for each part that is not there.
    """

    def __init__(self) -> None:
        self.stamp = time.time()
        self.entries: dict[str, bytes] = {}
        self.missing: list[str] = []
        self._journal_setting = USUAL_PLACE
        self._timeouts = 0

    def collect(self, task_id: TaskId | None) -> None:
        """Everything that can be had; of all tasks, or of one.

        Raises:
            ClientError: the orchestrator knows no such task.
        """
        self._put_json("versions.json", _versions())
        with self._part("the findings of doctor"):
            self._examine()
        self._ask(task_id)
        for name, part in (("the processes", self._processes), ("the log", self._logs),
                           ("the recording", self._recording)):  # fmt: skip
            with self._part(name):
                part()
        about = {
            "format": FORMAT, "created": self.stamp, "namespace": options.namespace,
            "domain": domain.current(), "task": str(task_id) if task_id else None,
            "missing": self.missing, "files": sorted(self.entries),
        }  # fmt: skip
        self._put_json("report.json", about)

    @contextmanager
    def _part(self, name: str, but: tuple[type[Exception], ...] = ()) -> Iterator[None]:
        """A part without which the report is made all the same; `but` is raised."""
        try:
            yield
        except but:
            raise
        except Exception as error:  # whatever is wrong is what the report is for
            text = " ".join(str(error).split()) or type(error).__name__
            self.missing.append(f"{name}: {text}")

    def _put_json(self, name: str, value: Any) -> None:
        kept, _ = strip(plain(value))
        self.entries[name] = json.dumps(kept, ensure_ascii=False, indent=1).encode(
            "utf-8", "backslashreplace"
        )

    def _put_text(self, name: str, text: str) -> None:
        lines = (scrub(line) for line in text.splitlines(keepends=True))
        self.entries[name] = "".join(lines).encode("utf-8", "backslashreplace")

    def _examine(self) -> None:
        findings, code = examine()
        self._put_json("doctor.json", as_data(findings, code))
        self._put_text("doctor.txt", as_text(partial(print_findings, findings)))

    def _ask(self, task_id: TaskId | None) -> None:
        """What the orchestrator knows; what it does not tell of the tasks, its journal does."""
        from sustainml_orchestrator.client import ClientError, OrchestratorClient, RequestRefused

        untold: Container[TaskId] | None = None  # all
        try:
            with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
                self._states(client)
                untold = self._tasks(client, task_id)
        except RequestRefused:
            raise
        except ClientError as error:
            self.missing.append(f"what the orchestrator knows: {error.message}")
        if untold is None or untold:
            with self._part("the tasks of the journal"):
                self._stored_tasks(task_id, untold)

    @contextmanager
    def _answer(self, name: str, *but: type[Exception]) -> Iterator[None]:
        """A part that the orchestrator is asked for: one that it does not answer is left out.

        Args:
            but: further errors that are raised.

        Raises:
            ClientError: there is no orchestrator, or it answers nothing any more.
        """
        from sustainml_orchestrator.client import OrchestratorUnavailable, RequestTimeout

        try:
            with self._part(name, but=(OrchestratorUnavailable, RequestTimeout, *but)):
                yield
        except RequestTimeout as error:
            self.missing.append(f"{name}: {error.message}")
            self._timeouts += 1
            if self._timeouts >= _MOST_TIMEOUTS:
                raise

    def _states(self, client: OrchestratorClient) -> None:
        nodes: list[Any] = []
        with self._answer("the nodes"):
            nodes = client.get_node_status()
            self._put_json("nodes.json", nodes)
        with self._answer("the state of the system"):
            self._put_json("system_state.json", client.system_state())
        self._parameters(client, nodes)
        with self._answer("the history"):
            events = client.get_history(limit=_EVENTS, newest_first=True)
            self._put_json("history.json", {"events": events[::-1]})

    def _parameters(self, client: OrchestratorClient, nodes: Iterable[Any]) -> None:
        found: dict[str, Any] = {}
        with self._answer("the parameters of the orchestrator"):
            found["orchestrator"] = client.get_parameters()
            self._journal_setting = str(found["orchestrator"].get("journal_path", ""))
        for node in nodes:
            for instance in node.instances:
                if instance.responsive:
                    with self._part(f"the parameters of {instance.instance}"):
                        found[instance.instance] = client.get_parameters(instance.instance)
        self._put_json("parameters.json", found)

    def _tasks(self, client: OrchestratorClient, task_id: TaskId | None) -> set[TaskId] | None:
        """Put the tasks and their histories; returns those that were not told, None = all."""
        from sustainml_orchestrator.client import RequestRefused

        wanted, untold = [task_id] if task_id else None, set()
        with self._answer("the list of tasks"):
            wanted = wanted or _concerned(client)
        for each in wanted or ():
            try:
                if not self._task(client, each):
                    untold.add(each)
            except RequestRefused as error:
                if task_id or error.code is not ErrorCode.NOT_FOUND:
                    raise
                # deleted meanwhile
        return None if wanted is None else untold

    def _task(self, client: OrchestratorClient, task_id: TaskId) -> bool:
        """Put what is known of a task; returns whether it was told.

        Raises:
            RequestRefused: the orchestrator knows no such task.
        """
        from sustainml_orchestrator.client import RequestRefused

        found: dict[str, Any] = {}
        with self._answer(f"the task {task_id}", RequestRefused):
            found["task"] = task = client.get_task(task_id)
            task_id = TaskId(task.summary.task_id.problem_id, task.summary.task_id.iteration_id)
        with self._answer(f"the history of {task_id}"):
            events = client.get_history(task_id, limit=_EVENTS, newest_first=True)
            found["events"] = events[::-1]
        if found:
            self._put_json(_name_of(task_id), found)
        return "task" in found

    def _stored_tasks(self, task_id: TaskId | None, untold: Container[TaskId] | None) -> None:
        """Put what the journal says of a task (None = of all), or of the untold ones alone."""
        from sustainml_orchestrator.storage.export import rows

        wanted: list[dict[str, Any]] = []
        for row in rows(self._journal()):
            del row["steps"], row["token"]
            named = TaskId(row["problem_id"], row["iteration_id"])
            if untold is not None and named not in untold and (named[0], 0) not in untold:
                continue
            if task_id is None or named == task_id or (named[0], 0) == task_id:
                wanted.append(row)
        for row in wanted[-_OPEN - _FAILED :]:
            named = TaskId(row["problem_id"], row["iteration_id"])
            known = json.loads(self.entries.get(_name_of(named), b"{}"))
            self._put_json(_name_of(named), {**known, "stored": row})

    def _journal(self) -> Path:
        place = locate(self._journal_setting, options.namespace, domain.current())
        if not place:
            raise JournalError("the database is in memory only")
        return Path(place)

    def _processes(self) -> None:
        known = background.running()
        if known is None:
            self.missing.append("the processes: no `sustainml up` of this user runs here")
            return
        rows = background.processes(known.pid)
        self._put_json("processes.json", {**asdict(known), "processes": rows})

    def _logs(self) -> None:
        path = background.place(".log")
        found = [path, *(path.with_name(f"{path.name}.{n}") for n in range(1, _LOG_FILES))]
        for each in filter(Path.exists, found):
            with each.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - _LOG_BYTES))
                if size > _LOG_BYTES:
                    file.readline()  # the rest of a line
                text = file.read().decode("utf-8", "backslashreplace")
            self._put_text(f"logs/{each.name}", text)
        if not path.exists():
            self.missing.append(f"the log: there is no {path}")

    def _recording(self) -> None:
        from sustainml_orchestrator.storage import flight_recorder

        path = flight_recorder.place_of(self._journal())
        found = [each for each in (path, flight_recorder.older(path)) if each.exists()]
        for each in found:
            self.entries[each.name] = flight_recorder.rewritten(each, scrub)
        if not found:
            self.missing.append(f"the recording: there is no {path}")


def _name_of(task_id: TaskId) -> str:
    return f"tasks/{task_id[0]}-{task_id[1]}.json"


def _concerned(client: OrchestratorClient) -> list[TaskId]:
    """Tasks that are open or have failed, and the latest finished ones."""
    look: Callable[..., Any] = client.list_tasks
    found = []
    for states, most in ((_OPEN_STATES, _OPEN), ((TaskStatus.ERROR,), _FAILED), ((), _FINISHED)):
        page, _ = look(statuses=states, newest_first=True, limit=most)
        found += [TaskId(each.task_id.problem_id, each.task_id.iteration_id) for each in page]
    return sorted(set(found))


def _versions() -> dict[str, Any]:
    packages = {}
    for each in metadata.distributions():
        with suppress(Exception):  # of a package that is damaged
            packages[each.metadata["Name"]] = each.version
    variables = {key: os.environ[key] for key in sorted(os.environ) if key.startswith(_PREFIXES)}
    return {
        "sustainml": sustainml_orchestrator.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "ros": os.environ.get("ROS_DISTRO", "from wheels"),
        "environment": variables,
        "packages": dict(sorted(packages.items(), key=lambda item: str(item[0]).lower())),
    }
