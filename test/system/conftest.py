"""Whole systems: one for each test file, or one for each test."""

from collections.abc import Iterator

import pytest
from support.system import System
from support.up_process import Up


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Modules whose user code runs in threads; memory only."""
    with System(tmp_path_factory.mktemp("system")) as made:
        yield made


@pytest.fixture(scope="module")
def running() -> Iterator[Up]:
    """One system for all the tests that leave it whole."""
    made = Up("--isolation", "thread")
    try:
        made.wait_for_line("[up] ready")
        yield made
    finally:
        made.end()


@pytest.fixture
def up(request: pytest.FixtureRequest) -> Iterator[Up]:
    made = Up(*getattr(request, "param", ()))
    try:
        yield made
    finally:
        made.end()
