"""Identifiers and the error that reaches a caller."""

from __future__ import annotations

import pytest

from sustainml_orchestrator.core.errors import OrchestratorError
from sustainml_orchestrator.core.ids import ErrorCode, TaskId


@pytest.mark.parametrize(
    ("text", "expected"), [("3/2", (3, 2)), ("3", (3, 0)), (" 3 / 2 ", (3, 2)), ("3/-1", (3, 0))]
)
def test_ids_are_read(text: str, expected: tuple[int, int]) -> None:
    assert TaskId.parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "3/", "/2", "-1/2", "3/2/1", "3/-2", "1" * 11])
def test_what_is_no_id(text: str) -> None:
    with pytest.raises(ValueError, match="is no task id; write PROBLEM/ITERATION"):
        TaskId.parse(text)


def test_an_error_shows_code_and_sentence() -> None:
    assert str(OrchestratorError(ErrorCode.REJECTED, "wait")) == "REJECTED: wait"
