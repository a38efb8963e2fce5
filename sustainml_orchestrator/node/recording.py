"""The flight recorder as the node uses it: every event of the core, beside the journal."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from sustainml_orchestrator.core import recording
from sustainml_orchestrator.core.commands import Command
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import Event
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.recording import Recorder
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.storage.flight_recorder import FlightRecorder, place_of

#: How long the end of the node waits for the disk, in s.
_LAST_WRITES = 1.0
#: Records that are written without waiting for the next check of deadlines.
_MANY = 2000


class Recording:
    """Records what the core handles, beside the journal.

    Args:
        journal: its path; "" = nothing is recorded.
        limit: of the recording, in bytes; 0 = nothing is recorded.
    """

    def __init__(self, journal: str, limit: int) -> None:
        self._recorder = Recorder()
        self._writer: FlightRecorder | None = None
        if journal and limit:
            self._writer = FlightRecorder(place_of(Path(journal)), limit)
        self._settings: Settings | None = None  # those at the head of the file
        self._count = 0
        self._trouble = ""

    @property
    def trouble(self) -> str:
        """Why nothing can be written; "" while all is well."""
        return self._trouble or (self._writer.trouble if self._writer is not None else "")

    def make_core(self, **options: Any) -> Orchestrator:
        """An orchestrator of which is recorded what comes from outside."""
        if self._writer is not None:
            options["draw_token"] = self._recorder.tokens(options["draw_token"])
            options["derive"] = self._recorder.derived(options["derive"])
            options["exhausted"] = self._recorder.exhausted(options["exhausted"])
        return Orchestrator(**options)

    def handle(self, core: Orchestrator, event: Event, now: Instant) -> list[Command]:
        """Let the core handle an event; returns the commands.

        Raises:
            Exception: what the core raises; the event is recorded all the same.
        """
        if self._writer is None:
            return core.handle(event, now)
        try:
            self._recorder.begin(event, now)
        except Exception as error:  # whatever it is, the orchestrator goes on
            self._recorder.skip(event, now)
            self._trouble = f"{type(event).__name__} cannot be recorded: {error!r}"
        commands = core.handle(event, now)
        self._recorder.end(core.store.revision)
        self._count += 1
        if self._count >= _MANY:
            self.update(core)
        return commands

    def update(self, core: Orchestrator) -> None:
        """Have written what was recorded; to be called a few times per second."""
        writer, records = self._writer, self._recorder.take()
        self._count = 0
        if writer is None:
            return
        if self._settings is None:
            self._begin(core, records, exact=True)
            return
        if records:
            writer.add(records)
        if writer.is_full or core.settings != self._settings:
            now = Instant(core.context.now, core.context.stamp)
            self._begin(core, recording.snapshot(core, now), exact=False)

    def _begin(self, core: Orchestrator, records: list[Any], *, exact: bool) -> None:
        assert self._writer is not None
        self._settings = replace(core.settings)
        self._writer.begin({**recording.header(core), "exact": exact}, records)

    def close(self, core: Orchestrator) -> None:
        """Write what is left."""
        if self._writer is not None:
            self.update(core)
            self._writer.close(_LAST_WRITES)
