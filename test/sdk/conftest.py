"""Fixtures of the module tests."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.scripted_modules import Isolation, ScriptedOrchestrator

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
