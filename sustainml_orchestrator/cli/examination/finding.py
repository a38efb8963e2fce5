"""The result of one check."""

from __future__ import annotations

import shutil
from dataclasses import dataclass


@dataclass(frozen=True)
class Finding:
    """What was found: level `ok`, `warning` or `error`, the cause, and what to do."""

    level: str
    finding: str
    remedy: str = ""

    @classmethod
    def of_error(cls, message: str) -> Finding:
        """An error whose text has the remedy after a semicolon."""
        return cls("error", *message.split("; ", 1))


def start_command(executable: str) -> str:
    """How a process is started, with the commands that this machine has."""
    if shutil.which("ros2"):
        return f"sustainml up, or ros2 run sustainml_orchestrator {executable}"
    return "sustainml up"
