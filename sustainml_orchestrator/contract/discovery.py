"""The profile of Fast DDS that the processes of the framework use."""

from __future__ import annotations

import os
import re
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory

from sustainml_orchestrator.contract import share_directory

#: For Fast DDS 2 (Jazzy) and 3: the variable that names profiles, and our file.
_PROFILES = (
    ("FASTRTPS_DEFAULT_PROFILES_FILE", "fastdds.xml"),
    ("FASTDDS_DEFAULT_PROFILES_FILE", "fastdds3.xml"),
)
#: The first version of rmw_fastrtps_cpp that is built on Fast DDS 3.
_RMW_OF_FAST_DDS_3 = 9


def prefer_profile() -> None:
    """Use our profile unless the user has one; config/fastdds.xml says what it does.

    To be called before `rclpy.init`. Other middlewares ignore it.
    """
    if not any(os.environ.get(variable) for variable, _ in _PROFILES):
        # One variable alone: Fast DDS 3 reads the file twice, and complains, where both are set.
        variable, name = _PROFILES[_uses_fast_dds_3()]
        file = share_directory.directory() / "config" / name
        if file.is_file():
            os.environ[variable] = str(file)


def _uses_fast_dds_3() -> bool:
    try:
        about = Path(get_package_share_directory("rmw_fastrtps_cpp")) / "package.xml"
        version = re.search(r"<version>(\d+)", about.read_text(encoding="utf-8"))
    except (PackageNotFoundError, OSError):
        version = None
    return version is not None and int(version[1]) >= _RMW_OF_FAST_DDS_3
