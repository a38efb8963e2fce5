"""The journal on a disk that is not perfect: commits lost with the power, older copies, no file."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

from sustainml_orchestrator.core.commands import HistoryEvent, Record, Save
from sustainml_orchestrator.core.events import Restored
from sustainml_orchestrator.core.ids import NO_TASK, TaskId
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.record import FIELDS, from_record, with_delivery
from sustainml_orchestrator.core.task import Task

_ATTEMPT = [name for name, _ in FIELDS].index("attempt")
#: Chance that a commit is synchronised with the disk although nobody asks for it: a checkpoint.
_CHECKPOINT = 0.05

#: What a front-end was told of a task, as far as it must be true after a restart.
Summary = tuple[Any, ...]


@dataclass
class Contents:
    """What the file holds after a commit.

    Attributes:
        records: and user inputs, by serial.
        outputs: by serial and module, with the attempt that they are of.
        numbers: last_revision, next_problem_id, reserved_problem_id.
        session: of the database.
        incomplete: whether commits that were reported may be missing.
        promised: what a restart must bring back of each task.
        wanted: which nodes shall be active after a restart, as front-ends asked for.
        revision: a restart must not begin with a lower one.
        history: its events, oldest first.
    """

    session: int
    records: dict[int, tuple[Record, bytes]] = field(default_factory=dict)
    outputs: dict[tuple[int, int], tuple[int, bytes]] = field(default_factory=dict)
    desired: dict[str, bool] = field(default_factory=dict)
    numbers: tuple[int, int, int] = (0, 1, 1)
    incomplete: bool = False
    promised: dict[TaskId, Summary] = field(default_factory=dict)
    wanted: dict[str, bool] = field(default_factory=dict)
    revision: int = 0
    history: list[HistoryEvent] = field(default_factory=list)

    def copy(self) -> Contents:
        """The same at this moment."""
        return Contents(
            self.session, dict(self.records), dict(self.outputs), dict(self.desired),
            self.numbers, self.incomplete, dict(self.promised), dict(self.wanted),
            self.revision, list(self.history),
        )  # fmt: skip

    def apply(self, save: Save) -> None:
        """Take all of it."""
        gone = [s for s, (r, _) in self.records.items() if r[1] in save.forgotten]
        for serial in (*save.withdrawn, *gone):
            self._forget(serial)
        for record, _, user_input in save.tasks:
            serial = record[0]
            known = self.records[serial][1] if user_input is None else user_input
            self.records[serial] = record, known
        for serial, module, attempt, payload, delivery in save.outputs:
            self.outputs[serial, module] = attempt, payload
            if delivery is not None:
                record, user_input = self.records[serial]
                self.records[serial] = with_delivery(record, module, delivery), user_input
        self.desired |= save.desired_active
        self.numbers = save.last_revision, save.next_problem_id, save.reserved_problem_id
        self.session = save.session
        events, after, floor = save.history
        self.history = [e for e in self.history if floor <= e.revision <= after] + list(events)
        self.incomplete = False

    def _forget(self, serial: int) -> None:
        record, _ = self.records.pop(serial, ((), b""))
        self.promised.pop(TaskId(*record[1:3]) if record else NO_TASK, None)
        for key in [key for key in self.outputs if key[0] == serial]:
            del self.outputs[key]


class Disk:
    """Applies each `Save` whole, as the journal does, and fills a fresh core from the result.

    Args:
        full: whether every commit survives a loss of power; else those that ask for it alone.

    Attributes:
        contents: what the file holds at present.
        backups: copies that were made of it, oldest first.
    """

    def __init__(
        self, random: Random | None = None, *, full: bool = True, session: int = 7
    ) -> None:
        self._random = random
        self._full = full
        self.contents = Contents(session)
        self.backups: list[Contents] = []
        #: what the file held before each of the commits that may be lost
        self._unsynced: list[Contents] = []

    def write(self, save: Save, promised: dict[TaskId, Summary] | None = None) -> None:
        """Commit."""
        before = self.contents
        self.contents = before.copy()
        self.contents.apply(save)
        self.contents.promised |= promised or {}
        checkpoint = self._random is not None and self._random.random() < _CHECKPOINT
        if self._full or save.synchronous or checkpoint:
            self._unsynced.clear()
        else:
            self._unsynced.append(before)

    def lose_power(self, session: int) -> bool:
        """Commits since the last one that was synchronised may be lost, the latest ones first.

        Args:
            session: what the next start calls itself, as it cannot know what is lost.

        Returns:
            Whether anything that was reported may be lost.
        """
        if self._full:
            return False
        assert self._random is not None
        self.contents = self._random.choice([*self._unsynced, self.contents]).copy()
        self._unsynced.clear()
        self.contents.session, self.contents.incomplete = session, True
        return True

    def back_up(self) -> None:
        """Copy the file."""
        self.backups.append(self.contents.copy())

    def roll_back(self, session: int) -> None:
        """Put an older copy in place of the file.

        Args:
            session: a new one, where the restoring is known to the journal; else 0.
        """
        assert self._random is not None
        self.contents = self._random.choice(self.backups).copy()
        self._unsynced.clear()
        if session:
            self.contents.session, self.contents.incomplete = session, True

    def restored(self, pipeline: Pipeline) -> Restored:
        """What a fresh core begins with."""
        contents = self.contents
        revision, next_problem_id, reserved = contents.numbers
        return Restored(
            [self.task(serial, pipeline) for serial in sorted(contents.records)],
            revision=revision,
            next_problem_id=next_problem_id,
            reserved_problem_id=reserved,
            incomplete=contents.incomplete,
            desired_active=dict(contents.desired),
            history=list(contents.history),
        )

    def task(self, serial: int, pipeline: Pipeline) -> Task:
        """Return the task with this serial, as it would be restored."""
        record, user_input = self.contents.records[serial]
        kept = [self.contents.outputs.get((serial, m)) for m in range(len(pipeline))]
        outputs = [o[1] if o and o[0] == record[_ATTEMPT] else None for o in kept]
        return from_record(record, user_input, outputs)
