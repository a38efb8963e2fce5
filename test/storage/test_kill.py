"""What was acknowledged is there after kill −9, at whatever moment it came."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

from support.histories import NAMES, Driver

from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.storage import Journal, check

ROUNDS = 8


def live_and_die(path: Path, seconds: float) -> list[str]:
    """Run a writer for a while, kill it; returns its acknowledgements."""
    writer = subprocess.Popen(
        [sys.executable, "-m", "support.journal_writer", str(path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdout is not None
    try:
        lines = [writer.stdout.readline()]
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            lines.append(writer.stdout.readline())
    finally:
        writer.kill()
        rest = writer.stdout.read()
        writer.wait()
        writer.stdout.close()
    assert lines[0] == "ready\n"
    whole = "".join(lines[1:]) + rest
    return whole[: whole.rfind("\n") + 1].splitlines()


def test_nothing_acknowledged_is_lost(path: Path) -> None:
    rng = random.Random()
    sessions = set()
    for _ in range(ROUNDS):
        lines = live_and_die(path, rng.uniform(0.0, 0.3))
        report = check(path)
        assert report.findings == []
        journal = Journal.open(path, pipeline_names=NAMES)
        sessions.add(journal.session)
        assert all("did not end cleanly" in warning for warning in journal.warnings)
        driver = Driver.restored(journal)
        journal.close()
        told: dict[str, tuple[str, int, int]] = {}
        for line in lines:
            for word in line.split()[1:]:
                name, status, attempt, delivered = word.split(":")
                told[name] = (status, int(attempt), int(delivered))
        for name, (status, attempt, delivered) in told.items():
            task = driver.core.store.find(TaskId.parse(name))
            assert task is not None
            there = sum(output is not None for output in task.outputs)
            assert (task.attempt, there) >= (attempt, delivered)
            if status == "SUCCEEDED" and task.attempt == attempt:
                assert task.status is TaskStatus.SUCCEEDED
        if lines:
            assert driver.core.store.revision >= int(lines[-1].split()[0])
    assert len(sessions) == 1
