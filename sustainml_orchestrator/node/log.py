"""The log of the orchestrator: one line per event of the history, by loggers of its parts.

Loggers: ``<node>.tasks`` (moves of tasks at INFO, of their steps at DEBUG), ``<node>.lifecycle``
(nodes), ``<node>.store`` (the journal). Their levels are set by the service ``set_logger_levels``.
"""

from __future__ import annotations

from rclpy.logging import LoggingSeverity
from rclpy.node import Node

from sustainml_orchestrator.core.commands import Log
from sustainml_orchestrator.core.happenings import HAPPENINGS
from sustainml_orchestrator.core.history import describe
from sustainml_orchestrator.core.orchestrator import Orchestrator
from sustainml_orchestrator.core.text import printable

_LONGEST = 10_000  # characters of a line
_SEVERITIES = {
    "debug": LoggingSeverity.DEBUG,
    "info": LoggingSeverity.INFO,
    "warning": LoggingSeverity.WARN,
    "error": LoggingSeverity.ERROR,
}
_OF_EVENTS = {
    name: (_SEVERITIES[known.severity], "lifecycle" if name.startswith("node.") else "tasks")
    for name, known in HAPPENINGS.items()
}


class Logger:
    """A logger whose lines cost a twentieth of those of rclpy, which looks up its caller in files.

    Args:
        part: of the orchestrator; "" = the node itself.
    """

    def __init__(self, node: Node, part: str) -> None:
        self._logger = node.get_logger().get_child(part) if part else node.get_logger()
        try:
            # Private, as tested with rclpy of Jazzy and Kilted; without it lines cost more.
            from rclpy.impl.implementation_singleton import rclpy_implementation

            self._write = rclpy_implementation.rclpy_logging_rcutils_log
        except (ImportError, AttributeError):
            self._write = None

    def is_enabled(self, severity: LoggingSeverity) -> bool:
        """Whether lines of this severity are written at present."""
        return bool(self._logger.is_enabled_for(severity))

    def log(self, severity: LoggingSeverity, text: str) -> None:
        """Write a line."""
        if not self.is_enabled(severity):
            return
        if not text.isprintable():  # a path may hold what acts on terminals
            text = printable(text, _LONGEST)
        if self._write is not None:
            self._write(severity, self._logger.name, text, "log", __file__, 0)
        # rclpy wants one severity per calling line.
        elif severity is LoggingSeverity.DEBUG:
            self._logger.debug(text)
        elif severity is LoggingSeverity.INFO:
            self._logger.info(text)
        elif severity is LoggingSeverity.WARN:
            self._logger.warning(text)
        else:
            self._logger.error(text)


class LogWriter:
    """Writes what the core has recorded and wants logged, and what becomes of the journal."""

    def __init__(self, node: Node) -> None:
        self._loggers = {part: Logger(node, part) for part in ("", "tasks", "lifecycle", "store")}
        self._written = 0
        self._missing: list[str] | None = None
        self._failing = False
        self._trouble = ""

    def write(self, command: Log) -> None:
        """A line that the core wants written."""
        self._loggers[command.part].log(_SEVERITIES[command.severity], command.text)

    def warn_of_journal(self, warnings: list[str]) -> None:
        """What the journal has to say."""
        for warning in warnings:
            self._loggers["store"].log(LoggingSeverity.WARN, warning)

    def update_recording(self, trouble: str) -> None:
        """Write once why the recording cannot be written; "" = it can."""
        if trouble and trouble != self._trouble:
            self._loggers["store"].log(LoggingSeverity.WARN, trouble)
        self._trouble = trouble

    def begin(self, core: Orchestrator, journal: str) -> None:
        """What was restored; it is not written again.

        Args:
            journal: the file; "" without one.
        """
        self._written = core.context.history.last_saved
        count = sum(map(len, core.store.problems.values()))
        kept = f"journal {journal}: {count} iterations" if journal else "no journal: memory only"
        self._loggers["store"].log(LoggingSeverity.INFO, kept)

    def update(self, core: Orchestrator) -> None:
        """Write a line for each event since the last call."""
        history = core.context.history
        if history.last <= self._written:
            return
        tasks = self._loggers["tasks"]
        shows_steps = tasks.is_enabled(LoggingSeverity.DEBUG)
        for event in history.since(self._written):
            severity, part = _OF_EVENTS[event.event]
            if severity is not LoggingSeverity.DEBUG or shows_steps:
                self._loggers[part].log(severity, describe(event))
        self._written = history.last

    def update_readiness(self, core: Orchestrator) -> None:
        """Write once that all is ready, or what is waited for."""
        nodes = core.lifecycle.nodes
        missing = [node.name for node in nodes if node.spec.required and not node.active]
        if self._missing is None or bool(missing) != bool(self._missing):
            text = f"waiting for the modules: {', '.join(missing)}" if missing else "ready"
            self._loggers[""].log(LoggingSeverity.INFO, text)
        self._missing = missing

    def update_journal(self, failed: str) -> bool:
        """Write that the journal can be written again; returns whether it cannot be written.

        Args:
            failed: why it cannot be written; "" while all is well.
        """
        if self._failing and not failed:
            self._loggers["store"].log(LoggingSeverity.INFO, "the journal can be written again")
        self._failing = bool(failed)
        return self._failing
