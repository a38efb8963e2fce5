"""Ids of commands: those of an orchestrator that ended do not pass for those of the next."""

from __future__ import annotations

from sustainml_orchestrator.core.adapters import CIRCLE, reached
from sustainml_orchestrator.core.outbox import CommandIds


def test_what_an_earlier_orchestrator_has_on_its_way_confirms_nothing_of_ours() -> None:
    for last, heard in ((1, 70), (CIRCLE - 100, CIRCLE - 5)):
        ids = CommandIds()
        ids.last = last
        ids.seen(heard)
        ours = ids.next()
        in_transit = [(heard + ahead) % CIRCLE for ahead in range(1000)]
        assert ours and not any(reached(sent, ours) for sent in in_transit)


def test_they_grow_by_one_and_leave_out_zero() -> None:
    ids = CommandIds()
    assert [ids.next(), ids.next()] == [1, 2]
    ids.seen(1)
    assert ids.next() == 3
    ids.last = CIRCLE - 1
    assert ids.next() == 1
