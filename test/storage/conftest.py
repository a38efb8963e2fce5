"""Fixtures of the journal tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from support.histories import NAMES

from sustainml_orchestrator.storage import Journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "journal.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[..., Journal]]:
    """Opens the journal; one at a time; closed at the end."""
    journals: list[Journal] = []

    def open_one(**options: object) -> Journal:
        close_all()
        options.setdefault("pipeline_names", NAMES)
        journals.append(partial(Journal.open, path)(**options))  # type: ignore[arg-type]
        return journals[-1]

    def close_all() -> None:
        while journals:
            journals.pop().close()

    yield open_one
    close_all()
