"""The short form of `make load`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.load import Load, check_memory, loaded_system


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Load]:
    with loaded_system(tmp_path_factory.mktemp("load")) as system:
        yield Load(system)


def test_a_thousand_tasks_at_once_end_and_memory_goes_back(load: Load) -> None:
    check_memory([load.round(1, 1000), load.round(2, 300)])


def test_ten_thousand_tasks_wait_and_the_next_one_is_refused(load: Load) -> None:
    message = load.fill_the_queue(10_000)
    assert message == ("10000 tasks wait already; try again later, or raise max_waiting_tasks")
