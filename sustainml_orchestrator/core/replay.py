"""Runs a core over recorded events, anywhere, and checks its invariants after each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields, replace
from itertools import count
from typing import Any, NamedTuple

from sustainml_orchestrator.core.commands import Command, HistoryEvent
from sustainml_orchestrator.core.context import Instant
from sustainml_orchestrator.core.events import Event, Persisted, PersistFailed
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.pipeline import Pipeline, PipelineError
from sustainml_orchestrator.core.recording import FORMAT, decode, stand_in
from sustainml_orchestrator.core.settings import Settings
from sustainml_orchestrator.core.validation import Validation

_WRONG = (KeyError, ValueError, TypeError, IndexError, AttributeError, PipelineError)


class ReplayError(ValueError):
    """A recording cannot be replayed; one sentence."""


class Moment(NamedTuple):
    """An event, and what followed from it.

    Attributes:
        history: what was recorded of tasks and nodes.
        agrees: whether the recorded core came to the same revision; None = not known.
    """

    now: Instant
    event: Event
    commands: list[Command]
    history: list[HistoryEvent]
    agrees: bool | None


class Replay:
    """A fresh core, as the one that was recorded.

    Attributes:
        exact: whether the recording begins with the start of the orchestrator.

    Raises:
        ReplayError: the header makes no sense, or is of another version.
    """

    def __init__(self, header: Mapping[str, Any]) -> None:
        if header.get("format") != FORMAT:
            raise ReplayError(
                f"this recording has format {header.get('format')!r}, not {FORMAT}; replay it with "
                "the version that has made it"
            )
        try:
            known = {field.name for field in fields(Settings)}
            settings = {k: v for k, v in header["settings"].items() if k in known}
            self.exact = bool(header["exact"])
            self._answers: Iterator[Any] = iter(())
            self._spare = count(2**31)
            self.core = Orchestrator(
                pipeline=Pipeline.from_data({"modules": header["modules"]}, "the recording"),
                settings=Settings(**settings),
                session=header["session"],
                incarnation=header["incarnation"],
                draw_token=lambda: next(self._answers, None) or next(self._spare),
                derive=lambda payload, *_: stand_in(next(self._answers, [0, 0])),
                exhausted=lambda outputs: bool(next(self._answers, False)),
                journalled=header["journalled"],
            )
        except _WRONG as error:
            raise ReplayError(f"the head of the recording makes no sense ({error!r})") from error

    def run(
        self, records: Iterable[list[Any]], check: Callable[[Orchestrator], None] | None = None
    ) -> Iterator[Moment]:
        """Handle the recorded events, one at a time.

        Args:
            check: called after each of them; raises what is wrong. None = all invariants, of many
                tasks from time to time and at the end.

        Raises:
            ReplayError: a record makes no sense.
            BrokenInvariant, IllegalTransition: the core has a bug, which this shows.
        """
        history, validation = self.core.context.history, Validation()
        for record in records:
            try:
                steady, stamp, name, values, answers, revision = record
                event, now = decode(name, values), Instant(float(steady), int(stamp))
                self._answers = iter(list(answers))
            except _WRONG as error:
                raise ReplayError(f"an event makes no sense ({error!r})") from error
            if not self.exact and isinstance(event, Persisted | PersistFailed):
                # Its saves have other numbers: the one under way is meant.
                event = replace(event, number=self.core.persistence.number)
            before = self.core.store.revision
            commands = self.core.handle(event, now)
            (check or validation)(self.core)
            agrees = None
            if self.exact and revision >= 0:
                agrees = self.core.store.revision == revision
            yield Moment(now, event, commands, history.since(before), agrees)
        if check is None and validation.unchecked:
            validation.check(self.core)
