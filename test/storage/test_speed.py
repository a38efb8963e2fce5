"""How fast a restart is, beside the bare reading of the same rows; told, not asserted."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support.histories import Driver

from sustainml_orchestrator.storage import Journal, records

Opened = Callable[..., Journal]
ITERATIONS = 10_000


def test_speed(path: Path, opened: Opened, capsys: pytest.CaptureFixture[str]) -> None:
    journal = opened()
    driver = Driver(journal.session, journal)
    driver.bring_up()
    driver.solve(driver.submit("x" * 300))
    began = time.perf_counter()
    for _ in range(100):
        driver.submit("x" * 300)
    commit = (time.perf_counter() - began) / 100
    journal.close()
    connection = sqlite3.connect(path, isolation_level=None)
    model = next(iter(records.read(connection)))
    records.copy(
        (
            model._replace(record=records.with_values(model.record, serial=n, problem_id=n + 1))
            for n in range(101, ITERATIONS)
        ),
        connection,
    )
    began = time.perf_counter()
    for query in (records.get_iterations(connection), records.GET_INPUTS, records.GET_OUTPUTS):
        for _ in connection.execute(query):
            pass
    bare = time.perf_counter() - began
    connection.close()
    began = time.perf_counter()
    after = Driver.restored(opened())
    restart = time.perf_counter() - began
    assert len(after.core.store.problems) == ITERATIONS
    with capsys.disabled():
        print(
            f"\nrestart with {ITERATIONS} iterations {restart:.3f} s, "
            f"bare reading {bare:.3f} s; one commit {commit * 1e6:.0f} µs"
        )
