"""How soon the processes of the framework find each other."""

from __future__ import annotations

import os

from sustainml_orchestrator.ros import share

#: Where Fast DDS looks for profiles, by version.
_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def prefer_profile() -> None:
    """Announce this process more often than by default, unless the user has profiles; see there.

    Before `rclpy.init`. Other middlewares pass it over.
    """
    file = share.directory() / "config" / "fastdds.xml"
    if file.is_file() and not any(os.environ.get(name) for name in _VARIABLES):
        os.environ.update(dict.fromkeys(_VARIABLES, str(file)))
