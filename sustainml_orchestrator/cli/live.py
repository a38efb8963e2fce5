"""What commands show with --watch: printed anew as it changes, until Ctrl-C."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Annotated

import typer
from rich.console import Group
from rich.live import Live

from sustainml_orchestrator.cli.console import out
from sustainml_orchestrator.cli.context import Interrupted

WatchOption = Annotated[
    bool, typer.Option("--watch", "-w", help="Show it anew every second, until Ctrl-C.")
]
_PERIOD = 1.0  # s


def watch(render: Callable[[], Group]) -> None:
    """Show what `render` makes, every second; without a terminal, only when it has changed."""
    with suppress(Interrupted):
        if out.is_terminal:
            with Live(render(), console=out, auto_refresh=False) as live:
                while True:
                    time.sleep(_PERIOD)
                    live.update(render(), refresh=True)
        before = ""
        while True:
            shown = render()
            with out.capture() as capture:
                out.print(shown)
            if capture.get() != before:
                before = capture.get()
                out.print(shown)
                out.file.flush()
            time.sleep(_PERIOD)
