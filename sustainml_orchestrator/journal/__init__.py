"""The durable memory of an orchestrator: SQLite; knows the core's types, and nothing of ROS."""

from __future__ import annotations

import os
from pathlib import Path

from sustainml_orchestrator.journal.errors import JournalError
from sustainml_orchestrator.journal.export import export, import_lines
from sustainml_orchestrator.journal.journal import Journal
from sustainml_orchestrator.journal.maintenance import Report, check, compact

__all__ = [
    "Journal",
    "JournalError",
    "Report",
    "check",
    "compact",
    "default_path",
    "export",
    "import_lines",
]


def default_path() -> Path:
    """Where a journal is kept unless told otherwise: below ROS_HOME, else as XDG says."""
    ros_home = os.environ.get("ROS_HOME")
    if ros_home:
        return Path(ros_home) / "sustainml" / "journal.db"
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "sustainml" / "journal.db"
