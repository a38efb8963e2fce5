"""A whole system, one per test file."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from whole import System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Modules whose user code runs in threads; memory only."""
    with System(tmp_path_factory.mktemp("system")) as made:
        yield made
