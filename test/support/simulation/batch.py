"""Many schedules, on all cores."""

from __future__ import annotations

from collections.abc import Iterator
from multiprocessing import Pool
from typing import NamedTuple

from support.simulation.world import World

_CHUNK = 20


class Failure(NamedTuple):
    """What went wrong in the schedule of a seed; no text when nothing did."""

    seed: int
    text: str


def attempt(seed: int) -> Failure:
    """Run one schedule."""
    try:
        World(seed).run()
    except Exception as error:
        return Failure(seed, f"seed {seed}: {type(error).__name__}: {error}")
    return Failure(seed, "")


def run(first: int, count: int, jobs: int) -> Iterator[Failure]:
    """Run many schedules on so many processes (0 = one per core); each result as it comes."""
    with Pool(jobs or None) as pool:
        yield from pool.imap_unordered(attempt, range(first, first + count), _CHUNK)
