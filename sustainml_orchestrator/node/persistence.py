"""The journal as the node uses it: opened from parameters, credentials left out."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Thread

from sustainml_orchestrator.contract.module_graph import message_types
from sustainml_orchestrator.contract.payload_upgrade import PayloadUpgrade
from sustainml_orchestrator.contract.redaction import Redaction
from sustainml_orchestrator.core.commands import Save
from sustainml_orchestrator.core.events import (
    BatchEnded,
    Event,
    Persisted,
    PersistFailed,
    Restored,
)
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.node.pending_calls import Answer
from sustainml_orchestrator.storage import Durability, Journal

#: How long the end of the node waits for the disk, in s.
_LAST_WRITES = 5.0


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
        if path:
            names = tuple(spec.name for spec in pipeline.modules)
            types = message_types(pipeline)
            level: Durability = "full" if durability == "full" else "normal"
            self._journal = Journal.open(
                path,
                pipeline_names=names,
                durability=level,
                redact=Redaction(types),
                upgrade=PayloadUpgrade(types),
            )
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
    def warnings(self) -> list[str]:
        """What was repaired or set aside."""
        return self._journal.warnings if self._journal else []

    def restored(self) -> Restored:
        """What the journal holds."""
        restored = self._journal.restored() if self._journal else Restored()
        gc.freeze()  # it stays for good: no collection need look at a million iterations
        return restored

    # On the thread #

    def _write(self) -> None:
        while (save := self._saves.get()) is not None:
            assert self._journal is not None
            try:
                self._journal.write(save)
                outcome: Event = Persisted(save.number)
            except Exception as error:  # whatever it is, the core must hear of it
                outcome = PersistFailed(save.number, str(error))
            self._outcomes.put(outcome)
            self._wake()

    # In the loop #

    def save(self, command: Save) -> None:
        """Have changes written."""
        self._saves.put(command)

    def outcomes(self) -> list[Event]:
        """How the saves ended that were not reported yet."""
        events = []
        with suppress(Empty):
            while True:
                events.append(self._outcomes.get_nowait())
        return events

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

    def let_go(self, core: Orchestrator) -> None:
        """Let those go on whose wait has ended."""
        waiting, self._waiting = self._waiting, []
        failed = bool(core.persistence.failed)
        for number, answer in waiting:
            if failed or number <= core.persistence.settled:
                answer.give(not failed)
            else:
                self._waiting.append((number, answer))

    def close(self, finish: Callable[[list[Event]], None], core: Orchestrator) -> None:
        """Write what is left, then let go of the file; the disk has `_LAST_WRITES` s for it.

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
