"""The contract of task and node commands, of announcements and of requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
import rclpy
from support.puppet import PATIENCE, Framework, Puppet
from support.system import wait_for
from sustainml_msgs import msg
from sustainml_msgs.msg import ErrorCode, NodeControl, NodeStatus

from sustainml_orchestrator.contract import names


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    folder = tmp_path_factory.mktemp("commands")
    with Framework(folder, "commands", ack_timeout=0.6, command_timeout=60.0) as made:
        yield made


@pytest.fixture
def puppet(framework: Framework) -> Puppet:
    return framework.puppet


@pytest.mark.parametrize("late", [False, True])
def test_the_output_of_a_stopped_task_is_kept_and_triggers_nothing(
    puppet: Puppet, late: bool
) -> None:
    task = puppet.start()
    if late:
        puppet.say("first", task, NodeStatus.TASK_RUNNING)
    stop = {"task_id": task.task_id, "cmd_task": NodeControl.STOP_TASK}
    assert puppet.call("control_task", **stop).task_status == NodeStatus.TASK_STOPPED
    command = puppet.command_to("first", **stop)
    assert command.attempt == 1
    puppet.deliver("first", task, model="late")
    wait_for(lambda: puppet.summary(task).modules[0].has_output, PATIENCE)
    puppet.deliver("second", task)
    wait_for(lambda: puppet.summary(task).modules[1].has_output, PATIENCE)
    assert puppet.summary(task).task_status == NodeStatus.TASK_STOPPED


COMMANDS = {"STOP": 1, "RESET": 2, "PREEMPT": 3, "TERMINATE": 4}
#: What the table of the contract permits, and where it leads.
PERMITTED = {
    ("WAITING", "STOP"): "STOPPED", ("RUNNING", "STOP"): "STOPPED",
    ("RUNNING", "RESET"): "WAITING", ("STOPPED", "RESET"): "WAITING",
    ("ERROR", "RESET"): "WAITING", ("SUCCEEDED", "RESET"): "WAITING",
    ("RUNNING", "PREEMPT"): "WAITING",
    ("WAITING", "TERMINATE"): "TERMINATED", ("RUNNING", "TERMINATE"): "TERMINATED",
    ("STOPPED", "TERMINATE"): "TERMINATED", ("ERROR", "TERMINATE"): "TERMINATED",
}  # fmt: skip
STATES = ("WAITING", "RUNNING", "STOPPED", "ERROR", "SUCCEEDED", "TERMINATED")


def task_that_is(puppet: Puppet, state: str) -> msg.UserInput:
    """A task brought into a state; one that waits does so for a module that is at rest."""
    if state == "WAITING":
        puppet.node_status["second"] = NodeStatus.NODE_INACTIVE
        puppet.say("second")
        wait_for(lambda: not puppet.heard["orchestrator/system_state"][-1].ready, PATIENCE)
        answer = puppet.call("start_task", user_input=msg.UserInput(problem_definition="waits"))
        return msg.UserInput(task_id=answer.task_id, attempt=1)
    task = puppet.start(f"will be {state}")
    if state == "ERROR":
        puppet.say("first", task, NodeStatus.TASK_ERROR, error_code=ErrorCode.INVALID_REQUEST)
    elif state == "SUCCEEDED":
        puppet.finish(task)
    elif state in ("STOPPED", "TERMINATED"):
        puppet.call("control_task", task_id=task.task_id, cmd_task=1 if state == "STOPPED" else 4)
    puppet.until_status(task, getattr(NodeStatus, f"TASK_{state}"))
    return task


@pytest.mark.parametrize(("state", "command"), list(product(STATES, COMMANDS)))
def test_the_table_of_task_commands(puppet: Puppet, state: str, command: str) -> None:
    task = task_that_is(puppet, state)
    before = puppet.summary(task)
    answer = puppet.call("control_task", task_id=task.task_id, cmd_task=COMMANDS[command])
    leads_to = PERMITTED.get((state, command))
    if leads_to is None:
        assert answer.error_code == ErrorCode.REJECTED
        assert state in answer.message and not answer.success
        after = puppet.summary(task)
        assert (after.task_status, after.attempt) == (before.task_status, before.attempt)
    else:
        assert answer.success, answer.message
        assert answer.task_status == getattr(NodeStatus, f"TASK_{leads_to}")
    if command == "RESET" and leads_to:
        anew = puppet.input_of(task.task_id, attempt=2)
        assert not puppet.summary(task).modules[0].has_output
        puppet.finish(anew)
        puppet.until_status(anew, NodeStatus.TASK_SUCCEEDED)
    if state == "WAITING":
        puppet.node_status["second"] = NodeStatus.NODE_IDLE
        puppet.say("second")
        wait_for(lambda: puppet.heard["orchestrator/system_state"][-1].ready, PATIENCE)
    puppet.call("control_task", task_id=task.task_id, cmd_task=NodeControl.TERMINATE_TASK)


def test_node_commands_are_confirmed_by_the_state_of_one_that_never_echoes(puppet: Puppet) -> None:
    def command(number: int) -> object:
        return puppet.send("control_node", node_name="first", cmd_node=number, timeout=5.0)

    def obey(number: int, *states: int) -> None:
        heard = len(puppet.heard["control"])
        answer = command(number)
        puppet.command_to("first", heard, cmd_node=number)
        assert not answer.done()
        for state in states:
            puppet.node_status["first"] = state
            puppet.say("first")
        wait_for(answer.done, PATIENCE)
        assert answer.result().success, answer.result().message
        assert answer.result().nodes[0].node_status == states[-1]

    obey(NodeControl.STOP_NODE, NodeStatus.NODE_INACTIVE)
    refused = puppet.call("control_node", node_name="first", cmd_node=NodeControl.RESET_NODE)
    assert refused.error_code == ErrorCode.REJECTED
    assert puppet.call("control_node", node_name="first", cmd_node=NodeControl.STOP_NODE).success
    obey(NodeControl.START_NODE, NodeStatus.NODE_INITIALIZING, NodeStatus.NODE_IDLE)
    assert puppet.call("control_node", node_name="first", cmd_node=NodeControl.START_NODE).success
    obey(NodeControl.RESET_NODE, NodeStatus.NODE_INITIALIZING, NodeStatus.NODE_IDLE)
    task = puppet.start()
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def test_a_node_that_does_not_obey_is_a_timeout(puppet: Puppet) -> None:
    stop = {"node_name": "first", "cmd_node": NodeControl.STOP_NODE, "timeout": 0.4}
    answer = puppet.call("control_node", **stop)
    assert (answer.success, answer.error_code) == (False, ErrorCode.TIMEOUT)
    assert "node first is still IDLE; look at its log" in answer.message
    assert [node.node_status for node in answer.nodes] == [NodeStatus.NODE_IDLE]
    puppet.call("control_node", node_name="first", cmd_node=NodeControl.START_NODE)
    answer = puppet.call("configure_node", node_name="second", timeout=0.4)
    assert answer.error_code == ErrorCode.TIMEOUT


def test_the_final_state_of_every_task_is_announced(puppet: Puppet) -> None:
    updates = puppet.heard["orchestrator/task_updates"]
    before = len(updates)
    sent = [
        puppet.send("start_task", user_input=msg.UserInput(problem_definition=f"{i}"))
        for i in range(90)
    ]
    for future in sent:
        wait_for(future.done, PATIENCE)
        puppet.finish(puppet.input_of(future.result().task_id))
    ids = {f.result().task_id.problem_id for f in sent}
    assert len(ids) == 90

    def finals() -> Counter[int]:
        return Counter(u.task_id.problem_id for u in list(updates)[before:] if u.task_status == 3)

    wait_for(lambda: ids <= set(finals()), PATIENCE)
    for number in ids:
        mine = [u for u in updates if u.task_id.problem_id == number]
        revisions = [u.revision for u in mine]
        assert revisions == sorted(revisions)
        last = mine[-1]
        assert (last.task_status, last.model) == (3, f"model {number}")


def test_a_listener_that_did_not_run_meanwhile_receives_every_end(puppet: Puppet) -> None:
    sleeper = rclpy.create_node("sleeper", namespace=puppet.node.get_namespace(),
                                context=puppet.context)  # fmt: skip
    topic, qos = names.TASK_UPDATES, names.TASK_UPDATES_QOS
    asleep = sleeper.create_subscription(msg.TaskSummary, topic, lambda _: None, qos)
    wait_for(lambda: sleeper.count_publishers(asleep.topic_name), PATIENCE)
    updates = puppet.heard["orchestrator/task_updates"]
    before, ids = len(updates), set()
    while len(updates) - before <= 2000:  # twice as many as it once had room for
        user_input = msg.UserInput(problem_definition="meanwhile")
        sent = [puppet.send("start_task", user_input=user_input) for _ in range(90)]
        for future in sent:
            wait_for(future.done, PATIENCE)
            puppet.finish(puppet.input_of(future.result().task_id))
            ids.add(future.result().task_id.problem_id)
    wait_for(lambda: ids <= {u.task_id.problem_id for u in updates if u.task_status == 3})
    heard = set()
    with asleep.handle:
        while taken := asleep.handle.take_message(msg.TaskSummary, False):
            if taken[0].task_status == NodeStatus.TASK_SUCCEEDED:
                heard.add(taken[0].task_id.problem_id)
    assert heard == ids
    sleeper.destroy_node()


def test_a_repeated_request_is_one_task(puppet: Puppet) -> None:
    fields = {"user_input": msg.UserInput(problem_definition="once"), "request_id": "r1"}
    sent = [puppet.send("start_task", **fields) for _ in range(5)]
    for future in sent:
        wait_for(future.done, PATIENCE)
    (number,) = {f.result().task_id.problem_id for f in sent}
    task = puppet.input_of(msg.TaskId(problem_id=number, iteration_id=1))
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert puppet.call("start_task", **fields).task_id == task.task_id


def test_pages_and_deletion(puppet: Puppet) -> None:
    total = puppet.call("list_tasks").total
    page = puppet.call("list_tasks", newest_first=True, limit=2)
    assert page.total == total and len(page.tasks) == 2
    following = puppet.call("list_tasks", newest_first=True, limit=2, offset=2)
    ids = [t.task_id.problem_id for t in (*page.tasks, *following.tasks)]
    assert ids == sorted(ids, reverse=True) and len(set(ids)) == 4
    oldest = puppet.call("list_tasks", limit=1).tasks[0]
    assert puppet.call("list_tasks", offset=total).tasks == []
    running = puppet.start()
    number = running.task_id.problem_id
    refused = puppet.call("delete_problem", problem_id=number)
    assert refused.error_code == ErrorCode.REJECTED and f"{number}/1" in refused.message
    assert puppet.call("delete_problem", problem_id=oldest.task_id.problem_id).success
    gone = puppet.call("get_task", task_id=oldest.task_id)
    assert gone.error_code == ErrorCode.NOT_FOUND
    puppet.finish(running)
    puppet.until_status(running, NodeStatus.TASK_SUCCEEDED)
    assert puppet.call("delete_problem", problem_id=number).deleted_iterations == 1
    newest = puppet.start()
    assert newest.task_id.problem_id == number + 1  # an id is never used again
    puppet.finish(newest)
