"""Run schedules: ``python test/core/simulation --count 100000`` or ``--seed 7`` to replay one."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from itertools import islice
from multiprocessing import Pool
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from simulation.world import World

_CHUNK = 20
#: Fields of an event or command that tell nothing.
_NOISE = re.compile(
    r"instance='[^']*', |session=\d+,? ?|\w+='', |\w+=<\w+\.NONE: 0>, |<\w+\.|: \d+>|"
    r", error_code=NO_ERROR|, (task_id|attempt|try_number|error_code|priority|goal)=0"
)


def failure(seed: int) -> str:
    """What went wrong in a schedule; "" when nothing did."""
    world = World(seed)
    try:
        world.run()
    except Exception as error:
        return f"seed {seed}: {type(error).__name__}: {error}"
    return ""


def replay(seed: int) -> None:
    """Run one schedule and tell all of it when it fails."""
    world = World(seed)
    try:
        world.run()
    except BaseException:
        for when, what in world.story:
            print(f"{when:8.3f} {_NOISE.sub('', str(what))}")
        print(world.faults)
        raise
    print(f"seed {seed}: {world.steps} steps in {world.network.now:.1f} s, nothing wrong")


def run(first: int, count: int, jobs: int) -> Iterator[str]:
    """Run many schedules on so many processes; the result of each as it comes."""
    with Pool(jobs or None) as pool:
        yield from pool.imap_unordered(failure, range(first, first + count), _CHUNK)


def main() -> int:
    """Run what the arguments ask for."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this schedule and tell its story")
    parser.add_argument("--count", type=int, default=2000, help="schedules to run")
    parser.add_argument("--first", type=int, default=0, help="their first seed")
    parser.add_argument("--jobs", type=int, default=0, help="processes; 0 = one per core")
    options = parser.parse_args()
    if options.seed is not None:
        replay(options.seed)
        return 0
    columns = ("schedules", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        bar = progress.add_task("", total=options.count)
        results = run(options.first, options.count, options.jobs)
        failures = islice((text for text in progress.track(results, task_id=bar) if text), 10)
        found = list(failures)
    for text in found:
        print(text)
        print("  replay: python test/core/simulation --seed", text.split()[1].rstrip(":"))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
