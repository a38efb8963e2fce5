"""How `make soak` tells a leak from noise; the soak itself takes an hour."""

from __future__ import annotations

import random

import pytest
from support.soak import judge


def samples(growth: float, threads: float = 0.0) -> list[tuple[float, tuple[float, ...]]]:
    """An hour: a warm-up of 50 MiB, noise, outliers, and growth in MiB and threads per hour."""
    dice = random.Random(3)
    made = []
    for number in range(200):
        hours = number / 200
        warm = 50.0 * min(1.0, hours / 0.3)
        outlier = 30.0 * (dice.random() < 0.1)
        memory = 100.0 + warm + growth * hours + dice.gauss(0.0, 0.5) + outlier
        made.append((3600 * hours, (memory, 27.0, 15.0 + round(threads * hours))))
    return made


@pytest.mark.parametrize(
    ("growth", "threads", "flat"),
    [
        (0.0, 0.0, [True, True, True]),
        (2.0, 0.0, [True, True, True]),  # not to be told from noise in an hour
        (6.0, 0.0, [False, True, True]),
        (-9.0, 0.0, [True, True, True]),
        (0.0, 3.0, [True, True, False]),
    ],
)
def test_a_leak_is_told_from_noise(growth: float, threads: float, flat: list[bool]) -> None:
    verdicts = judge({"orchestrator": samples(growth, threads)})
    assert [verdict.flat for verdict in verdicts] == flat
    assert verdicts[1].begin == verdicts[1].end == 27.0
