"""The database of an orchestrator on disk (SQLite); knows the core's types, and nothing of ROS."""

from __future__ import annotations

from sustainml_orchestrator.storage.backup import back_up, restore
from sustainml_orchestrator.storage.errors import JournalError, JournalInUse
from sustainml_orchestrator.storage.export import export, import_lines
from sustainml_orchestrator.storage.journal import Durability, Journal
from sustainml_orchestrator.storage.location import MEMORY_ONLY, USUAL_PLACE, default_path, locate
from sustainml_orchestrator.storage.maintenance import Report, check, compact

__all__ = [
    "MEMORY_ONLY",
    "USUAL_PLACE",
    "Durability",
    "Journal",
    "JournalError",
    "JournalInUse",
    "Report",
    "back_up",
    "check",
    "compact",
    "default_path",
    "export",
    "import_lines",
    "locate",
    "restore",
]
