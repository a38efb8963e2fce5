"""The short form of `make nemesis`: hosts of their own, and a network that fails.

In a process of its own, since it moves to another network namespace.
"""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import network

#: Faults of every kind, each at least once.
_SEED = 3
_MINUTES = 0.6


@pytest.mark.timeout(400)
@pytest.mark.skipif(bool(network.missing()), reason=f"no hosts here: {network.missing()}")
def test_nothing_is_lost_whatever_the_network_does() -> None:
    command = [sys.executable, "-m", "support.nemesis", "--minutes", str(_MINUTES)]
    done = subprocess.run([*command, "--seed", str(_SEED)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-2000:]
    assert "none lost" in done.stdout
