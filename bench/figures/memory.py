"""Resident memory of the real orchestrator per iteration that it holds."""

from __future__ import annotations

from collections.abc import Iterator

from bench.asking import fresh_namespace, orchestrator
from bench.figure import Figure, Run
from bench.filling import filled, payload_bytes
from bench.processes import resident_bytes


def measure(runs: int, window: float, full: bool) -> Iterator[Figure]:
    """What is resident beyond an empty orchestrator and the payloads, per iteration."""
    stored = 1_000_000 if full else 100_000
    payloads = payload_bytes(filled(stored))
    empty = [_resident(0) for _ in range(runs)]
    taken = [_resident(stored) - nothing - payloads for nothing in empty]
    yield Figure(
        f"memory per iteration beyond payloads, {stored:,} stored",
        "KiB",
        1.5,
        "lower",
        [Run(bytes_ / stored / 1024) for bytes_ in taken],
        goal_on="value",
    )


def _resident(stored: int) -> int:
    with orchestrator(filled(stored), fresh_namespace(), stored) as pid:
        return resident_bytes(pid)
