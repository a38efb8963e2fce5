"""Compares two results: `python -m bench.compare BEFORE AFTER`, or `make bench-compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from bench import results
from bench.figure import Figure
from bench.table import number

Verdict = Literal["better", "worse", "same"]
_COLOURS: dict[Verdict, str] = {"better": "green", "worse": "red", "same": "dim"}
out = Console()


def verdict(before: Figure, after: Figure) -> Verdict:
    """Whether a figure changed by more than its runs differ among each other."""
    change = after.judged - before.judged
    if abs(change) <= max(before.spread, after.spread):
        return "same"
    return "better" if (change > 0) == (after.better == "higher") else "worse"


def compare(before: dict[str, Figure], after: dict[str, Figure]) -> Table:
    """One row per figure of either result."""
    made = Table()
    made.add_column("figure")
    for heading in ("before", "after", "change", "spread", ""):
        made.add_column(heading, justify="right")
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old is None or new is None:
            cells = [number(figure.judged) if figure else "–" for figure in (old, new)]
            made.add_row(name, *cells, "", "", "[dim]new[/]" if new else "[dim]gone[/]")
            continue
        how = verdict(old, new)
        made.add_row(
            name,
            number(old.judged),
            number(new.judged),
            f"{new.judged / old.judged - 1:+.1%}" if old.judged else "–",
            number(max(old.spread, new.spread)),
            f"[{_COLOURS[how]}]{how}[/]",
        )
    return made


def main(
    before: Annotated[Path, typer.Argument(metavar="A")],
    after: Annotated[Path, typer.Argument(metavar="B")],
) -> None:
    """Tell which figures got better or worse, beyond their spread, from A to B.

    Compared is the ratio to the reference where there is one, the value elsewhere.
    """
    try:
        out.print(compare(results.read(before), results.read(after)))
    except results.ResultError as error:
        raise typer.BadParameter(str(error)) from error


if __name__ == "__main__":
    typer.run(main)
