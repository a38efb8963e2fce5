"""The short form of the system tests on the executor of rclpy: its privates may change."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.puppet import PATIENCE, Framework, Puppet
from support.system import wait_for
from sustainml_msgs import msg
from sustainml_msgs.msg import NodeControl, NodeStatus

from sustainml_orchestrator.contract import wait_set


@pytest.fixture(scope="module")
def puppet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Puppet]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(wait_set.EXECUTOR, "plain")
        assert not wait_set.available()
        folder = tmp_path_factory.mktemp("plain")
        with Framework(folder, "plain", ack_timeout=0.6) as framework:
            yield framework.puppet


def test_it_is_the_wait_set_otherwise() -> None:
    assert wait_set.available()


def test_tasks_run(puppet: Puppet) -> None:
    tasks = [puppet.start(f"problem {number}") for number in range(20)]
    for task in tasks:
        puppet.say("first", task, NodeStatus.TASK_RUNNING)
        puppet.finish(task)
    for task in tasks:
        summary = puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
        assert summary.model == f"model {task.task_id.problem_id}"
    assert puppet.call("list_tasks").total == 20


def test_what_is_owed_is_asked_for_again_and_handed_out(puppet: Puppet) -> None:
    task = puppet.start("silent")
    again = puppet.command_to("first", task_id=task.task_id)
    assert (again.cmd_task, again.token) == (NodeControl.RESET_TASK, task.token)
    given = puppet.call(
        "get_inputs", task_id=task.task_id, attempt=1, session=task.session, token=task.token,
        node_name="first",
    )  # fmt: skip
    assert given.success and given.user_input.problem_definition == "silent"
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def test_calls_that_wait_hold_up_nothing(puppet: Puppet) -> None:
    waiting = puppet.send("control_node", node_name="first", cmd_node=2, timeout=20.0)
    puppet.command_to("first", cmd_node=2)
    task_id = puppet.call(
        "start_task", user_input=msg.UserInput(modality="m", problem_definition="p")
    )
    assert task_id.success and not waiting.done(), waiting.result()
    puppet.node_status["first"] = NodeStatus.NODE_INACTIVE
    puppet.say("first")
    wait_for(waiting.done, PATIENCE)
    assert waiting.result().success
    started = puppet.send("control_node", node_name="first", cmd_node=1, timeout=20.0)
    puppet.node_status["first"] = NodeStatus.NODE_IDLE
    puppet.say("first")
    wait_for(started.done, PATIENCE)
    puppet.finish(puppet.input_of(task_id.task_id))
