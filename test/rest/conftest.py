from collections.abc import Iterator

import pytest
from support.rest_server import Served


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served"), web=True) as made:
        yield made
