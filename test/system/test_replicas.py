"""Several instances of one module share its work; one that dies leaves its steps to the others."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from support.system import wait_for
from support.up_process import MARK, Up, sustainml
from sustainml_msgs.msg import TaskSummary, UserInput

from sustainml_orchestrator.client import OrchestratorClient
from sustainml_orchestrator.core.ids import TaskStatus

MODULE = Path(__file__).parents[2] / "bench" / "slow_module.py"
PIPELINE = f"""\
modules:
  slow:
    inputs: [user_input]
    output_type: HWConstraints
    executable: {MODULE} 0.1
    replicas: 2
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    file = tmp_path_factory.mktemp("replicas") / "pipeline.yaml"
    file.write_text(PIPELINE)
    params = file.with_name("params.yaml")
    params.write_text("/**/slow: {ros__parameters: {heartbeat_period: 0.75}}\n")
    up = Up("--pipeline", str(file), "--params", str(params))
    try:
        up.wait_for_line("[up] ready")
        yield up
    finally:
        up.end()


@pytest.fixture(scope="module")
def client(system: Up) -> Iterator[OrchestratorClient]:
    with OrchestratorClient(system.namespace, timeout=20.0) as client:
        yield client


def able(client: OrchestratorClient) -> int:
    (state,) = client.get_node_status("slow")
    return sum(i.responsive and i.node_status in (2, 4) for i in state.instances)


def solve(client: OrchestratorClient, count: int) -> list[TaskSummary]:
    """How so many tasks ended; all of them must succeed."""
    ids = [client.start_task(UserInput(problem_definition="a problem")) for _ in range(count)]
    last = {s.task_id.problem_id: s for s in client.watch(ids, timeout=60.0)}
    assert {s.task_status for s in last.values()} == {TaskStatus.SUCCEEDED}
    return list(last.values())


def shares(tasks: list[TaskSummary]) -> Counter[str]:
    return Counter(task.modules[0].instance.rpartition("/")[2] for task in tasks)


def test_each_step_is_done_by_one_of_them(system: Up, client: OrchestratorClient) -> None:
    wait_for(lambda: able(client) == 2, 20.0)
    wait_for(lambda: len(shares(solve(client, 4))) == 2, 20.0)  # both know that there are two
    before = {i.instance: i.finished_tasks for i in client.get_node_status("slow")[0].instances}
    share = shares(solve(client, 20))
    assert share["slow"] >= 8 and share["slow_2"] >= 8, share
    (state,) = client.get_node_status("slow")
    for name in share:  # the file names only the module
        assert client.get_parameters(name, timeout=20.0)["heartbeat_period"] == 0.75
    done = {i.instance.rpartition("/")[2]: i.finished_tasks - before[i.instance]
            for i in state.instances}  # fmt: skip
    assert done == share  # nothing was done twice
    assert "slow_2" in sustainml(system, "nodes").stdout


def test_one_more_takes_part_and_one_that_is_killed_loses_nothing(
    system: Up, client: OrchestratorClient
) -> None:
    ros = ("--ros-args", "-r", f"__ns:={system.namespace}", "-r", "__node:=third")
    third = subprocess.Popen(
        [sys.executable, str(MODULE), "0.1", *ros], env={**os.environ, MARK: system.mark}
    )
    try:
        wait_for(lambda: able(client) == 3, 20.0)
        wait_for(lambda: "third" in shares(solve(client, 6)), 20.0)
        ids = [client.start_task(UserInput(problem_definition="x")) for _ in range(20)]
        wait_for(lambda: working(client, "third"), 10.0)
        psutil.Process(third.pid).kill()
        last = {s.task_id.problem_id: s for s in client.watch(ids, timeout=60.0)}
        assert {s.task_status for s in last.values()} == {TaskStatus.SUCCEEDED}
        assert sum(s.modules[0].tries - 1 for s in last.values()) <= 1  # of the step at work
        assert set(shares(solve(client, 6))) == {"slow", "slow_2"}
    finally:
        third.kill()
        third.wait()


def working(client: OrchestratorClient, name: str) -> bool:
    (state,) = client.get_node_status("slow")
    return any(i.instance.endswith(name) and i.active_tasks for i in state.instances)


def test_the_last_one_works_as_if_it_had_been_alone(system: Up, client: OrchestratorClient) -> None:
    for process in system.family():
        if any("__node:=slow_2" in word for word in process.cmdline()):
            os.kill(process.pid, 19)  # it stops: it is lost, and not started again
    try:
        wait_for(lambda: able(client) == 1, 20.0)
        assert set(shares(solve(client, 3))) == {"slow"}
    finally:
        for process in system.family():
            os.kill(process.pid, 18)
