"""Where ROS writes log files: it does not start where it cannot."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from sustainml_orchestrator.contract.complaint import complain
from sustainml_orchestrator.core.text import cause


def ensure() -> None:
    """Before `rclpy.init`: have log files written elsewhere when their folder cannot be used.

    It is ROS_LOG_DIR, else the folder log of ROS_HOME, else of ~/.ros. A warning names both.

    Raises:
        OSError: there is no place for them at all; its text says what to do.
    """
    try:
        _try(_wanted())
    except (OSError, RuntimeError) as error:
        place = Path(tempfile.gettempdir()) / f"ros_log_{os.geteuid()}"
        try:
            place.mkdir(mode=0o700, exist_ok=True)
            if place.stat().st_uid != os.geteuid():  # of somebody who was faster
                place = Path(tempfile.mkdtemp(prefix="ros_log_"))
            _try(place)
        except OSError as other:
            raise OSError(
                f"there is no place for log files ({cause(error)}; {cause(other)}); set "
                "ROS_LOG_DIR to a folder that can be written"
            ) from other
        os.environ["ROS_LOG_DIR"] = str(place)
        complain(
            f"warning: log files go to {place} ({cause(error)}); "
            "set ROS_LOG_DIR to choose their folder"
        )


def _wanted() -> Path:
    if folder := os.environ.get("ROS_LOG_DIR"):
        return Path(folder).expanduser()
    if folder := os.environ.get("ROS_HOME"):
        return Path(folder).expanduser() / "log"
    if home := os.environ.get("HOME"):
        return Path(home) / ".ros" / "log"
    raise RuntimeError("HOME is not set")


def _try(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OSError(f"{folder} cannot be used: {cause(error)}") from error
