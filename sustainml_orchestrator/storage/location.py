"""What the parameter `journal_path` may say, and the usual place of a journal."""

from __future__ import annotations

import os
from pathlib import Path

from sustainml_orchestrator.storage.errors import ANOTHER, JournalError

#: What `journal_path` may say instead of a path.
USUAL_PLACE, MEMORY_ONLY = "auto", "none"


def default_path(namespace: str = "/sustainml", domain: int = 0) -> Path:
    """Where a journal is kept unless told otherwise: below ROS_HOME, else as XDG says.

    Each framework of a user has its own: the name tells its namespace and ROS domain where they
    are not the default ones.

    Raises:
        JournalError: the user has no home directory.
    """
    ros_home = os.environ.get("ROS_HOME")
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    parts = ["journal"]
    if namespace.strip("/") != "sustainml":
        parts.append(namespace.strip("/").replace("/", "__"))
    if domain:
        parts.append(f"domain{domain}")
    try:
        folder = Path(ros_home or state).expanduser()
    except RuntimeError as error:
        text = f"there is no home directory for the journal; set HOME, or {ANOTHER}"
        raise JournalError(text) from error
    return folder / "sustainml" / f"{'-'.join(parts)}.db"


def locate(setting: str, namespace: str, domain: int) -> str:
    """The path that a `journal_path` means; "" = memory only."""
    if setting == USUAL_PLACE:
        return str(default_path(namespace, domain))
    return "" if setting == MEMORY_ONLY else setting
