"""Nodes that are commanded, hang, crash, are frozen and killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator

import pytest
from sustainml_msgs.msg import UserInput
from whole import System, wait_for

from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.core.ids import ErrorCode, NodeCommand, NodeStatus, TaskId, TaskStatus


@pytest.fixture(scope="module")
def lasting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """User code in processes of its own, and a journal."""
    folder = tmp_path_factory.mktemp("lasting")
    with System(folder, isolation="process", journal=True) as made:
        yield made


def until_ready(system: System) -> None:
    system.client.wait_until_ready(40.0)


def test_every_node_command(lasting: System) -> None:
    client, name = lasting.client, "hw_resources"
    assert client.control_node(name, NodeCommand.START)[0].node_status == NodeStatus.IDLE
    assert client.control_node(name, NodeCommand.RESET)[0].node_status == NodeStatus.IDLE
    assert client.control_node(name, NodeCommand.STOP)[0].node_status == NodeStatus.INACTIVE
    with pytest.raises(RequestRefused, match="RESET_NODE is not permitted") as refusal:
        client.control_node(name, NodeCommand.RESET)
    assert refusal.value.code is ErrorCode.REJECTED
    task = client.start_task(UserInput(problem_definition="waits"))
    assert client.get_task(task).summary.task_status == TaskStatus.WAITING
    assert "hw_resources" in client.get_task(task).summary.outcome_reason
    assert client.control_node("", NodeCommand.START)[4].node_status == NodeStatus.IDLE
    assert client.wait_for_task(task, 30.0).summary.task_status == TaskStatus.SUCCEEDED
    pid = lasting.supervisor.pids[name]
    client.control_node(name, NodeCommand.TERMINATE)
    wait_for(lambda: lasting.supervisor.pids.get(name, pid) != pid)

    def started() -> bool:
        try:
            return client.control_node(name, NodeCommand.START)[0].node_status == NodeStatus.IDLE
        except RequestRefused:
            return False  # not seen yet, or still TERMINATING

    wait_for(started, 30.0)


def test_a_step_that_hangs_costs_one_task(lasting: System) -> None:
    task = lasting.solve("hang:ml_model_metadata")
    assert task.summary.task_status == TaskStatus.ERROR
    assert task.summary.error_code == ErrorCode.TIMEOUT
    assert "did not finish within 1.5 s" in task.summary.error_description
    assert lasting.solve("and now a good one").summary.task_status == TaskStatus.SUCCEEDED


def test_user_code_that_crashes_gets_another_try(lasting: System) -> None:
    task = lasting.solve("crash:hw_constraints")
    assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary.outcome_reason


def test_a_killed_module_is_respawned_and_the_tasks_end(lasting: System) -> None:
    tasks = [
        lasting.client.start_task(UserInput(problem_definition=f"kill {i}")) for i in range(20)
    ]
    pid = lasting.supervisor.pids["ml_model_provider"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lasting.supervisor.pids.get("ml_model_provider", pid) != pid)
    until_ready(lasting)
    for task in tasks:
        ended = lasting.client.wait_for_task(task, 60.0)
        assert ended.summary.task_status == TaskStatus.SUCCEEDED, ended.summary.outcome_reason


def test_a_frozen_module_is_noticed_and_rejoins(lasting: System) -> None:
    pid = lasting.supervisor.pids["carbon_tracker"]
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_for(lambda: not lasting.client.get_node_status("carbon_tracker")[0].responsive, 5.0)
        text = lasting.client.get_node_status("carbon_tracker")[0].error_description
        assert text.startswith("no heartbeat for")
    finally:
        os.kill(pid, signal.SIGCONT)
    until_ready(lasting)
    assert lasting.solve("thawed").summary.task_status == TaskStatus.SUCCEEDED


def test_a_killed_orchestrator_goes_on_where_it_was(lasting: System) -> None:
    tasks = [
        lasting.client.start_task(UserInput(problem_definition=f"lasting {i}")) for i in range(30)
    ]
    modules = {k: v for k, v in lasting.supervisor.pids.items() if k != "orchestrator"}
    pid = lasting.supervisor.pids["orchestrator"]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: lasting.supervisor.pids.get("orchestrator", pid) != pid)
    until_ready(lasting)
    for i, task_id in enumerate(tasks):
        task = lasting.client.wait_for_task(task_id, 60.0)
        assert task.summary.task_status == TaskStatus.SUCCEEDED, task.summary.outcome_reason
        assert task.ml_model.model == f"model for lasting {i}"
    assert {k: v for k, v in lasting.supervisor.pids.items() if k != "orchestrator"} == modules
    following = lasting.client.start_task(UserInput(problem_definition="next"))
    assert following == TaskId(tasks[-1].problem_id + 1, 1)


def test_a_search_goes_on_after_the_orchestrator_was_killed(lasting: System) -> None:
    """Iteration n of the scripted modules has 1/n of the first one's carbon: 1/7 is the target."""
    client = lasting.client
    text = "slow:carbon_tracker and down to a seventh"
    wanted = UserInput(
        problem_definition=text, optimize_carbon_footprint_auto=True, desired_carbon_footprint=0.15
    )
    first = client.start_task(wanted)
    pid = lasting.supervisor.pids["orchestrator"]
    for last in client.watch([first], timeout=60.0):
        if last.task_id.iteration_id == 3 and lasting.supervisor.pids.get("orchestrator") == pid:
            os.kill(pid, signal.SIGKILL)
            wait_for(lambda: lasting.supervisor.pids.get("orchestrator", pid) != pid)
    assert last.task_id.iteration_id == 7
    assert last.outcome_reason.startswith("target of 0.15 kgCO2e met")
    summaries = list(client.all_tasks(first.problem_id))
    assert [s.next_task.iteration_id for s in summaries] == [2, 3, 4, 5, 6, 7, 0]
    assert [s.base_task.iteration_id for s in summaries] == [0, 1, 2, 3, 4, 5, 6]
    models = client.get_task(TaskId(first.problem_id, 7), include_binary=True).user_input.extra_data
    assert json.loads(bytes(models))["model_restrains"] == [f"model for {text}"]
