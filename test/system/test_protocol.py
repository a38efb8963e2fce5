"""The contract, message by message: the test speaks for modules that never echo a command."""

from __future__ import annotations

import json
import math
import random
from collections import Counter
from collections.abc import Iterator
from itertools import product

import pytest
import rclpy
from rclpy.serialization import deserialize_message
from support.puppet import PATIENCE, Framework, Puppet, copy_ids
from support.system import wait_for
from sustainml_msgs import msg
from sustainml_msgs.msg import ErrorCode, NodeControl, NodeStatus

from sustainml_orchestrator.contract import names


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Framework]:
    folder = tmp_path_factory.mktemp("protocol")
    with Framework(folder, "protocol", ack_timeout=0.6, command_timeout=60.0) as made:
        yield made


@pytest.fixture
def puppet(framework: Framework) -> Puppet:
    return framework.puppet


def test_the_user_input_carries_all_that_modules_need(puppet: Puppet) -> None:
    extra = json.dumps({"hf_token": "secret", "goal": "sort"}).encode()
    heard = puppet.start("sort apples", extra_data=extra, previous_iteration=9)
    state = puppet.heard["orchestrator/system_state"][-1]
    assert heard.session == state.session != 0
    assert (heard.attempt, heard.task_id.iteration_id) == (1, 1)
    assert heard.header.frame_id == f"{puppet.node.get_namespace()}/orchestrator"
    assert heard.header.stamp.sec > 0
    assert heard.previous_iteration == 0
    assert bytes(heard.extra_data) == extra
    puppet.finish(heard)
    puppet.until_status(heard, NodeStatus.TASK_SUCCEEDED)


def test_outputs_alone_end_a_task(puppet: Puppet) -> None:
    task = puppet.start()
    puppet.deliver("first", task, model="m", extra_data=b'{"quality": 0.5}')
    wait_for(lambda: puppet.summary(task).progress == 0.5, PATIENCE)
    puppet.deliver("second", task, carbon_footprint=2.0, energy_consumption=3.0)
    summary = puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert (summary.model, summary.quality, summary.progress) == ("m", 0.5, 1.0)
    assert (summary.carbon_footprint, summary.energy_consumption) == (2.0, 3.0)
    assert math.isnan(summary.latency)
    updates = puppet.heard["orchestrator/task_updates"]
    wait_for(lambda: repr(updates[-1]) == repr(summary), PATIENCE)  # a NaN equals no NaN


@pytest.mark.parametrize(
    ("field", "by"), [("session", 1), ("attempt", 1), ("attempt", -1), ("token", 1)]
)
def test_what_is_stale_is_dropped(puppet: Puppet, field: str, by: int) -> None:
    task = puppet.start()
    puppet.say("first", task, NodeStatus.TASK_RUNNING)
    wait_for(lambda: puppet.summary(task).modules[0].task_status == 2, PATIENCE)
    before = puppet.summary(task)
    stale = msg.UserInput()
    copy_ids(task, stale)
    setattr(stale, field, (getattr(task, field) + by) % 2**32)
    puppet.finish(stale)
    puppet.say("first", stale, NodeStatus.TASK_ERROR, error_code=2)
    marker = puppet.start("sent after the stale ones")
    puppet.finish(marker)
    puppet.until_status(marker, NodeStatus.TASK_SUCCEEDED)
    assert repr(puppet.summary(task)) == repr(before)
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def test_inputs_are_given_for_what_is_owed_alone(puppet: Puppet) -> None:
    task = puppet.start(extra_data=b'{"api_key": "k"}')
    ids = {"task_id": task.task_id, "attempt": 1, "session": task.session, "token": task.token}

    def ask(module: str, **other: object) -> object:
        return puppet.call("get_inputs", node_name=module, **{**ids, **other})

    owed = ask("first")
    assert owed.success and owed.try_number == 1
    assert bytes(owed.user_input.extra_data) == b'{"api_key": "k"}'
    assert owed.user_input.task_id == task.task_id
    assert owed.user_input.token == task.token != 0
    assert not owed.inputs and not owed.baselines
    others = ({"attempt": 2}, {"session": 1}, {"token": task.token ^ 1}, {"token": 0})
    for answer in (ask("second"), *(ask("first", **other) for other in others)):
        assert answer.error_code == ErrorCode.REJECTED and answer.message
    puppet.deliver("first", task, model="m", raw_model=b"\x01\x02")
    wait_for(lambda: ask("second").success, PATIENCE)
    (given,) = ask("second").inputs
    assert (given.node_name, given.type_name) == ("first", "sustainml_msgs/msg/MLModel")
    model = deserialize_message(bytes(given.serialized), msg.MLModel)
    assert (bytes(model.raw_model), model.token, given.json) == (b"\x01\x02", task.token, "")
    assert ask("first").error_code == ErrorCode.REJECTED
    puppet.deliver("second", task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert ask("second").error_code == ErrorCode.REJECTED


SECRETS = {"hf_token": "s3cr3t", "note": "kept", "deep": [{"url": "https://me:s3cr3t@host/x"}]}


def test_credentials_in_outputs_reach_modules_alone(puppet: Puppet) -> None:
    task = puppet.start(extra_data=json.dumps(SECRETS).encode())
    puppet.deliver("first", task, model="m", extra_data=json.dumps(SECRETS).encode())
    ids = {"task_id": task.task_id, "attempt": 1, "session": task.session, "token": task.token}
    wait_for(lambda: puppet.call("get_inputs", node_name="second", **ids).success, PATIENCE)
    (given,) = puppet.call("get_inputs", node_name="second", **ids).inputs
    model = deserialize_message(bytes(given.serialized), msg.MLModel)
    assert json.loads(bytes(model.extra_data)) == SECRETS
    puppet.say("second", task, NodeStatus.TASK_RUNNING)
    puppet.say("second", task, NodeStatus.TASK_ERROR, error_code=2,
               error_description="no answer from https://me:s3cr3t@host/x\x1b[2J")  # fmt: skip
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_description == r"second: no answer from https://host/x\x1b[2J"
    found = puppet.call("get_task", task_id=task.task_id, include_binary=True).task
    (output,) = [o for o in found.extra_outputs if o.node_name == "first"]
    for extra in (
        deserialize_message(bytes(output.serialized), msg.MLModel).extra_data,
        found.user_input.extra_data,
    ):
        assert json.loads(bytes(extra)) == {"note": "kept", "deep": [{"url": "https://host/x"}]}
    assert "s3cr3t" not in repr(found) + output.json
    assert str(list(b"s3cr3t"))[1:-1] not in output.json


@pytest.mark.parametrize(
    ("field", "value"),
    [("energy_consumption", -1.0), ("carbon_footprint", math.nan), ("carbon_intensity", math.inf)],
)
def test_a_figure_that_makes_no_sense_is_an_error_that_names_it(
    puppet: Puppet, field: str, value: float
) -> None:
    task = puppet.start()
    puppet.deliver("first", task, model="m")
    puppet.deliver("second", task, **{field: value})
    puppet.command_to("second", task_id=task.task_id, try_number=2)
    puppet.deliver("second", task, **{field: value})
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_description.startswith("second after 2 tries: its output has " + field)


def test_a_silent_module_is_told_again(puppet: Puppet) -> None:
    task = puppet.start()
    again = puppet.command_to("first", task_id=task.task_id)
    assert (again.cmd_task, again.cmd_node) == (NodeControl.RESET_TASK, NodeControl.NO_CMD_NODE)
    assert (again.try_number, again.attempt, again.session) == (1, 1, task.session)
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)


def test_an_error_costs_a_try_and_word_of_an_old_try_counts_no_more(puppet: Puppet) -> None:
    task = puppet.start()
    puppet.say("first", task, NodeStatus.TASK_ERROR, error_code=1, error_description="oh")
    told = puppet.command_to("first", task_id=task.task_id, try_number=2)
    assert told.cmd_task == NodeControl.RESET_TASK
    puppet.say("first", task, NodeStatus.TASK_ERROR, error_code=2, error_description="late")
    puppet.say("first", task, NodeStatus.TASK_ERROR, try_number=2, error_description="again")
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_description == "first after 2 tries: again"
    assert summary.modules[0].tries == 2


def test_an_invalid_request_is_not_tried_again(puppet: Puppet) -> None:
    task = puppet.start()
    error = {"error_code": ErrorCode.INVALID_REQUEST, "error_description": "no such memory"}
    puppet.say("first", task, NodeStatus.TASK_ERROR, **error)
    summary = puppet.until_status(task, NodeStatus.TASK_ERROR)
    assert summary.error_code == ErrorCode.INVALID_REQUEST
    assert summary.error_description == "first: no such memory"


def test_a_later_iteration_has_one_message_per_baseline(puppet: Puppet) -> None:
    base = puppet.start("to iterate")
    puppet.deliver("first", base, model="base model")
    puppet.deliver("second", base)
    puppet.until_status(base, NodeStatus.TASK_SUCCEEDED)
    problem = base.task_id.problem_id
    user_input = msg.UserInput(problem_definition="changed", modality="ignored")
    answer = puppet.call(
        "start_iteration",
        base_task=msg.TaskId(problem_id=problem),
        user_input=user_input,
        overrides=["problem_definition"],
    )
    second = puppet.input_of(answer.task_id)
    assert (second.problem_definition, second.modality) == ("changed", "")
    assert second.previous_iteration == 1
    answer = puppet.call(
        "start_iteration", base_task=second.task_id, user_input=msg.UserInput(modality="x"),
        overrides=["modality"],
    )  # fmt: skip
    third = puppet.input_of(answer.task_id)
    for task in (second, third):
        puppet.finish(task)
        puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    baselines = [m for m in puppet.heard["first/baseline"] if m.task_id.problem_id == problem]
    assert [m.task_id.iteration_id for m in baselines] == [2, 3]
    assert (baselines[0].model, baselines[0].session) == ("base model", base.session)
    assert baselines[0].header.frame_id.endswith("/first")
    assert baselines[1].header.frame_id == baselines[1].model == ""  # its base had none yet
    assert puppet.summary(third).base_task == second.task_id


@pytest.mark.parametrize("late", [False, True])
def test_the_output_of_a_stopped_task_is_kept_and_triggers_nothing(
    puppet: Puppet, late: bool
) -> None:
    task = puppet.start()
    if late:
        puppet.say("first", task, NodeStatus.TASK_RUNNING)
    stop = {"task_id": task.task_id, "cmd_task": NodeControl.STOP_TASK}
    assert puppet.call("control_task", **stop).task_status == NodeStatus.TASK_STOPPED
    told = puppet.command_to("first", **stop)
    assert told.attempt == 1
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
    assert "first" in answer.message
    puppet.call("control_node", node_name="first", cmd_node=NodeControl.START_NODE)
    answer = puppet.call("configure_node", node_name="second", timeout=0.4)
    assert answer.error_code == ErrorCode.TIMEOUT


def test_garbage_and_lies_on_the_topics_do_no_harm(puppet: Puppet) -> None:
    dice = random.Random(5)
    task = puppet.start("amid garbage")
    for _ in range(100):
        noise = bytes(dice.randrange(256) for _ in range(dice.randrange(4, 200)))
        puppet.status.publish(noise)
        puppet.status.publish(b"\x00\x01\x00\x00" + noise)
    for status in (
        NodeStatus(node_name="nobody", node_status=2),
        NodeStatus(node_name="first", node_status=250, incarnation=7),
        NodeStatus(node_name="first" * 9999, node_status=2),
        NodeStatus(node_name="first", node_status=2, task_status=99),
        NodeStatus(),
    ):
        puppet.status.publish(status)
    puppet.say("first", last_command=2**32 - 1)  # a number from the future jams nothing
    noise = b"\x00\x01\x00\x00" + bytes(range(60))
    puppet.outputs["second"].publish(noise)
    puppet.finish(task)
    puppet.until_status(task, NodeStatus.TASK_SUCCEEDED)
    assert puppet.call("get_node_status", within=1.0).nodes[0].responsive


def test_an_output_that_cannot_be_read_costs_a_try(puppet: Puppet) -> None:
    from rclpy.serialization import serialize_message

    task = puppet.start()
    broken = msg.MLModel(model="m" * 50, extra_data=b"x" * 50)
    copy_ids(task, broken)
    puppet.outputs["first"].publish(serialize_message(broken)[:-60])
    puppet.command_to("first", task_id=task.task_id, try_number=2)
    puppet.finish(task)
    assert puppet.until_status(task, NodeStatus.TASK_SUCCEEDED).modules[0].tries == 2


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


def test_a_listener_that_did_not_run_meanwhile_hears_of_every_end(puppet: Puppet) -> None:
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
