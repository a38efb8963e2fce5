"""Many schedules, on all cores; one that does not end is a failure, and takes no machine along."""

from __future__ import annotations

import resource
import signal
from collections.abc import Iterator
from multiprocessing import Pool
from typing import NamedTuple

from support.simulation.world import World

_CHUNK = 20
#: Longest time of a schedule, in s (most take 0.1 s), and most memory of a process, in bytes.
_LONGEST = 60
_MEMORY = 2 * 2**30


class Failure(NamedTuple):
    """What went wrong in the schedule of a seed; no text when nothing did."""

    seed: int
    text: str


def attempt(seed: int) -> Failure:
    """Run one schedule, in the main thread of a process."""
    before = signal.signal(signal.SIGALRM, _give_up)
    signal.alarm(_LONGEST)
    try:
        World(seed).run()
    except Exception as error:
        return Failure(seed, f"seed {seed}: {type(error).__name__}: {error}")
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    return Failure(seed, "")


def _give_up(*_: object) -> None:
    raise TimeoutError(f"not over after {_LONGEST} s")


def limit_memory() -> None:
    """Let this process fail rather than take the memory of the machine."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))


def run(first: int, count: int, jobs: int) -> Iterator[Failure]:
    """Run many schedules on so many processes (0 = one per core); each result as it comes."""
    with Pool(jobs or None, limit_memory) as pool:
        yield from pool.imap_unordered(attempt, range(first, first + count), _CHUNK)
