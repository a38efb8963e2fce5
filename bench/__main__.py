"""Runs the benchmarks: `python -m bench`, or `make bench`."""

from __future__ import annotations

import os
import time
import traceback
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench import figures, results
from bench.asking import Asker
from bench.figure import Figure
from bench.table import number, table
from sustainml_orchestrator.contract import discovery

out = Console()


def main(
    only: Annotated[
        list[str] | None, typer.Option(help="Run this one; may be repeated. None = all.")
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="Pairs of runs per figure.")] = 5,
    window: Annotated[float, typer.Option(min=0.1, help="Length of a timed run, in s.")] = 5.0,
    full: Annotated[
        bool, typer.Option("--full", help="Also what takes long: a million iterations.")
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the result is written.")] = results.FOLDER,
) -> None:
    """Measure the framework beside bare rclpy; print a table and write a JSON file."""
    names = only or figures.NAMES
    unknown = set(names) - set(figures.NAMES)
    if unknown:
        raise typer.BadParameter(f"no '{min(unknown)}'; there are {', '.join(figures.NAMES)}")
    _take_profile()
    made: list[Figure] = []
    failed = []
    for name in names:
        began = time.monotonic()
        out.print(f"[bold]{name}[/] …")
        try:
            for figure in figures.load(name)(runs, window, full):
                made.append(figure)
                _tell(figure)
        except Exception:  # the others are worth having
            failed.append(name)
            out.print(traceback.format_exc(), markup=False, highlight=False)
        out.print(f"  [dim]{time.monotonic() - began:.0f} s[/]")
    if made:
        out.print(table(made))
        out.print(f"written to {results.write(made, folder)}", soft_wrap=True)
    if failed:
        out.print(f"[red]not measured:[/] {', '.join(failed)}")
        raise typer.Exit(1)


def _take_profile() -> None:
    """Be set up like the modules and front-ends that this process plays.

    The middleware reads its profile with the first participant. Put back afterwards, so that the
    reference's processes are as rclpy makes them; ours take it by themselves.
    """
    before = dict(os.environ)
    discovery.prefer_profile()
    with Asker():
        pass
    os.environ.clear()
    os.environ.update(before)


def _tell(figure: Figure) -> None:
    parts = [f"{number(figure.value)} {figure.unit}"]
    if figure.ratio is not None:
        parts.append(f"ratio {number(figure.ratio)}")
    out.print(f"  {figure.name}: {', '.join(parts)}", highlight=False)


if __name__ == "__main__":
    typer.run(main)
