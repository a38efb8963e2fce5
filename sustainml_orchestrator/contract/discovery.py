"""How soon the processes of the framework find each other."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from sustainml_orchestrator.contract import share_directory

#: Where Fast DDS looks for profiles: version 2 (Jazzy), and version 3 (Kilted and newer).
_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")
#: The first version of rmw_fastrtps_cpp that is built on Fast DDS 3.
_RMW_OF_FAST_DDS_3 = 9


def prefer_profile() -> None:
    """Announce this process more often than by default, unless the user has profiles; see there.

    Before `rclpy.init`. Other middlewares pass it over.
    """
    file = share_directory.directory() / "config" / "fastdds.xml"
    if file.is_file() and not any(os.environ.get(name) for name in _VARIABLES):
        os.environ[_variable()] = str(file)


def _variable() -> str:
    """The one that is read; Fast DDS 3 reads the file twice, and complains, where both are set."""
    try:
        about = Path(get_package_share_directory("rmw_fastrtps_cpp")) / "package.xml"
        version = re.search(r"<version>(\d+)", about.read_text(encoding="utf-8"))
    except (PackageNotFoundError, OSError):
        version = None
    return _VARIABLES[version is not None and int(version[1]) >= _RMW_OF_FAST_DDS_3]
