"""The journal as the node uses it: opened from parameters, credentials left out."""

from __future__ import annotations

import gc
from collections.abc import Sequence

from sustainml_orchestrator.contract.module_graph import message_types
from sustainml_orchestrator.contract.payload_upgrade import PayloadUpgrade
from sustainml_orchestrator.contract.redaction import Redaction
from sustainml_orchestrator.core.commands import Command
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline
from sustainml_orchestrator.core.task import Task
from sustainml_orchestrator.storage import Journal, JournalError
from sustainml_orchestrator.storage.journal import Durability


class Persistence:
    """Keeps what the core wants kept; without a path, nothing.

    Args:
        path: of the journal; "" = memory only.
        durability: "normal" or "full".

    Raises:
        JournalError: it cannot be used; one sentence.
    """

    def __init__(self, path: str, durability: str, pipeline: Pipeline) -> None:
        self._journal: Journal | None = None
        if durability not in ("normal", "full"):
            raise JournalError(f"journal_durability is '{durability}'; use 'normal' or 'full'")
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

    @property
    def failed(self) -> str:
        """Why nothing can be kept at present; "" while all is well."""
        return self._journal.failed if self._journal else ""

    def restore(self, core: Orchestrator, now: Instant) -> list[Command]:
        """Fill a fresh core; the commands that follow from it."""
        if self._journal is None:
            return []
        commands = self._journal.restore(core, now)
        gc.freeze()  # it stays for good: no collection need look at a million iterations
        return commands

    def keep(self, core: Orchestrator, commands: Sequence[Command]) -> bool:
        """Keep what these commands ask for, before anyone hears of it; False when it failed."""
        if self._journal is None:
            return True
        try:
            self._journal.commit(core.store, commands)
        except JournalError:
            return False
        return True

    def lacks(self, iteration: Task | None) -> bool:
        """Whether an iteration would be forgotten now if the process died."""
        if self._journal is None or iteration is None:
            return False
        return not self._journal.holds(iteration)

    def close(self) -> None:
        """Let go of the file."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None
