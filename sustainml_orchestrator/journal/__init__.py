"""The durable memory of an orchestrator: SQLite; knows the core's types, and nothing of ROS."""

from __future__ import annotations

from sustainml_orchestrator.journal.errors import JournalError
from sustainml_orchestrator.journal.export import export, import_lines
from sustainml_orchestrator.journal.journal import Journal
from sustainml_orchestrator.journal.maintenance import Report, check, compact
from sustainml_orchestrator.journal_path import MEMORY_ONLY, USUAL_PLACE, default_path, locate

__all__ = [
    "MEMORY_ONLY",
    "USUAL_PLACE",
    "Journal",
    "JournalError",
    "Report",
    "check",
    "compact",
    "default_path",
    "export",
    "import_lines",
    "locate",
]
