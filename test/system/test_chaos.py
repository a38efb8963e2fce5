"""The short form of `make chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.chaos import Chaos
from support.system import System

#: The orchestrator is frozen once and killed twice, modules are frozen and killed.
_SEED = 2
_SECONDS = 25.0


@pytest.mark.timeout(300)
def test_nothing_is_lost_whatever_is_killed_or_frozen(tmp_path: Path) -> None:
    with System(tmp_path, journal=True) as system:
        chaos = Chaos(system, _SEED)
        chaos.run(_SECONDS)
        ends = chaos.check()
    assert ends.total() >= 100, (ends, chaos.counts)  # some 300 where nothing else runs
    assert any(fault.startswith("orchestrator killed") for fault in chaos.counts)
    assert ends["SUCCEEDED"] > 0.8 * ends.total(), ends
