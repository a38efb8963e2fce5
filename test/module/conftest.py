"""Fixtures of the module tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")

_numbers = itertools.count(1)


@pytest.fixture
def orchestrator(tmp_path: Path) -> Iterator:
    """A scripted orchestrator in a namespace of its own."""
    from scripted import ScriptedOrchestrator

    scripted = ScriptedOrchestrator(f"/test_{os.getpid()}_{next(_numbers)}", tmp_path)
    yield scripted
    scripted.close()


@pytest.fixture(params=["process", "thread"])
def isolation(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Both isolations, as ROS arguments."""
    return "-p", f"isolation:={request.param}"
