"""Results as files: where and with what they were made, and every run."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sqlite3
import subprocess
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import sustainml_orchestrator
from bench.figure import Figure

FOLDER = Path(__file__).parent / "results"


class ResultError(ValueError):
    """A file is no result; the text says which and why."""


def write(figures: Iterable[Figure], folder: Path = FOLDER) -> Path:
    """Write a result; the file is called after the moment. Returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{datetime.now():%Y-%m-%dT%H%M%S}.json"
    data = {
        "machine": machine(),
        "versions": versions(),
        "figures": [figure.to_data() for figure in figures],
    }
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> dict[str, Figure]:
    """The figures of a result by name.

    Raises:
        ResultError: it cannot be read.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {entry["name"]: Figure.from_data(entry) for entry in data["figures"]}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ResultError(f"{path} is no result of a benchmark ({error!r})") from error


def machine() -> dict[str, Any]:
    """What it ran on."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def versions() -> dict[str, str]:
    """What it ran with."""
    from rclpy.utilities import get_rmw_implementation_identifier

    return {
        "sustainml_orchestrator": sustainml_orchestrator.__version__,
        "commit": _commit(),
        "ros": os.environ.get("ROS_DISTRO") or f"rclpy {_version('ros-rclpy')}",
        "rmw": get_rmw_implementation_identifier(),
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _cpu() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "of unknown version"


def _commit() -> str:
    command = ["git", "-C", str(FOLDER.parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
