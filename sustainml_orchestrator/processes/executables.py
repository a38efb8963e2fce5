"""The command line of a module's process, as a pipeline file names it."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

#: The value of a module that is started by other means.
ELSEWHERE = "none"


class ExecutableError(ValueError):
    """A command line names nothing that can be started; the text says what to change."""


def resolve(executable: str, folder: Path) -> tuple[str, ...]:
    """The words of a command line, the first one as a path.

    Args:
        executable: a Python file or a program in `folder`, ``package/executable`` of ROS 2, or a
            program on the PATH; arguments may follow.
        folder: that of the pipeline file.

    Raises:
        ExecutableError: nothing of that name is there.
    """
    try:
        words = shlex.split(executable)
    except ValueError as error:
        raise ExecutableError(f"is no command line ({error}); close its quotes") from error
    if not words:
        raise ExecutableError("is empty; name a program, or remove the key")
    first, *rest = words
    beside = folder / first
    if beside.is_file():
        return (*_start_of(beside), *rest)
    program = _of_package(first) if first.count("/") == 1 else shutil.which(first)
    if program is None:
        raise ExecutableError(
            f"names {first}, which is not there; name a file in {folder}, package/executable, or a "
            "program on the PATH"
        )
    return (program, *rest)


def _start_of(file: Path) -> tuple[str, ...]:
    path = str(file.resolve())
    return (sys.executable, path) if file.suffix == ".py" else (path,)


def _of_package(name: str) -> str | None:
    """The path of ``package/executable`` as `ros2 run` finds it; None if it is not installed."""
    from ament_index_python.packages import PackageNotFoundError, get_package_prefix

    package, executable = name.split("/")
    try:
        path = Path(get_package_prefix(package)) / "lib" / package / executable
    except (PackageNotFoundError, ValueError):
        return None
    return str(path) if executable and path.is_file() else None
