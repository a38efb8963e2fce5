"""Fixtures of the module tests."""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test files are imported one by one; what they share lies beside them.
sys.path.insert(0, str(Path(__file__).parent))

from scripted import Isolation, ScriptedOrchestrator

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

_numbers = itertools.count(1)


@pytest.fixture
def orchestrator(tmp_path: Path) -> Iterator[ScriptedOrchestrator]:
    """A scripted orchestrator in a namespace of its own."""
    scripted = ScriptedOrchestrator(f"/test_{os.getpid()}_{next(_numbers)}", tmp_path)
    yield scripted
    scripted.close()


@pytest.fixture(params=["process", "thread"])
def isolation(request: pytest.FixtureRequest) -> Isolation:
    """Both isolations, as ROS arguments."""
    return "-p", f"isolation:={request.param}"
