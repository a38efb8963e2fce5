"""A process that fills a journal until it is killed, and says what was acknowledged.

One line per committed batch: ``REVISION TASK:STATUS:ATTEMPT:DELIVERED ...``. On stdout for
test_kill.py; with ``--steps``, for test_power_loss.py, to a file "acks" beside the journal, and it
ends cleanly after so many steps.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from collections.abc import Callable
from pathlib import Path

from support.histories import NAMES, Driver
from sustainml_orchestrator.core.ids import TaskCommand, TaskStatus
from sustainml_orchestrator.storage import Journal, upkeep


def main() -> None:
    """Run until killed, or to the end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    parser.add_argument("--durability", default="normal")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int)
    options = parser.parse_args()
    journal = Journal.open(options.path, pipeline_names=NAMES, durability=options.durability)
    driver = Driver.restored(journal)
    rng = random.Random(options.seed)
    driver.bring_up()
    if options.steps is None:
        say = _to_stdout
        say("ready")
        while True:
            step(driver, rng, say)
    upkeep.LOSS_WINDOW = 2.02  # syncs every 0.02 s
    journal._connection.execute("PRAGMA wal_autocheckpoint = 25")
    acks = os.open(options.path.with_name("acks"), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for _ in range(options.steps):
        step(driver, rng, lambda line: os.write(acks, f"{line}\n".encode()))
        journal.maintain()
    journal.close()


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def step(driver: Driver, rng: random.Random, say: Callable[[str], object]) -> None:
    """Submit a task, let modules deliver, perhaps reset a task."""
    driver.submit("text " * 50)
    say(state(driver))
    for task in list(driver.core.tasks.running.values()):
        for module in range(len(NAMES)):
            if task.status is TaskStatus.RUNNING and rng.random() < 0.8:
                driver.work(task.task_id, module, rng.randbytes(rng.randrange(3000)))
                say(state(driver))
    if rng.random() < 0.3 and driver.core.tasks.running:
        driver.command(next(iter(driver.core.tasks.running)), TaskCommand.RESET)
        say(state(driver))


def state(driver: Driver) -> str:
    """How the newest tasks stand."""
    store = driver.core.store
    parts = [str(store.revision)]
    for task in store._all.items[-8:]:
        delivered = sum(output is not None for output in task.outputs)
        parts.append(f"{task.task_id}:{task.status.name}:{task.attempt}:{delivered}")
    return " ".join(parts)


if __name__ == "__main__":
    main()
