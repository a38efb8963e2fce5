"""Refuses to load rclpy where RMW_IMPLEMENTATION names no middleware that is here.

rcl would end the process while it is loaded, without an exception.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

from sustainml_orchestrator.core.text import printable

VARIABLE = "RMW_IMPLEMENTATION"
#: Longest time for which rclpy is imported to see what happens, in s.
_LONGEST_IMPORT = 30.0


class MiddlewareError(ImportError):
    """There is no such middleware; the text says what to do."""


class _Guard(MetaPathFinder):
    """Finds no module; asked before all others."""

    def find_spec(self, fullname: str, *_: object) -> None:
        if fullname == "rclpy" and (text := flaw()):
            raise MiddlewareError(text)


def guard() -> None:
    """From now on the import of rclpy raises `MiddlewareError` where rcl would end the process."""
    sys.meta_path.insert(0, _Guard())


def flaw() -> str:
    """What is wrong with the variable, and what to do; "" = nothing."""
    name = os.environ.get(VARIABLE, "")
    if not name or _has_library(name) or not _ends_the_process():
        return ""
    return (
        f"{VARIABLE} is '{printable(name, 80)}', of which there is no library; "
        f"unset {VARIABLE}, or install that middleware"
    )


def explain(error: ImportError) -> str:
    """A sentence for a package that cannot be loaded."""
    if isinstance(error, MiddlewareError):
        return str(error)
    return f"a package cannot be loaded ({error}); source the environment: . ./env.sh"


def _has_library(name: str) -> bool:
    """Whether the dynamic linker is told where that middleware is, as all distributions do."""
    folders = os.environ.get("LD_LIBRARY_PATH", "").split(os.pathsep)
    return any((Path(folder) / f"lib{name}.so").is_file() for folder in folders if folder)


def _ends_the_process() -> bool:
    """Whether rcl does; with 1 Python ends, for a reason that this process will be told, too."""
    try:
        command = [sys.executable, "-c", "import rclpy"]
        done = subprocess.run(
            command, capture_output=True, stdin=subprocess.DEVNULL, timeout=_LONGEST_IMPORT
        )
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return False
    return done.returncode not in (0, 1)
