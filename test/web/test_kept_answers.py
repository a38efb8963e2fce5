"""Answers that many open pages share."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from sustainml_orchestrator.web.kept_answers import KeptAnswers


class Source:
    """Makes numbered answers that hold for a time."""

    def __init__(self, holds: float = 60.0, size: int = 1) -> None:
        self.made = 0
        self._holds, self._size = holds, size

    def __call__(self) -> tuple[bytes, float]:
        self.made += 1
        return str(self.made).encode().ljust(self._size), self._holds


def test_an_answer_holds_until_its_mark_changes() -> None:
    kept, source = KeptAnswers(), Source()
    assert [kept.get("key", mark, source) for mark in (1, 1, 2, 2, 1)] == [
        b"1", b"1", b"2", b"2", b"3",
    ]  # fmt: skip
    assert kept.get("other", 1, source) == b"4"


def test_what_is_not_known_is_asked_each_time() -> None:
    kept, source = KeptAnswers(), Source()
    assert kept.get("key", None, source) != kept.get("key", None, source)


def test_an_answer_ends_with_its_time() -> None:
    kept, source = KeptAnswers(), Source(holds=0.05)
    kept.get("key", 1, source)
    time.sleep(0.06)
    assert kept.get("key", 1, source) == b"2"


def test_a_failure_is_not_kept() -> None:
    kept, source = KeptAnswers(), Source()

    def fail() -> tuple[bytes, float]:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        kept.get("key", 1, fail)
    assert kept.get("key", 1, source) == b"1"


def test_the_oldest_go_when_there_is_no_room() -> None:
    kept, source = KeptAnswers(most=100), Source(size=40)
    for key in "abc":
        kept.get(key, 1, source)
    assert kept.get("c", 1, source).strip() == b"3"
    assert kept.get("a", 1, source).strip() == b"4"
    assert kept.get("big", 1, Source(size=1000)) and kept.get("d", 1, source).strip() == b"5"


def test_many_at_once_ask_once() -> None:
    kept, source, go = KeptAnswers(), Source(), threading.Event()

    def slow() -> tuple[bytes, float]:
        go.wait(10)
        return source()

    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(kept.get, "key", 1, slow) for _ in range(10)]
        go.set()
        assert {each.result(10) for each in asked} == {b"1"}
    assert source.made == 1
