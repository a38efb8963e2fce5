"""Drives a real core through histories as the node does: events, saves, and nothing else."""

from __future__ import annotations

import random
from typing import Any

from sustainml_orchestrator.core.commands import Command, Save
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import (
    BatchEnded,
    DeletionRequested,
    Event,
    OptimisationGoal,
    OutputReceived,
    Persisted,
    PersistFailed,
    StatusReceived,
    TaskCommanded,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import NO_TASK, NodeStatus, TaskCommand, TaskId, TaskStatus
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.record import to_record
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.storage import Journal, JournalError

PIPELINE = Pipeline.from_data(
    {
        "modules": {
            "words": {"inputs": ["user_input"], "output_type": "MLModelMetadata"},
            "limits": {"inputs": ["user_input"], "output_type": "HWConstraints"},
            "model": {
                "inputs": ["words", "limits"], "output_type": "MLModel", "baseline": True,
            },
        }
    },
    "test",
)  # fmt: skip
NAMES = tuple(PIPELINE.by_name)


class Driver:
    """A core with live modules, and a journal where one is given."""

    def __init__(
        self,
        session: int,
        journal: Journal | None = None,
        pipeline: Pipeline = PIPELINE,
        started_at: float = 0.0,
    ) -> None:
        self.core = Orchestrator(
            pipeline=pipeline,
            settings=Settings(max_active_tasks=3, max_auto_iterations=3),
            session=session,
            draw_token=lambda: random.randrange(1, 2**32),
            derive=lambda payload, *rest: payload + repr(rest).encode(),
            journalled=journal is not None,
        )
        self.journal = journal
        self.now = started_at
        self.commands: list[Command] = []
        self.warnings: list[str] = []  # of the journal

    @classmethod
    def restored(cls, journal: Journal, **options: Any) -> Driver:
        """A second life."""
        driver = cls(journal.session, journal, **options)
        driver.do(journal.restored(), after=0.0)
        return driver

    def do(self, *events: Event, after: float = 0.1) -> list[Command]:
        """Handle events that come together, save what they change.

        Raises:
            JournalError: it could not be saved; the core knows.
        """
        self.now += after
        self.commands, failure = [], None
        todo = [*events, BatchEnded()]
        while todo:
            event = todo.pop(0)
            for command in self.core.handle(event, Instant(self.now, int(self.now * 1e9))):
                self.commands.append(command)
                if isinstance(command, Save) and self.journal is not None:
                    try:
                        self.warnings += self.journal.write(command)
                        todo.append(Persisted(command.number))
                    except JournalError as error:
                        failure = error
                        todo.append(PersistFailed(command.number, str(error)))
        if failure is not None:
            raise failure
        return self.commands

    def bring_up(self) -> None:
        """All modules report IDLE."""
        for name in self.core.lifecycle.by_name:
            self.do(StatusReceived(name, f"/ns/{name}", 7, 0, NodeStatus.IDLE))
        self.do(TimePassed())

    def submit(self, text: str = "a problem", base: TaskId = NO_TASK, **values: Any) -> TaskId:
        """A new task, as last in the store."""
        values.setdefault("description", text)
        self.do(TaskSubmitted(0, text.encode(), base_task=base, **values))
        return self.core.store.get(NO_TASK).task_id

    def work(self, task_id: TaskId, module: int, payload: bytes = b"out", **facts: Any) -> None:
        """A module says that it works, and delivers."""
        task = self.core.store.find(task_id)
        assert task is not None
        spec = self.core.pipeline.modules[module]
        self.do(
            StatusReceived(
                spec.name, f"/ns/{spec.name}", 7, 0, NodeStatus.RUNNING, task_id, task.attempt,
                self.core.session, task.token, TaskStatus.RUNNING, 1,
            ),
            OutputReceived(
                module, task_id, task.attempt, self.core.session, task.token, payload, facts
            ),
        )  # fmt: skip

    def fail(self, task_id: TaskId, module: int) -> None:
        """A module reports an error that no further try would mend."""
        task = self.core.store.find(task_id)
        assert task is not None
        spec = self.core.pipeline.modules[module]
        self.do(
            StatusReceived(
                spec.name, f"/ns/{spec.name}", 7, 0, NodeStatus.RUNNING, task_id, task.attempt,
                self.core.session, task.token, TaskStatus.ERROR, 9, 2, "it\ncannot \N{PILE OF POO}",
            )
        )  # fmt: skip

    def solve(self, task_id: TaskId) -> None:
        """Every module delivers."""
        for module in range(len(self.core.pipeline)):
            self.work(
                task_id, module, f"{task_id} {module}".encode() * 9, quality=0.5, latency=-0.0
            )

    def command(self, task_id: TaskId, command: TaskCommand) -> None:
        """A front-end's command."""
        self.do(TaskCommanded(0, task_id, command))

    def delete(self, problem_id: int) -> None:
        """A front-end wants it gone."""
        self.do(DeletionRequested(0, problem_id))


AUTO = OptimisationGoal(auto=True, num_outputs=2, model_restrains=("a", "b"))


def contents(core: Orchestrator) -> dict[str, Any]:
    """All of a database that must survive, revisions and open steps aside."""
    kept = {}
    for problem in core.store.problems.values():
        for it in problem:
            names = ("revision", "steps", "instances")
            record = dict(zip(_FIELD_NAMES, to_record(it), strict=True))
            if it.steps:  # what a module has not ended begins anew
                records = [(r.tries, r.started, r.finished, r.instance) for r in it.records()]
            else:
                records = it.records()
            kept[str(it.task_id)] = (
                {k: v for k, v in record.items() if k not in names},
                records, it.user_input, tuple(it.outputs), it.goal,
            )  # fmt: skip
    counts = {status.name: core.store.count(status) for status in TaskStatus}
    return {"iterations": kept, "counts": counts, "bytes": core.store.payload_bytes}


def _names() -> list[str]:
    from sustainml_orchestrator.core.record import FIELDS

    return [name for name, _ in FIELDS]


_FIELD_NAMES = _names()
