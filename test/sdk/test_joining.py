"""Joining of inputs and the cache of outputs: pure."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.sdk.finished_tasks import Finished, FinishedTasks
from sustainml_orchestrator.sdk.input_joiner import InputJoiner
from sustainml_orchestrator.sdk.wire_ids import Ticket, read_ticket, stamp

FIRST, LATER = frozenset("abc"), frozenset("abcxyz")


def needed(iteration_id: int) -> frozenset[str]:
    return LATER if iteration_id > 1 else FIRST


def ticket(
    problem: int, iteration: int = 1, attempt: int = 1, session: int = 9, token: int = 0
) -> Ticket:
    return Ticket(TaskId(problem, iteration), attempt, session, token or 700 + attempt)


@given(st.permutations("abcxyz"))
def test_parts_are_joined_in_any_order(order: list[str]) -> None:
    joiner = InputJoiner(needed)
    results = [joiner.add(ticket(1, 2), name, name.encode()) for name in order]
    assert results[:-1] == [None] * 5
    assert results[-1] == {name: name.encode() for name in LATER}
    assert len(joiner) == joiner.size == 0


def test_a_newer_attempt_replaces_an_older_one() -> None:
    joiner = InputJoiner(needed)
    joiner.add(ticket(1, attempt=1), "a", b"old")
    joiner.add(ticket(1, attempt=2), "b", b"b")
    assert joiner.add(ticket(1, attempt=1), "c", b"old") is None
    joiner.add(ticket(1, attempt=2), "c", b"c")
    assert joiner.add(ticket(1, attempt=2), "a", b"a") == {"a": b"a", "b": b"b", "c": b"c"}


def test_another_token_that_comes_later_replaces_what_was_collected() -> None:
    joiner = InputJoiner(needed)
    joiner.add(ticket(1, token=5), "a", b"of an earlier life")
    joiner.add(ticket(1, token=6), "b", b"b")
    assert joiner.add(ticket(1, token=6), "c", b"c") is None
    assert joiner.add(ticket(1, token=6), "a", b"a") == {"a": b"a", "b": b"b", "c": b"c"}


def test_sessions_and_tasks_are_kept_apart() -> None:
    joiner = InputJoiner(needed)
    for one in (ticket(1), ticket(1, session=8), ticket(2), ticket(1, 2)):
        assert joiner.add(one, "a", b"") is None
        assert joiner.add(one, "b", b"") is None
    assert joiner.add(ticket(1), "c", b"") is not None
    joiner.keep_session(9)
    assert len(joiner) == 2


def test_what_is_not_consumed_is_left_alone() -> None:
    joiner = InputJoiner(needed)
    assert joiner.add(ticket(1), "x", b"") is None
    assert len(joiner) == 0


@given(
    st.lists(
        st.tuples(
            st.integers(1, 5),
            st.integers(1, 2),
            st.integers(1, 3),
            st.sampled_from("abcxyz"),
            st.binary(max_size=40),
        ),
        max_size=60,
    )
)
def test_it_stays_within_its_bounds(messages: list[tuple[int, int, int, str, bytes]]) -> None:
    joiner = InputJoiner(needed, max_tasks=3, max_bytes=100)
    for problem, iteration, attempt, name, payload in messages:
        parts = joiner.add(ticket(problem, iteration, attempt), name, payload)
        assert parts is None or parts.keys() == needed(iteration)
        assert len(joiner) <= 3 and 0 <= joiner.size <= 100
    joiner.clear()
    assert len(joiner) == joiner.size == 0


def test_the_longest_waiting_is_forgotten_first() -> None:
    joiner = InputJoiner(needed, max_tasks=2)
    for problem in (1, 2, 3):
        joiner.add(ticket(problem), "a", b"")
    assert joiner.evicted == 1
    joiner.add(ticket(2), "b", b"")
    assert joiner.add(ticket(2), "c", b"") is not None


def test_finished_tasks_are_bounded_by_bytes_and_number() -> None:
    finished = FinishedTasks(max_bytes=10, max_tasks=3)
    for problem in (1, 2, 3):
        finished.add(Finished(ticket(problem), 1, b"xxxx"))
    assert finished.get(ticket(1)) is None and finished.size == 8
    finished.add(Finished(ticket(2), 2, b""))
    assert finished.get(ticket(2, attempt=7)).try_number == 2 and finished.size == 4
    finished.add(Finished(ticket(4), 1, b"x" * 11))
    assert len(finished) == finished.size == 0


@pytest.mark.parametrize("order", ["<", ">"])
def test_ids_are_read_and_stamps_set_in_both_byte_orders(order: list[str]) -> None:
    head = b"\0\1\0\0" if order == "<" else b"\0\0\0\0"
    data = head + struct.pack(order + "5IiI", 3, 2, 1, 99, 8, 0, 0) + b"rest"
    assert read_ticket(data) == (TaskId(3, 2), 1, 99, 8)
    stamped = stamp(data, seconds=-5, nanoseconds=7)
    assert stamped == head + struct.pack(order + "5IiI", 3, 2, 1, 99, 8, -5, 7) + b"rest"


@given(st.binary(max_size=60))
def test_any_bytes_give_a_ticket_or_a_value_error(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        assert read_ticket(data).attempt > 0
