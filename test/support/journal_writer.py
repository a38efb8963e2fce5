"""A process that fills a journal until it is killed; says on stdout what was acknowledged.

Started by test_kill.py with JOURNAL as argument. One line per committed wake-up:
``REVISION TASK:STATUS:DELIVERED ...``.
"""

from __future__ import annotations

import random
import sys

from support.histories import NAMES, Driver
from sustainml_orchestrator.core.ids import TaskCommand, TaskStatus
from sustainml_orchestrator.storage import Journal


def main() -> None:
    """Run until killed."""
    journal = Journal.open(sys.argv[1], pipeline_names=NAMES)
    driver = Driver.restored(journal)
    rng = random.Random()

    def acknowledge() -> None:
        store = driver.core.store
        words = [str(store.revision)]
        for task in store._all.items[-8:]:
            delivered = sum(output is not None for output in task.outputs)
            words.append(f"{task.task_id}:{task.status.name}:{task.attempt}:{delivered}")
        sys.stdout.write(" ".join(words) + "\n")
        sys.stdout.flush()

    driver.bring_up()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        driver.submit("text " * 50)
        acknowledge()
        for task in list(driver.core.tasks.running.values()):
            for module in range(len(NAMES)):
                if task.status is TaskStatus.RUNNING and rng.random() < 0.8:
                    driver.work(task.task_id, module, rng.randbytes(rng.randrange(3000)))
                    acknowledge()
        if rng.random() < 0.3 and driver.core.tasks.running:
            driver.command(next(iter(driver.core.tasks.running)), TaskCommand.RESET)
            acknowledge()


if __name__ == "__main__":
    main()
