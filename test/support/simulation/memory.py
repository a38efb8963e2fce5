"""What survives a crash of the orchestrator: the records that the journal would hold."""

from __future__ import annotations

from collections.abc import Sequence

from sustainml_orchestrator.core.commands import (
    Command,
    ForgetProblem,
    SaveNode,
    SaveOutput,
    SaveTask,
)
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.record import (
    Record,
    from_record,
    to_delivery,
    to_record,
    with_delivery,
)
from sustainml_orchestrator.core.restore import resume


class Memory:
    """Commits what commands ask for, as the journal does, and fills a fresh core from it."""

    def __init__(self) -> None:
        self._records: dict[TaskId, tuple[Record, bytes]] = {}
        self._outputs: dict[tuple[TaskId, int], tuple[int, bytes]] = {}
        self._deliveries: dict[TaskId, dict[int, bytes]] = {}
        self._revision = 0
        self._next_problem_id = 1
        self._desired: dict[str, bool] = {}

    def commit(self, core: Orchestrator, commands: Sequence[Command]) -> None:
        """Keep what one wake-up changed."""
        for command in commands:
            if isinstance(command, ForgetProblem):
                for task_id in [t for t in self._records if t.problem_id == command.problem_id]:
                    del self._records[task_id]
            elif isinstance(command, SaveNode):
                self._desired[command.name] = command.desired_active
            elif isinstance(command, (SaveTask, SaveOutput)):
                self._keep(core, command)
        self._revision = core.store.revision
        self._next_problem_id = core.store.next_problem_id

    def _keep(self, core: Orchestrator, command: SaveTask | SaveOutput) -> None:
        task = core.store.find(command.task_id)
        if task is None:
            return  # forgotten by a later command of the same wake-up
        if isinstance(command, SaveOutput):
            payload = task.outputs[command.module]
            if payload is not None:
                self._outputs[task.task_id, command.module] = task.attempt, payload
            if task.open:
                told = self._deliveries.setdefault(task.task_id, {})
                told[command.module] = to_delivery(task, command.module)
                return
        self._records[task.task_id] = to_record(task), task.user_input
        self._deliveries.pop(task.task_id, None)

    def _record(self, task_id: TaskId) -> tuple[Record, bytes]:
        record, user_input = self._records[task_id]
        for module, delivery in self._deliveries.get(task_id, {}).items():
            record = with_delivery(record, module, delivery)
        return record, user_input

    def restore(self, core: Orchestrator, now: Instant) -> list[Command]:
        """Let a fresh core go on from what was kept."""
        iterations = []
        for record, user_input in sorted(map(self._record, self._records)):
            it = from_record(record, user_input, [None] * len(core.pipeline))
            outputs = [self._outputs.get((it.task_id, m)) for m in range(len(core.pipeline))]
            payloads = [kept[1] if kept and kept[0] == it.attempt else None for kept in outputs]
            iterations.append(from_record(record, user_input, payloads))
        return resume(
            core,
            iterations,
            revision=self._revision,
            next_problem_id=self._next_problem_id,
            without_credentials=(),
            desired_active=self._desired,
            now=now,
        )
