"""What commands share: options, the client, exit codes, errors, JSON, figures, files."""

from __future__ import annotations

import math
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from sustainml_orchestrator.cli.console import (
    as_utf8,
    divert_foreign_output,
    harmless,
    write_json,
)
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.contract.signals import ENDING

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.core.ids import TaskId

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3
#: Prefixes of the environment variables that ROS and Fast DDS read.
_ROS = ("ROS_", "RMW_", "RCUTILS_", "FASTDDS_", "FASTRTPS_")
#: This one may contain escape sequences: they colour the log.
_LOG_FORMAT = "RCUTILS_CONSOLE_OUTPUT_FORMAT"
#: Bytes that are not UTF-8, as in a path of another encoding; no C1 control characters.
_UNDECODED = re.compile("[\udca0-\udcff]")
_LONGEST_CLOSE = 20  # s; then SIGALRM ends the program

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Failure(Exception):
    """Ends the program with a message and an exit code.

    Attributes:
        name: of the error; that of an `ErrorCode` where it is one.
        error_code: its number, as in the responses of the orchestrator.
        exit_code: of the program.
    """

    def __init__(
        self, message: str, exit_code: int = EXIT_FAILED, *, name: str = "INTERNAL_ERROR",
        error_code: int = 1,
    ) -> None:  # fmt: skip
        super().__init__(message)
        self.name, self.error_code, self.exit_code = name, error_code, exit_code


class Interrupted(SystemExit):
    """Raised by a signal: everything is closed, and the exit code is 128 + the signal."""


def interruption(error: BaseException) -> int:
    """Return the exit code if a signal caused this error, else 0.

    A library may replace the exception of the signal handler by one of its own: a C extension that
    is interrupted while it is loaded raises ImportError.
    """
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        if isinstance(cause, Interrupted):
            return int(str(cause.code))
        seen.add(id(cause))
        cause = cause.__cause__ or cause.__context__
    return 0


def end_on_signals() -> None:
    """Close everything at SIGINT, SIGTERM and SIGHUP; ignore the signals that follow."""
    handled = [each for each in ENDING if signal.getsignal(each) is not signal.SIG_IGN]

    def end(number: int, _: object) -> None:
        for each in handled:
            signal.signal(each, lambda *_: None)
        # Python looks at those that came at once now; it would complain were they ignored already.
        signal.raise_signal(number)
        for each in handled:
            signal.signal(each, signal.SIG_IGN)
        # The exception may come while this thread holds a lock that closing needs.
        signal.alarm(_LONGEST_CLOSE)
        raise Interrupted(128 + number)

    for number in handled:
        signal.signal(number, end)


def check_variables() -> None:
    """Refuse ROS environment variables that contain control characters: rcl prints them unescaped.

    Raises:
        Failure: a variable contains one.
    """
    for name, value in os.environ.items():
        text = _UNDECODED.sub("", value)
        if name.startswith(_ROS) and name != _LOG_FORMAT and harmless(text) != text:
            raise Failure(
                f"the environment variable {name} contains control characters; set it again, or "
                f"unset {name}",
                EXIT_USAGE,
                name="INVALID_REQUEST",
                error_code=2,
            )


@dataclass
class Options:
    """Global options."""

    namespace: str = "/sustainml"
    timeout: float = 5.0


options = Options()


@contextmanager
def connected() -> Iterator[OrchestratorClient]:
    """A client, whose errors become a `Failure`."""
    from sustainml_orchestrator.client import ClientError, OrchestratorClient
    from sustainml_orchestrator.client import OrchestratorUnavailable as Unavailable

    divert_foreign_output()
    try:
        with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
            yield client
    except ClientError as error:
        code = EXIT_UNREACHABLE if isinstance(error, Unavailable) else EXIT_FAILED
        number = int(error.code)
        raise Failure(error.message, code, name=error.code.name, error_code=number) from error


def check_form(**chosen: bool) -> None:
    """Refuse two forms of output at once.

    Raises:
        typer.BadParameter: with their options.
    """
    names = [f"--{name}" for name, is_chosen in chosen.items() if is_chosen]
    if len(names) > 1:
        raise typer.BadParameter(f"{' and '.join(names)} exclude each other; choose one")


def task_id(text: str) -> TaskId:
    """A task as typed: ``3/2``, ``3`` (the latest iteration of problem 3)."""
    from sustainml_orchestrator.core.ids import TaskId

    try:
        return TaskId.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def print_json(value: Any) -> None:
    """JSON and nothing else on standard output."""
    write_json(plain(value))


def figure(value: float, digits: int = 3) -> str:
    """A figure for people; a dash while it is unknown."""
    return f"{value:.{digits}g}" if math.isfinite(value) else "–"


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """A file that may be read repeatedly; - is standard input, which errors name as that."""
    if str(path) != "-":
        yield path
        return
    with tempfile.NamedTemporaryFile() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        try:
            yield Path(copy.name)
        except Exception as error:
            error.args = (str(error).replace(copy.name, "standard input"), *error.args[1:])
            raise


def _is_stdout(path: Path, status: os.stat_result) -> bool:
    """Whether a path means standard output, which may not be descriptor 1 any more."""
    if str(path) in ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"):
        return True
    try:
        descriptor = sys.stdout.fileno()
    except (OSError, ValueError):  # replaced by a stream in memory
        descriptor = 1
    return os.path.samestat(status, os.fstat(descriptor))


def _free_target(path: Path, source: Path | None) -> Path:
    from sustainml_orchestrator.storage.files import target_of
    from sustainml_orchestrator.storage.lock import journal_of

    target = target_of(path)
    why = ""
    if source is not None and source.exists() and target.exists() and target.samefile(source):
        why = "is the file that is read"
    elif journal := journal_of(target):
        why = f"belongs to the journal {journal}"
    if why:
        text = f"{path} {why}; name another file"
        raise Failure(text, name="INVALID_REQUEST", error_code=2)
    return target


@contextmanager
def written(path: Path, source: Path | None = None) -> Iterator[TextIO]:
    """A text file, readable by this user only, that replaces the former one when it is complete.

    Symbolic links are followed; devices, pipes and standard output are written to directly.

    Raises:
        Failure: it would replace the file `source`, or one of a journal.
        OSError: it cannot be written.
    """
    status = path.stat() if path.exists() else None
    if status is not None and _is_stdout(path, status):
        yield as_utf8(sys.stdout)
        return
    target = _free_target(path, source)
    is_plain = status is None or stat.S_ISREG(status.st_mode)
    if not is_plain or (status is not None and not os.access(target.parent, os.W_OK)):
        with path.open("w", encoding="utf-8") as stream:
            yield stream
        return
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            if status is not None:
                os.fchmod(descriptor, stat.S_IMODE(status.st_mode))
            yield stream
        part.replace(target)
    except OSError as error:
        if error.filename == str(part):
            error.filename = str(path)
        raise
    finally:
        part.unlink(missing_ok=True)
