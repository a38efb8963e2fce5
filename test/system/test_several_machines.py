"""The short form of `make several-machines`: three hosts without multicast, and a bad network.

In a process of its own, since it moves to another network namespace.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import network
from support.several_machines import RECIPES, variables


@pytest.mark.timeout(200)
@pytest.mark.skipif(bool(network.missing()), reason=f"no hosts here: {network.missing()}")
def test_a_framework_over_three_hosts_loses_nothing() -> None:
    command = [sys.executable, "-m", "support.several_machines", "static_peers", "--short"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    assert "none lost, none doubled" in done.stdout
    assert "sees nothing of it" in done.stdout


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_is_a_file_of_variables(recipe: str) -> None:
    given = variables(recipe)
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE" in given
    assert all(name.startswith("ROS_") for name in given)


def test_a_recipe_that_is_none_is_refused() -> None:
    command = [sys.executable, "-m", "support.several_machines", "static_pears"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no recipe: static_pears" in done.stderr
