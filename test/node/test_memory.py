"""When memory is given back."""

from __future__ import annotations

import pytest

from sustainml_orchestrator.node.malloc_trim import Memory

MIB = 2**20


def test_it_is_given_back_once_a_lot_was_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    memory, trims = Memory(), []
    monkeypatch.setattr(memory, "_trim", trims.append)
    for stored in (0, 100, 90, 95, 40, 30, 20):  # still falling: it is done at the end
        memory.update(stored * MIB)
    assert trims == []
    for stored in (20, 20, 30, 20, 5, 5):
        memory.update(stored * MIB)
    assert trims == [0, 0]
    memory.update(0)
    memory.update(0)
    assert trims == [0, 0]  # too little
