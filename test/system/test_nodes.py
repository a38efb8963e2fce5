"""Nodes that are commanded, hang, crash, are frozen and killed."""

from __future__ import annotations

import json
import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
from rclpy.qos import QoSProfile
from support.system import OUTPUTS, System, check_task, wait_for
from sustainml_msgs.msg import UserInput

from sustainml_orchestrator.client import RequestRefused
from sustainml_orchestrator.client.feed import Feed
from sustainml_orchestrator.core.ids import (
    ErrorCode,
    NodeCommand,
    NodeStatus,
    TaskCommand,
    TaskId,
    TaskStatus,
)

OK = DiagnosticStatus.OK


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
    assert following.problem_id > tasks[-1].problem_id  # ids told before are never reused


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


def test_a_worker_that_is_killed_by_a_segmentation_fault_costs_one_try(lasting: System) -> None:
    pids = dict(lasting.supervisor.pids)
    task = lasting.solve("fault:hw_resources").summary
    assert task.task_status == TaskStatus.SUCCEEDED, task.outcome_reason
    assert {m.node_name: m.tries for m in task.modules}["hw_resources"] == 2
    assert lasting.supervisor.pids == pids
    doomed = lasting.solve("fault:hw_resources always").summary
    assert doomed.task_status == TaskStatus.ERROR
    assert "killed by SIGSEGV during process()" in doomed.error_description
    assert lasting.supervisor.pids == pids


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_loss_is_noticed_in_time_and_told_everywhere(
    lasting: System, how: signal.Signals
) -> None:
    name, client = "hw_constraints", lasting.client
    qos = QoSProfile(depth=50)
    before = len(lasting.lines)
    with Feed(client, DiagnosticArray, "/diagnostics", qos) as diagnostics:
        pid = lasting.supervisor.pids[name]
        (child,) = (c for c in lasting.supervisor._supervised if c.program.name == name)
        child.started, child.pause = time.monotonic(), 6.0  # it comes back later than that
        os.kill(pid, how)

        def told() -> str:
            every = (s for s in getattr(diagnostics.get(1.0), "status", ()))
            return next((s.message for s in every if f": {name}" in s.name and s.level != OK), "")

        wait_for(lambda: not client.get_node_status(name)[0].responsive, 8.0)
        (state,) = client.get_node_status(name)
        assert re.fullmatch(r"no heartbeat for \d+\.\d s", state.error_description)
        assert state.error_code == ErrorCode.NODE_UNAVAILABLE
        reason = rf"node {name} is INACTIVE \(no heartbeat for .* s\); start its process again"
        wait_for(lambda: re.search(reason, client.system_state().reason), 2.0)
        wait_for(lambda: re.search(reason, told()), 5.0)
    lost = rf"node\.lost {name} .*: no heartbeat for (\S+) s"
    noticed = [m[1] for _, line in lasting.lines[before:] if (m := re.search(lost, line))]
    assert [3.0 <= float(silence) <= 3.5 for silence in noticed] == [True]
    if how is signal.SIGSTOP:
        os.kill(pid, signal.SIGCONT)
    child.pause = 0.5
    until_ready(lasting)


def test_what_a_thawed_module_brings_of_an_old_attempt_is_dropped(lasting: System) -> None:
    name, client = "app_requirements", lasting.client
    task = client.start_task(UserInput(problem_definition="thaw work:900-900"))

    def is_at_work() -> bool:
        modules = {m.node_name: m for m in client.get_task(task).summary.modules}
        return modules[name].task_status == TaskStatus.RUNNING

    wait_for(is_at_work)
    pid = lasting.supervisor.pids[name]
    os.kill(pid, signal.SIGSTOP)
    try:
        assert client.control_task(task, TaskCommand.RESET) is TaskStatus.WAITING
        time.sleep(1.0)  # its worker goes on: the output is ready, and of the first attempt
    finally:
        os.kill(pid, signal.SIGCONT)
    ended = client.wait_for_task(task, 30.0)
    assert ended.summary.task_status == TaskStatus.SUCCEEDED, ended.summary.outcome_reason
    assert {getattr(ended, output).attempt for output in OUTPUTS} == {2}


def test_without_a_journal_nothing_of_an_earlier_life_is_taken(tmp_path: Path) -> None:
    with System(tmp_path, timeout=20.0) as system:
        client = system.client
        old = client.start_task(UserInput(problem_definition="of old work:2000-2000"))
        wait_for(lambda: client.get_task(old).summary.task_status == TaskStatus.RUNNING)
        session = client.system_state().session
        pid = system.supervisor.pids["orchestrator"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: system.supervisor.pids.get("orchestrator", pid) != pid)
        wait_for(lambda: client.system_state(20.0).session != session)
        until_ready(system)
        new = client.start_task(UserInput(problem_definition="anew"))
        assert new == old
        assert client.wait_for_task(new, 30.0).summary.task_status == TaskStatus.SUCCEEDED
        check_task("anew", client.get_task(new, include_binary=True))
        assert client.list_tasks()[1] == 1
