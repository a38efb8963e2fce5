"""Power that fails at any point of the writes of a journal, in the way of SQLite's crash tests."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.histories import NAMES, Driver
from support.recorded_disk import Operation, RecordedDisk, operations

from sustainml_orchestrator.core.ids import TaskId
from sustainml_orchestrator.storage import Journal

SUPPORT = Path(__file__).parents[1] / "support"
POINTS, STEPS = 200, 150
Told = dict[TaskId, tuple[int, int]]

pytestmark = pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="needs a C compiler and Linux"
)


@pytest.fixture(scope="module")
def recorder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that records writes."""
    library = tmp_path_factory.mktemp("recorder") / "write_recorder.so"
    source = SUPPORT / "write_recorder.c"
    command = ["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    subprocess.run(command, check=True, timeout=60)
    return library


def recorded(recorder: Path, folder: Path, durability: str) -> list[Operation]:
    """The writes of two processes, one after the other, that use a journal and end cleanly."""
    disk, trace = folder / "disk", folder / "trace"
    disk.mkdir()
    environment = {
        **os.environ,
        "LD_PRELOAD": str(recorder), "RECORDED_FOLDER": str(disk), "RECORDED_TRACE": str(trace),
    }  # fmt: skip
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "support.journal_writer", str(disk / "journal.db")]
        command += ["--steps", str(STEPS), "--durability", durability, "--seed", seed]
        subprocess.run(command, env=environment, check=True, timeout=120)
    return list(operations(trace))


def acknowledged(operation: Operation) -> Told:
    """What one acknowledgement says: attempt and number of outputs of some tasks."""
    told = {}
    for part in operation.data.decode().split()[1:]:
        name, _, attempt, delivered = part.split(":")
        told[TaskId.parse(name)] = int(attempt), int(delivered)
    return told


@pytest.mark.parametrize("durability", ["full", "normal"])
def test_power_may_fail_at_any_point(
    recorder: Path, tmp_path: Path, durability: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(20261126)
    trace = recorded(recorder, tmp_path, durability)
    assert sum(operation.kind == "s" for operation in trace) > 20
    points = set(rng.sample(range(len(trace)), POINTS))
    whole = Journal.open(tmp_path / "disk" / "journal.db", pipeline_names=NAMES)
    whole.close()
    monkeypatch.setattr("sustainml_orchestrator.storage.epoch._boot", lambda: "after the loss")
    disk, told, durable = RecordedDisk(), Told(), Told()
    losses = 0
    for number, operation in enumerate(trace):
        if operation.name == "acks":
            told |= acknowledged(operation)
        else:
            disk.apply(operation)
        if durability == "full" or (operation.kind, operation.name) == ("s", "journal.db-wal"):
            durable = dict(told)
        if number in points:
            folder = tmp_path / f"point {number}"
            folder.mkdir()
            disk.lose_power(folder, rng)
            losses += look_at(folder / "journal.db", told, durable, whole.session, durability)
            shutil.rmtree(folder)
    assert (losses > 0) == (durability == "normal"), "power was lost, and nothing with it"


def look_at(path: Path, told: Told, durable: Told, session: int, durability: str) -> int:
    """Start with what is left; returns how many of the tasks that were told are incomplete."""
    journal = Journal.open(path, pipeline_names=NAMES, durability="normal")
    try:
        driver = Driver.restored(journal)
        found = driver.core.store.find
        lost = 0
        for task_id, known in told.items():
            task = found(task_id)
            there = (task.attempt, sum(o is not None for o in task.outputs)) if task else (0, 0)
            lost += there < known
            assert there >= durable.get(task_id, (0, 0)), f"{task_id} is lost: {journal.warnings}"
        assert not any("damaged" in warning for warning in journal.warnings), journal.warnings
        unclean = any("may be missing" in warning for warning in journal.warnings)
        assert unclean or not lost, "lost in silence"
        assert durability == "normal" or not unclean, "full durability loses nothing"
        new = driver.submit("after the loss")
        is_new = all(new.problem_id > task_id.problem_id for task_id in told)
        assert is_new or journal.session != session, "an id is used again"
    finally:
        journal.close()
    return lost
