"""A whole system, one per test file."""

from collections.abc import Iterator

import pytest
from support.system import System


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """Modules whose user code runs in threads; memory only."""
    with System(tmp_path_factory.mktemp("system")) as made:
        yield made
