"""The command line of `support.chaos` and `support.nemesis`: a progress bar, then a table."""

from __future__ import annotations

import argparse
import random
from collections.abc import Callable
from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from support.trial import Trial


def run(name: str, about: str | None, begin: Callable[[int], AbstractContextManager[Trial]]) -> int:
    """Run a trial as the arguments ask for; the exit code.

    Args:
        name: of the trial.
        about: its description.
        begin: makes the trial from a seed.
    """
    parser = argparse.ArgumentParser(prog=name, description=about)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long faults go on")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    given = parser.parse_args()
    out = Console()
    out.print(f"seed {given.seed}")
    with begin(given.seed) as trial:
        columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
        with Progress(*columns, console=out, transient=True) as progress:
            bar = progress.add_task(name, total=60.0 * given.minutes)
            trial.run(
                60.0 * given.minutes,
                lambda done, what: progress.update(bar, completed=done, description=what),
            )
        try:
            ends = trial.check()
        except AssertionError as error:
            out.print(str(error), markup=False, highlight=False)
            return 1
    rows = {**trial.counts, "submissions made again": trial.unanswered}
    table = Table("what", "how often", title=f"{len(trial.accepted)} tasks accepted, none lost")
    for what, count in [*sorted(rows.items()), *sorted(ends.items())]:
        table.add_row(what, str(count))
    out.print(table)
    return 0
