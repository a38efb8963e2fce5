"""Run schedules: ``make simulate N=100000``, or ``make simulate ARGS='--seed 7'`` to replay one.

``--mutants`` breaks the core on purpose, in one place after the other, to see that it is noticed.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from itertools import islice

#: Fields of an event or command that tell nothing.
_NOISE = re.compile(
    r"instance='[^']*', |session=\d+,? ?|\w+='', |\w+=<\w+\.NONE: 0>, |<\w+\.|: \d+>|"
    r", error_code=NO_ERROR|, (task_id|attempt|try_number|error_code|priority|goal)=0"
)


def replay(seed: int) -> int:
    """Run one schedule and tell all of it when it fails."""
    from support.simulation.world import World

    world = World(seed)
    try:
        world.run()
    except BaseException:
        for when, what in world.story:
            print(f"{when:8.3f} {_NOISE.sub('', str(what))}")
        print(world.faults)
        raise
    print(f"seed {seed}: {world.steps} steps in {world.network.now:.1f} s, nothing wrong")
    return 0


def search(first: int, count: int, jobs: int) -> int:
    """Run many schedules and tell of the first ten that fail."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    from support.simulation.batch import run

    columns = ("schedules", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=count)
        results = progress.track(run(first, count, jobs), task_id=bar)
        found = list(islice((failure for failure in results if failure.text), 10))
    for failure in found:
        print(failure.text)
        print(f"  replay: make simulate ARGS='--seed {failure.seed}'")
    return 1 if found else 0


def try_mutants(count: int, jobs: int, names: list[str]) -> int:
    """Tell which deliberate bugs are noticed, and by how many schedules."""
    from rich.console import Console
    from rich.progress import Progress
    from rich.table import Table

    from support.simulation import mutants

    numbers = [
        number
        for number, mutant in enumerate(mutants.MUTANTS)
        if not names or any(name in mutant.name for name in names)
    ]
    table = Table("a core in which", "function", "noticed by", "first seed, and how")
    missed = 0
    with Progress() as progress:
        results = mutants.run(count, jobs or os.cpu_count() or 1, numbers)
        for result in progress.track(results, total=len(numbers)):
            missed += not result.failed
            share = f"{result.failed} of {result.count}" if result.failed else "[red]none[/]"
            how = f"{result.first}: {result.why[:70]}" if result.failed else ""
            table.add_row(result.mutant.name, result.mutant.place, share, how)
    Console(width=170).print(table)
    print(f"{len(numbers) - missed} of {len(numbers)} broken cores were noticed")
    return 1 if missed else 0


def try_mutant(number: int, first: int, count: int, enough: int) -> int:
    """Run schedules through one broken core until enough have failed; one line tells the result."""
    from support.simulation import mutants

    mutants.install(number)
    from support.simulation.batch import attempt, limit_memory

    limit_memory()
    failures = []
    ran = 0
    for seed in range(first, first + count):
        ran += 1
        failure = attempt(seed)
        assert ": NameError: " not in failure.text, f"the mutant is not valid: {failure.text}"
        if failure.text:
            failures.append(failure)
            if len(failures) >= enough:
                break
    worst = failures[0] if failures else None
    why = " ".join(worst.text.split(":", 1)[1].split())[:200] if worst else ""
    print(len(failures), ran, worst.seed if worst else -1, why, sep="\t")
    return 0


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this schedule and tell its story")
    parser.add_argument("--count", type=int, default=2000, help="schedules to run")
    parser.add_argument("--first", type=int, default=0, help="their first seed")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0 = one per core")
    parser.add_argument(
        "--mutants", nargs="*", metavar="NAME", help="break the core (all ways, or some by name)"
    )
    parser.add_argument("--mutant", type=int, help="break the core in this one way")
    parser.add_argument("--enough", type=int, default=5, help="failures that show a mutant")
    options = parser.parse_args()
    if options.mutant is not None:
        return try_mutant(options.mutant, options.first, options.count, options.enough)
    if options.mutants is not None:
        return try_mutants(options.count, options.jobs, options.mutants)
    if options.seed is not None:
        return replay(options.seed)
    return search(options.first, options.count, options.jobs)


if __name__ == "__main__":
    sys.exit(main())
