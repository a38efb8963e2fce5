"""What every verb shares: options, the client, exit codes, how errors and JSON are shown."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console

if TYPE_CHECKING:
    from sustainml_orchestrator.client import OrchestratorClient
    from sustainml_orchestrator.core.ids import TaskId

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_UNREACHABLE = 3

#: Tables need room; a pipe or file has as much as we like.
out = Console() if sys.stdout.isatty() else Console(width=120)
err = Console(stderr=True, soft_wrap=True)


@dataclass
class Options:
    """Global options."""

    namespace: str = "/sustainml"
    timeout: float = 5.0


options = Options()


@contextmanager
def connected() -> Iterator[OrchestratorClient]:
    """A client; its errors end the program with a sentence and an exit code."""
    from sustainml_orchestrator.client import (
        ClientError,
        OrchestratorClient,
        OrchestratorUnavailable,
    )

    try:
        with OrchestratorClient(options.namespace, timeout=options.timeout) as client:
            yield client
    except OrchestratorUnavailable as error:
        err.print(f"[red]error:[/] {error.message}")
        raise typer.Exit(EXIT_UNREACHABLE) from error
    except ClientError as error:
        err.print(f"[red]{error.code.name}:[/] {error.message}")
        raise typer.Exit(EXIT_FAILED) from error


def task_id(text: str) -> TaskId:
    """A task as typed: ``3/2``, ``3`` (the latest iteration of problem 3)."""
    from sustainml_orchestrator.core.ids import TaskId

    try:
        return TaskId.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


def plain(value: Any) -> Any:
    """A message as JSON data: NaN becomes null, octets text where they are text."""
    if hasattr(value, "get_fields_and_field_types"):
        return {name: plain(getattr(value, name)) for name in value.get_fields_and_field_types()}
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int)) or value is None:
        return value
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (bytes, bytearray)) or getattr(value, "typecode", "") == "B":
        return bytes(value).decode("utf-8", "replace")
    return [plain(item) for item in value]


def print_json(value: Any) -> None:
    """JSON and nothing else on stdout."""
    json.dump(plain(value), sys.stdout, ensure_ascii=False, indent=2)
    sys.stdout.write("\n")


def figure(value: float, digits: int = 3) -> str:
    """A figure for people; a dash while it is unknown."""
    return "–" if math.isnan(value) else f"{value:.{digits}g}"
