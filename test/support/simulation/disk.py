"""What survives a crash of the orchestrator: the records that its journal holds."""

from __future__ import annotations

from sustainml_orchestrator.core.commands import Record, Save
from sustainml_orchestrator.core.events import Restored
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.record import FIELDS, from_record, with_delivery

_ATTEMPT = [name for name, _ in FIELDS].index("attempt")


class Disk:
    """Applies each `Save` whole, as the journal does, and fills a fresh core from the result."""

    def __init__(self) -> None:
        self._records: dict[int, tuple[Record, bytes]] = {}  # by serial
        self._outputs: dict[tuple[int, int], tuple[int, bytes]] = {}
        self._desired: dict[str, bool] = {}
        self._numbers = (0, 1, 1)

    def write(self, save: Save) -> None:
        """Commit."""
        forgotten = [s for s, (r, _) in self._records.items() if r[1] in save.forgotten]
        for serial in (*save.withdrawn, *forgotten):
            self._records.pop(serial, None)
            for key in [key for key in self._outputs if key[0] == serial]:
                del self._outputs[key]
        for record, _, user_input in save.tasks:
            serial = record[0]
            known = self._records[serial][1] if user_input is None else user_input
            self._records[serial] = record, known
        for serial, module, attempt, payload, delivery in save.outputs:
            self._outputs[serial, module] = attempt, payload
            if delivery is not None:
                record, user_input = self._records[serial]
                self._records[serial] = with_delivery(record, module, delivery), user_input
        self._desired |= save.desired_active
        self._numbers = save.last_revision, save.next_problem_id, save.reserved_problem_id

    def restored(self, pipeline: Pipeline) -> Restored:
        """What a fresh core begins with."""
        tasks = []
        for serial, (record, user_input) in sorted(self._records.items()):
            kept = [self._outputs.get((serial, m)) for m in range(len(pipeline))]
            outputs = [o[1] if o and o[0] == record[_ATTEMPT] else None for o in kept]
            tasks.append(from_record(record, user_input, outputs))
        revision, next_problem_id, reserved = self._numbers
        return Restored(
            tasks,
            revision=revision,
            next_problem_id=next_problem_id,
            reserved_problem_id=reserved,
            desired_active=self._desired,
        )
