"""Restarting with a journal, beside reading its rows with sqlite3."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator

from bench.figure import Figure, Run
from bench.filling import filled
from bench.processes import python


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """Time to rebuild the store, in a fresh process each."""
    for stored in (100_000, 1_000_000) if full else (100_000,):
        pairs = [Run(_seconds("ours", stored), _seconds("bare", stored)) for _ in range(runs)]
        yield Figure(f"rebuild {stored:,} iterations", "s", 3.0, "lower", pairs)


def _seconds(how: str, stored: int) -> float:
    command = python("bench.rebuilding", how, str(filled(stored)), str(stored))
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
