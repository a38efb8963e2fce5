"""`sustainml compare`: the iterations of a problem side by side."""

from __future__ import annotations

import csv
import io
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from sustainml_orchestrator.cli.console import (
    EXIT_BROKEN_PIPE,
    Table,
    as_utf8,
    err,
    harmless,
    line,
    out,
)
from sustainml_orchestrator.cli.context import AsJson, connected, figure, print_json
from sustainml_orchestrator.cli.tables import emitted, name_of, positive
from sustainml_orchestrator.contract.plain import plain
from sustainml_orchestrator.core.text import cause


def compare(
    problem: Annotated[int, typer.Argument(min=1, help="Number of the problem.")],
    iterations: Annotated[
        list[int] | None, typer.Argument(help="Iterations to compare; by default all.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Draw quality against carbon into this file (png, svg).")
    ] = None,
    as_csv: Annotated[bool, typer.Option("--csv", help="CSV on standard output.")] = False,
    as_json: AsJson = False,
) -> None:
    """Compare the iterations of a problem.

    Marks those that are Pareto-optimal in quality, latency and carbon, and the best of them.

    sustainml compare 1

    sustainml compare 2 --plot front.png
    """
    with connected() as client:
        rows = client.compare_iterations(problem, iterations or [])
    if as_json:
        print_json(rows)
    elif as_csv:
        _write_csv(rows)
    else:
        out.print(_table(rows))
    if plot is not None:
        _draw(rows, plot, problem)


def _write_csv(rows: Sequence[Any]) -> None:
    names = [name for name in rows[0].get_fields_and_field_types() if name != "task_id"]
    writer = csv.writer(as_utf8(sys.stdout))  # as data files are
    writer.writerow(["task", *names])
    for row in rows:
        writer.writerow([name_of(row), *(_cell(getattr(row, name)) for name in names)])


def _cell(value: Any) -> Any:
    """A value for a spreadsheet; a text that looks like a formula is quoted."""
    if not isinstance(value, str):
        return plain(value)
    return harmless(f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value)


def _table(rows: Sequence[Any]) -> Table:
    table = Table(
        ("task", "model", "hardware"),
        ("quality", "latency\n(s)", "power\n(W)", "energy\n(Wh)", "carbon\n(kgCO2e)"),
    )
    table.add_column("Pareto-\noptimal", justify="center")
    for row in rows:
        mark = ("best", "bold green") if row.best else "yes" if row.pareto_optimal else ""
        table.add(
            name_of(row), row.model, row.hw_description, figure(row.quality),
            positive(row.latency), positive(row.power_consumption),
            positive(row.energy_consumption),
            emitted(row.carbon_footprint, row.energy_consumption), line(mark),
        )  # fmt: skip
    return table


def _draw(rows: Sequence[Any], path: Path, problem: int) -> None:
    """Plot quality against carbon, with the Pareto front and the best iteration."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    known = [r for r in rows if not (math.isnan(r.carbon_footprint) or math.isnan(r.quality))]
    front = sorted((r for r in known if r.pareto_optimal), key=lambda r: r.carbon_footprint)
    best = [r for r in known if r.best]
    figure_, axes = pyplot.subplots(figsize=(8, 4.5))
    axes.plot(*_places(known), "o", c="grey", label="others")
    axes.plot(*_places(front), "o-", label="best in quality, latency and carbon (Pareto front)")
    axes.plot(*_places(best), "*", ms=16, c="green", label="chosen: the least carbon")
    axes.set(
        xlabel="carbon footprint (kgCO2e)", ylabel="quality (0..1)", title=f"problem {problem}"
    )
    carbon, _ = _places(known)
    if carbon and min(carbon) > 0 and max(carbon) > 10 * min(carbon):
        axes.set_xscale("log")
        axes.xaxis.set_minor_formatter("")
    axes.margins(x=0.25, y=0.2)  # room for the names
    for row in known:
        axes.annotate(
            harmless(f"{name_of(row)} {row.model.rpartition('/')[2]}"),
            (row.carbon_footprint, row.quality), textcoords="offset points", xytext=(0, -15),
            fontsize=8, ha="center", parse_math=False,  # dollar signs in a name are no formula
        )  # fmt: skip
    if known:
        axes.legend(fontsize=8)
    figure_.tight_layout()
    try:
        _save(figure_, path)
    finally:
        pyplot.close(figure_)


def _save(drawing: Any, path: Path) -> None:
    picture = io.BytesIO()
    try:
        drawing.savefig(picture, format=path.suffix[1:] or "png")
        path.write_bytes(picture.getvalue())  # also to a link, a pipe or a device
    except BrokenPipeError:
        raise SystemExit(EXIT_BROKEN_PIPE) from None
    except (OSError, ValueError) as error:
        raise typer.BadParameter(f"{path} cannot be written: {cause(error)}") from error
    err.say(f"plot in {path}")


def _places(rows: Sequence[Any]) -> tuple[list[float], list[float]]:
    return [r.carbon_footprint for r in rows], [r.quality for r in rows]
