"""Some thousand short schedules; ``python test/core/simulation`` runs as many as asked."""

from __future__ import annotations

import pytest
from simulation.world import World

_CHUNK = 250


@pytest.mark.parametrize("first", range(0, 2000, _CHUNK))
def test_schedules(first: int) -> None:
    for seed in range(first, first + _CHUNK):
        try:
            World(seed).run()
        except Exception as error:
            raise AssertionError(
                f"seed {seed}: replay with python test/core/simulation --seed {seed}"
            ) from error


def test_the_same_seed_gives_the_same_schedule() -> None:
    worlds = [World(11), World(11)]
    for world in worlds:
        world.run()
    one, other = ([f"{when} {what}" for when, what in world.story] for world in worlds)
    assert one == other
