"""Two orchestrators that meet: exactly one stays, by a decision that both compute."""

from __future__ import annotations

import pytest
from support.driver import SESSION, Driver

from sustainml_orchestrator.core.commands import (
    Leave,
    Log,
    PublishUserInput,
    Reply,
    SendControl,
)
from sustainml_orchestrator.core.duplicate_check import SILENCE, make_incarnation
from sustainml_orchestrator.core.events import (
    BatchEnded,
    NodeCommanded,
    PeerObserved,
    Persisted,
    TaskSubmitted,
    TimePassed,
)
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, TaskStatus

_OURS = make_incarnation(2000.0, 5)
_EARLIER = make_incarnation(1000.0, 9)


def _confirm(core: Driver) -> None:
    """The other one is heard, and again after 5 s."""
    core.give(PeerObserved(_EARLIER, SESSION))
    for _ in range(10):
        core.give(TimePassed(), 0.5)
    core.give(PeerObserved(_EARLIER, SESSION))


@pytest.fixture
def core() -> Driver:
    driver = Driver(incarnation=_OURS)
    driver.bring_up()
    return driver


def test_incarnations_grow_with_the_time_of_start() -> None:
    assert make_incarnation(1.7e9, 2**32 - 1) < make_incarnation(1.7e9 + 1, 0)
    assert 0 < make_incarnation(-5.0, 0) < make_incarnation(2.0**60, 2**32 - 1) < 2**64


@pytest.mark.parametrize("session", [SESSION, SESSION + 1])
def test_the_one_that_started_later_stops_commanding_at_once_then_leaves(
    core: Driver, session: int
) -> None:
    core.submit()
    core.forget()
    core.give(PeerObserved(_EARLIER, session))
    assert [c for c in core.released if isinstance(c, Log) and "started earlier" in c.text]
    assert not core.find(Leave)
    for _ in range(40):
        core.give(TimePassed(), 0.1)
        assert not [c for c in core.released if isinstance(c, (SendControl, PublishUserInput))]
    core.give(PeerObserved(_EARLIER, session))
    (leave,) = core.find(Leave)
    assert "started earlier" in leave.reason and f"session {session}" in leave.reason


def test_what_leaves_never_commands_again(core: Driver) -> None:
    core.submit()
    _confirm(core)
    assert core.find(Leave)
    core.forget()
    for _ in range(100):
        core.give(TimePassed(), 0.5)
        assert not [c for c in core.released if isinstance(c, (SendControl, PublishUserInput))]


@pytest.mark.parametrize("other", [_OURS, 0, make_incarnation(2000.0, 6), 2**64 - 1])
def test_the_one_that_started_first_stays(core: Driver, other: int) -> None:
    for _ in range(10):
        core.give(PeerObserved(other, SESSION + 1), 1.0)
    core.submit()
    assert core.find(PublishUserInput) and not core.find(Leave)


def test_both_compute_the_same_decision() -> None:
    pair = [Driver(incarnation=_OURS), Driver(incarnation=_EARLIER)]
    for _ in range(3):
        for driver, heard in zip(pair, (_EARLIER, _OURS), strict=True):
            driver.give(PeerObserved(heard, SESSION), 2.0)
    assert [bool(driver.find(Leave)) for driver in pair] == [True, False]


def test_a_process_that_ended_after_it_was_heard_once_leaves_the_field(core: Driver) -> None:
    """One that is killed may be heard once more by the one that is started in its place."""
    task = core.submit()
    assert task.status is TaskStatus.RUNNING
    core.give(PeerObserved(_EARLIER, SESSION))
    core.give(PeerObserved(_EARLIER, SESSION), 0.2)
    assert not core.find(Leave)
    core.forget()
    while not core.find(Log):
        core.give(TimePassed(), 0.25)
        assert core.now < 150
    assert core.core.duplicate_check.reason == ""
    assert core.core.lifecycle.ready, "modules are not blamed for the time in which it stood by"
    assert all(step.try_number == 1 for step in task.steps)
    core.submit()
    assert core.find(PublishUserInput)


def test_a_freeze_is_not_the_silence_of_the_other(core: Driver) -> None:
    core.give(PeerObserved(_EARLIER, SESSION))
    core.give(TimePassed(), 5 * SILENCE)
    assert core.core.duplicate_check.reason
    _confirm(core)
    assert core.find(Leave)


def test_what_was_sent_before_a_freeze_confirms_nothing(core: Driver) -> None:
    """The other one may have ended meanwhile."""
    core.give(PeerObserved(_EARLIER, SESSION))
    for _ in range(10):
        core.give(TimePassed(), 0.5)
    core.give(TimePassed(), 30.0)
    core.give(PeerObserved(_EARLIER, SESSION))
    assert not core.find(Leave)
    _confirm(core)
    assert core.find(Leave)


def test_requests_are_refused_with_the_reason(core: Driver) -> None:
    core.give(PeerObserved(_EARLIER, SESSION))
    for event in (
        TaskSubmitted(71, b"input", "a problem"),
        NodeCommanded(72, "", NodeCommand.STOP, 3.0),
    ):
        core.forget()
        core.give(event)
        (reply,) = core.find(Reply)
        assert reply.error is not None and reply.error.code is ErrorCode.REJECTED
        assert "another orchestrator" in reply.error.message
    assert not core.core.store.problems


def test_what_was_saved_last_is_answered_but_not_published() -> None:
    core = Driver(incarnation=_OURS, journalled=True)
    core.bring_up()
    core.give(TaskSubmitted(71, b"input", "a problem"))
    core.give(BatchEnded())
    core.give(PeerObserved(_EARLIER, SESSION))
    core.give(Persisted(core.core.persistence.number))
    assert [c.value for c in core.released if isinstance(c, Reply)] == [(1, 1)]
    assert not [c for c in core.released if isinstance(c, (SendControl, PublishUserInput))]
