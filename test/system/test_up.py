"""`sustainml up` with 200 tasks under way, and kill -9 of whatever there is."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.system import OUTPUTS, wait_for
from support.up_process import Up
from sustainml_msgs.msg import Task, UserInput

from sustainml_orchestrator.client import ClientError, OrchestratorClient
from sustainml_orchestrator.core.ids import TaskId, TaskStatus
from sustainml_orchestrator.processes.programs import MODULES

TASKS = 200
PROBLEMS = (
    "tell cats from dogs in photos",
    "translate French news",
    "sentiment of customer reviews",
    "recognise spoken commands on a microcontroller",
)
#: From one kill to the next, in s: about as long as a process needs to come back.
_PAUSES = (0.5, 2.0)


class Submissions:
    """Submits tasks one after the other, in a thread; asks again where no answer came."""

    def __init__(self, namespace: str) -> None:
        self.client = OrchestratorClient(namespace, timeout=10.0)
        self.accepted: dict[str, TaskId] = {}
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for number in range(TASKS):
            name = f"problem {number}"
            text = PROBLEMS[number % len(PROBLEMS)]
            user_input = UserInput(problem_definition=text, problem_short_description=name)
            while name not in self.accepted:
                try:
                    self.accepted[name] = self.client.start_task(user_input, request_id=name)
                except ClientError:
                    time.sleep(0.05)
            time.sleep(0.02)

    def close(self) -> None:
        self.client.close()


def figures(task: Task) -> tuple[object, ...]:
    """What came out, and of whose inputs."""
    for name in OUTPUTS:
        assert getattr(task, name).task_id == task.summary.task_id, name
    summary = task.summary
    return (
        task.user_input.problem_definition, summary.model, summary.hw_description,
        summary.latency, summary.energy_consumption, summary.carbon_footprint,
    )  # fmt: skip


@pytest.fixture
def ups(tmp_path: Path) -> Iterator[list[Up]]:
    made = [Up("--isolation", "thread", home=str(tmp_path))]
    try:
        yield made
    finally:
        for up in made:
            up.end()


@pytest.mark.timeout(240)
def test_nothing_is_lost_whichever_process_is_killed(ups: list[Up], tmp_path: Path) -> None:
    dice = random.Random(4)
    ups[0].wait_for_line("[up] ready")
    threading.Thread(target=ups[0].read_on, daemon=True).start()
    submissions = Submissions(ups[0].namespace)
    victims = [*MODULES, "orchestrator", "orchestrator", "fork_server"]
    dice.shuffle(victims)
    for name in victims:
        time.sleep(dice.uniform(*_PAUSES))
        found: list[psutil.Process] = []

        def is_there(name: str = name, found: list[psutil.Process] = found) -> bool:
            found.extend(filter(None, [ups[0].leader(name)]))
            return bool(found)

        wait_for(is_there, 20.0, f"{name} did not come back")
        found[0].kill()
    time.sleep(dice.uniform(*_PAUSES))
    ups[0].process.kill()
    wait_for(lambda: not ups[0].family(), 5.0)
    ups.append(Up("--isolation", "thread", namespace=ups[0].namespace, home=str(tmp_path)))
    threading.Thread(target=ups[1].read_on, daemon=True).start()
    wait_for(lambda: len(submissions.accepted) == TASKS, 90.0, "not all were accepted")
    client, found = submissions.client, {}
    for name, task_id in submissions.accepted.items():
        task = client.wait_for_task(task_id, 60.0)
        assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary.error_description
        assert task.summary.problem_short_description == name
        found.setdefault(figures(task), []).append(name)
    assert len(found) == len(PROBLEMS), found  # all of a problem came out alike
    assert client.list_tasks(limit=1)[1] == TASKS
    submissions.close()
