"""The journal as the node uses it: opened from parameters, credentials left out."""

from __future__ import annotations

import gc
import math
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread
from typing import NamedTuple, TypeVar

from rclpy.node import Node

from sustainml_orchestrator.contract import domain
from sustainml_orchestrator.contract.module_graph import message_types
from sustainml_orchestrator.contract.payloads import Payloads
from sustainml_orchestrator.core.commands import Save
from sustainml_orchestrator.core.events import BatchEnded, Event, Persisted, PersistFailed, Restored
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.node.pending_calls import Answer
from sustainml_orchestrator.storage import Durability, Journal, files, locate

T = TypeVar("T")
#: How long the end of the node waits for the disk, in s.
_LAST_WRITES = 5.0
#: Between two looks at the files of the journal, in s.
_UPKEEP_PERIOD = 1.0


class DiskSpace(NamedTuple):
    """Space of the journal on its disk, in bytes, and where it is."""

    free: float = math.inf  #: of the disk; inf while not known
    database: int = 0
    log: int = 0  #: SQLite's write-ahead log
    place: str = ""  #: path of the database


class Persistence:
    """Carries out `Save` on a thread of its own, so that the node does not wait for the disk.

    Args:
        path: of the journal; "" = memory only.
        durability: "normal" or "full".
        wake: ends the wait of the node's loop; called from the thread.

    Raises:
        JournalError: the journal cannot be used; one sentence.
    """

    def __init__(
        self, path: str, durability: str, pipeline: Pipeline, wake: Callable[[], None]
    ) -> None:
        self._journal: Journal | None = None
        self._warnings: SimpleQueue[str] = SimpleQueue()
        self._space = DiskSpace()
        if path:
            names = tuple(spec.name for spec in pipeline.modules)
            types = message_types(pipeline)
            level: Durability = "full" if durability == "full" else "normal"
            self._journal = Journal.open(
                path,
                pipeline_names=names,
                durability=level,
                redact=Payloads(types).redact,
                upgrade=Payloads(types).upgrade,
            )
            self._warn(self._journal.warnings)
        self._wake = wake
        self._saves: SimpleQueue[Save | None] = SimpleQueue()
        self._outcomes: SimpleQueue[Event] = SimpleQueue()
        self._waiting: list[tuple[int, Answer]] = []
        self._thread = Thread(target=self._write, name="journal", daemon=True)
        if self._journal is not None:
            self._thread.start()

    @property
    def session(self) -> int | None:
        """The session of the journal; None without one."""
        return self._journal.session if self._journal else None

    @property
    def place(self) -> str:
        """The file; "" without one."""
        return str(self._journal.path) if self._journal else ""

    @property
    def space(self) -> DiskSpace:
        """What the journal takes and may take, as of a second ago."""
        return self._space

    def warnings(self) -> list[str]:
        """What was lost, repaired or noticed since the last call; one sentence each."""
        return _drained(self._warnings)

    def restored(self) -> Restored:
        """What the journal holds."""
        restored = self._journal.restored() if self._journal else Restored()
        gc.freeze()  # it stays for good: no collection need look at a million iterations
        return restored

    # On the thread #

    def _write(self) -> None:
        assert self._journal is not None
        upkeep_due = 0.0
        while True:
            with suppress(Empty):
                save = self._saves.get(timeout=_UPKEEP_PERIOD)
                if save is None:
                    return
                self._outcomes.put(self._outcome(self._journal, save))
                self._wake()
            if time.monotonic() >= upkeep_due:
                upkeep_due = time.monotonic() + _UPKEEP_PERIOD
                self._warn(self._journal.maintain())
                with suppress(OSError):
                    path = self._journal.path
                    free = float(shutil.disk_usage(path.parent).free)
                    self._space = DiskSpace(free, *files.sizes(path), str(path))

    def _outcome(self, journal: Journal, save: Save) -> Event:
        try:
            self._warn(journal.write(save))
        except Exception as error:  # whatever it is, the core must be informed
            return PersistFailed(save.number, str(error))
        return Persisted(save.number)

    def _warn(self, warnings: list[str]) -> None:
        for warning in warnings:
            self._warnings.put(warning)

    # In the loop #

    def save(self, command: Save) -> None:
        """Have changes written."""
        self._saves.put(command)

    def outcomes(self) -> list[Event]:
        """How the saves ended that were not reported yet."""
        return _drained(self._outcomes)

    async def saved(self, core: Orchestrator) -> bool:
        """Wait until all that the store shows now is persistent.

        Returns:
            Whether anything had to be waited for, and is persistent now.
        """
        number = core.persistence.unsaved
        if not number or core.persistence.failed:
            return False
        answer = Answer(self._wake)
        self._waiting.append((number, answer))
        return bool(await answer)

    def resume(self, core: Orchestrator) -> None:
        """Resume the calls of `saved` whose commit has ended."""
        waiting, self._waiting = self._waiting, []
        failed = bool(core.persistence.failed)
        for number, answer in waiting:
            if failed or number <= core.persistence.settled:
                answer.give(not failed)
            else:
                self._waiting.append((number, answer))

    def close(self, finish: Callable[[list[Event]], None], core: Orchestrator) -> None:
        """Write what is left and close the file, within `_LAST_WRITES` s.

        Args:
            finish: gives events to the core and carries out what follows.
        """
        if self._journal is None:
            return
        finish([BatchEnded()])
        deadline = time.monotonic() + _LAST_WRITES
        with suppress(Empty):
            while core.persistence.unsaved and not core.persistence.failed:
                finish([self._outcomes.get(timeout=max(0.0, deadline - time.monotonic()))])
        self._saves.put(None)
        self._thread.join(max(0.0, deadline - time.monotonic()))
        if not self._thread.is_alive():
            self._journal.close()
        self._journal = None


def open_journal(node: Node, pipeline: Pipeline, wake: Callable[[], None]) -> Persistence:
    """The journal that the parameters of a node name.

    Raises:
        JournalError: it cannot be used; one sentence.
    """
    path = str(node.get_parameter("journal_path").value)
    durability = str(node.get_parameter("journal_durability").value)
    place = locate(path, node.get_namespace(), domain.current())
    return Persistence(place, durability, pipeline, wake)


def _drained(queue: SimpleQueue[T]) -> list[T]:
    items = []
    with suppress(Empty):
        while True:
            items.append(queue.get_nowait())
    return items
