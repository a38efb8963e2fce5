"""The profile of Fast DDS that our processes use, and how far discovery reaches."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from sustainml_orchestrator.contract import share_directory

#: For Fast DDS 2 (Jazzy) and 3: the variable that names profiles, and how our files begin.
_PROFILES = (
    ("FASTRTPS_DEFAULT_PROFILES_FILE", "fastdds"),
    ("FASTDDS_DEFAULT_PROFILES_FILE", "fastdds3"),
)
_LOCAL = "_localhost.xml"
_RANGE = "ROS_AUTOMATIC_DISCOVERY_RANGE"
#: The first version of rmw_fastrtps_cpp that is built on Fast DDS 3.
_RMW_OF_FAST_DDS_3 = 9


def prefer_profile() -> None:
    """Use our profile unless the user has one; config/fastdds.xml says what it does.

    To be called before `rclpy.init`. Other middlewares ignore it.
    """
    if any(os.environ.get(variable) for variable, _ in _PROFILES):
        return
    # One variable alone: Fast DDS 3 reads the file twice, and complains, where both are set.
    variable, name = _PROFILES[_uses_fast_dds_3()]
    local = _is_localhost() and _uses_fast_dds()
    file = share_directory.directory() / "config" / f"{name}{_LOCAL if local else '.xml'}"
    if file.is_file():
        os.environ[variable] = str(file)
        if local:  # rmw_fastrtps adds shared memory where it is LOCALHOST
            os.environ[_RANGE] = "SYSTEM_DEFAULT"


def is_local() -> bool:
    """Whether the environment limits discovery to this machine."""
    files = {Path(os.environ.get(variable, "")).name for variable, _ in _PROFILES}
    ours = not files.isdisjoint(f"{name}{_LOCAL}" for _, name in _PROFILES)
    return ours or _is_localhost() or os.environ.get(_RANGE, "").upper() == "OFF"


def _is_localhost() -> bool:
    elsewhere = ("ROS_STATIC_PEERS", "ROS_DISCOVERY_SERVER")
    nowhere_else = not any(os.environ.get(name) for name in elsewhere)
    return nowhere_else and os.environ.get(_RANGE, "").upper() == "LOCALHOST"


def _uses_fast_dds() -> bool:
    chosen = os.environ.get("RMW_IMPLEMENTATION") or "rmw_fastrtps_cpp"
    return chosen.startswith("rmw_fastrtps")


def _uses_fast_dds_3() -> bool:
    try:
        about = Path(get_package_share_directory("rmw_fastrtps_cpp")) / "package.xml"
        version = re.search(r"<version>(\d+)", about.read_text(encoding="utf-8"))
    except (PackageNotFoundError, OSError):
        version = None
    return version is not None and int(version[1]) >= _RMW_OF_FAST_DDS_3
