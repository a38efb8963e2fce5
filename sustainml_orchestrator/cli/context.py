"""What every verb shares: options, the client, exit codes, how errors and JSON are shown."""

from __future__ import annotations

import base64
import json
import math
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.markup import escape

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.core.ids import TaskId

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3

#: Tables need room; a pipe or file has as much as we like.
out = Console() if sys.stdout.isatty() else Console(width=100)
err = Console(stderr=True, soft_wrap=True)


class Interrupted(SystemExit):
    """A signal came: all is closed on the way out, and the exit code tells."""


def end_on_signals() -> None:
    """SIGINT, SIGTERM and SIGHUP end the program in an orderly way; a second one does nothing."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def end(number: int, _: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise Interrupted(128 + number)

    for number in numbers:
        signal.signal(number, end)


@dataclass
class Options:
    """Global options."""

    namespace: str = "/sustainml"
    timeout: float = 5.0


options = Options()


@contextmanager
def connected() -> Iterator[OrchestratorClient]:
    """A client; its errors end the program with a sentence and an exit code."""
    try:
        from sustainml_orchestrator.client import (
            ClientError,
            OrchestratorClient,
            OrchestratorUnavailable,
        )
    except ImportError as error:
        err.print(f"[red]error:[/] {error}; source the environment first: . ./env.sh")
        raise typer.Exit(EXIT_FAILED) from error

    try:
        with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
            yield client
    except OrchestratorUnavailable as error:
        err.print(f"[red]error:[/] {escape(error.message)}", highlight=False)
        raise typer.Exit(EXIT_UNREACHABLE) from error
    except ClientError as error:
        err.print(f"[red]{error.code.name}:[/] {escape(error.message)}", highlight=False)
        raise typer.Exit(EXIT_FAILED) from error


def task_id(text: str) -> TaskId:
    """A task as typed: ``3/2``, ``3`` (the latest iteration of problem 3)."""
    from sustainml_orchestrator.core.ids import TaskId

    try:
        return TaskId.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def plain(value: Any) -> Any:
    """A message as JSON data: NaN becomes null, extra_data an object, other octets base64."""
    if hasattr(value, "get_fields_and_field_types"):
        names = value.get_fields_and_field_types()
        data = {name: plain(getattr(value, name)) for name in names}
        if "extra_data" in data:
            data["extra_data"] = _object(bytes(value.extra_data))
        return data
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)) or getattr(value, "typecode", "") == "B":
        return base64.b64encode(bytes(value)).decode()
    return [plain(item) for item in value]


def _object(octets: bytes) -> Any:
    try:
        return plain(json.loads(octets or b"{}"))
    except ValueError:  # a module of someone's own may put anything there
        return plain(octets)


def print_json(value: Any) -> None:
    """JSON and nothing else on stdout."""
    json.dump(plain(value), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def figure(value: float, digits: int = 3) -> str:
    """A figure for people; a dash while it is unknown."""
    return "–" if math.isnan(value) else f"{value:.{digits}g}"
