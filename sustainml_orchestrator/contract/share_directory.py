"""The share directory of the package."""

from __future__ import annotations

from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory


def directory() -> Path:
    """Its share directory: installed, or the checkout."""
    try:
        return Path(get_package_share_directory("sustainml_orchestrator"))
    except (PackageNotFoundError, OSError):  # OSError: no environment is sourced
        return Path(__file__).resolve().parents[2]
