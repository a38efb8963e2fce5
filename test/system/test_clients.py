"""What ends load is never refused for want of room, and clients that are gone hold no place."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rclpy.action import ActionClient
from support.puppet import PATIENCE, Framework, Puppet
from support.system import wait_for
from sustainml_msgs import msg
from sustainml_msgs.action import RunTask
from sustainml_msgs.msg import ErrorCode, NodeControl, NodeStatus

from sustainml_orchestrator.contract import names

GOALS, PLACES = 80, 4
SCRIPT = Path(__file__).parents[1] / "support" / "waiting_client.py"


@pytest.fixture
def framework(tmp_path: Path) -> Iterator[Framework]:
    with Framework(tmp_path, "clients", max_pending_calls=PLACES) as made:
        yield made


@pytest.fixture
def puppet(framework: Framework) -> Puppet:
    """Of a system in which tasks wait: a module is inactive and obeys nothing."""
    puppet = framework.puppet
    puppet.node_status["first"] = NodeStatus.NODE_INACTIVE
    puppet.say("first")
    wait_for(lambda: not puppet.heard["orchestrator/system_state"][-1].ready, PATIENCE)
    return puppet


def count(puppet: Puppet, status: int) -> int:
    return int(puppet.call("list_tasks", task_statuses=[status]).total)


def test_many_goals_are_cancelled_and_nothing_else_is_refused(puppet: Puppet) -> None:
    client = ActionClient(
        puppet.node, RunTask, names.RUN_TASK, goal_service_qos_profile=names.SERVICE_QOS,
        result_service_qos_profile=names.SERVICE_QOS, cancel_service_qos_profile=names.SERVICE_QOS,
    )  # fmt: skip
    assert client.wait_for_server(PATIENCE)

    def send(number: int) -> object:
        user_input = msg.UserInput(problem_definition=f"goal {number}")
        return client.send_goal_async(RunTask.Goal(user_input=user_input))

    sent = [puppet.run(lambda n=number: send(n)) for number in range(GOALS)]
    wait_for(lambda: all(future.done() for future in sent), PATIENCE)
    assert all(future.result().accepted for future in sent)
    wait_for(lambda: count(puppet, NodeStatus.TASK_WAITING) == GOALS, PATIENCE)
    results = [puppet.run(future.result().get_result_async) for future in sent]
    commands = [
        puppet.send("control_node", node_name="first", cmd_node=NodeControl.STOP_NODE)
        for _ in range(3 * PLACES)
    ]
    for command in commands:
        wait_for(command.done, PATIENCE)
        assert command.result().success, command.result().message
    stopped = puppet.call(
        "control_task", task_id=msg.TaskId(problem_id=1, iteration_id=1), cmd_task=1
    )
    assert stopped.success and stopped.task_status == NodeStatus.TASK_STOPPED
    assert puppet.call("delete_problem", problem_id=1).success
    began = time.monotonic()
    for future in sent[1:]:
        puppet.run(future.result().cancel_goal_async)
    wait_for(lambda: all(result.done() for result in results), PATIENCE)
    assert time.monotonic() - began < PATIENCE
    assert count(puppet, NodeStatus.TASK_TERMINATED) == GOALS - 1
    codes = {result.result().result.error_code for result in results}
    assert codes == {ErrorCode.CANCELLED}


CONTAINER = ("unshare", "--pid", "--fork", "--kill-child")  # the client has pid 1 there
is_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces of pids")


@pytest.mark.parametrize(
    ("end", "place"),
    [
        (subprocess.Popen.kill, ()),
        (subprocess.Popen.terminate, ()),
        pytest.param(subprocess.Popen.kill, CONTAINER, marks=is_root),
    ],
)
def test_a_client_that_is_gone_holds_no_place(
    framework: Framework, puppet: Puppet, end: Callable[[subprocess.Popen[str]], None],
    place: tuple[str, ...],
) -> None:  # fmt: skip
    words = [*place, sys.executable, str(SCRIPT), framework.namespace, str(PLACES), "3"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and "waiting\n" in process.stdout  # or of Fast DDS

        def refused() -> bool:
            answer = puppet.call("configure_node", node_name="first", timeout=0.1)
            return bool(answer.error_code == ErrorCode.RESOURCE_EXHAUSTED)

        wait_for(refused, PATIENCE)
        end(process)
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:  # Fast DDS may spin for ever while a participant ends
            process.kill()
    wait_for(lambda: not refused(), 5.0)
    wait_for(lambda: framework.log.count("the client of run_task") == 3, 5.0)
    assert count(puppet, NodeStatus.TASK_WAITING) == 3  # what it asked for goes on


def test_a_refused_command_tells_the_state(framework: Framework) -> None:
    puppet = framework.puppet
    task = puppet.start()
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    refused = puppet.call("control_task", task_id=task.task_id, cmd_task=NodeControl.STOP_TASK)
    assert (refused.success, refused.error_code) == (False, ErrorCode.REJECTED)
    assert refused.task_status == NodeStatus.TASK_SUCCEEDED
    refused = puppet.call("control_task", task_id=task.task_id, cmd_task=77)
    assert refused.error_code == ErrorCode.INVALID_REQUEST
    assert refused.task_status == NodeStatus.TASK_SUCCEEDED
    refused = puppet.call("control_node", node_name="first", cmd_node=77)
    assert refused.error_code == ErrorCode.INVALID_REQUEST
    assert [node.node_status for node in refused.nodes] == [NodeStatus.NODE_IDLE]
    refused = puppet.call("control_node", node_name="nobody", cmd_node=NodeControl.START_NODE)
    assert refused.error_code == ErrorCode.NOT_FOUND and not refused.nodes
    refused = puppet.call("configure_node", configuration="{}")
    assert refused.message == "node_name is empty; name the node to configure: first, second"
    refused = puppet.call("delete_problem")
    assert refused.message == "problem_id is 0; name the problem to delete"


def test_a_request_id_with_other_content_is_refused(framework: Framework) -> None:
    puppet = framework.puppet
    secret = {"problem_definition": "sort", "extra_data": b'{"hf_token": "s", "goal": "g"}'}

    def ask(request_id: str = "r", priority: int = 0, **fields: object) -> object:
        user_input = msg.UserInput(**{**secret, **fields})
        user_input.header.stamp.sec = int(time.monotonic())  # its ids and stamp do not count
        return puppet.call(
            "start_task", user_input=user_input, request_id=request_id, priority=priority
        )

    first = ask()
    again = ask()
    assert first.success and again.success and again.task_id == first.task_id
    for other in ({"problem_definition": "other"}, {"extra_data": b"{}"}, {"priority": 1}):
        refused = ask(**other)
        assert refused.error_code == ErrorCode.INVALID_REQUEST
        assert "choose another request_id" in refused.message
    assert ask("another", problem_definition="other").success

    def iterate(**fields: object) -> object:
        return puppet.call(
            "start_iteration", base_task=msg.TaskId(problem_id=first.task_id.problem_id),
            overrides=["modality"], user_input=msg.UserInput(modality="m", **fields),
            request_id="i",
        )  # fmt: skip

    second, repeated = iterate(), iterate()
    assert second.success and repeated.task_id == second.task_id
    assert second.task_id.iteration_id == 2
