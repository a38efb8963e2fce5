"""Who follows the history over a rollback of the journal is told, and misses nothing."""

from __future__ import annotations

from itertools import islice

import pytest
from builtin_interfaces.msg import Time
from sustainml_msgs.msg import HistoryEvent

from sustainml_orchestrator.client import following
from sustainml_orchestrator.client.following import Follower


class History:
    """The events of an orchestrator, which a test replaces; of all, and those that are followed."""

    def __init__(self, *stamps: int, first: int = 1) -> None:
        self.all: list[HistoryEvent] = []
        self.add(*stamps, first=first)

    def add(self, *stamps: int, first: int) -> None:
        self.all += [
            HistoryEvent(stamp=Time(sec=stamp), revision=revision, event="node.lost")
            for revision, stamp in enumerate(stamps, first)
        ]

    def get(
        self, *, after_revision: int = 0, limit: int, newest_first: bool = False
    ) -> list[HistoryEvent]:
        assert after_revision >= 0
        found = [event for event in self.all if event.revision > after_revision]
        return (found[::-1] if newest_first else found)[:limit]

    def newest(self) -> int:
        return max((event.revision for event in self.all), default=0)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_PERIOD", 0.0)


def stamps(events: list[HistoryEvent]) -> list[int]:
    """When they were; 0 for that the journal changed."""
    return [0 if each.event == "journal.changed" else each.stamp.sec for each in events]


@pytest.mark.parametrize(
    ("left", "then", "first", "expected"),
    [
        ([], [20, 21], 1, [0, 20, 21]),  # it was deleted
        ([1], [20, 21], 2, [0, 20, 21]),  # the revision that was told last is far ahead
        ([1], [20, 21, 22, 23, 24], 2, [0, 20, 21, 22, 23, 24]),  # it was given again
        ([1, 2, 3, 4], [20], 9, [20]),  # no rollback
        ([4], [20], 9, [20]),  # what is old was dropped
    ],
)
@pytest.mark.parametrize("page", [500, 2])
def test_a_journal_that_changes_while_it_is_followed(
    monkeypatch: pytest.MonkeyPatch, page: int,
    left: list[int], then: list[int], first: int, expected: list[int],
) -> None:  # fmt: skip
    monkeypatch.setattr(following, "_PAGE", page)
    history = History(1, 2, 3, 4)
    events = Follower(history.get, history.newest, 2, True).events()
    assert stamps(list(islice(events, 2))) == [3, 4]
    history.all = [event for event in history.all if event.stamp.sec in left]
    history.add(*then, first=first)
    assert stamps(list(islice(events, len(expected)))) == expected
    history.add(30, first=history.newest() + 1)
    assert stamps([next(events)]) == [30]


def test_what_is_already_in_the_old_copy_is_not_told_again() -> None:
    history = History(*range(1, 9))
    events = Follower(history.get, history.newest, 7, True).events()
    assert stamps([next(events)]) == [8]
    history.all = history.all[:4]
    assert stamps([next(events)]) == [0]
    history.add(20, first=5)
    assert stamps([next(events)]) == [20]


def test_where_what_is_followed_has_no_event_that_was_told() -> None:
    """The revision is of another task: what counts is whether the orchestrator knows it."""
    others, history = History(*range(1, 9)), History()
    events = Follower(history.get, others.newest, 8, True).events()
    history.add(20, first=9)
    assert stamps([next(events)]) == [20]
    history, others = History(1), History(1)
    events = Follower(history.get, others.newest, 8, True).events()
    assert stamps([next(events)]) == [0]
    history.add(20, first=2)
    assert stamps([next(events)]) == [20]
