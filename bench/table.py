"""Figures as a table for people."""

from __future__ import annotations

from collections.abc import Iterable

from rich.table import Table

from bench.figure import Figure

_VERDICT = {True: "[green]yes[/]", False: "[red]no[/]", None: "–"}


def number(value: float | None) -> str:
    """With as many digits as anyone wants to read."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def goal(figure: Figure) -> str:
    """What was wanted, and of what."""
    if figure.goal is None:
        return "–"
    sign = "≥" if figure.better == "higher" else "≤"
    unit = f" {figure.unit}" if figure.goal_on == "value" else ""
    return f"{sign} {number(figure.goal)}{unit}"


def table(figures: Iterable[Figure]) -> Table:
    """One row per figure."""
    made = Table(title="medians of interleaved runs", title_justify="left")
    made.add_column("figure")
    made.add_column("unit")
    for heading in ("value", "reference", "ratio", "spread", "goal", "met"):
        made.add_column(heading, justify="right")
    for figure in figures:
        made.add_row(
            figure.name,
            figure.unit,
            number(figure.value),
            number(figure.reference),
            number(figure.ratio),
            number(figure.spread),
            goal(figure),
            _VERDICT[figure.met],
        )
    return made
